"""A fold moves rows from the tail into the lake, once, whatever stops it."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.errors import HeadwaterError, Unavailable
from headwater.lake.iceberg import FOLDED, POSITIONS, SETTLED

from .conftest import DATABASE, NOON, SHARD, VISITS, Crash, Project, visits

STEPS = ("read", "written", "settled", "committed", "indexed", "forgotten")


def test_folded_rows_are_in_the_lake_and_no_longer_in_the_tail(project: Project) -> None:
    project.commit({"visits": visits(["a", "b"])})
    project.commit({"visits": visits(["c"]), "clicks": visits(["d"])})

    result = project.lake.fold("visits")

    assert result is not None
    assert (result.rows, result.files, result.folded) == (3, 1, 2)
    assert project.in_lake("visits") == ["a", "b", "c"]
    assert project.in_tail("visits") == []
    assert project.in_tail("clicks") == ["d"]
    assert project.lake.fold("visits") is None


def test_each_day_gets_one_read_only_file_under_its_unpadded_path(project: Project) -> None:
    days = [datetime(2026, 11, 9, 23, 59, tzinfo=UTC), datetime(2026, 11, 23, 0, 0, tzinfo=UTC), datetime(1969, 12, 31, 23, tzinfo=UTC)]
    for n, day in enumerate(days):
        project.commit({"visits": visits([f"{n}a", f"{n}b"], at=day)})

    project.lake.fold("visits")

    files = project.data_files("visits")
    folder = Path(project.lake.data_folder("visits"))
    assert {str(path.parent.relative_to(folder)) for path in files} == {
        "year=2026/month=11/day=9",
        "year=2026/month=11/day=23",
        "year=1969/month=12/day=31",
    }
    assert {path.stat().st_mode & 0o777 for path in files} == {0o444}
    assert sorted(project.in_lake("visits")) == ["0a", "0b", "1a", "1b", "2a", "2b"]


def test_ids_and_times_are_written_without_a_dictionary_and_what_repeats_with_one_nested_or_not(project: Project) -> None:
    tags = pa.array([["piano", "slow"]] * 500, pa.list_(pa.string()))
    project.commit({"visits": visits([str(n) for n in range(500)]).append_column("tags", tags)})

    project.lake.fold("visits")

    [file] = project.data_files("visits")
    columns = pq.read_metadata(file).row_group(0).to_dict()["columns"]
    dictionaries = {column["path_in_schema"] for column in columns if "RLE_DICTIONARY" in column["encodings"]}
    assert dictionaries == {"year", "month", "day", "count", "tags.list.element"}
    assert pq.read_table(file)["event_id"].to_pylist() == [str(n) for n in range(500)]


def test_more_days_than_usual_are_still_folded(project: Project) -> None:
    project.commit({"visits": visits([str(n) for n in range(40)], apart=timedelta(days=1))})

    result = project.lake.fold("visits")

    assert result is not None
    assert result.files == 40
    assert sorted(project.in_lake("visits"), key=int) == [str(n) for n in range(40)]


def test_rows_without_a_time_are_kept_apart(project: Project) -> None:
    rows = visits(["a", "b"])
    rows = rows.set_column(1, VISITS.field("datetime"), pa.array([NOON, None], VISITS.field("datetime").type))
    project.commit({"visits": rows})

    project.lake.fold("visits")

    assert sorted(project.in_lake("visits")) == ["a", "b"]
    plan = project.index.plan("visits")
    assert sorted((file.day, file.rows) for file in plan.files if file.day is not None) == [(20_780, 1)]
    assert [(file.lower_ms, file.rows) for file in plan.files if file.day is None] == [(None, 1)]
    assert len(project.index.plan("visits", first_day=0).files) == 1


def test_the_partition_columns_say_what_the_path_says(project: Project) -> None:
    rows = visits(["a"]).drop_columns(["day"]).set_column(2, "year", pa.array(["1999"]))
    project.lake.ensure("visits", VISITS)
    project.commit({"visits": rows})

    project.lake.fold("visits")

    assert (project.in_lake("visits", "year"), project.in_lake("visits", "day")) == (["2026"], ["23"])


def test_a_data_file_carries_field_ids_zstd_and_microseconds(project: Project) -> None:
    rows = visits(["a"]).append_column("tags", pa.array([[{"name": "x"}]], pa.list_(pa.struct([("name", pa.string())]))))
    project.commit({"visits": rows})

    project.lake.fold("visits")

    [path] = project.data_files("visits")
    file = pq.ParquetFile(path)
    ids = {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in file.schema_arrow}
    table = project.catalog.load_table((DATABASE, "visits"))
    tags = file.schema_arrow.field("tags").type.value_field
    assert ids == {field.name: field.field_id for field in table.schema().fields}
    assert int(tags.metadata[b"PARQUET:field_id"]) == table.schema().find_field("tags.element").field_id
    assert int(tags.type.field("name").metadata[b"PARQUET:field_id"]) == table.schema().find_field("tags.element.name").field_id
    assert file.schema_arrow.field("datetime").type == pa.timestamp("us", tz="UTC")
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    file.close()


def test_a_fold_takes_whole_batches_up_to_its_limit(project: Project) -> None:
    project.fold_rows = 4
    project.reopen()
    for n in range(5):
        project.commit({"visits": visits([f"{n}{letter}" for letter in "abc"])})

    folds = project.maintenance.fold_all()

    assert [(fold.rows, fold.folded) for fold in folds] == [(6, 2), (6, 4), (3, 5)]


def test_a_fold_of_large_rows_takes_whole_batches_up_to_so_many_bytes(project: Project) -> None:
    large = visits(["a"]).append_column("text", pa.array(["x" * (24 << 20)]))
    for _ in range(4):
        project.commit({"visits": large})
    project.commit({"clicks": visits(["b"] * 131_072)})
    project.commit({"clicks": visits(["c"])})
    project.fold_rows = 131_072
    project.reopen()

    folds = project.maintenance.fold_all()

    assert sorted((fold.table, fold.rows, fold.folded) for fold in folds) == [
        ("clicks", 1, 6),
        ("clicks", 131_072, 5),
        ("visits", 1, 4),
        ("visits", 3, 3),
    ]


def test_folding_what_waits_ends_though_rows_keep_coming(project: Project) -> None:
    project.fold_rows = 2
    project.reopen()
    for n in range(3):
        project.commit({"visits": visits([f"{n}a", f"{n}b"])})
    coming = iter(range(100))
    project.step = lambda name: None if name != "committed" else commit_another(project, next(coming))

    folds = project.maintenance.fold_all()

    assert [fold.folded for fold in folds] == [1, 2, 3]
    assert project.in_tail("visits") == ["0", "1", "2"]
    [waited] = project.lake.fold_waiting("visits", 4)
    assert waited.folded == 5


def commit_another(project: Project, n: int) -> None:
    project.commit({"visits": visits([str(n)])})


def test_a_commit_says_how_far_the_table_and_all_tables_are(project: Project) -> None:
    project.commit({"visits": visits(["a"]), "clicks": visits(["b"])}, upto=10)
    project.commit({"visits": visits(["c"])}, upto=20)
    project.commit({}, upto=30)

    project.lake.fold("visits")
    project.lake.fold("clicks")

    seen, clicked = (project.catalog.load_table((DATABASE, name)).properties for name in ("visits", "clicks"))
    assert (seen[FOLDED], clicked[FOLDED]) == ("2", "1")
    assert json.loads(seen[POSITIONS]) == {f"main/{SHARD}": 20}
    assert json.loads(seen[SETTLED]) == {f"main/{SHARD}": 0}
    assert json.loads(clicked[POSITIONS]) == {f"main/{SHARD}": 10}
    assert json.loads(clicked[SETTLED]) == {f"main/{SHARD}": 30}


@pytest.mark.parametrize("point", STEPS)
def test_a_crash_at_any_step_neither_loses_nor_doubles_a_row(project: Project, point: str) -> None:
    project.commit({"visits": visits(["a"])})
    project.lake.fold("visits")
    project.commit({"visits": visits(["b", "c"], apart=timedelta(days=1))})
    project.step = lambda name: crash_at(name, point)

    with pytest.raises(Crash):
        project.lake.fold("visits")
    project.step = lambda name: None
    project.reopen()
    seen_by_a_reader = sorted(project.in_lake("visits") + project.in_tail("visits"))
    project.commit({"visits": visits(["d"])})
    project.maintenance.fold_all()

    assert seen_by_a_reader == ["a", "b", "c"]
    assert sorted(project.in_lake("visits")) == ["a", "b", "c", "d"]
    assert project.in_tail("visits") == []
    assert sum(file.rows for file in project.index.plan("visits").files) == 4


def crash_at(name: str, point: str) -> None:
    if name == point:
        raise Crash


@pytest.mark.parametrize("seed", range(4))
def test_random_histories_with_random_crashes_keep_every_row_once(project: Project, seed: int) -> None:
    chance = random.Random(seed)
    committed: Counter[str] = Counter()
    project.fold_rows = 6

    def maybe_crash(name: str) -> None:
        if chance.random() < 0.12:
            raise Crash

    project.step = maybe_crash
    for turn in range(30):
        ids = [f"{turn}-{n}" for n in range(chance.randint(1, 4))]
        table = chance.choice(["visits", "clicks"])
        days = timedelta(days=chance.randint(0, 3))
        rows = visits(ids, at=NOON - days)
        if chance.random() < 0.3:
            rows = rows.append_column(f"extra_{chance.randint(0, 2)}", pa.array([turn] * len(ids)))
        project.commit({table: rows})
        committed.update(ids)
        project.clock.advance(chance.choice([0, 30, 400]))
        try:
            action = chance.random()
            if action < 0.5:
                project.maintenance.maintain()
            elif action < 0.7:
                project.lake.fold(table)
            elif action < 0.8:
                project.lake.tidy(table)
        except Crash:
            project.reopen()
        except HeadwaterError as error:
            assert action >= 0.7 and "no table" in str(error)
        assert project.visible("visits", "clicks") == committed

    project.step = lambda name: None
    project.reopen()
    project.maintenance.fold_all()
    project.maintenance.maintain()
    project.clock.advance(1_000)
    project.lake.tidy("visits")
    project.lake.tidy("clicks")

    assert Counter(project.in_lake("visits") + project.in_lake("clicks")) == committed
    for table in ("visits", "clicks"):
        assert {str(path) for path in project.data_files(table)} == {file.path for file in project.index.plan(table).files}
        assert project.ledger.tail(tables=[table]) == []


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.lake.conftest import Project, visits

project = Project(Path(sys.argv[1]))
project.fold_rows = 2
print("ready", flush=True)
n = project.ledger.positions().get(("main", "shardId-000000000000"), 0)
while True:
    project.commit({"visits": visits([str(n)])})
    n += 1
    project.lake.fold("visits")
    print(n, flush=True)
"""


