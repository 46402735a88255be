"""Where a statement runs: an interface, and connections of this process, with the tables of the last query still in place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import duckdb
import pyarrow as pa

from headwater.catalog.names import split_name
from headwater.dialect.quoting import quote
from headwater.lake import DataFile, TableField
from headwater.query.predicate import Node
from headwater.query.relation import table_sql
from headwater.query.result import Batches
from headwater.query.tail import KnownTail

_CONFIG: dict[str, Any] = {
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
}


A_FILE = "a file of the lake"
"""What messages call a file whose name is nobody's business."""

NO_FILES: Mapping[str, str] = MappingProxyType({})


class Session(Protocol):
    """What one statement is bound in and then runs in; no other sees what is put here."""

    def ask(self, text: str, parameters: Any = None) -> Any:
        """Return the first value of the first row of what *text*, one of ours, gives; it reads texts of statements, and no table."""

    def evaluate(self, text: str, parameters: Any = None, files: Mapping[str, str] = NO_FILES) -> Any:
        """As `ask`, for a *text* that has parts of the statement in it, or opens *files*: it is worked out where the statement will run.

        *files*: what is opened -> what messages call it.
        """

    def put_view(self, name: str, text: str, version: str = "") -> None:
        """Make *name* mean the SELECT in *text*; *version* says what else its columns depend on."""

    def put_arrow(self, name: str, table: pa.Table) -> str:
        """Make an Arrow table readable and return the quoted name it has in SQL."""

    def put_tail(self, name: str, tail: KnownTail, fields: tuple[TableField, ...]) -> str:
        """Make a tail readable under the schema *fields* and return the quoted name it has in SQL."""

    def put_files(
        self, name: str, fields: Sequence[TableField], files: Sequence[DataFile], tail: str | None, *, by_day: bool = False
    ) -> None:
        """Make *name* mean all rows of *files* and of the relation named *tail*; see `table_sql`."""

    def put_external(self, name: str, text: str, files: Mapping[str, str]) -> None:
        """Make *name* mean the SELECT in *text*, which opens *files*, each with what messages call it, and no others."""

    def run(self, text: str, parameters: Any) -> Batches:
        """Run a SELECT over what was put here. Raises `duckdb.Error`, `QueryError`, or `TypeError` for a parameter it cannot take."""

    def interrupt(self) -> None:
        """End what runs soon, from any thread."""

    def drop_arrow(self, names: Iterable[str] | None = None) -> None:
        """Let go of the rows put under *names* (None: under any)."""


SessionT = TypeVar("SessionT", bound=Session)


class Sessions(Protocol[SessionT]):
    """Gives out sessions; each is used by one statement at a time."""

    @property
    def confined(self) -> bool:
        """Whether statements run where the system itself lets them open nothing but the lake's files."""

    def warm(self) -> None:
        """Begin to make ready what the next statement would wait for."""

    def take(self) -> SessionT:
        """Return a session nobody else uses."""

    def give_back(self, session: SessionT, *, broken: bool = False) -> None:
        """Take a session back; *broken*: a query failed in it half-way."""

    def check(self, statement: Node) -> None:
        """Raise `QueryError` for a statement, as the engine serializes it, that may not run here though it only reads."""

    def close(self) -> None:
        """Let go of all of them."""


def called(message: str, files: Mapping[str, str]) -> str:
    """Return what the engine says with each of *files* called as that mapping says."""
    for path in sorted((each for each in files if each in message), key=len, reverse=True):
        message = message.replace(path, files[path])
    return message


