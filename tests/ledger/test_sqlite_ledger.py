"""What the SQLite ledger promises: one transaction a batch, whatever happens in between."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import LedgerError, ProjectError, SettingsError, Unavailable
from headwater.ledger import FateCount, LedgerBatch, Removal, Rows, open_ledger
from headwater.ledger.sqlite import SqliteLedger

SHARD = "shardId-000000000000"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def ledger(url: str) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(url)
    yield opened
    opened.close()


def batch(
    after: int,
    upto: int,
    *,
    tables: tuple[str, ...] = ("visits",),
    shard: str = SHARD,
    at_ms: int = 1_000,
    keys: dict[int, bytes] | None = None,
    fates: tuple[FateCount, ...] = (),
) -> LedgerBatch:
    rows = {table: Rows(min(upto - after, 1_000), f"{table}:{after}-{upto}".encode(), at_ms) for table in tables}
    fates = fates or (FateCount("lake", "delivered", "", upto - after),)
    return LedgerBatch("main", shard, after, upto, rows, fates, keys or {}, at_ms)


def test_a_batch_moves_the_position_and_adds_rows_to_the_tail(ledger: SqliteLedger) -> None:
    number = ledger.commit(batch(0, 5))

    assert ledger.positions() == {("main", SHARD): 5}
    [row] = ledger.tail()
    assert (row.batch, row.table, row.rows, row.pipe, row.shard_id, row.upto) == (
        number,
        "visits",
        Rows(5, b"visits:0-5", 1_000),
        "main",
        SHARD,
        5,
    )


def test_a_batch_that_does_not_continue_changes_nothing(ledger: SqliteLedger) -> None:
    ledger.commit(batch(0, 5))

    for after in (0, 4, 6):
        with pytest.raises(LedgerError, match="stands at 5"):
            ledger.commit(batch(after, 9, keys={1: b"k" * 16}))

    assert ledger.positions() == {("main", SHARD): 5}
    assert len(ledger.tail()) == 1
    assert ledger.keys(1) == b""
    assert ledger.last_batch() == 1


def test_positions_as_large_as_the_stream_allows_keep_their_order(ledger: SqliteLedger) -> None:
    large = 2**128 - 1
    delivered = (FateCount("lake", "delivered", "", 1),)
    ledger.commit(batch(0, 9))
    ledger.commit(batch(9, large - 1, fates=delivered))

    ledger.commit(batch(large - 1, large))

    assert ledger.positions() == {("main", SHARD): large}
    assert ledger.settled() == {("main", SHARD): 0}
    ledger.fold("visits", 1)
    assert ledger.settled() == {("main", SHARD): 9}
    ledger.fold("visits", 2)
    assert ledger.settled() == {("main", SHARD): large - 1}


def test_batches_are_numbered_over_all_shards_in_commit_order_and_never_again(ledger: SqliteLedger, url: str) -> None:
    numbers = [ledger.commit(batch(0, 1, shard="a")), ledger.commit(batch(0, 1, shard="b")), ledger.commit(batch(1, 2, shard="a"))]
    ledger.fold("visits", numbers[-1])
    ledger.forget(before_ms=2_000)
    ledger.close()

    again = SqliteLedger(url)
    following = again.commit(batch(2, 3, shard="a"))
    again.close()

    assert numbers == [1, 2, 3]
    assert following == 4


def test_the_tail_can_be_asked_for_from_a_batch_on_for_some_tables_and_in_pieces(ledger: SqliteLedger) -> None:
    for n in range(4):
        ledger.commit(batch(n * 10, n * 10 + 10, tables=("visits", "clicks")))

    assert [(t.batch, t.table) for t in ledger.tail(after={"visits": 3}, tables=["visits"])] == [(4, "visits")]
    assert [(t.batch, t.table) for t in ledger.tail(after={"visits": 3, "clicks": 2})] == [(3, "clicks"), (4, "clicks"), (4, "visits")]
    assert [t.batch for t in ledger.tail(tables=["clicks"], limit_rows=11)] == [1, 2]
    assert [t.batch for t in ledger.tail(tables=["clicks"], limit_rows=1)] == [1]
    assert [t.batch for t in ledger.tail(tables=["clicks"], limit_rows=100, limit_bytes=len(b"clicks:0-10") + 1)] == [1, 2]
    assert [t.batch for t in ledger.tail(tables=["clicks"], limit_bytes=1)] == [1]
    assert ledger.tail(tables=["nothing"]) == []


def test_the_backlog_says_how_much_of_each_table_waits_and_since_when(ledger: SqliteLedger) -> None:
    ledger.commit(batch(0, 5, tables=("visits", "clicks"), at_ms=1_000))
    ledger.commit(batch(5, 7, tables=("visits",), at_ms=2_000))

    backlog = {waiting.table: waiting for waiting in ledger.backlog()}

    assert backlog["visits"] == ("visits", 7, len(b"visits:0-5visits:5-7"), 1_000, 2)
    assert backlog["clicks"] == ("clicks", 5, len(b"clicks:0-5"), 1_000, 1)


def test_folding_forgets_only_that_table_up_to_that_batch_and_twice_is_once(ledger: SqliteLedger) -> None:
    ledger.commit(batch(0, 5, tables=("visits", "clicks")))
    ledger.commit(batch(5, 6))

    ledger.fold("visits", 1)
    ledger.fold("visits", 1)

    assert [(t.batch, t.table) for t in ledger.tail()] == [(1, "clicks"), (2, "visits")]


def test_settled_is_the_floor_of_the_oldest_batch_with_rows_in_the_tail_else_the_position(ledger: SqliteLedger) -> None:
    ledger.commit(batch(0, 5, tables=("visits", "clicks")))
    ledger.commit(batch(5, 9, tables=()))
    ledger.commit(batch(0, 3, shard="other"))

    assert ledger.settled() == {("main", SHARD): 0, ("main", "other"): 0}
    assert ledger.settled(folding=("visits", 3)) == {("main", SHARD): 0, ("main", "other"): 3}
    ledger.fold("visits", 3)
    ledger.fold("clicks", 1)

    assert ledger.settled() == {("main", SHARD): 9, ("main", "other"): 3}


def test_keys_come_back_by_minute_and_are_forgotten_by_arrival(ledger: SqliteLedger) -> None:
    ledger.commit(batch(0, 1, keys={7: b"a" * 32, 8: b"b" * 16}, at_ms=1_000))
    ledger.commit(batch(1, 2, keys={7: b"c" * 16}, at_ms=2_000))

    assert sorted(ledger.keys(7)[n : n + 16] for n in (0, 16, 32)) == [b"a" * 16, b"a" * 16, b"c" * 16]
    assert ledger.forget_keys(before_ms=2_000) == 3
    assert (ledger.keys(7), ledger.keys(8)) == (b"c" * 16, b"")


def test_fate_totals_stay_exact_when_old_batches_are_forgotten(ledger: SqliteLedger) -> None:
    fates = (FateCount("lake", "delivered", "", 3), FateCount("lake", "filtered", "tests", 2))
    for n in range(4):
        ledger.commit(batch(n * 5, n * 5 + 5, fates=fates, at_ms=1_000 * n))
    ledger.fold("visits", 3)
    before = ledger.fate_counts()

    forgotten = ledger.forget(before_ms=9_000)

    assert forgotten == 3
    assert ledger.forget(before_ms=9_000) == 0
    assert ledger.fate_counts() == before == [("main", "lake", "delivered", "", 12), ("main", "lake", "filtered", "tests", 8)]
    assert ledger.fate_counts(last_batches=1) == [("main", "lake", "delivered", "", 3), ("main", "lake", "filtered", "tests", 2)]
    assert len(ledger.tail()) == 1


def test_an_account_is_fates_and_positions_of_one_moment_while_batches_are_written(ledger: SqliteLedger) -> None:
    accounts = []
    written = threading.Event()

    def write() -> None:
        for n in range(60):
            ledger.commit(batch(n * 5, n * 5 + 5))
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not written.is_set():
        accounts.append(ledger.account())
    writer.join()
    accounts.append(ledger.account())

    for account in accounts:
        assert sum(total.records for total in account.fates) == account.positions.get(("main", SHARD), 0)
    assert accounts[-1].positions == {("main", SHARD): 300}


def test_a_seeded_ledger_continues_the_numbers_and_positions_of_the_lost_one(ledger: SqliteLedger) -> None:
    ledger.seed(41, {("main", SHARD): 1_000})

    assert ledger.positions() == {("main", SHARD): 1_000}
    assert ledger.commit(batch(1_000, 1_001)) == 41
    with pytest.raises(LedgerError, match="batch 41 already"):
        ledger.seed(41, {("main", SHARD): 2_000})
    assert ledger.positions() == {("main", SHARD): 1_001}


def test_a_reader_sees_what_was_committed_while_the_writer_runs_and_after_it_closed(url: str) -> None:
    writer = SqliteLedger(url)
    writer.commit(batch(0, 5))
    reader = open_ledger(url, read_only=True)
    seen_while_open = len(reader.tail())
    writer.commit(batch(5, 6))
    seen_later = len(reader.tail())
    reader.close()
    writer.close()

    reader = SqliteLedger(url, read_only=True)

    assert (seen_while_open, seen_later, len(reader.tail())) == (1, 2, 2)
    with pytest.raises(LedgerError, match="reading only"):
        reader.commit(batch(6, 7))
    reader.close()


def test_a_reader_of_a_ledger_that_is_not_there_says_who_writes_it(url: str) -> None:
    with pytest.raises(ProjectError, match="headwater serve"):
        SqliteLedger(url, read_only=True)


def test_a_url_without_a_file_is_refused() -> None:
    with pytest.raises(SettingsError, match="sqlite:///file"):
        SqliteLedger("sqlite:")


def test_a_format_newer_than_this_code_is_refused_and_left_alone(ledger: SqliteLedger, url: str, tmp_path: Path) -> None:
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.db") as sql:
        sql.execute("PRAGMA user_version = 99")
    sql.close()

    with pytest.raises(ProjectError, match="format 99"):
        SqliteLedger(url)
    with pytest.raises(ProjectError, match="format 99"):
        SqliteLedger(url, read_only=True)


def test_a_ledger_that_another_process_holds_refuses_the_batch_and_takes_it_later(url: str, tmp_path: Path) -> None:
    ledger = SqliteLedger(url, busy_s=0.05)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="another process holds"):
        ledger.commit(batch(0, 5))
    other.execute("ROLLBACK")
    other.close()

    assert ledger.positions() == {}
    assert ledger.commit(batch(0, 5)) == 1
    ledger.close()


def test_a_file_that_is_no_database_is_called_damaged(url: str, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database" * 1_000)

    with pytest.raises(ProjectError, match="damaged"):
        SqliteLedger(url)


FULL_DISK = """
import resource, sys
from headwater.errors import Unavailable
from headwater.ledger import LedgerBatch, Rows
from headwater.ledger.sqlite import SqliteLedger