def test_kill_9_in_the_middle_of_folds_neither_loses_nor_doubles_a_row(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    chance = random.Random(5)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), root], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while process.stdout.readline() != "8\n":
        assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(chance.random() * 0.3)
    process.kill()
    process.wait()
    process.stdout.close()
    project = Project(tmp_path)
    committed = project.ledger.positions()["main", SHARD]
    seen = project.in_lake("visits") + project.in_tail("visits")
    project.maintenance.fold_all()
    folded = project.in_lake("visits")
    project.close()

    assert committed > 4
    assert sorted(seen, key=int) == sorted(folded, key=int) == [str(n) for n in range(committed)]


def test_an_error_after_the_commit_landed_is_looked_up_and_not_committed_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.commit({"visits": visits(["a"])})
    project.lake.fold("visits")
    project.commit({"visits": visits(["b"])})
    commit = project.catalog.commit_table

    def commit_and_lose_the_answer(*arguments: object) -> object:
        commit(*arguments)  # type: ignore[arg-type]
        raise TimeoutError("no answer")

    monkeypatch.setattr(project.catalog, "commit_table", commit_and_lose_the_answer)
    project.lake.fold("visits")
    monkeypatch.undo()
    project.maintenance.fold_all()

    assert sorted(project.in_lake("visits")) == ["a", "b"]
    assert len(project.data_files("visits")) == 2
    assert project.in_tail("visits") == []


