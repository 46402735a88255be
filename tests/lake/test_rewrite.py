"""Statements change tables once, whatever stops them, and folds go on beside them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from headwater.errors import ModelError, Refused, Unavailable
from headwater.lake.rewrite import TableChanges

from .conftest import DATABASE, NOON, VISITS, Crash, Project, visits

STEPS = ("taken", "written", "committed", "indexed")
PEOPLE = pa.table({"name": pa.array(["ada", "bob"], pa.string()), "age": pa.array([36, None], pa.int32())})


def tables(project: Project, **options: Any) -> TableChanges:
    return TableChanges(project.lake, {"visits"}, project.folder, project.clock, step=lambda name: project.step(name), **options)


def rows_of(project: Project, table: str) -> list[dict[str, Any]]:
    """Read by Iceberg's own metadata."""
    name = (DATABASE, table) if "." not in table else tuple(table.split("."))
    return list(project.catalog.load_table(name).scan().to_arrow().to_pylist())


def indexed(project: Project, table: str) -> list[tuple[str, int | None, int, int]]:
    return sorted((file.path, file.day, file.rows, file.size) for file in project.index.plan(table).files)


def crash_at(point: str) -> Any:
    def step(name: str) -> None:
        if name == point:
            raise Crash

    return step


def replaced(project: Project, change_id: str = "1", keep: str = "b", **options: Any) -> int:
    """Keep one visit of each day, as DELETE does."""
    made = tables(project)
    pin = made.pin("visits")
    assert pin.snapshot_id is not None
    at = project.catalog.load_table((DATABASE, "visits")).scan(snapshot_id=pin.snapshot_id).to_arrow()
    rows = at.filter(pc.equal(at.column("event_id"), keep))
    return made.replace(change_id, "DELETE", "visits", pin.snapshot_id, None, [rows]).rows


def test_a_table_is_made_with_its_rows_in_one_step_and_every_type_stays_what_it_is(project: Project) -> None:
    given = pa.table(
        {
            "i": pa.array([1, None], pa.int32()),
            "s": pa.array([-(2**15), 7], pa.int16()),
            "b": pa.array([2**62, 1], pa.int64()),
            "r": pa.array([0.5, None], pa.float32()),
            "d": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
            "t": pa.array([NOON.replace(tzinfo=None), None], pa.timestamp("ms")),
            "z": pa.array([NOON, None], pa.timestamp("us", "UTC")),
            "on": pa.array([date(2026, 11, 23), None]),
            "raw": pa.array([b"\x00\xff", b""], pa.binary()),
            "list": pa.array([[1, None], []], pa.list_(pa.int32())),
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int32())),
            "row": pa.array([{"x": 1, "y": ["a"]}, None], pa.struct([("x", pa.int32()), ("y", pa.list_(pa.string()))])),
        }
    )

    change = tables(project).create("1", "types", given.schema, rows=[given])

    assert change.rows == 2
    assert rows_of(project, "types") == given.to_pylist()
    assert [(field.name, field.type, field.duckdb) for field in project.index.plan("types").fields] == [
        ("i", "int", "INTEGER"),
        ("s", "int", "INTEGER"),
        ("b", "long", "BIGINT"),
        ("r", "float", "FLOAT"),
        ("d", "decimal(9, 2)", "DECIMAL(9, 2)"),
        ("t", "timestamp", "TIMESTAMP"),
        ("z", "timestamptz", "TIMESTAMP WITH TIME ZONE"),
        ("on", "date", "DATE"),
        ("raw", "binary", "BLOB"),
        ("list", "list<int>", "INTEGER[]"),
        ("map", "map<string, int>", "MAP(VARCHAR, INTEGER)"),
        ("row", "struct<16: x: optional int, 17: y: optional list<string>>", 'STRUCT("x" INTEGER, "y" VARCHAR[])'),
    ]
    [(_, day, rows, _)] = indexed(project, "types")
    assert (day, rows) == (None, 2)


