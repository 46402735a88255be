"""One connection to the engine, with the tables of the last query still in place, and the pool of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import duckdb
import pyarrow as pa

from headwater.lake.index import Field
from headwater.query.columns import quote
from headwater.query.tail import Tail


class Session:
    """A connection with a catalog of its own, so that what one query binds no other sees."""

    def __init__(self, root: duckdb.DuckDBPyConnection, catalog: str, database: str) -> None:
        self.connection = connection = root.cursor()
        self._schema = f"{quote(catalog)}.{quote(database)}"
        self._views: dict[str, str] = {}
        self._arrow: dict[str, pa.Table] = {}
        connection.execute(f"ATTACH ':memory:' AS {quote(catalog)}")
        connection.execute(f"CREATE SCHEMA {self._schema}")
        connection.execute(f"USE {self._schema}")
        self._catalog = catalog
        self._root = root
        self._tails: dict[str, tuple[Tail, tuple[Field, ...], pa.Table]] = {}

    def ask(self, text: str, parameters: Any = None) -> Any:
        """Return the first value of the first row of what *text* gives."""
        return self.connection.execute(text, parameters).fetchall()[0][0]

    def put_view(self, name: str, text: str, version: str = "") -> None:
        """Make *name* mean the SELECT in *text*; *version* says what else its columns depend on."""
        if self._views.get(name) != text + version:
            self._views.pop(name, None)
            self.connection.execute(f"CREATE OR REPLACE VIEW {self._schema}.{quote(name)} AS {text}")
            self._views[name] = text + version

    def put_arrow(self, name: str, table: pa.Table) -> str:
        """Make an Arrow table readable and return the quoted name it has in SQL."""
        if self._arrow.get(name) is not table:
            self.connection.register("headwater:" + name, table)
            self._arrow[name] = table
        return "temp." + quote("headwater:" + name)

    def put_tail(self, name: str, tail: Tail, fields: tuple[Field, ...]) -> str:
        """Make a tail readable under the schema *fields* and return the quoted name it has in SQL."""
        known = self._tails.get(name)
        same = known is not None and known[1] == fields and len(known[0].segments) == len(tail.segments)
        if known is None or not same or any(a.rows is not b.rows for a, b in zip(known[0].segments, tail.segments, strict=True)):
            known = self._tails[name] = (tail, fields, tail.table(fields))
        return self.put_arrow(name, known[2])

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


class SessionPool:
    """Sessions on one engine; each is used by one query at a time, and at most *keep* idle ones are kept."""

    def __init__(self, open_session: Callable[[int], Session], keep: int = 8) -> None:
        self._open = open_session
        self._keep = keep
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._opened = 0
        self._closed = False

    def take(self) -> Session:
        """Return a session nobody else uses."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            self._opened += 1
            number = self._opened
        return self._open(number)

    def give_back(self, session: Session, *, broken: bool = False) -> None:
        """Take a session back; one that a query failed in is closed."""
        with self._lock:
            if not broken and not self._closed and len(self._idle) < self._keep:
                if self._idle:
                    # One session with the newest tails at hand is enough; the rest would hold on to old ones.
                    session.drop_arrow()
                self._idle.append(session)
                return
        session.close()

    def close(self) -> None:
        """Close the idle sessions now and the others when they come back."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for session in idle:
            session.close()
