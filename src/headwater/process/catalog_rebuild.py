"""`headwater catalog rebuild`: a new catalog out of the tables' newest metadata, and what the one before still says of all else."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from headwater.catalog import open_catalog
from headwater.catalog.entries import open_entries
from headwater.catalog.names import split_name
from headwater.errors import HeadwaterError, Unavailable
from headwater.lake import open_index
from headwater.lake.last_state import LastState, last_states
from headwater.places import Paths, lake_root, open_lake_store, open_ledger_reader, path_of, s3_access
from headwater.places.presence import check_presence
from headwater.process.lock import FileLock
from headwater.process.project import check_formats
from headwater.settings import Settings, load_settings
from headwater.store.durable import sync_folder

_ENTRIES = ("headwater_databases", "headwater_tables", "headwater_table_versions", "headwater_partitions")


class Rebuilt(NamedTuple):
    """What a rebuild found: the tables of the lake, the number of definitions taken over, and statements that made some that were not.

    *aside*: where the catalog of before is now, None if there was none.
    """

    tables: list[LastState]
    entries: int
    statements: list[str]
    aside: Path | None


@contextmanager
def alone(project: Path, doing: str) -> Iterator[None]:
    """Hold the locks of all who write the project. Raises `ProjectLocked` while it is served."""
    paths = Paths(project)
    with (
        FileLock(paths.project_lock, doing).acquire(),
        FileLock(paths.run / "collector.lock", doing).acquire(),
        FileLock(paths.run / "worker.lock", doing).acquire(),
        FileLock(paths.run / "query.lock", doing).acquire(),
    ):
        yield


def rebuild_catalog(project: Path) -> Rebuilt:
    """Make the catalog again from the lake; nothing of the lake is changed, and the catalog of before is set aside.

    Databases, external tables, views and partitions are in no other place: they come from the catalog of before, where that can be read.
    Raises `ProjectLocked` while the project is served. Killed at any instruction, it may be done again.
    """
    settings = load_settings(project)
    check_formats(project)
    with alone(project, "headwater catalog rebuild"):
        check_presence(settings, project, without=("catalog",))
        path = path_of(settings.stores.catalog, project)
        tables = last_states(
            open_lake_store(settings, project),
            lake_root(settings, project),
            settings.app.database,
            _noted(settings, project),
            s3_access(settings).properties(),
        )
        new = path.with_name(path.name + ".rebuilding")
        _forget(new)
        _write(settings, project, new, tables)
        readable = _settle(path)
        entries = _copy_entries(path, new) if readable else 0
        aside = _set_aside(path) if path.exists() else None
        new.replace(path)
        sync_folder(path.parent)
        return Rebuilt(tables, entries, [] if readable else _statements(settings, project), aside)


def _noted(settings: Settings, project: Path) -> dict[str, str | None]:
    try:
        ledger = open_ledger_reader(settings, project)
    except HeadwaterError:
        return {}  # damaged: it is one witness less
    if ledger is None:
        return {}
    with closing(ledger):
        return ledger.noted_tables()


def _write(settings: Settings, project: Path, new: Path, tables: list[LastState]) -> None:
    catalog = open_catalog(f"sqlite:///{new}", lake_root(settings, project), s3_access(settings).properties())
    try:
        catalog.create_namespace_if_not_exists(settings.app.database)
        for state in tables:
            database, name = split_name(state.table, settings.app.database)
            catalog.create_namespace_if_not_exists(database)
            catalog.register_table((database, name), state.location)
    finally:
        catalog.close()
    open_entries(new, settings.app.database, read_only=False).close()
    open_index(new, settings.app.database, read_only=False).close()
    _settle(new)


def _settle(path: Path) -> bool:
    """Put what is in a database's log into its file, so that the file can be renamed; return whether it can be read.

    Raises `Unavailable` while another process has it open.
    """
    if not path.exists() or not path.stat().st_size:
        return False
    try:
        with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as sql:
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            sql.execute("PRAGMA journal_mode = DELETE").fetchall()
            return sql.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Unavailable(f"another process has {path} open: end it, a notebook for instance, and try again") from error
        return False


def _copy_entries(old: Path, new: Path) -> int:
    with closing(sqlite3.connect(new, isolation_level=None)) as sql:
        sql.execute("ATTACH ? AS old", (str(old),))
        there = {name for (name,) in sql.execute("SELECT name FROM old.sqlite_master")}
        sql.execute("BEGIN IMMEDIATE")
        for table in there.intersection(_ENTRIES):
            sql.execute(f"INSERT INTO {table} SELECT * FROM old.{table}")
        copied = sum(sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _ENTRIES[:2])
        sql.execute("COMMIT")
    return int(copied)


def _set_aside(path: Path) -> Path:
    """Keep what is at *path* under another name. A log of it goes first: SQLite would take it for one of the new file."""
    aside = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.aside")
    for end in ("-wal", "-shm"):
        log = path.with_name(path.name + end)
        if log.exists():
            log.replace(aside.with_name(aside.name + end))
    aside.unlink(missing_ok=True)
    aside.hardlink_to(path)
    return aside


def _forget(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _statements(settings: Settings, project: Path) -> list[str]:
    """Return the statements in the history that made what is not in the lake, oldest first."""
    path = path_of(settings.stores.queries, project)
    if not path.exists():
        return []
    query = "SELECT body FROM executions WHERE state = 'SUCCEEDED' ORDER BY submitted_ms"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as sql:
            found = [msgspec.json.decode(body, type=_Execution) for (body,) in sql.execute(query)]
    except sqlite3.DatabaseError:
        return []
    return [each.request.query for each in found if each.kind == "DDL"]


class _Asked(msgspec.Struct):
    query: str


class _Execution(msgspec.Struct):
    request: _Asked
    kind: str = ""