class LocalSession:
    """A connection with a catalog of its own."""

    def __init__(self, root: duckdb.DuckDBPyConnection, catalog: str, database: str) -> None:
        self.connection = connection = root.cursor()
        self._database = database
        self._views: dict[str, str] = {}
        self._arrow: dict[str, pa.Table] = {}
        connection.execute(f"ATTACH ':memory:' AS {quote(catalog)}")
        self._catalog = catalog
        self._schemas: set[str] = set()
        connection.execute(f"USE {self._schema(database)}")
        self._root = root
        self._tails: dict[str, tuple[KnownTail, tuple[TableField, ...], pa.Table]] = {}

    def ask(self, text: str, parameters: Any = None) -> Any:
        """Return the first value of the first row of what *text* gives."""
        return self.connection.execute(text, parameters).fetchall()[0][0]

    def evaluate(self, text: str, parameters: Any = None, files: Mapping[str, str] = NO_FILES) -> Any:
        """Return the first value of the first row of what *text* gives."""
        try:
            return self.ask(text, parameters)
        except duckdb.Error as error:
            raise type(error)(called(str(error), files)) from error

    def put_view(self, name: str, text: str, version: str = "") -> None:
        """Make *name* mean the SELECT in *text*; *version* says what else its columns depend on."""
        if self._views.get(name) != text + version:
            self._views.pop(name, None)
            database, table = split_name(name, self._database)
            self.connection.execute(f"CREATE OR REPLACE VIEW {self._schema(database)}.{quote(table)} AS {text}")
            self._views[name] = text + version

    def put_arrow(self, name: str, table: pa.Table) -> str:
        """Make an Arrow table readable and return the quoted name it has in SQL."""
        if self._arrow.get(name) is not table:
            self.connection.register("headwater:" + name, table)
            self._arrow[name] = table
        return "temp." + quote("headwater:" + name)

    def put_tail(self, name: str, tail: KnownTail, fields: tuple[TableField, ...]) -> str:
        """Make a tail readable under the schema *fields* and return the quoted name it has in SQL."""
        known = self._tails.get(name)
        same = known is not None and known[1] == fields and len(known[0].segments) == len(tail.segments)
        if known is None or not same or any(a.rows is not b.rows for a, b in zip(known[0].segments, tail.segments, strict=True)):
            known = self._tails[name] = (tail, fields, tail.table(fields))
        return self.put_arrow(name, known[2])

    def put_files(
        self, name: str, fields: Sequence[TableField], files: Sequence[DataFile], tail: str | None, *, by_day: bool = False
    ) -> None:
        """Make *name* mean all rows of *files* and of the relation named *tail*; see `table_sql`."""
        self.put_view(name, table_sql(fields, files, tail, by_day=by_day))

    def put_external(self, name: str, text: str, files: Mapping[str, str]) -> None:
        """Make *name* mean the SELECT in *text*, which opens *files* and no others."""
        self.put_view(name, text)

    def run(self, text: str, parameters: Any) -> pa.RecordBatchReader:
        """Run a SELECT over what was put here."""
        reader: pa.RecordBatchReader = self.connection.sql(text, params=parameters).to_arrow_reader(65_536)
        return reader

    def interrupt(self) -> None:
        """End what runs soon, from any thread."""
        self.connection.interrupt()

    def drop_arrow(self, names: Iterable[str] | None = None) -> None:
        """Let go of the rows put under *names* (None: under any)."""
        for name in list(self._arrow) if names is None else [name for name in names if name in self._arrow]:
            self.connection.unregister("headwater:" + name)
            del self._arrow[name]
            self._tails.pop(name, None)

    def close(self) -> None:
        """Let go of the connection and of all that was bound in it."""
        self.connection.close()
        self._arrow.clear()
        self._tails.clear()
        with self._root.cursor() as other:
            other.execute(f"DETACH {quote(self._catalog)}")

    def _schema(self, database: str) -> str:
        path = f"{quote(self._catalog)}.{quote(database)}"
        if database not in self._schemas:
            self.connection.execute(f"CREATE SCHEMA {path}")
            self._schemas.add(database)
        return path


class SessionPool:
    """Sessions on one engine; each is used by one query at a time, and at most *keep* idle ones are kept."""

    def __init__(self, open_session: Callable[[int], LocalSession], keep: int = 8) -> None:
        self._open = open_session
        self._keep = keep
        self._lock = threading.Lock()
        self._idle: list[LocalSession] = []
        self._opened = 0
        self._closed = False

    @property
    def confined(self) -> bool:
        """Return that they are not: they run in this process."""
        return False

    def warm(self) -> None:
        """There is nothing to wait for here."""

    def take(self) -> LocalSession:
        """Return a session nobody else uses."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            self._opened += 1
            number = self._opened
        return self._open(number)

    def give_back(self, session: LocalSession, *, broken: bool = False) -> None:
        """Take a session back; one that a query failed in is closed."""
        with self._lock:
            if not broken and not self._closed and len(self._idle) < self._keep:
                if self._idle:
                    # One session with the newest tails at hand is enough; the rest would hold on to old ones.
                    session.drop_arrow()
                self._idle.append(session)
                return
        session.close()

    def check(self, statement: Node) -> None:
        """Let every statement run that only reads: who runs it is who wrote it."""

    def close(self) -> None:
        """Close the idle sessions now and the others when they come back."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for session in idle:
            session.close()


def local_sessions(database: str, memory_limit: str | None, threads: int | None, temp_directory: Path | None) -> SessionPool:
    """Return sessions on an engine of this process; `Engine` says what the arguments are."""
    config = dict(_CONFIG, temp_directory="" if temp_directory is None else str(temp_directory))
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads is not None:
        config["threads"] = threads
    root = duckdb.connect(":memory:", config=config)
    root.execute("SET GLOBAL TimeZone = 'UTC'")
    root.execute("SET GLOBAL parquet_metadata_cache = true")
    opening = threading.Lock()

    def open_session(number: int) -> LocalSession:
        with opening:
            return LocalSession(root, f"headwater:{number}", database)

    return SessionPool(open_session)
