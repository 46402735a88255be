"""SQL over the lake: DuckDB on the files of the newest snapshot and the rows that are in no file yet."""

from __future__ import annotations

import difflib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import duckdb
import pyarrow as pa

from headwater.errors import HeadwaterError, NotFound, QueryError
from headwater.lake.index import DataFile, Field, TablePlan
from headwater.query.columns import quote
from headwater.query.days import BY_DAY
from headwater.query.external import External, ExternalTables
from headwater.query.held import Held
from headwater.query.names import Meant, meant, name_of
from headwater.query.predicate import NOW_WORDS, TIME_COLUMNS
from headwater.query.result import Result, Running, refused
from headwater.query.session import LocalSession, Session, SessionPool, Sessions
from headwater.query.source import Planner, TableStats, TailSource
from headwater.query.statement import Statement, parse, tree_of
from headwater.query.tail import EMPTY, Tail, TailCache
from headwater.query.watch import Watch
from headwater.query.window import EVERYTHING, Window, both, either, window_of
from headwater.store import Stores

Parameters = Sequence[Any] | Mapping[str, Any] | None

_CONFIG: dict[str, Any] = {
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
}
_PARSED = 512
_PARSED_CHARS = 16_384


class _Table(NamedTuple):
    """A lake table as one query sees it: the files that can matter to it, and all rows that are in no file."""

    files: list[DataFile]
    tail: Tail
    fields: tuple[Field, ...]