def test_a_catalog_held_by_another_process_fails_the_fold_and_the_next_one_works(project: Project) -> None:
    project.catalog.properties["busy_ms"] = "50"
    project.catalog.close()
    project.commit({"visits": visits(["a"])})
    project.lake.fold("visits")
    project.commit({"visits": visits(["b"])})
    other = sqlite3.connect(project.folder / "catalog.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(Unavailable, match="database is locked"):
        project.lake.fold("visits")
    still_readable = sorted(project.in_lake("visits") + project.in_tail("visits"))
    other.execute("ROLLBACK")
    other.close()
    project.lake.fold("visits")

    assert still_readable == ["a", "b"]
    assert sorted(project.in_lake("visits")) == ["a", "b"]
    assert len(project.data_files("visits")) == 2


FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.lake.conftest import Project, visits
from headwater.errors import Unavailable

project = Project(Path(sys.argv[1]))
project.maintenance.fold_all()
project.commit({"visits": visits([str(n) for n in range(50_000)])})
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
try:
    project.lake.fold("visits")
except Unavailable as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert project.data_files("visits") == set(), project.data_files("visits")
assert project.lake.fold("visits").rows == 50_000
"""


def test_a_full_disk_fails_the_fold_leaves_no_file_and_the_next_fold_works(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])

    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path), root], capture_output=True, text=True, timeout=240)

    assert done.returncode == 0, done.stderr
    assert "cannot fold table visits now" in done.stdout


def test_folds_are_due_by_rows_by_a_minute_or_by_ten(project: Project) -> None:
    project.fold_rows = 6_000
    project.reopen()
    start = project.clock.now_ms()
    project.commit({"many": visits([""] * 6_000), "some": visits([""] * 5_000), "few": visits([""])})

    due = {ms: [waiting.table for waiting in project.maintenance.due(start + ms)] for ms in (0, 59_999, 60_000, 599_999, 600_000)}

    assert due[0] == due[59_999] == ["many"]
    assert due[60_000] == due[599_999] == ["many", "some"]
    assert due[600_000] == ["many", "some", "few"]


def test_maintain_folds_what_is_due_and_one_failing_table_does_not_stop_the_others(project: Project) -> None:
    project.commit({"broken": pa.table({"datetime": pa.array([NOON.date()])}), "visits": visits(["a"])})
    project.clock.advance(601)

    upkeep = project.maintenance.maintain()
    again = project.maintenance.maintain()

    assert [fold.table for fold in upkeep.folds] == ["visits"]
    assert list(upkeep.failures) == ["broken"]
    assert "datetime" in str(upkeep.failures["broken"])
    assert again.failures == {}
    project.clock.advance(2)
    assert list(project.maintenance.maintain().failures) == ["broken"]
    assert len(project.ledger.tail(tables=["broken"])) == 1


def test_maintain_goes_on_after_a_mistake_and_tells_it(project: Project) -> None:
    project.commit({"broken": visits(["b"] * 2), "visits": visits(["a"])})
    project.clock.advance(601)
    mistakes = iter([ValueError("a mistake")])

    def step(name: str) -> None:
        if name == "read":
            for mistake in mistakes:
                raise mistake

    project.step = step
    upkeep = project.maintenance.maintain()
    project.clock.advance(2)
    later = project.maintenance.maintain()

    assert [fold.table for fold in upkeep.folds] == ["visits"]
    assert str(upkeep.failures["broken"]) == "a mistake"
    assert [fold.table for fold in later.folds] == ["broken"]