def test_a_table_with_a_zoned_datetime_is_kept_by_day_and_its_day_columns_say_what_the_path_says(project: Project) -> None:
    given = visits(["a", "b"], apart=timedelta(days=1))

    tables(project).create("1", "copy", VISITS, rows=[given.set_column(2, "year", pa.array(["1999", None]))])

    assert [(file.day, file.rows) for file in project.index.plan("copy").files] == [(20_780, 1), (20_781, 1)]
    assert [row["year"] for row in rows_of(project, "copy")] == ["2026", "2026"]
    assert {str(path.parent.relative_to(Path(project.lake.data_folder("copy")))) for path in project.data_files("copy")} == {
        "year=2026/month=11/day=23",
        "year=2026/month=11/day=24",
    }


def test_a_table_is_partitioned_as_it_was_asked_and_no_value_becomes_a_path(project: Project) -> None:
    given = pa.table({"city": ["../etc", "Rome", "Rome", None], "at": pa.array([NOON] * 4, pa.timestamp("us", "UTC"))})
    asked = [("identity", "city", None), ("month", "at", None), ("bucket", "city", 4)]

    tables(project).create("1", "cities", given.schema, partitioning=asked, rows=[given])

    assert sorted(map(str, rows_of(project, "cities"))) == sorted(map(str, given.to_pylist()))
    assert sorted(file.rows for file in project.index.plan("cities").files) == [1, 1, 2]
    assert {path.parent for path in project.data_files("cities")} == {Path(project.lake.data_folder("cities"))}
    scanned = project.catalog.load_table((DATABASE, "cities")).scan(row_filter="city == 'Rome'").plan_files()
    assert len(list(scanned)) == 1
    with pytest.raises(Refused, match=r"COLUMN_NOT_FOUND|Partition column 'nope'"):
        tables(project).create("2", "bad", given.schema, partitioning=[("identity", "nope", None)])
    with pytest.raises(Refused, match="cannot be partitioned by day"):
        tables(project).create("2", "bad", given.schema, partitioning=[("day", "city", None)])


def test_a_table_that_is_there_is_not_made_again_except_by_the_same_change(project: Project) -> None:
    made = tables(project)
    made.create("1", "people", PEOPLE.schema, rows=[PEOPLE])

    again = made.create("1", "people", PEOPLE.schema, rows=[PEOPLE])

    assert again.rows == 2
    assert len(rows_of(project, "people")) == 2
    with pytest.raises(Refused) as refused:
        made.create("2", "people", PEOPLE.schema)
    assert refused.value.code == "ALREADY_EXISTS"
    assert made.create("2", "people", PEOPLE.schema, rows=[PEOPLE], if_not_exists=True).rows == 0
    assert len(rows_of(project, "people")) == 2


@pytest.mark.parametrize("point", STEPS)
def test_a_crash_while_a_table_is_made_leaves_all_of_it_or_nothing(project: Project, point: str) -> None:
    project.step = crash_at(point)
    with pytest.raises(Crash):
        tables(project).create("1", "people", PEOPLE.schema, rows=[PEOPLE])
    project.step = lambda name: None
    project.reopen()

    there = len(rows_of(project, "people")) if "people" in project.index.tables() else 0
    change = tables(project).create("1", "people", PEOPLE.schema, rows=[PEOPLE])

    assert there == (2 if point in ("committed", "indexed") else 0)
    assert change.rows == 2
    assert rows_of(project, "people") == PEOPLE.to_pylist()
    assert [rows for _, _, rows, _ in indexed(project, "people")] == [2]


def test_files_of_a_table_that_never_came_to_be_are_removed_after_the_grace_time(project: Project) -> None:
    project.step = crash_at("written")
    with pytest.raises(Crash):
        tables(project).create("1", "people", PEOPLE.schema, rows=[PEOPLE])
    project.step = lambda name: None
    project.reopen()
    left = project.data_files("people")

    project.maintenance.maintain()
    soon = project.data_files("people")
    project.clock.advance(902)
    project.maintenance.maintain()

    assert len(left) == 1
    assert soon == left
    assert not Path(project.lake.data_folder("people")).exists()


@pytest.mark.parametrize("point", STEPS)
def test_a_crash_while_rows_are_added_adds_them_once(project: Project, point: str) -> None:
    tables(project).create("1", "people", PEOPLE.schema, rows=[PEOPLE])
    project.step = crash_at(point)
    with pytest.raises(Crash):
        tables(project).insert("2", "people", [PEOPLE])
    project.step = lambda name: None
    project.reopen()

    first, second = tables(project).insert("2", "people", [PEOPLE]), tables(project).insert("3", "people", [PEOPLE])

    assert (first.rows, second.rows) == (2, 2)
    assert Counter(row["name"] for row in rows_of(project, "people")) == {"ada": 3, "bob": 3}
    assert sum(rows for _, _, rows, _ in indexed(project, "people")) == 6