class Engine:
    """Answers SQL about the databases of a project; safe to share between threads, each query has a connection of its own.

    *database* is the project's own, which need not be named; tables and views from elsewhere are in it.
    tables: name -> a callable giving an Arrow table, called when a query names it. views: name -> a SELECT over any of the tables, or a
    callable giving one, called when a query names it; a table of the lake with that name takes the view's place.
    external: tables that are files of other people; a table of the lake with that name takes the place of one.
    stores: where files lie whose paths are URLs of buckets.
    sessions: where statements run, None = in this process: then memory_limit (like '2GB') and threads are DuckDB's, and what does not
    fit in memory goes to temp_directory, None = nowhere.
    """

    def __init__(
        self,
        planner: Planner,
        ledger: TailSource,
        database: str = "analytics",
        *,
        tables: Mapping[str, Callable[[], pa.Table]] | None = None,
        views: Mapping[str, str | Callable[[], str]] | None = None,
        external: ExternalTables | None = None,
        stores: Stores | None = None,
        sessions: Sessions[Any] | None = None,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: Path | None = None,
    ) -> None:
        self._planner = planner
        self._ledger = ledger
        self._database = database
        self._tables = {name.lower(): table for name, table in (tables or {}).items()}
        self._views = {name.lower(): text for name, text in (views or {}).items()}
        self._external = external
        self._stores = stores
        self._tails = TailCache(ledger)
        self._lock = threading.Lock()
        self._sessions = sessions or _local_sessions(database, memory_limit, threads, temp_directory)
        self._parsed: OrderedDict[str, Statement] = OrderedDict()
        self._read_views: dict[str, tuple[str, Statement]] = {}

    def sql(self, query: str, parameters: Parameters = None, *, watch: Watch | None = None) -> Result:
        """Return the answer to one read-only statement, seeing every row committed to the ledger before this call, each once.

        The text is DuckDB's SQL; times are UTC. *parameters*: a sequence for `?` and `$1`, a mapping for `$name`. *watch* may stop it.
        Raises `QueryError` for anything that is not one such statement, and for a table there is none of.
        """
        session = self._sessions.take()
        try:
            statement = self._parse(query, session)
        finally:
            self._sessions.give_back(session)
        return Result(lambda: self._start(statement, parameters, watch or Watch()))

    def tables(self) -> list[TableStats]:
        """Return what is known of every table of the lake, by name; tables and views from elsewhere are not listed."""
        tails = self._tails.copy(None)
        found = []
        for name in sorted({*self._planner.tables(), *(name for name, tail in tails.items() if tail.rows)}):
            table = self._table(Meant(name), tails.get(name, EMPTY), EVERYTHING)
            if table is None:
                continue
            newest = [file.upper_ms for file in table.files if file.upper_ms is not None]
            newest += [segment.last_ms for segment in table.tail.segments]
            rows, size = sum(file.rows for file in table.files), sum(file.size for file in table.files)
            found.append(TableStats(name, rows, len(table.files), size, table.tail.rows, max(newest, default=None)))
        return found

    def names(self) -> list[str]:
        """Return the names of all there is to select from, sorted."""
        tailed = [name for name, tail in self._tails.copy(None).items() if tail.rows]
        external = [] if self._external is None else self._external.names()
        return sorted({*self._planner.tables(), *tailed, *self._fixed, *external})

    def fields(self, table: str) -> tuple[Field, ...] | None:
        """Return the columns of a table that has been committed to the lake, None for anything else."""
        if table in self._fixed:
            return None
        try:
            return tuple(self._planner.plan(table, 1, 0).fields)  # no day is both: the plan names no file
        except NotFound:
            return None

    def metadata(self, table: str) -> str | None:
        """Return where the Iceberg metadata of a table of the lake lies, None for anything else."""
        if table in self._fixed:
            return None
        try:
            return self._planner.plan(table, 1, 0).metadata_location
        except NotFound:
            return None

    @property
    def confined(self) -> bool:
        """Whether statements run where they can open nothing but the lake's files, so that others than the owner may write them."""
        return self._sessions.confined

    def warm(self) -> None:
        """Begin to make ready what the first statement would wait for."""
        self._sessions.warm()

    def views(self) -> frozenset[str]:
        """Return the names of the views that no table takes the place of."""
        return self._fixed - self._tables.keys()

    def view(self, name: str) -> str:
        """Return the SELECT of a view, also where a table takes its place. Raises `QueryError` if there is none of that name."""
        if (found := self._views.get(name.lower())) is None:
            raise QueryError(f"there is no view {quote(name)}; there are: {', '.join(sorted(self._views))}")
        return found if isinstance(found, str) else found()

    def close(self) -> None:
        """Let go of the engine, the planner and the ledger; a result already open can still be read to its end."""
        self._sessions.close()
        self._planner.close()
        self._ledger.close()
        if self._external is not None:
            self._external.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _parse(self, query: str, session: Session) -> Statement:
        with self._lock:
            if (found := self._parsed.get(query)) is not None:
                self._parsed.move_to_end(query)
                return found
        try:
            statement = parse(query, self._database, session.ask, self._fixed, self._sessions.check)
        except (duckdb.Error, UnicodeEncodeError) as error:
            raise QueryError(str(error).strip()) from error
        if len(query) > _PARSED_CHARS:
            return statement
        with self._lock:
            self._parsed[query] = statement
            while len(self._parsed) > _PARSED:
                self._parsed.popitem(last=False)
        return statement

    def _start(self, statement: Statement, parameters: Parameters, watch: Watch) -> Running:
        started = time.perf_counter()
        session = self._sessions.take()
        tables: dict[str, _Table] = {}
        external: dict[str, External] = {}
        held = Held(self._stores, lambda: watch.arm(session.interrupt))

        def lost_files() -> list[str]:
            named = [(name, file.path) for name, table in tables.items() for file in table.files]
            named += [(name, file) for name, table in external.items() for file in table.files]
            return [f"{path} of table {name}" for name, path in named if not Path(path).exists()]

        def let_go(*, broken: bool = False) -> None:
            watch.disarm()
            self._sessions.give_back(session, broken=broken)
            held.close()

        def release(broken: bool) -> None:
            if not broken:
                session.drop_arrow(self._tables)
            let_go(broken=broken)

        try:
            watch.arm(session.interrupt)
            if statement.kind == "show tables":
                names = pa.table({"name": pa.array(self.names(), pa.string())})
                text, parameters = f"SELECT name FROM {session.put_arrow('names', names)} ORDER BY name", None
            else:
                text = self._bind(session, statement, parameters, tables, external, held, watch)
            planned = time.perf_counter()
            size = sum(file.size for table in tables.values() for file in table.files) + sum(each.size for each in external.values())
            watch.planned(
                size,
                sum(file.rows for table in tables.values() for file in table.files) + sum(table.tail.rows for table in tables.values()),
                (planned - started) * 1000,
            )
            reader = session.run(text, parameters)
        except duckdb.Error as error:
            let_go()
            raise refused(error, lost_files) from error
        except FileNotFoundError as error:
            let_go()
            gone = [str(error.filename)]
            raise refused(error, lambda: gone) from error
        except HeadwaterError:
            let_go()
            raise
        except (TypeError, ValueError) as error:
            let_go()
            raise QueryError(f"a parameter cannot be given to the engine: {error}") from error
        except BaseException:
            let_go(broken=True)
            raise
        return Running(
            reader,
            files=sum(len(table.files) for table in tables.values()) + sum(len(table.files) for table in external.values()),
            bytes=size,
            tail_rows=sum(table.tail.rows for table in tables.values()),
            planning_ms=(planned - started) * 1000,
            engine_ms=(time.perf_counter() - planned) * 1000,
            release=release,
            lost_files=lost_files,
        )

    def _bind(
        self,
        session: Session,
        statement: Statement,
        parameters: Parameters,
        tables: dict[str, _Table],
        external: dict[str, External],
        held: Held,
        watch: Watch,
    ) -> str:
        """Put what the statement reads in place under its name and return the text to run; fill *tables* and *external* on the way."""
        named = {name_of(reference.path, self._database) for reference in statement.references}
        views = self._views_below(named, session)
        below = {name_of(ref.path, self._database) for _, view in views for ref in view.references}
        lake = {name: meant(name) for name in sorted((named | below) - self._tables.keys() - {name for name, _ in views})}
        # The order is the contract: a batch folded after the tail was copied is in the files, too, and is then left out of the tail.
        tails = self._tails.copy([name for name, means in lake.items() if means == Meant(name)])
        windows = self._windows(session, statement, parameters, views)
        clock_words = statement.clock_words or any(view.clock_words for _, view in views)
        others: dict[str, pa.Table] = {name: self._tables[name]() for name in sorted((named | below) & self._tables.keys())}
        for name, means in lake.items():
            if means.about is not None:
                others[name] = self._about(means)
                continue
            table = self._table(means, tails.get(name, EMPTY), windows[name], clock_words=clock_words)
            if table is not None:
                tables[name] = table
            elif (other := self._external_table(session, statement, means, held, watch)) is not None:
                external[name] = other
                session.put_external(name, other.sql, other.files)
            else:
                raise self._unknown(means.table)
        watch.planned(sum(file.size for table in tables.values() for file in table.files), 0, 0.0)  # before any file is fetched
        for name, table in tables.items():
            tables[name] = table._replace(files=held.files(table.files))
        by_day = statement.by_day is not None and all(name in tables and _has_days(tables[name]) for name in statement.by_day_tables)
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

    def _external_table(self, session: Session, statement: Statement, means: Meant, held: Held, watch: Watch) -> External | None:
        if self._external is None or means != Meant(means.table):
            return None
        return self._external.plan(
            means.table, lambda: tree_of(statement, session.ask), session.ask, lambda size: watch.planned(size, 0, 0.0), held.objects
        )

    def _about(self, means: Meant) -> pa.Table:
        assert means.about is not None
        try:
            return self._planner.about(means.table, means.about)
        except NotFound:
            raise self._unknown(means.table) from None

    def _plan(self, means: Meant, first_day: int | None = None, last_day: int | None = None) -> TablePlan:
        if means.past is None:
            return self._planner.plan(means.table, first_day, last_day)
        try:
            return self._planner.plan_past(means.table, means.past, first_day, last_day)
        except NotFound as error:
            if error.kind == "table":
                raise
            raise QueryError(str(error)) from None

    def _table(self, means: Meant, tail: Tail, window: Window, *, clock_words: bool = False) -> _Table | None:
        """Return a table with the part of its tail that no file holds, and the files that can have rows in *window*."""
        name = means.table
        first, last = window.day_bounds()
        try:
            plan = self._plan(means, first, last)
            if window != EVERYTHING and not _prunable(plan.fields, clock_words=clock_words):
                window = EVERYTHING
                plan = self._plan(means)
        except NotFound:
            # Rows may come before the table does; until then they are all there is of it.
            return _Table([], tail, ()) if tail.segments else None
        if means.past is None:
            if plan.folded < tail.floor:
                self._tails.reset(name)
                raise QueryError(f"the plan of {name} is older than one seen before; ask the query again")
            self._tails.forget(name, plan.folded)
        files = [file for file in plan.files if file.day is None or window.admits(file.day, file.lower_ms, file.upper_ms)]
        return _Table(files, tail.after(plan.folded), tuple(plan.fields))

    @property
    def _fixed(self) -> frozenset[str]:
        """The names that are no tables of the lake."""
        return frozenset(self._tables.keys() | (self._views.keys() - set(self._planner.tables())))

    def _windows(
        self, session: Session, statement: Statement, parameters: Parameters, views: list[tuple[str, Statement]]
    ) -> dict[str, Window]:
        """Return the window in which each table or view that is read can have rows that matter."""
        found: dict[str, Window] = {}

        def read(reader: Statement, parameters: Parameters, within: Window) -> None:
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

    def _constants(self, session: Session, statement: Statement, parameters: Parameters) -> list[int | None] | None:
        query = statement.constants
        if query is None:
            return None
        try:
            if isinstance(parameters, Mapping):
                given = {"p_" + name: parameters[name] for name in query.parameters}
            else:
                given = {"p_" + name: (parameters or ())[int(name) - 1] for name in query.parameters}
            found: list[int | None] = session.ask(query.text, given or None)
        except (duckdb.Error, LookupError, ValueError):
            # The statement itself will meet the same constant and say what is wrong with it; nothing is left out till then.
            return None
        return found

    def _views_below(self, names: set[str], session: Session) -> list[tuple[str, Statement]]:
        """Return the views among *names* and those they use, each after all it uses."""
        ordered: dict[str, Statement] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise QueryError(f"the view {name} is made of itself")
            if name in self._views and name not in ordered and name not in self._planner.tables():
                view = self._read_view(name, session)
                for reference in view.references:
                    visit(name_of(reference.path, self._database), (*path, name))
                ordered[name] = view

        for name in sorted(names):
            visit(name, ())
        return list(ordered.items())

    def _read_view(self, name: str, session: Session) -> Statement:
        # Kept however long it is: there are few, and one over all events is long.
        text = self.view(name)
        kept = self._read_views.get(name)
        if kept is None or kept[0] != text:
            kept = self._read_views[name] = (text, self._parse(text, session))
        return kept[1]

    def _unknown(self, name: str) -> QueryError:
        names = self.names()
        database, _, _ = name.rpartition(".")
        if database and not any(each.startswith(f"{database}.") for each in names):
            return QueryError(f"there is no database {quote(database)} with tables; ours are named {self._database}.<table>")
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else f"there are: {', '.join(names)}" if names else "the lake has no tables yet"
        return QueryError(f"there is no table {quote(name)}; {hint}")


def _local_sessions(database: str, memory_limit: str | None, threads: int | None, temp_directory: Path | None) -> SessionPool:
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
            return LocalSession(root, f"headwater_{number}", database)

    return SessionPool(open_session)


def _named(fields: tuple[Field, ...], names: frozenset[str] | None) -> tuple[Field, ...]:
    """Return the columns a statement can mean: what is not there need not be bound, which takes longer than many a query."""
    if names is None:
        return fields
    return tuple(field for field in fields if field.name.lower() in names) or fields[:1]


def _prunable(fields: Sequence[Field], *, clock_words: bool) -> bool:
    """Return whether the columns are those the conditions were read for."""
    types = {field.name.lower(): field.type for field in fields}
    if clock_words and types.keys() & NOW_WORDS:
        return False
    return types.get("datetime") == "timestamptz" and all(types.get(name) == "string" for name in TIME_COLUMNS - {"datetime"})


def _has_days(table: _Table) -> bool:
    return _prunable(table.fields, clock_words=False) and all(file.day is not None for file in table.files)
