"""Catalog, ledger and folders have to agree about which tables there are: where they do not, nothing is swept and nothing starts."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.errors import ProjectError
from headwater.lake.agreement import check_agreement
from headwater.lake.last_state import last_states

from .conftest import DATABASE, Crash, Project, visits

GRACE_S = 901


def check(project: Project, noted: dict[str, str | None] | None = None) -> dict[str, str]:
    tables = {table: project.index.location(table) for table in project.index.tables()}
    known = project.ledger.noted_tables() if noted is None else noted
    return check_agreement(tables, known, project.lake.store, str(project.folder / "lake"), DATABASE)


def fold(project: Project, *ids: str, table: str = "visits") -> None:
    project.commit({table: visits(list(ids))})
    project.lake.fold(table)


def older_catalog(project: Project) -> Path:
    """Keep the catalog as it is now, to put it back later."""
    project.close()
    kept = project.folder / "older.db"
    with closing(sqlite3.connect(project.folder / "catalog.db")) as sql:
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    shutil.copy(project.folder / "catalog.db", kept)
    project.open()
    return kept


def put_back(project: Project, kept: Path) -> None:
    project.close()
    for path in project.folder.glob("catalog.db*"):
        path.unlink()
    kept.rename(project.folder / "catalog.db")
    project.open()


@pytest.fixture
def two(project: Project) -> Iterator[Project]:
    for table in ("visits", "clicks"):
        project.lake.ensure(table, visits([]).schema)
    fold(project, "a", "b")
    fold(project, "c", table="clicks")
    yield project


def test_a_project_that_was_not_disturbed_agrees(two: Project) -> None:
    assert check(two) == {}
    assert two.ledger.noted_tables().keys() == {"visits", "clicks"}


@pytest.mark.parametrize("commits", [1, 2])
def test_a_catalog_older_than_the_ledger_is_refused(two: Project, commits: int) -> None:
    kept = older_catalog(two)
    for number in range(commits):
        fold(two, f"later {number}")
    put_back(two, kept)

    with pytest.raises(ProjectError, match="the ledger knows of a newer state of table visits"):
        check(two)


def test_an_older_catalog_and_a_lost_ledger_are_told_by_the_folders_and_nothing_is_swept(two: Project) -> None:
    kept = older_catalog(two)
    for number in range(3):
        fold(two, f"later {number}")
    put_back(two, kept)
    two.lose_ledger()
    before = two.data_files("visits") | two.metadata_files("visits")

    with pytest.raises(ProjectError, match="table visits has a newer state"):
        check(two)
    failures = []
    for _ in range(3):
        two.clock.advance(GRACE_S * 5)
        failures.append(two.maintenance.maintain().failures.get("visits"))

    assert all("nothing is swept of table visits" in str(failure) for failure in failures)
    assert two.data_files("visits") | two.metadata_files("visits") == before


@pytest.mark.parametrize("with_ledger", [True, False])
def test_an_emptied_catalog_is_refused_and_no_file_goes(two: Project, with_ledger: bool) -> None:
    with closing(sqlite3.connect(two.folder / "catalog.db")) as sql, sql:
        sql.execute("DELETE FROM iceberg_tables")
    if not with_ledger:
        two.lose_ledger()
    two.reopen()
    before = two.data_files("visits")

    with pytest.raises(ProjectError, match=r"knows? of"):
        check(two)
    for _ in range(3):
        two.clock.advance(GRACE_S)
        two.maintenance.maintain()

    assert two.data_files("visits") == before


def test_files_of_a_table_that_nothing_says_was_dropped_stay(two: Project, caplog: pytest.LogCaptureFixture) -> None:
    foreign = two.folder / "lake/data/analytics/foreign/part.parquet"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"rows of somebody else")

    for _ in range(3):
        two.clock.advance(GRACE_S)
        two.maintenance.maintain()

    assert foreign.exists()
    assert [record for record in caplog.records if "foreign" in record.getMessage()] != []


def test_a_dropped_table_goes_with_its_files_and_is_then_forgotten(two: Project) -> None:
    two.lake.drop("clicks")
    noted = two.ledger.noted_tables()
    for _ in range(3):
        two.clock.advance(GRACE_S)
        two.maintenance.maintain()

    assert noted["clicks"] is None
    assert two.data_files("clicks") == set()
    assert two.ledger.noted_tables().keys() == {"visits"}
    assert check(two) == {}


def test_a_table_dropped_and_made_anew_agrees(two: Project) -> None:
    for number in range(4):
        fold(two, f"more {number}")
    two.lake.drop("visits")
    two.lake.ensure("visits", visits([]).schema)
    fold(two, "new")

    assert check(two) == {}
    two.clock.advance(GRACE_S)
    assert two.maintenance.maintain().failures == {}


@pytest.mark.parametrize("step", ["committed", "indexed", "forgotten"])
def test_a_crash_between_catalog_and_ledger_is_no_disagreement(two: Project, step: str) -> None:
    def crash(name: str) -> None:
        if name == step:
            raise Crash

    two.step = crash
    with pytest.raises(Crash):
        fold(two, "x")
    two.step = lambda name: None
    two.reopen()

    assert check(two).keys() <= {"visits"}


def test_the_newest_state_of_each_table_is_found_without_the_catalog(two: Project) -> None:
    fold(two, "d")
    expected = {table: two.index.location(table) for table in two.index.tables()}
    noted = two.ledger.noted_tables()
    died = two.folder / "lake/metadata/analytics/visits/00009-died.metadata.json"
    died.write_text("{")

    for known in (noted, {}):
        found = last_states(two.lake.store, str(two.folder / "lake"), DATABASE, known, {})
        assert {state.table: state.location for state in found} == expected
        assert {state.table: state.rows for state in found} == {"visits": 3, "clicks": 1}
        assert [state.missing for state in found] == [[], []]
    two.lake.drop("clicks")
    left = last_states(two.lake.store, str(two.folder / "lake"), DATABASE, two.ledger.noted_tables(), {})
    assert [state.table for state in left] == ["visits"]


def test_the_state_before_a_commit_that_lost_its_files_is_found(two: Project) -> None:
    before = two.index.location("visits")
    files = two.data_files("visits")
    two.clock.advance(1)
    fold(two, "d")
    for path in two.data_files("visits") - files:
        path.unlink()

    [_, found] = last_states(two.lake.store, str(two.folder / "lake"), DATABASE, {}, {})

    assert found.location == before
    assert found.rows == 2
    [_, known] = last_states(two.lake.store, str(two.folder / "lake"), DATABASE, two.ledger.noted_tables(), {})
    assert known.location == two.index.location("visits")  # the ledger knows that it was committed: its loss is told, not undone
    assert len(known.missing) == 1
