"""Puts what a statement reads in place, so that it can run: only files and columns that can matter to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.errors import QueryError
from headwater.lake import TableField
from headwater.query.copies import HeldFiles
from headwater.query.days import BY_DAY
from headwater.query.external import External
from headwater.query.names import Meant, meant, name_of
from headwater.query.session import A_FILE, Session, called
from headwater.query.statement import ParsedStatement, tree_of
from headwater.query.tables import KnownTables, PlannedTable
from headwater.query.tail import EMPTY
from headwater.query.watch import Watch
from headwater.query.window import EVERYTHING, TimeWindow, both, either, window_of
from headwater.store import SCHEME

Parameters = Sequence[Any] | Mapping[str, Any] | None

_RESTORE = "restore it from a backup"
# What the engine says of a statement begins with the kind of error; what its Parquet reader says of pages mostly does not.
_UNREADABLE = re.compile(
    r"(?:[A-Za-z ]+ Error: )(?:No magic bytes|File '[^']*' too small|Corrupt|Failed to read Parquet)|(?![A-Z][A-Za-z ]+ Error: )"
)


def _has_footer(path: str) -> bool:
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    return True


class Binding:
    """What one statement reads: tables of the lake, and tables that are files of other people; filled while it is bound."""

    def __init__(self, *, confined: bool = False) -> None:
        """*confined*: others than the owner ask, whom the places of the lake's files are no business of."""
        self._confined = confined
        self.tables: dict[str, PlannedTable] = {}
        self.external: dict[str, External] = {}

    @property
    def files(self) -> int:
        """How many files."""
        return sum(len(table.files) for table in self.tables.values()) + sum(len(table.files) for table in self.external.values())

    @property
    def bytes(self) -> int:
        """The size of these files."""
        lake = sum(file.size for table in self.tables.values() for file in table.files)
        return lake + sum(table.size for table in self.external.values())

    @property
    def rows(self) -> int:
        """How many rows the tables of the lake have, in these files and in none."""
        return sum(file.rows for table in self.tables.values() for file in table.files) + self.tail_rows

    @property
    def tail_rows(self) -> int:
        """How many rows are in no file yet."""
        return sum(table.tail.rows for table in self.tables.values())

    def told(self, error: Exception) -> str:
        """Return what the engine said for others to read: which file is damaged, and external files by their URLs."""
        said = str(error).strip()
        return (isinstance(error, duckdb.Error) and self.damaged(said)) or self._called(said)

    def lost(self) -> list[str]:
        """Return the files that are not there any more, each with its table."""
        named = [(name, file.path) for name, table in self.tables.items() for file in table.files]
        named += [(name, file) for name, table in self.external.items() for file in table.files]
        return [f"{path} of table {name}" for name, path in named if not Path(path).exists()]

    def damaged(self, said: str) -> str | None:
        """Return which of these files is damaged, with its table, and what to do; None where neither its size nor what was *said* tells."""
        for name, table in self.tables.items():
            for file in table.files:
                if (size := Path(file.path).stat().st_size) != file.size:
                    shown = self._named(file.path)
                    return f"{shown} of table {name} has {size:,} bytes and was written with {file.size:,}: {_RESTORE} ({said})"
        if not _UNREADABLE.match(said):
            return None
        named = [(name, file.path) for name, table in self.tables.items() for file in table.files]
        named += [(name, url) for name, table in self.external.items() for url in table.files.values()]
        said = self._called(said)
        for name, path in named:
            if path in said or (name in self.tables and not _has_footer(path)):
                return f"{self._named(path)} of table {name} cannot be read: {_RESTORE} ({said})"
        tables = ", ".join(sorted({name for name, _ in named}))
        return f"a file of {tables} is damaged: {_RESTORE} ({said})" if named else None

    def _named(self, path: str) -> str:
        return path if path.startswith(SCHEME) or not self._confined else A_FILE

    def _called(self, said: str) -> str:
        for table in self.external.values():
            said = called(said, table.files)
        return said


