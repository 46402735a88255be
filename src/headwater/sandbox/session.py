"""What one statement binds, gathered, to be sent to a sandbox in one piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa

from headwater.dialect.quoting import quote
from headwater.lake import DataFile, TableField
from headwater.query.relation import table_sql
from headwater.query.session import A_FILE, NO_FILES
from headwater.query.tail import KnownTail
from headwater.sandbox.box import BoxRows
from headwater.sandbox.inside.wire import Assignment
from headwater.sandbox.run import SandboxRun
from headwater.sandbox.share import Shared, SharedTails

_PLAIN = (type(None), bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID)


class SandboxSession:
    """One statement's use of the sandboxes: *run* takes a process when it starts, which is gone when the session is closed.

    *ask* answers questions about texts of statements, *inside* tells how a sandbox names a file.
    """

    def __init__(self, run: SandboxRun, ask: Callable[[str, Any], Any], tails: SharedTails, inside: Callable[[str], str]) -> None:
        self._run, self._ask, self._tails, self._inside = run, ask, tails, inside
        self._views: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._tables: dict[str, list[Shared]] = {}

    def ask(self, text: str, parameters: Any = None) -> Any:
        """Return the first value of the first row of what *text*, one of ours, gives; it reads no table."""
        return self._ask(text, _plain(parameters))

    def evaluate(self, text: str, parameters: Any = None, files: Mapping[str, str] = NO_FILES) -> Any:
        """Return the first value of the first row of what *text* gives, in the process that will run the statement."""
        return self._run.evaluate(text, _plain(parameters), files)

    def put_view(self, name: str, text: str, version: str = "") -> None:
        """Make *name* mean the SELECT in *text*."""
        self._views[name] = text

    def put_arrow(self, name: str, table: pa.Table) -> str:
        """Make an Arrow table readable and return the quoted name it has in SQL."""
        return self._put(name, [Shared(table)])

    def put_tail(self, name: str, tail: KnownTail, fields: tuple[TableField, ...]) -> str:
        """Make a tail readable under the schema *fields* and return the quoted name it has in SQL."""
        return self._put(name, self._tails.share(name, tail, fields))

    def put_files(
        self, name: str, fields: Sequence[TableField], files: Sequence[DataFile], tail: str | None, *, by_day: bool = False
    ) -> None:
        """Make *name* mean all rows of *files* and of the relation named *tail*; see `table_sql`."""
        inside = [file._replace(path=self._inside(file.path)) for file in files]
        self._files.update((file.path, A_FILE) for file in inside)
        self.put_view(name, table_sql(fields, inside, tail, by_day=by_day))

    def put_external(self, name: str, text: str, files: Mapping[str, str]) -> None:
        """Make *name* mean the SELECT in *text*, which opens *files* and no others."""
        self._files.update(files)
        self.put_view(name, text)

    def run(self, text: str, parameters: Any) -> BoxRows:
        """Run a SELECT over what was put here. Raises `duckdb.Error`, `QueryLimit`, `Stopped`; `TypeError` for what is no parameter."""
        tables = [(name, len(parts)) for name, parts in self._tables.items()]
        job = Assignment(text, _plain(parameters), list(self._views.items()), list(self._files), tables)
        return self._run.start(job, [part.fd for parts in self._tables.values() for part in parts], self._files)

    def interrupt(self) -> None:
        """End the query soon, from any thread."""
        self._run.stop()

    def drop_arrow(self, names: Iterable[str] | None = None) -> None:
        """Let go of the rows put here; they were for one query in any case."""
        self._tables.clear()

    def close(self) -> None:
        """End the process, if there is one."""
        self._run.close()
        self._tables.clear()

    def _put(self, name: str, parts: list[Shared]) -> str:
        inside = "headwater:" + name
        self._tables[inside] = parts
        return "temp." + quote(inside)


def _plain(value: Any) -> Any:
    """Return parameters as they can be sent: values, lists and mappings of such."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    raise TypeError(f"a {type(value).__name__} is no value of SQL")