def test_rows_that_do_not_fit_change_nothing_and_leave_no_file(project: Project) -> None:
    tables(project).create("1", "people", PEOPLE.schema)
    bad = pa.table({"name": ["x"], "age": [2**40]})

    with pytest.raises(Refused) as refused:
        tables(project).insert("2", "people", [PEOPLE, bad])

    assert refused.value.code == "ICEBERG_WRITER_DATA_ERROR"
    assert project.data_files("people") == set()


def test_rows_of_event_tables_only_come_in_as_events(project: Project) -> None:
    project.commit({"visits": visits(["a"])})
    project.lake.fold("visits")

    for refused in (
        lambda: tables(project).insert("1", "visits", [visits(["b"])]),
        lambda: tables(project).add_columns("visits", PEOPLE.schema),
        lambda: tables(project).replace("1", "MERGE", "visits", None, None, [visits(["b"])], inserted=1),
    ):
        with pytest.raises(Refused) as error:
            refused()
        assert error.value.code == "NOT_SUPPORTED"
    assert project.in_lake("visits") == ["a"]


def test_events_do_not_come_into_a_table_that_people_made(project: Project) -> None:
    tables(project).create("1", "people", VISITS)

    with pytest.raises(ModelError, match="made by SQL"):
        project.lake.ensure("people", VISITS)


@pytest.mark.parametrize("point", STEPS)
def test_a_crash_while_rows_are_taken_out_takes_them_out_once_and_the_ledger_knows(project: Project, point: str) -> None:
    project.commit({"visits": visits(["a", "b", "c"])})
    project.lake.fold("visits")
    project.step = crash_at(point)
    with pytest.raises(Crash):
        replaced(project)
    project.step = lambda name: None
    project.commit({"visits": visits(["late"])})
    project.reopen()

    if point in ("taken", "written"):
        assert replaced(project) == 3  # asked again, the statement sees `late`, too
        assert project.visible("visits") == {"b": 1}
    else:
        project.lake.fold("visits")
        assert project.visible("visits") == {"b": 1, "late": 1}
    delivered = sum(total.records for total in project.ledger.fate_counts() if total.fate == "delivered")
    removals = project.ledger.removals()
    assert delivered - sum(removal.rows for removal in removals) == project.visible("visits").total()
    assert [(removal.job, removal.table, removal.kind) for removal in removals] == [("1", "visits", "DELETE")]


def test_a_removal_that_could_not_be_noted_is_noted_when_the_statement_is_asked_again(project: Project) -> None:
    project.commit({"visits": visits(["a", "b", "c"])})
    project.lake.fold("visits")

    def full(name: str) -> None:
        if name == "indexed":
            raise Unavailable("the ledger's disk is full")

    project.step = full
    with pytest.raises(Unavailable):
        replaced(project)
    project.step = lambda name: None
    again = replaced(project)

    assert again == 2
    assert [(removal.job, removal.kind, removal.rows) for removal in project.ledger.removals()] == [("1", "DELETE", 2)]


def test_a_statement_takes_what_waits_and_does_not_wait_for_an_end_of_events(project: Project) -> None:
    project.commit({"visits": visits(["a", "b"])})
    coming = iter(range(50))

    def another(name: str) -> None:
        if name == "committed" and (n := next(coming, None)) is not None:
            project.commit({"visits": visits([str(n)])})

    project.step = another
    pin = tables(project).pin("visits")

    table = project.catalog.load_table((DATABASE, "visits"))
    assert table.scan(snapshot_id=pin.snapshot_id).to_arrow().column("event_id").to_pylist() == ["a", "b"]
    assert project.in_tail("visits") == ["0"]


