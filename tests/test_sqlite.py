"""SQLite files as all stores open them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from headwater.errors import ProjectError, SettingsError, StoreBroken
from headwater.sqlite import SyncedConnection, connect, file_of, prepare, transaction


class Unsyncable(SyncedConnection):
    """A connection whose next commit meets a disk that does not sync."""

    fails = False

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:  # type: ignore[override]
        if statement == "COMMIT" and self.fails:
            self.fails = False
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise error
        return super().execute(statement, *values)


@pytest.mark.parametrize("is_final", [True, False])
def test_a_failed_sync_is_final_where_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_final: bool) -> None:
    monkeypatch.setattr("headwater.sqlite.SyncedConnection", Unsyncable)
    connection = connect(tmp_path / "a.db", is_final=is_final)
    assert isinstance(connection, Unsyncable)
    with transaction(connection) as sql:
        sql.execute("CREATE TABLE t (n)")
    connection.fails = True
    with pytest.raises(sqlite3.OperationalError), transaction(connection) as sql:
        sql.execute("INSERT INTO t VALUES (1)")

    if is_final:
        with pytest.raises(StoreBroken, match="did not sync"), transaction(connection):
            pytest.fail("something was written")
    else:
        with transaction(connection) as sql:
            sql.execute("INSERT INTO t VALUES (2)")
    with transaction(connection, "BEGIN") as sql:  # what is there can be read in any case
        found = sql.execute("SELECT n FROM t").fetchall()
    connection.close()

    assert found == ([] if is_final else [(2,)])


def test_a_transaction_within_one_is_part_of_it(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.db")
    prepare(connection, tmp_path / "a.db", "CREATE TABLE t (n)", 1, "")

    with pytest.raises(ZeroDivisionError), transaction(connection) as outer:
        with transaction(connection) as inner:
            inner.execute("INSERT INTO t VALUES (1)")
        outer.execute("INSERT INTO t VALUES (2)")
        raise ZeroDivisionError

    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.close()


def test_a_newer_format_and_a_damaged_file_are_said(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = connect(path)
    prepare(connection, path, "CREATE TABLE t (n)", 2, "")
    with pytest.raises(ProjectError, match="has format 2; this Headwater reads up to 1"):
        prepare(connection, path, "CREATE TABLE t (n)", 1, "")
    connection.close()
    path.write_bytes(b"no database" * 1_000)

    with pytest.raises(ProjectError, match=r"is damaged: .*; move it away"):
        connect(path, lost="move it away")
    with pytest.raises(sqlite3.DatabaseError):
        connect(path)


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite://a.db", "a.db", "postgresql://host/db"])
def test_what_names_no_file_is_said(url: str) -> None:
    with pytest.raises(SettingsError, match="a ledger is named sqlite:///file"):
        file_of(url, "a ledger")
