"""The query role, and whoever asks the lake: which settings are which arguments of what answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from headwater.clock import SystemClock
from headwater.endpoint import open_endpoints
from headwater.errors import ProjectError
from headwater.pipeline import join_answers
from headwater.places import (
    Paths,
    lake_root,
    open_ledger_reader,
    open_project_control,
    open_stores,
    path_of,
    readable_folders,
    resolve,
    s3_access,
)
from headwater.places.presence import check_presence
from headwater.settings import Settings, load_settings
from headwater.store import SCHEME

if TYPE_CHECKING:
    from headwater.edge import ASGIApp, Health, Metrics
    from headwater.executions import LakeCatalog, QueryRooms
    from headwater.jobs import Ask
    from headwater.query import Engine
    from headwater.sandbox import Sandboxes


class QueryParts(NamedTuple):
    """What the query role runs: `app` answers, `engine` and `queries` are what it answers from."""

    app: ASGIApp
    engine: Engine
    queries: QueryRooms


def build_query(settings: Settings, project: Path, engine: Engine, ask: Ask, health: Health, metrics: Metrics) -> QueryParts:
    """[ledger], [files, catalog] -> query -> [results] -> people; changes -> *ask* -> worker."""
    queries = build_queries(settings, project, engine, ask)
    app = join_answers(
        queries,
        engine,
        ask,
        open_project_control(project, settings),
        health,
        metrics,
        region=settings.app.region,
        account_id=settings.app.account_id,
        database=settings.app.database,
        hosts=settings.private.hosts,
        max_skew_s=settings.public.max_clock_skew_s,
    )
    return QueryParts(app, engine, queries)


def build_queries(settings: Settings, project: Path, engine: Engine, ask: Ask) -> QueryRooms:
    """Return the room of query executions on *engine*; one process at a time has it open. *ask* lets the worker do a job."""
    from headwater.catalog.entries import open_entries
    from headwater.executions import ExecutionBounds, Workgroup, open_queries

    query = settings.query
    declared = [
        Workgroup(
            each.name,
            each.description,
            "ENABLED" if each.enabled else "DISABLED",
            each.output_location or None,
            each.enforce,
            each.scan_cutoff_bytes or None,
            concurrency=each.concurrency or None,
            time_limit_s=each.time_limit_seconds or None,
        )
        for each in settings.workgroups
    ]
    return open_queries(
        resolve(settings.stores.queries, project),
        engine,
        stores=open_stores(settings, project),
        entries=open_entries(path_of(settings.stores.catalog, project), settings.app.database),
        ask=ask,
        scratch=Paths(project).spill,
        database=settings.app.database,
        location=query.output_location or (query.results if query.results.startswith(SCHEME) else f"s3://headwater-{settings.app.id}/"),
        lake=lake_root(settings, project),
        workgroups=declared,
        bounds=ExecutionBounds(
            query.sandboxes,
            query.waiting,
            query.waiting_per_key,
            query.max_seconds,
            query.history_days,
            query.result_days,
            query.result_bytes,
        ),
    )


def build_sandboxes(settings: Settings, project: Path) -> Sandboxes:
    """Return processes that may read what tables lie in and nothing else of the project. Raises `ProjectError` if there is no lake yet."""
    from headwater.sandbox import Sandboxes

    folders, knobs = readable_folders(settings, project), settings.query
    if not folders[0].is_dir():
        raise ProjectError(f"{project.resolve()} has no lake yet: `headwater serve` makes it when it first starts")
    return Sandboxes(
        folders,
        database=settings.app.database,
        memory=knobs.memory,
        threads=knobs.threads,
        max_seconds=knobs.max_seconds,
        most=knobs.sandboxes,
    )


def build_engine(settings: Settings, project: Path, *, sandboxed: bool = False, local_files: bool = False) -> Engine:
    """Return an engine that answers about the project, whether it is served or not. Raises `ProjectError` if it never was.

    *sandboxed*: statements come from people who may not do all that this process may; each runs in a process of its own.
    *local_files*: statements are the owner's, who may read other files as well.
    """
    from headwater.catalog.entries import open_entries
    from headwater.lake import open_index
    from headwater.query import Engine, endpoint_rows
    from headwater.query.external import ExternalTables
    from headwater.query.fates import fate_rows, removal_rows
    from headwater.query.views import project_views

    ledger = open_ledger_reader(settings, project)
    if ledger is None:
        raise ProjectError(f"{project.resolve()} has no tables yet: `headwater serve` makes them when it first starts")
    profiles = path_of(settings.stores.endpoints, project)

    def endpoints() -> Any:
        if not profiles.exists():
            return endpoint_rows([])
        store = open_endpoints(resolve(settings.stores.endpoints, project), read_only=True)
        try:
            return endpoint_rows(json.loads(profile.body) for profile in store.profiles())
        finally:
            store.close()

    spill, stores = Paths(project).spill, open_stores(settings, project)
    index = open_index(path_of(settings.stores.catalog, project), settings.app.database, s3_access(settings).properties())
    return Engine(
        index,
        ledger,
        settings.app.database,
        tables={
            "endpoints": endpoints,
            "fate_counts": lambda: fate_rows(ledger.fate_counts()),
            "removals": lambda: removal_rows(ledger.removals()),
        },
        views=project_views(index),
        external=ExternalTables(
            open_entries(path_of(settings.stores.catalog, project), settings.app.database),
            stores,
            settings.app.database,
            SystemClock(),
        ),
        stores=stores,
        sessions=build_sandboxes(settings, project) if sandboxed else None,
        memory_limit=settings.query.memory,
        threads=settings.query.threads,
        temp_directory=spill.absolute(),
        local_files=local_files,
    )


@contextmanager
def build_catalog(settings: Settings, project: Path, engine: Engine) -> Iterator[LakeCatalog]:
    """Open what names mean in Athena's SQL, to read."""
    from headwater.catalog.entries import open_entries
    from headwater.executions import LakeCatalog

    entries = open_entries(path_of(settings.stores.catalog, project), settings.app.database)
    try:
        yield LakeCatalog(engine, settings.app.database, entries)
    finally:
        entries.close()


def open_lake(project: str | Path = ".") -> Engine:
    """Open a project's lake to ask it questions: `headwater.open(".").sql("SELECT …").df()`. Use it in a `with`, or close it.

    It works beside `headwater serve` and without it. Raises `ProjectError` for a folder that is no project or was never served, and for a
    project that was moved, copied, or lost a place.
    """
    folder = Path(project)
    settings = load_settings(folder)
    check_presence(settings, folder)
    return build_engine(settings, folder, local_files=True)