def test_folds_that_come_between_stay_and_a_second_change_of_the_same_rows_is_refused(project: Project) -> None:
    project.commit({"visits": visits(["a", "b"])})
    made = tables(project)
    pin = made.pin("visits")
    project.commit({"visits": visits(["late"])})
    project.lake.fold("visits")

    done = made.replace("1", "DELETE", "visits", pin.snapshot_id, [20_780], [visits(["b"])])
    with pytest.raises(Refused) as refused:
        made.replace("2", "DELETE", "visits", pin.snapshot_id, [20_780], [visits(["a"])])
    again = made.replace("1", "DELETE", "visits", pin.snapshot_id, [20_780], [visits(["b"])])

    assert (done.rows, again.rows, pin.by_day) == (1, 1, True)
    assert refused.value.code == "ICEBERG_COMMIT_ERROR"
    assert sorted(project.in_lake("visits")) == ["b", "late"]
    assert sum(rows for _, _, rows, _ in indexed(project, "visits")) == 2
    live = {Path(file.path) for file in project.index.plan("visits").files}
    assert len(project.data_files("visits") - live) == 1  # the file of before, which older snapshots name; nothing of the refused change


def test_rows_that_do_not_add_up_change_nothing(project: Project) -> None:
    project.commit({"visits": visits(["a", "b"])})
    made = tables(project)
    pin = made.pin("visits")

    for kind, rows, counts in (
        ("DELETE", ["a", "b", "c"], {}),
        ("UPDATE", ["a"], {"changed": 2, "deleted": 0}),
        ("MERGE", ["a", "b"], {"deleted": 1}),
    ):
        with pytest.raises(Refused, match=f"{kind} of visits gave"):
            made.replace("1", kind, "visits", pin.snapshot_id, None, [visits(rows)], **counts)  # type: ignore[arg-type]

    assert project.in_lake("visits") == ["a", "b"]
    assert len(project.data_files("visits")) == 1


def test_a_snapshot_that_a_statement_reads_does_not_expire_under_it(project: Project) -> None:
    project.commit({"visits": visits(["a"])})
    pin = tables(project).pin("visits")

    for n in range(30):
        project.commit({"visits": visits([str(n)])})
        project.lake.fold("visits")

    change = tables(project).replace("1", "DELETE", "visits", pin.snapshot_id, None, [])
    assert change.rows == 1
    assert "a" not in project.in_lake("visits")


def test_small_files_of_a_day_become_one_and_no_row_is_lost_or_doubled(project: Project) -> None:
    for n in range(6):
        project.commit({"visits": visits([f"{n}a", f"{n}b"], at=NOON + timedelta(days=n % 2))})
        project.lake.fold("visits")
    before = project.visible("visits")

    change = tables(project).compact("1", "visits", [20_780])

    assert change.rows == 6
    assert [(file.day, file.rows) for file in project.index.plan("visits").files] == [(20_780, 6), (20_781, 2), (20_781, 2), (20_781, 2)]
    assert project.visible("visits") == before
    assert tables(project).compact("1", "visits").rows == 6
    assert tables(project).compact("2", "visits").rows == 0
    assert Counter(project.in_lake("visits")) == before
    assert project.ledger.removals() == []


def test_files_of_before_a_column_came_are_put_together_with_those_of_after(project: Project) -> None:
    tables(project).create("1", "people", PEOPLE.schema, rows=[PEOPLE])
    tables(project).add_columns("people", pa.schema([("city", pa.string())]))
    tables(project).insert("2", "people", [pa.table({"name": ["cy"], "city": ["Rome"]})])

    tables(project).compact("3", "people")

    [file] = project.index.plan("people").files
    assert file.rows == 3
    assert sorted(map(str, rows_of(project, "people"))) == sorted(
        map(str, [{**row, "city": None} for row in PEOPLE.to_pylist()] + [{"name": "cy", "age": None, "city": "Rome"}])
    )


@pytest.mark.parametrize("point", STEPS)
def test_a_crash_while_files_are_put_together_changes_no_row(project: Project, point: str) -> None:
    for n in range(3):
        project.commit({"visits": visits([str(n)])})
        project.lake.fold("visits")
    project.step = crash_at(point)
    with pytest.raises(Crash):
        tables(project).compact("1", "visits")
    project.step = lambda name: None
    project.commit({"visits": visits(["late"])})
    project.reopen()

    project.lake.fold("visits")
    tables(project).compact("2", "visits")

    assert project.visible("visits") == {"0": 1, "1": 1, "2": 1, "late": 1}
    assert [rows for _, _, rows, _ in indexed(project, "visits")] == [4]


