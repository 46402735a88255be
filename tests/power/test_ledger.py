"""Power loss at any moment: each committed batch is in the ledger, wholly, and its positions fit."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from headwater.errors import HeadwaterError, NoLedger
from headwater.ledger.sqlite import SqliteLedger
from tests.power.ledger_workload import TABLES, batch
from tests.power.replay import Image, Trace, trace, verdicts

pytestmark = pytest.mark.external_service

WORKLOAD = str(Path(__file__).with_name("ledger_workload.py"))


def traced(folder: Path, strace: str, flaw: str = "") -> Trace:
    run = trace([sys.executable, WORKLOAD, str(folder), flaw], folder, strace=strace)
    assert run.returncode == 0
    assert run.stdout.count("acked") > 60
    return run


def verify(image: Image) -> None:
    """Open what the power cut left, hold it to what was acknowledged, and go on with it."""
    acked = max([int(text) for text in image.acked if text.isdecimal()], default=0)
    folding = max([int(text.split()[1]) for text in image.acked if text.startswith("folding")], default=0)

    ledger = SqliteLedger(f"sqlite:///{image.path}/ledger.db")
    account, tail = ledger.account(), ledger.tail()
    last = ledger.last_batch()
    keys = {number: ledger.keys(number // 2) for number in range(1, last + 1)}
    following = ledger.commit(batch(last + 1))
    ledger.close()

    # an unacknowledged batch may be there too, but then wholly
    assert acked <= last <= acked + 1
    assert following == last + 1
    assert account.positions == ({("lake", "s"): 3 * last} if last else {})
    assert {(fate.fate, fate.rule): fate.records for fate in account.fates} == (
        {("delivered", ""): 2 * last, ("dead-lettered", "validation"): last} if last else {}
    )
    for number in range(1, last + 1):
        assert number.to_bytes(16, "big") in keys[number], number
    found = {(part.batch, part.table): part for part in tail}
    expected = {(number, table): batch(number).rows[table] for number in range(1, last + 1) for table in batch(number).rows}
    assert {key: part.rows for key, part in found.items()}.items() <= expected.items()
    for table in TABLES:
        gone = [number for number, name in expected if name == table and (number, name) not in found]
        assert all(number <= folding for number in gone), (table, gone, folding)
        assert gone == sorted(number for number, name in expected if name == table)[: len(gone)]


def test_no_power_cut_takes_a_committed_batch_or_a_part_of_one(tmp_path: Path, require_tool: Callable[..., str]) -> None:
    run = traced(tmp_path, require_tool("strace"))

    wrong = verdicts(run.images(20_261_124, 250), verify, HeadwaterError)

    assert wrong == []


def test_a_ledger_that_does_not_sync_its_commits_is_found_out(tmp_path: Path, require_tool: Callable[..., str]) -> None:
    run = traced(tmp_path, require_tool("strace"), "no sync of a commit")

    wrong = verdicts(run.images(2, 60), verify, HeadwaterError)

    assert len(wrong) >= 5


@pytest.mark.parametrize("cut", ["before its tables", "with a journal to roll back"])
def test_a_ledger_cut_off_while_it_was_made_is_none_to_a_reader_and_is_made_by_the_next_writer(tmp_path: Path, cut: str) -> None:
    making = tmp_path / "making.db"
    with closing(sqlite3.connect(making, isolation_level=None)) as sql:
        if cut == "with a journal to roll back":
            sql.executescript("PRAGMA cache_size = 1; CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (zeroblob(100000))")
            shutil.copy(tmp_path / "making.db-journal", tmp_path / "ledger.db-journal")
        making.touch()
        shutil.copy(making, tmp_path / "ledger.db")
    url = f"sqlite:///{tmp_path}/ledger.db"

    with pytest.raises(NoLedger):
        SqliteLedger(url, read_only=True)
    ledger = SqliteLedger(url)
    number = ledger.commit(batch(1))
    ledger.close()

    assert number == 1