ledger = SqliteLedger(sys.argv[1])
committed = 0
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
try:
    while True:
        rows = {"visits": Rows(1, b"x" * 50_000, 0)}
        ledger.commit(LedgerBatch("main", "s", committed, committed + 1, rows, [], {}, 0))
        committed += 1
except Unavailable as error:
    assert "no room" in str(error), error
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert len(ledger.tail()) == committed == ledger.positions()[("main", "s")], committed
ledger.commit(LedgerBatch("main", "s", committed, committed + 1, {"visits": Rows(1, b"y", 0)}, [], {}, 0))
print(committed + 1)
ledger.close()
"""


def test_a_full_disk_refuses_the_batch_writes_no_part_of_it_and_goes_on_when_there_is_room(url: str) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, url], capture_output=True, text=True, timeout=240)

    assert done.returncode == 0, done.stderr
    reader = SqliteLedger(url, read_only=True)
    assert len(reader.tail()) == int(done.stdout) > 1
    reader.close()


KILLED = """
import sys
from headwater.ledger import FateCount, LedgerBatch, Rows
from headwater.ledger.sqlite import SqliteLedger

ledger = SqliteLedger(sys.argv[1])
at = 0
while True:
    rows = {"visits": Rows(3, b"v" * 3_000, 0), "clicks": Rows(2, b"c" * 9_000, 0)}
    ledger.commit(LedgerBatch("main", "s", at, at + 5, rows, [FateCount("lake", "delivered", "", 5)], {1: b"k" * 80}, 0))
    at += 5
    print(at, flush=True)
