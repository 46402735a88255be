"""All there is to select from: the lake's tables and their tails, what is made of other stores, other people's files, and views."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from headwater.dialect.quoting import quote
from headwater.errors import NotFound, QueryError
from headwater.lake import DataFile, TableField, TablePlan
from headwater.query.external import External, ExternalTables
from headwater.query.names import Meant
from headwater.query.predicate import NOW_WORDS, TIME_COLUMNS
from headwater.query.source import Planner, TableStats, TailSource
from headwater.query.tail import EMPTY, KnownTail, TailCache
from headwater.query.window import EVERYTHING, TimeWindow


class PlannedTable(NamedTuple):
    """A lake table as one query sees it: the files that can matter to it, and all rows that are in no file."""

    files: list[DataFile]
    tail: KnownTail
    fields: tuple[TableField, ...]

    @property
    def has_days(self) -> bool:
        """Whether every row in a file is known to be of the file's day."""
        return is_prunable(self.fields, clock_words=False) and all(file.day is not None for file in self.files)


class KnownTables:
    """What names mean, as it is now. Safe to share between threads; `Engine` says what the arguments are."""

    def __init__(
        self,
        planner: Planner,
        ledger: TailSource,
        database: str,
        made: Mapping[str, Callable[[], pa.Table]],
        views: Mapping[str, str | Callable[[], str]],
        external: ExternalTables | None,
    ) -> None:
        self._planner, self._ledger, self._database = planner, ledger, database
        self.made = {name.lower(): table for name, table in made.items()}
        self._views = {name.lower(): text for name, text in views.items()}
        self.external = external
        self.tails = TailCache(ledger)

    def stats(self) -> list[TableStats]:
        """Return what is known of every table of the lake, by name; tables and views from elsewhere are not listed."""
        tails = self.tails.copy(None)
        found = []
        for name in sorted({*self._planner.tables(), *(name for name, tail in tails.items() if tail.rows)}):
            table = self.lake(Meant(name), tails.get(name, EMPTY), EVERYTHING)
            if table is None:
                continue
            newest = [file.upper_ms for file in table.files if file.upper_ms is not None]
            newest += [segment.last_ms for segment in table.tail.segments]
            rows, size = table.tail.rows + sum(file.rows for file in table.files), sum(file.size for file in table.files)
            found.append(TableStats(name, rows, len(table.files), size, table.tail.rows, max(newest, default=None)))
        return found

    def names(self) -> list[str]:
        """Return the names of all there is to select from, sorted."""
        tailed = [name for name, tail in self.tails.copy(None).items() if tail.rows]
        external = [] if self.external is None else self.external.names()
        return sorted({*self._planner.tables(), *tailed, *self.fixed, *external})

    def fields(self, table: str) -> tuple[TableField, ...] | None:
        """Return the columns of a table that has been committed to the lake, None for anything else."""
        if table in self.fixed:
            return None
        try:
            return tuple(self._planner.plan(table, 1, 0).fields)  # no day is both: the plan names no file
        except NotFound:
            return None

    def properties(self, table: str) -> dict[str, str]:
        """Return the properties that people gave a table of the lake. Raises `NotFound` for what is none."""
        return {row["key"]: row["value"] for row in self._planner.about(table, "properties").to_pylist()}

    def metadata(self, table: str) -> str | None:
        """Return where the Iceberg metadata of a table of the lake lies, None for anything else."""
        if table in self.fixed:
            return None
        try:
            return self._planner.plan(table, 1, 0).metadata_location
        except NotFound:
            return None

    @property
    def fixed(self) -> frozenset[str]:
        """The names of what is made of other stores, and of views that no table takes the place of."""
        return frozenset(self.made.keys() | (self._views.keys() - set(self._planner.tables())))

    def views(self) -> frozenset[str]:
        """Return the names of the views that no table takes the place of."""
        return self.fixed - self.made.keys()

    def is_view(self, name: str) -> bool:
        """Return whether a lower-case *name* means one of the views: a table of the lake takes its place."""
        return name in self._views and name not in self._planner.tables()

    def view(self, name: str) -> str:
        """Return the SELECT of a view, also where a table takes its place. Raises `QueryError` if there is none of that name."""
        if (found := self._views.get(name.lower())) is None:
            raise QueryError(f"there is no view {quote(name)}; there are: {', '.join(sorted(self._views))}")
        return found if isinstance(found, str) else found()

    def lake(self, means: Meant, tail: KnownTail, window: TimeWindow, *, clock_words: bool = False) -> PlannedTable | None:
        """Return a table with the part of its tail that no file holds, and the files that can have rows in *window*."""
        name = means.table
        first, last = window.day_bounds()
        try:
            plan = self._plan(means, first, last)
            if window != EVERYTHING and not is_prunable(plan.fields, clock_words=clock_words):
                window = EVERYTHING
                plan = self._plan(means)
        except NotFound:
            # Rows may come before the table does; until then they are all there is of it.
            return PlannedTable([], tail, ()) if tail.segments else None
        if means.past is None:
            if plan.folded < tail.floor:
                self.tails.reset(name)
                raise QueryError(f"the plan of {name} is older than one seen before; ask the query again")
            self.tails.forget(name, plan.folded)
        files = [file for file in plan.files if file.day is None or window.admits(file.day, file.lower_ms, file.upper_ms)]
        return PlannedTable(files, tail.after(plan.folded), tuple(plan.fields))

    def about(self, means: Meant) -> pa.Table:
        """Return a table about a table of the lake. Raises `QueryError`."""
        assert means.about is not None
        try:
            return self._planner.about(means.table, means.about)
        except NotFound:
            raise self.unknown(means.table) from None

    def partitions(self, means: Meant) -> External | None:
        """Return the partitions that an external table has, None where *means* is anything else."""
        if self.external is None or means.about != "partitions" or self.fields(means.table) is not None:
            return None
        return self.external.partitions(means.table)

    def unknown(self, name: str) -> QueryError:
        """Return what to say where there is no table of that name."""
        names = self.names()
        database, _, _ = name.rpartition(".")
        if database and not any(each.startswith(f"{database}.") for each in names):
            return QueryError(f"there is no database {quote(database)} with tables; ours are named {self._database}.<table>")
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else f"there are: {', '.join(names)}" if names else "the lake has no tables yet"
        return QueryError(f"there is no table {quote(name)}; {hint}")

    def close(self) -> None:
        """Let go of the planner, the ledger and the catalog."""
        self._planner.close()
        self._ledger.close()
        if self.external is not None:
            self.external.close()

    def _plan(self, means: Meant, first_day: int | None = None, last_day: int | None = None) -> TablePlan:
        if means.past is None:
            return self._planner.plan(means.table, first_day, last_day)
        try:
            return self._planner.plan_past(means.table, means.past, first_day, last_day)
        except NotFound as error:
            if error.kind == "table":
                raise
            raise QueryError(str(error)) from None


def is_prunable(fields: Sequence[TableField], *, clock_words: bool) -> bool:
    """Return whether the columns are those the conditions were read for."""
    types = {field.name.lower(): field.type for field in fields}
    if clock_words and types.keys() & NOW_WORDS:
        return False
    return types.get("datetime") == "timestamptz" and all(types.get(name) == "string" for name in TIME_COLUMNS - {"datetime"})
