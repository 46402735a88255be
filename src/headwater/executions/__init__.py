"""Query executions as Athena's callers know them: asked for, queued, run, stopped, remembered, their results read page by page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from headwater.catalog.entries import Entries
from headwater.clock import Clock, SystemClock
from headwater.executions.catalog import LakeCatalog, TableInfo
from headwater.executions.change import Changes
from headwater.executions.database import FORMAT, QueryDatabase
from headwater.executions.direct import Direct, Outlet, OutletClosed, Question
from headwater.executions.errors import InvalidRequest, MetadataMissing, ResourceMissing, TooManyQueries, unknown_execution
from headwater.executions.execution import Costs, Execution, QueryFailure, QueryRequest, ResultColumn
from headwater.executions.executions import IDS_AT_ONCE, MAX_ROWS, ExecutionBounds, Executions, ResultPage
from headwater.executions.files import Files
from headwater.executions.history import History
from headwater.executions.jobs import Jobs
from headwater.executions.library import Library
from headwater.executions.results import Results
from headwater.executions.runner import EngineRunner, RunLimits, Runner, RunningQuery, Scan
from headwater.executions.saved import NamedQuery, PreparedStatement, Shelf, Tags
from headwater.executions.show import matching
from headwater.executions.spill import remove_spilled
from headwater.executions.token import Tokens
from headwater.executions.upkeep import Upkeep
from headwater.executions.workgroup import MIN_CUTOFF_BYTES, PRIMARY, Workgroup
from headwater.executions.workgroups import Workgroups
from headwater.executions.write import Writes
from headwater.jobs import Ask
from headwater.query import Engine
from headwater.store import Stores

__all__ = [
    "FORMAT",
    "IDS_AT_ONCE",
    "MAX_ROWS",
    "MIN_CUTOFF_BYTES",
    "PRIMARY",
    "Costs",
    "Direct",
    "EngineRunner",
    "Execution",
    "ExecutionBounds",
    "Executions",
    "InvalidRequest",
    "LakeCatalog",
    "Library",
    "MetadataMissing",
    "NamedQuery",
    "Outlet",
    "OutletClosed",
    "PreparedStatement",
    "QueryFailure",
    "QueryRequest",
    "QueryRooms",
    "Question",
    "ResourceMissing",
    "ResultColumn",
    "ResultPage",
    "RunLimits",
    "Runner",
    "RunningQuery",
    "Scan",
    "TableInfo",
    "Tags",
    "Tokens",
    "TooManyQueries",
    "Workgroup",
    "Workgroups",
    "matching",
    "open_queries",
    "unknown_execution",
]

SUBMODULES = ("direct", "metrics", "offline", "workgroup")
"""What other rooms may import from beside this module, which would load more than they need."""


class QueryRooms(NamedTuple):
    """The parts of the room, over one database."""

    executions: Executions
    direct: Direct
    workgroups: Workgroups
    library: Library
    catalog: LakeCatalog
    tags: Tags
    tokens: Tokens
    database: QueryDatabase
    entries: Entries

    def close(self, within_s: float) -> None:
        """End what runs, and let go of the database."""
        self.executions.close(within_s)
        self.database.close()
        self.entries.close()


def open_queries(
    url: str,
    engine: Engine,
    *,
    stores: Stores,
    scratch: Path,
    entries: Entries,
    ask: Ask,
    database: str,
    location: str,
    lake: str = "",
    workgroups: Sequence[Workgroup] = (),
    bounds: ExecutionBounds | None = None,
    runner: Runner | None = None,
    clock: Clock | None = None,
) -> QueryRooms:
    """Open the room on the store at *url* (`sqlite:///file`); what was under way when it was last left is FAILED from now on.

    *stores*: what s3:// places mean. *scratch*: a folder for results that are being written. *entries*: what the catalog has beside the
    lake's tables; *ask* lets the worker change it. *database*: the project's own. *location*: where `primary` puts results at first.
    *lake*: where the lake lies, "" for nowhere that a result could be put.
    *workgroups*: those that headwater.toml declares. *runner*: what runs statements, the engine's own unless given.
    """
    clock, bounds, runner = clock or SystemClock(), bounds or ExecutionBounds(), runner or EngineRunner(engine)
    remove_spilled(scratch)
    store = QueryDatabase(url)
    named, prepared = Shelf(store, "named query", NamedQuery), Shelf(store, "prepared statement", PreparedStatement)
    tokens = Tokens(store.secret())
    groups = Workgroups(store, workgroups, location=location, clock=clock)
    catalog = LakeCatalog(engine, database, entries)
    jobs = Jobs(ask)
    executions = Executions(
        History(store),
        groups,
        Results(stores, scratch, bounds.result_bytes, lambda url: bool(lake and url.startswith(f"{lake}/")) or entries.holds(url)),
        runner,
        catalog,
        prepared,
        Changes(jobs, catalog, entries, stores),
        lambda reread: Writes(runner, jobs, catalog, Files(entries), reread, scratch, bounds.result_bytes, database),
        Upkeep(runner, jobs, catalog, database),
        tokens,
        database=database,
        bounds=bounds,
        clock=clock,
    )
    direct = Direct(engine, executions, groups, catalog, prepared, database=database)
    shelf = Library(named, prepared, groups, tokens, clock, database)
    return QueryRooms(executions, direct, groups, shelf, catalog, Tags(store), tokens, store, entries)
