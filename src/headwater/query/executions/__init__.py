"""Query executions as Athena's callers know them: asked for, queued, run, stopped, remembered, their results read page by page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from headwater.clock import Clock, SystemClock
from headwater.query.engine import Engine
from headwater.query.executions.catalog import LakeCatalog, TableInfo
from headwater.query.executions.database import FORMAT, Database
from headwater.query.executions.errors import InvalidRequest, MetadataMissing, ResourceMissing, TooManyQueries, unknown_execution
from headwater.query.executions.execution import Column, Costs, Execution, Failure, Request
from headwater.query.executions.executions import IDS_AT_ONCE, MAX_ROWS, Bounds, Executions, ResultPage
from headwater.query.executions.history import History
from headwater.query.executions.library import Library
from headwater.query.executions.results import Results
from headwater.query.executions.runner import EngineRunner, Limits, Runner, RunningQuery, Scan
from headwater.query.executions.saved import NamedQuery, PreparedStatement, Shelf, Tags, View
from headwater.query.executions.show import matching
from headwater.query.executions.token import Tokens
from headwater.query.executions.workgroup import MIN_CUTOFF_BYTES, PRIMARY, Workgroup
from headwater.query.executions.workgroups import Workgroups

__all__ = [
    "FORMAT",
    "IDS_AT_ONCE",
    "MAX_ROWS",
    "MIN_CUTOFF_BYTES",
    "PRIMARY",
    "Bounds",
    "Column",
    "Costs",
    "EngineRunner",
    "Execution",
    "Executions",
    "Failure",
    "InvalidRequest",
    "LakeCatalog",
    "Library",
    "Limits",
    "MetadataMissing",
    "NamedQuery",
    "PreparedStatement",
    "Queries",
    "Request",
    "ResourceMissing",
    "ResultPage",
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


class Queries(NamedTuple):
    """The parts of the room, over one database."""

    executions: Executions
    workgroups: Workgroups
    library: Library
    catalog: LakeCatalog
    tags: Tags
    tokens: Tokens
    database: Database

    def close(self, within_s: float) -> None:
        """End what runs, and let go of the database."""
        self.executions.close(within_s)
        self.database.close()


def open_queries(
    url: str,
    engine: Engine,
    *,
    results: Path,
    database: str,
    location: str,
    workgroups: Sequence[Workgroup] = (),
    bounds: Bounds | None = None,
    runner: Runner | None = None,
    clock: Clock | None = None,
) -> Queries:
    """Open the room on the store at *url* (`sqlite:///file`); what was under way when it was last left is FAILED from now on.

    *results*: the folder that stands for all s3:// places. *database*: the catalog's one database. *location*: where `primary` puts
    results at first. *workgroups*: those that headwater.toml declares. *runner*: what runs statements, the engine's own unless given.
    """
    clock, bounds = clock or SystemClock(), bounds or Bounds()
    store = Database(url)
    named, prepared = Shelf(store, "named query", NamedQuery), Shelf(store, "prepared statement", PreparedStatement)
    views, tokens = Shelf(store, "view", View), Tokens(store.secret())
    groups = Workgroups(store, workgroups, location=location, clock=clock)
    catalog = LakeCatalog(engine, database, views)
    executions = Executions(
        History(store),
        groups,
        Results(results, bounds.result_bytes),
        runner or EngineRunner(engine),
        catalog,
        prepared,
        views,
        tokens,
        database=database,
        bounds=bounds,
        clock=clock,
    )
    return Queries(executions, groups, Library(named, prepared, groups, tokens, clock), catalog, Tags(store), tokens, store)
