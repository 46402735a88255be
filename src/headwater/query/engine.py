"""SQL over the lake: DuckDB on the files of the newest snapshot and the rows that are in no file yet."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from headwater.dialect.quoting import quote
from headwater.dialect.unknown_column import explained, unknown_column
from headwater.errors import HeadwaterError, QueryError
from headwater.lake import TableField
from headwater.query.binder import Binder, Binding, Parameters
from headwater.query.copies import HeldFiles
from headwater.query.external import ExternalTables
from headwater.query.result import Result, Running, refused
from headwater.query.scope import FILE_FUNCTIONS, TABLE_FUNCTIONS
from headwater.query.session import Session, Sessions, local_sessions
from headwater.query.source import Planner, TableStats, TailSource
from headwater.query.statement import ParsedStatement, parse
from headwater.query.tables import KnownTables
from headwater.query.watch import Watch
from headwater.store import Stores

_PARSED = 512
_PARSED_CHARS = 16_384
_TABLES_EXPLAINED = 4


class Engine:
    """Answers SQL about the databases of a project; safe to share between threads, each query has a connection of its own.

    *database* is the project's own, which need not be named; tables and views from elsewhere are in it.
    tables: name -> a callable giving an Arrow table, called when a query names it. views: name -> a SELECT over any of the tables, or a
    callable giving one, called when a query names it; a table of the lake with that name takes the view's place.
    external: tables that are files of other people; a table of the lake with that name takes the place of one.
    stores: where files lie whose paths are URLs of buckets.
    sessions: where statements run, None = in this process: then memory_limit (like '2GB') and threads are DuckDB's, and what does not
    fit in memory goes to temp_directory, None = nowhere. local_files: whether statements may read any file that this process may.
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
        local_files: bool = False,
    ) -> None:
        self._local_files = local_files
        self._database, self._stores = database, stores
        self._known = KnownTables(planner, ledger, database, tables or {}, views or {}, external)
        self._binder = Binder(self._known, database, self._parse)
        self._sessions = sessions or local_sessions(database, memory_limit, threads, temp_directory)
        self._lock = threading.Lock()
        self._parsed: OrderedDict[tuple[str, bool], ParsedStatement] = OrderedDict()

    def sql(self, query: str, parameters: Parameters = None, *, watch: Watch | None = None) -> Result:
        """Return the answer to one read-only statement, seeing every row committed to the ledger before this call, each once.

        The text is DuckDB's SQL; times are UTC. *parameters*: a sequence for `?` and `$1`, a mapping for `$name`. *watch* may stop it.
        Raises `QueryError` for anything that is not one such statement, and for a table there is none of.
        """
        session = self._sessions.take()
        try:
            statement = self._parse(query, session, self._local_files)
        finally:
            self._sessions.give_back(session)
        return Result(lambda: self._start(statement, parameters, watch or Watch()))

    def tables(self) -> list[TableStats]:
        """Return what is known of every table of the lake, by name; tables and views from elsewhere are not listed."""
        return self._known.stats()

    def names(self) -> list[str]:
        """Return the names of all there is to select from, sorted."""
        return self._known.names()

    def fields(self, table: str) -> tuple[TableField, ...] | None:
        """Return the columns of a table that has been committed to the lake, None for anything else."""
        return self._known.fields(table)

    def properties(self, table: str) -> dict[str, str]:
        """Return the properties that people gave a table of the lake. Raises `NotFound` for what is none."""
        return self._known.properties(table)

    def metadata(self, table: str) -> str | None:
        """Return where the Iceberg metadata of a table of the lake lies, None for anything else."""
        return self._known.metadata(table)

    def views(self) -> frozenset[str]:
        """Return the names of the views that no table takes the place of."""
        return self._known.views()

    def view(self, name: str) -> str:
        """Return the SELECT of a view, also where a table takes its place. Raises `QueryError` if there is none of that name."""
        return self._known.view(name)

    @property
    def confined(self) -> bool:
        """Whether statements run where they can open nothing but the lake's files, so that others than the owner may write them."""
        return self._sessions.confined

    def warm(self) -> None:
        """Begin to make ready what the first statement would wait for."""
        self._sessions.warm()

    def close(self) -> None:
        """Let go of the engine, the planner and the ledger; a result already open can still be read to its end."""
        self._sessions.close()
        self._known.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _columns(self, statement: ParsedStatement) -> dict[str, list[str]]:
        """Return the columns of the tables and views that a statement names, the first few of them."""
        found = {}
        for path in list(dict.fromkeys(reference.path for reference in statement.references))[:_TABLES_EXPLAINED]:
            with self.sql(f"SELECT * FROM {'.'.join(map(quote, path))} LIMIT 0") as rows:
                found[path[-1]] = rows.schema.names
        return found

    def _parse(self, query: str, session: Session, files: bool = False) -> ParsedStatement:
        """Read a statement; *files*: it may read files. Views may not: who wrote one need not be who asks."""
        with self._lock:
            if (found := self._parsed.get((query, files))) is not None:
                self._parsed.move_to_end((query, files))
                return found
        functions = TABLE_FUNCTIONS | FILE_FUNCTIONS if files else TABLE_FUNCTIONS
        try:
            statement = parse(query, self._database, session.ask, self._known.fixed, self._sessions.check, functions)
        except (duckdb.Error, UnicodeEncodeError) as error:
            raise QueryError(str(error).strip()) from error
        if len(query) > _PARSED_CHARS:
            return statement
        with self._lock:
            self._parsed[query, files] = statement
            while len(self._parsed) > _PARSED:
                self._parsed.popitem(last=False)
        return statement

    def _start(self, statement: ParsedStatement, parameters: Parameters, watch: Watch) -> Running:
        started = time.perf_counter()
        session = self._sessions.take()
        bound = Binding(confined=self.confined)
        held = HeldFiles(self._stores, lambda: watch.arm(session.interrupt))

        def let_go(*, broken: bool = False) -> None:
            watch.disarm()
            self._sessions.give_back(session, broken=broken)
            held.close()

        def release(broken: bool) -> None:
            if not broken:
                session.drop_arrow(self._known.made)
            let_go(broken=broken)

        try:
            watch.arm(session.interrupt)
            if statement.kind == "show tables":
                names = pa.table({"name": pa.array(self.names(), pa.string())})
                text, parameters = f"SELECT name FROM {session.put_arrow('names', names)} ORDER BY name", None
            else:
                text = self._binder.bind(session, statement, parameters, bound, held, watch)
            planned = time.perf_counter()
            watch.planned(bound.bytes, bound.rows, (planned - started) * 1000)
            reader = session.run(text, parameters)
        except duckdb.Error as error:
            let_go()
            if (name := unknown_column(str(error))) is not None:
                try:
                    columns = self._columns(statement)
                except HeadwaterError:
                    # A table that cannot be looked at now is not what was wrong: the first error is answered, in the engine's words.
                    raise refused(error, bound.lost, bound.told) from error
                raise QueryError(explained(name, columns)) from error
            raise refused(error, bound.lost, bound.told) from error
        except FileNotFoundError as error:
            let_go()
            gone = [str(error.filename)]
            raise refused(error, lambda: gone, bound.told) from error
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
            files=bound.files,
            bytes=bound.bytes,
            tail_rows=bound.tail_rows,
            planning_ms=(planned - started) * 1000,
            engine_ms=(time.perf_counter() - planned) * 1000,
            release=release,
            lost_files=bound.lost,
            told=bound.told,
        )