class Binder:
    """Binds statements over *tables*; *database* is the project's own, *parse* reads the text of a view. Safe to share between threads."""

    def __init__(self, tables: KnownTables, database: str, parse: Callable[[str, Session], ParsedStatement]) -> None:
        self._tables, self._database, self._parse = tables, database, parse
        self._read_views: dict[str, tuple[str, ParsedStatement]] = {}

    def bind(
        self,
        session: Session,
        statement: ParsedStatement,
        parameters: Parameters,
        bound: Binding,
        held: HeldFiles,
        watch: Watch,
    ) -> str:
        """Put what the statement reads in place under its name and return the text to run; fill *bound* on the way.

        *held* gets files of buckets, *watch* is told how much there is to read before any is fetched. Raises `QueryError`.
        """
        tables = bound.tables
        named = {name_of(reference.path, self._database) for reference in statement.references}
        views = self._views_below(named, session)
        below = {name_of(ref.path, self._database) for _, view in views for ref in view.references}
        lake = {name: meant(name) for name in sorted((named | below) - self._tables.made.keys() - {name for name, _ in views})}
        # The order is the contract: a batch folded after the tail was copied is in the files, too, and is then left out of the tail.
        tails = self._tables.tails.copy([name for name, means in lake.items() if means == Meant(name)])
        windows = self._windows(session, statement, parameters, views)
        clock_words = statement.clock_words or any(view.clock_words for _, view in views)
        others: dict[str, pa.Table] = {name: self._tables.made[name]() for name in sorted((named | below) & self._tables.made.keys())}
        for name, means in lake.items():
            if (partitions := self._tables.partitions(means)) is not None:
                session.put_external(name, partitions.sql, partitions.files)
                continue
            if means.about is not None:
                others[name] = self._tables.about(means)
                continue
            table = self._tables.lake(means, tails.get(name, EMPTY), windows[name], clock_words=clock_words)
            if table is not None:
                tables[name] = table
            elif (other := self._external(session, statement, means, held, watch)) is not None:
                bound.external[name] = other
                session.put_external(name, other.sql, other.files)
            else:
                raise self._tables.unknown(means.table)
        watch.planned(sum(file.size for table in tables.values() for file in table.files), 0, 0.0)  # before any file is fetched
        for name, table in tables.items():
            tables[name] = table._replace(files=held.files(table.files))
        by_day = statement.by_day is not None and all(name in tables and tables[name].has_days for name in statement.by_day_tables)
        for name, table in tables.items():
            tail = session.put_tail(name, table.tail, table.fields) if table.tail.segments else None
            fields = _named(table.fields, None if views else statement.columns)
            if not by_day or name in statement.plain_tables or name in below:
                session.put_files(name, fields, table.files, tail)
            if by_day and name in statement.by_day_tables:
                session.put_files(name + BY_DAY, fields, table.files, tail, by_day=True)
        shapes = "".join(f"{name} {[(field.name, field.duckdb) for field in table.fields]}" for name, table in tables.items() if views)
        for name, rows in others.items():
            shapes += f"{name} {rows.schema}"
            session.put_view(name, f"SELECT * FROM {session.put_arrow(name, rows)}", str(rows.schema))
        for name, view in views:
            session.put_view(name, view.text, shapes)
        return statement.by_day if by_day and statement.by_day is not None else statement.text

    def _external(self, session: Session, statement: ParsedStatement, means: Meant, held: HeldFiles, watch: Watch) -> External | None:
        external = self._tables.external
        if external is None or means != Meant(means.table):
            return None
        return external.plan(means.table, lambda: tree_of(statement, session.ask), session, lambda size: watch.planned(size, 0, 0.0), held)

    def _windows(
        self, session: Session, statement: ParsedStatement, parameters: Parameters, views: list[tuple[str, ParsedStatement]]
    ) -> dict[str, TimeWindow]:
        """Return the window in which each table or view that is read can have rows that matter."""
        found: dict[str, TimeWindow] = {}

        def read(reader: ParsedStatement, parameters: Parameters, within: TimeWindow) -> None:
            constants = self._constants(session, reader, parameters)
            for reference in reader.references:
                name = name_of(reference.path, self._database)
                own = EVERYTHING if constants is None else window_of(reference.condition, constants)
                window = both(own, within.of(reference.handed))
                found[name] = either(found[name], window) if name in found else window

        read(statement, parameters, EVERYTHING)
        # What is asked of a view is known when all its readers have been looked at: they come after it.
        for name, view in reversed(views):
            read(view, None, found[name])
        return found

    def _constants(self, session: Session, statement: ParsedStatement, parameters: Parameters) -> list[int | None] | None:
        query = statement.constants
        if query is None:
            return None
        try:
            if isinstance(parameters, Mapping):
                given = {"p_" + name: parameters[name] for name in query.parameters}
            else:
                given = {"p_" + name: (parameters or ())[int(name) - 1] for name in query.parameters}
            found: list[int | None] = session.evaluate(query.text, given or None)
        except (duckdb.Error, LookupError, ValueError):
            # The statement itself will meet the same constant and say what is wrong with it; nothing is left out till then.
            return None
        return found

    def _views_below(self, names: set[str], session: Session) -> list[tuple[str, ParsedStatement]]:
        """Return the views among *names* and those they use, each after all it uses."""
        ordered: dict[str, ParsedStatement] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise QueryError(f"the view {name} is made of itself")
            if name not in ordered and self._tables.is_view(name):
                view = self._read_view(name, session)
                for reference in view.references:
                    visit(name_of(reference.path, self._database), (*path, name))
                ordered[name] = view

        for name in sorted(names):
            visit(name, ())
        return list(ordered.items())

    def _read_view(self, name: str, session: Session) -> ParsedStatement:
        # Kept however long it is: there are few, and one over all events is long.
        text = self._tables.view(name)
        kept = self._read_views.get(name)
        if kept is None or kept[0] != text:
            kept = self._read_views[name] = (text, self._parse(text, session))
        return kept[1]


def _named(fields: tuple[TableField, ...], names: frozenset[str] | None) -> tuple[TableField, ...]:
    """Return the columns a statement can mean: what is not there need not be bound, which takes longer than many a query."""
    if names is None:
        return fields
    return tuple(field for field in fields if field.name.lower() in names) or fields[:1]