def test_large_files_are_made_one_after_the_other(project: Project) -> None:
    given = pa.table({"n": range(200_000), "s": [f"{n:x}" * 5 for n in range(200_000)]})
    batches: Iterator[pa.Table] = (given.slice(at, 10_000) for at in range(0, len(given), 10_000))

    TableChanges(project.lake, (), project.folder, project.clock, file_bytes=1).create("1", "big", given.schema, rows=batches)
    many = len(project.index.plan("big").files)
    tables(project).compact("2", "big")

    assert many >= 1
    assert sum(file.rows for file in project.index.plan("big").files) == 200_000
    assert sorted(row["n"] for row in rows_of(project, "big")) == list(range(200_000))


def test_a_dropped_table_is_gone_at_once_and_its_files_after_the_grace_time(project: Project) -> None:
    made = tables(project)
    made.create("1", "people", PEOPLE.schema, rows=[PEOPLE])
    made.create("1", "shop.people", PEOPLE.schema, rows=[PEOPLE])
    old = project.data_files("people") | project.metadata_files("people")

    project.lake.drop("people")

    assert project.index.tables() == ["shop.people"]
    assert all(path.exists() for path in old)
    made.create("2", "people", PEOPLE.schema, rows=[PEOPLE, PEOPLE])
    project.clock.advance(902)
    project.maintenance.maintain()
    project.clock.advance(902)
    project.maintenance.maintain()
    assert not any(path.exists() for path in old)
    assert len(rows_of(project, "people")) == 4
    assert len(rows_of(project, "shop.people")) == 2


@pytest.mark.parametrize("point", ["dropped"])
def test_a_crash_while_a_table_is_dropped_leaves_no_file_for_ever(project: Project, point: str) -> None:
    tables(project).create("1", "people", PEOPLE.schema, rows=[PEOPLE])
    project.step = crash_at(point)
    with pytest.raises(Crash):
        project.lake.drop("people")
    project.step = lambda name: None
    project.reopen()

    for _ in range(2):
        project.maintenance.maintain()
        project.clock.advance(902)
    project.maintenance.maintain()

    assert project.index.tables() == []
    assert [path for path in (project.folder / "lake").rglob("*") if path.is_file()] == []


def test_a_worker_killed_while_it_changes_a_table_leaves_it_whole(project: Project, tmp_path: Path) -> None:
    project.commit({"visits": visits([str(n) for n in range(50)])})
    project.lake.fold("visits")
    project.close()
    script = (
        "import os, sys; from pathlib import Path\n"
        "from tests.lake.conftest import Project, visits\n"
        "from tests.lake.test_rewrite import tables\n"
        "project = Project(Path(sys.argv[1])); point = sys.argv[2]\n"
        "def step(name):\n"
        "    if name == point: os.kill(os.getpid(), 9)\n"
        "pin = tables(project).pin('visits'); project.step = step\n"
        "tables(project).replace('1', 'DELETE', 'visits', pin.snapshot_id, None, [visits([str(n) for n in range(25)])])\n"
    )
    for point in STEPS:
        subprocess.run([sys.executable, "-c", script, str(tmp_path), point], check=False)
    project.open()

    project.lake.fold("visits")

    assert project.visible("visits") == {str(n): 1 for n in range(25)}
    assert sum(removal.rows for removal in project.ledger.removals()) == 25


def test_vacuum_keeps_the_snapshots_that_the_table_says(project: Project) -> None:
    made = tables(project)
    told = {"vacuum_max_snapshot_age_seconds": "60", "vacuum_min_snapshots_to_keep": "2"}
    made.create("1", "people", PEOPLE.schema, rows=[PEOPLE], properties=told)
    for n in range(4):
        made.insert(f"more {n}", "people", [PEOPLE])
    later = max(snapshot.timestamp_ms for snapshot in project.catalog.load_table((DATABASE, "people")).metadata.snapshots)
    project.clock.advance(max(0, later - project.clock.now_ms()) / 1_000 + 61)

    expired, _ = made.vacuum("people")

    assert expired == 3
    assert len(project.catalog.load_table((DATABASE, "people")).metadata.snapshots) == 2
    assert len(rows_of(project, "people")) == 10
    with pytest.raises(Refused, match="whole number"):
        made.create("1", "other", PEOPLE.schema, properties={"vacuum_max_snapshot_age_seconds": "soon"})