"""


def test_what_was_committed_before_kill_9_is_there_for_a_reader_and_for_the_next_writer(url: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acked = [int(process.stdout.readline()) for _ in range(200)][-1]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    reader = SqliteLedger(url, read_only=True)
    position = reader.positions()["main", "s"]
    rows = sum(t.rows.count for t in reader.tail())
    reader.close()
    ledger = SqliteLedger(url)
    ledger.commit(LedgerBatch("main", "s", position, position + 5, {}, [], {}, 0))

    assert position >= acked
    assert rows == position
    assert sum(total.records for total in ledger.fate_counts()) == position
    assert len(ledger.keys(1)) == 16 * position
    ledger.close()


def test_the_log_is_copied_away_beside_the_commits(ledger: SqliteLedger, tmp_path: Path) -> None:
    blob = b"x" * 200_000
    wal = tmp_path / "ledger.db-wal"
    sizes = []

    for n in range(80):
        ledger.commit(LedgerBatch("main", "s", n, n + 1, {"visits": Rows(1, blob, 0)}, [], {}, 0))
        sizes.append(wal.stat().st_size)
        threading.Event().wait(0.02)

    assert sizes[-1] < 60 * len(blob)


def test_a_removal_is_counted_once_for_each_job_and_table(ledger: SqliteLedger) -> None:
    first, second = Removal("job 2", "visits", "DELETE", 3, 2_000), Removal("job 1", "visits", "MERGE", 1, 1_000)

    ledger.remove([first])
    ledger.remove([first, second, first._replace(table="clicks", rows=7)])

    assert ledger.removals() == [second, first._replace(table="clicks", rows=7), first]


def test_a_ledger_of_before_there_were_removals_has_none_and_can_be_given_some(url: str) -> None:
    opened = SqliteLedger(url)
    opened.commit(batch(0, 5))
    opened.close()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as sql:
        sql.execute("DROP TABLE removals")
    sql.close()

    reader = SqliteLedger(url, read_only=True)
    before = reader.removals()
    writer = SqliteLedger(url)
    writer.remove([Removal("job", "visits", "DELETE", 3, 1_000)])
    after = reader.removals()
    reader.close()
    writer.close()

    assert (before, len(after)) == ([], 1)
