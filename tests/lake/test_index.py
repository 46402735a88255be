"""The file index plans what PyIceberg would plan, without PyIceberg, or says the same more slowly."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import timedelta

import pytest

from headwater.errors import NotFound, ProjectError
from headwater.lake import DataFile, open_index

from .conftest import DATABASE, NOON, VISITS, Crash, Project, visits

TODAY = 20_780


def fold_days(project: Project, days: int) -> None:
    for n in range(days):
        project.commit({"visits": visits([f"{n}"], at=NOON - timedelta(days=n))})
        project.lake.fold("visits")


def test_a_plan_holds_the_files_of_the_days_asked_for(project: Project) -> None:
    fold_days(project, 4)

    everything = project.index.plan("visits")
    two_days = project.index.plan("visits", first_day=TODAY - 2, last_day=TODAY - 1)

    iceberg = {task.file.file_path for task in project.catalog.load_table((DATABASE, "visits")).scan().plan_files()}
    assert {file.path for file in everything.files} == iceberg
    assert [file.day for file in everything.files] == [TODAY - 3, TODAY - 2, TODAY - 1, TODAY]
    assert [file.day for file in two_days.files] == [TODAY - 2, TODAY - 1]
    assert [file.day for file in project.index.plan("visits", first_day=TODAY).files] == [TODAY]
    assert everything.folded == 4
    assert everything.snapshot_id == project.catalog.load_table((DATABASE, "visits")).current_snapshot().snapshot_id  # type: ignore[union-attr]
    noon_ms = round(NOON.timestamp() * 1000)
    assert (everything.files[-1].lower_ms, everything.files[-1].upper_ms, everything.files[-1].rows) == (noon_ms, noon_ms, 1)


def test_a_plan_of_a_current_index_imports_neither_pyiceberg_nor_pyarrow(project: Project) -> None:
    fold_days(project, 1)
    code = (
        "import sys; from pathlib import Path; from headwater.lake import open_index\n"
        f"plan = open_index(Path({str(project.folder / 'catalog.db')!r}), 'analytics').plan('visits')\n"
        "print(len(plan.files), [name for name in ('pyiceberg', 'pyarrow', 'sqlalchemy') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "1 []\n"


def test_a_table_without_rows_has_columns_and_no_files(project: Project) -> None:
    project.lake.ensure("visits", VISITS)

    plan = project.index.plan("visits")

    assert (plan.files, plan.folded, plan.snapshot_id) == ([], 0, None)
    assert [(field.name, field.type, field.duckdb) for field in plan.fields][:3] == [
        ("event_id", "string", "VARCHAR"),
        ("datetime", "timestamptz", "TIMESTAMP WITH TIME ZONE"),
        ("year", "string", "VARCHAR"),
    ]
    assert project.index.tables() == ["visits"]
    with pytest.raises(NotFound, match="clicks"):
        project.index.plan("clicks")


def test_an_index_behind_the_catalog_answers_from_iceberg_and_is_repaired_at_the_next_start(project: Project) -> None:
    fold_days(project, 2)
    project.commit({"visits": visits(["late"], at=NOON - timedelta(days=1))})
    project.step = crash_when_committed
    with pytest.raises(Crash):
        project.lake.fold("visits")
    project.step = lambda name: None
    reader = open_index(project.folder / "catalog.db", DATABASE)
    behind = reader.plan("visits")
    day_behind = reader.plan("visits", last_day=TODAY - 1)
    head_behind = reader.head("visits")

    project.reopen()
    project.maintenance.maintain()

    repaired = reader.plan("visits")
    assert head_behind is not None and head_behind.folded == 2
    assert behind == repaired
    assert (behind.folded, len(behind.files)) == (3, 3)
    assert [file.day for file in day_behind.files] == [TODAY - 1, TODAY - 1]
    assert reader.head("visits").metadata_location == reader.location("visits")  # type: ignore[union-attr]
    reader.close()


def crash_when_committed(name: str) -> None:
    if name == "committed":
        raise Crash


def test_a_commit_of_another_engine_is_seen_at_once_and_followed(project: Project) -> None:
    fold_days(project, 2)
    elsewhere = project.catalog.load_table((DATABASE, "visits"))
    elsewhere.delete("event_id == '1'")

    seen = project.index.plan("visits")
    project.commit({"visits": visits(["2"])})
    project.lake.fold("visits")

    assert [file.day for file in seen.files] == [TODAY]
    assert sorted(project.in_lake("visits")) == ["0", "2"]
    assert sum(file.rows for file in project.index.plan("visits").files) == 2
    assert len(project.index.superseded("visits")) == 1


def test_files_not_of_one_table_do_not_mix(project: Project) -> None:
    project.commit({"visits": visits(["a"]), "clicks": visits(["b"])})
    project.maintenance.fold_all()

    files: list[list[DataFile]] = [project.index.plan(name).files for name in ("visits", "clicks")]

    assert [len(found) for found in files] == [1, 1]
    assert files[0] != files[1]
    assert project.index.tables() == ["clicks", "visits"]


def test_an_index_of_a_newer_format_is_refused(project: Project) -> None:
    with sqlite3.connect(project.folder / "catalog.db") as sql:
        sql.execute("UPDATE headwater_format SET format = 99")
    sql.close()

    with pytest.raises(ProjectError, match="format 99"):
        open_index(project.folder / "catalog.db", DATABASE)


def test_a_catalog_that_is_not_there_says_who_writes_it(project: Project) -> None:
    with pytest.raises(ProjectError, match="headwater serve"):
        open_index(project.folder / "nothing.db", DATABASE)
