"""The map: opens the places where data rests, and joins the rooms in the order in which data goes through them.

Each role imports only its own rooms, inside its function: the collector has no business loading PyArrow, DuckDB or PyIceberg.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from headwater.attempt import Attempts
from headwater.clock import SystemClock
from headwater.control import Control
from headwater.control.documents import open_documents
from headwater.control.identities import IdentityStore
from headwater.endpoint import open_endpoints
from headwater.errors import ProjectError, Unavailable
from headwater.ledger import LAKE, FateLog, KeyLog, Ledger, open_ledger
from headwater.places import (
    Paths,
    file_grace_s,
    lake_root,
    ledger_positions,
    ledger_settled,
    load_project_models,
    open_lake_store,
    open_ledger_reader,
    open_project_control,
    open_project_identities,
    open_stores,
    path_of,
    readable_folders,
    resolve,
    s3_access,
)
from headwater.places.presence import check_presence
from headwater.settings import Settings, load_settings
from headwater.store import SCHEME
from headwater.stream import Stream, open_stream
from headwater.trial import Trial

if TYPE_CHECKING:  # for the reader of types; at run time each role loads its own
    from headwater.catalog.entries import Entries
    from headwater.collect import Collector
    from headwater.edge import ASGIApp, Health, Metrics, StreamRooms, Tracer
    from headwater.executions import LakeCatalog, Queries
    from headwater.identity import IdentityRoom
    from headwater.jobs import Ask
    from headwater.lake.fold import Lake
    from headwater.lake.index import LakeIndex
    from headwater.lake.maintain import Maintenance
    from headwater.model import Models, Window
    from headwater.pipe import Pipe
    from headwater.query import Engine
    from headwater.sandbox import Sandboxes
    from headwater.store import Stores
    from headwater.stream import Batch
    from headwater.stream.named import ShardStream
    from headwater.target.lake import SeenKeys
    from headwater.telemetry.metrics import Requests

DAY_MS = 86_400_000


class CollectorParts(NamedTuple):
    """What the collector role runs: `app` answers, `stream` holds, `settled` says what may be trimmed."""

    app: ASGIApp
    collector: Collector
    stream: Stream
    endpoints: Any
    control: Control
    identities: IdentityStore
    rooms: StreamRooms
    settled: Callable[[], dict[tuple[str, str], int]]


class WorkerParts(NamedTuple):
    """What the worker role runs: `pipe` moves records into the ledger, `lake` rows from there into files when `maintenance` says so."""

    pipe: Pipe
    lake: Lake
    maintenance: Maintenance
    stream: Stream
    ledger: Ledger
    keys: KeyLog
    fates: FateLog
    seen: SeenKeys
    models: Models
    window: Window
    lake_index: LakeIndex
    entries: Entries
    stores: Stores


class QueryParts(NamedTuple):
    """What the query role runs: `app` answers, `engine` and `queries` are what it answers from."""

    app: ASGIApp
    engine: Engine
    queries: Queries


async def build_collector(
    settings: Settings, project: Path, health: Health, requests: Requests | None = None, tracer: Tracer | None = None
) -> CollectorParts:
    """apps -> edge -> collect -> [stream]. *requests* counts what is answered, *tracer* follows some of it."""
    from headwater.collect import Collector
    from headwater.collect.links import IdentityLog
    from headwater.collect.restore import restore_profiles
    from headwater.edge import Rate, Rates, public_app

    where, knobs = settings.stream, settings.app
    endpoints = open_endpoints(resolve(settings.stores.endpoints, project))
    # Whatever anybody has consumed was acknowledged: a stream that lost its files must not give these numbers to other records.
    taken = dict(endpoints.applied())
    for (_, shard_id), upto in ledger_positions(settings, project).items():
        taken[shard_id] = max(upto, taken.get(shard_id, 0))
    stream = open_stream(
        resolve(where.url, project),
        mode="write",
        max_bytes=where.max_bytes,
        segment_bytes=where.segment_bytes,
        after=taken,
    )
    control, identities = open_project_control(project, settings), open_project_identities(project, settings)
    rooms = build_streams(settings, project, cast("ShardStream", stream))
    app_stream = rooms.streams.app
    collector = Collector(
        app_stream, endpoints, account_id=knobs.account_id, identity_pool_id=knobs.identity_pool_id, identities=identities
    )
    links = IdentityLog(app_stream, endpoints, identities, app_id=knobs.id, account_id=knobs.account_id)
    await restore_profiles(stream, endpoints, lambda query: ask_elsewhere(query, project), consumed=any(taken.values()))
    await collector.start()
    limits = settings.limits
    app = public_app(
        collector=collector,
        control=control,
        health=health,
        region=knobs.region,
        account_id=knobs.account_id,
        streams=rooms,
        allowed_origins=settings.public.cors_origins,
        trusted_proxies=settings.public.trusted_proxies,
        max_skew_s=settings.public.max_clock_skew_s,
        identity=build_identity(settings, project, identities, links, control),
        write_keys={knobs.write_key: knobs.id} if knobs.write_key else None,
        requests=requests,
        tracer=tracer,
        rates=Rates(
            address=Rate(limits.address_per_second, limits.address_burst),
            identity=Rate(limits.identity_per_second, limits.identity_burst),
            key=Rate(limits.key_per_second, limits.key_burst),
            # The proxies' own requests, health checks, are nobody's.
            exempt=(*limits.exempt, *settings.public.trusted_proxies),
        ),
    )
    return CollectorParts(app, collector, stream, endpoints, control, identities, rooms, lambda: ledger_settled(settings, project))


def build_streams(settings: Settings, project: Path, app_stream: ShardStream) -> StreamRooms:
    """Other bytes -> the streams callers make; an app's events -> its event stream."""
    from headwater.collect.eventstreams import EventStreams
    from headwater.collect.kinesis import KinesisRecords
    from headwater.control.masterkey import open_master_keys
    from headwater.edge import StreamRooms
    from headwater.stream.streams import Streams

    where, app = settings.stream, settings.app
    streams = Streams(
        path_of(where.url, project).parent,
        app_stream,
        where.name,
        app_retention_hours=where.retention_hours,
        max_bytes=where.max_bytes,
        segment_bytes=where.segment_bytes,
    )
    documents = open_documents(resolve(settings.stores.control, project))
    masters = open_master_keys(project.absolute() / settings.stores.master_keys)
    return StreamRooms(
        streams,
        KinesisRecords(app_id=app.id, account_id=app.account_id, identity_pool_id=app.identity_pool_id),
        EventStreams(streams, documents),
        documents,
        masters.subkey(masters.current, "shard iterator"),
    )


def build_identity(settings: Settings, project: Path, store: IdentityStore, log: Any, control: Control) -> IdentityRoom:
    """people -> identities, which borrow credentials; what happens to an identity goes to *log*, and so onto the stream."""
    from headwater.identity import Grants, Issuer, open_identity_room

    knobs = settings.identity
    guest, user = frozenset(knobs.guest_streams), frozenset((*knobs.guest_streams, *knobs.user_streams))
    return open_identity_room(
        store,
        log,
        control,
        [Issuer(i.issuer, frozenset(i.client_ids), _keys_of(i.jwks, project), i.es256) for i in knobs.issuers],
        master_key_file=project.absolute() / settings.stores.master_keys,
        pool_id=settings.app.identity_pool_id,
        app_id=settings.app.id,
        adopt=knobs.adopt,
        grants={"unauthenticated": Grants(streams=guest), "authenticated": Grants(frozenset(knobs.user_actions), user)},
        lifetime_s=knobs.lifetime_minutes * 60,
        rate_per_s=knobs.rate_per_second,
        rate_burst=knobs.rate_burst,
    )


def _keys_of(jwks: str, project: Path) -> str | Path | None:
    if not jwks:
        return None
    return jwks if jwks.startswith(("https://", "http://")) else project.absolute() / jwks


def build_worker(
    settings: Settings,
    project: Path,
    between: Callable[[str], None] = lambda step: None,
    moved: Callable[[Batch, int, int], None] = lambda batch, read_ns, committed_ns: None,
) -> WorkerParts:
    """[stream] -> pipe -> [ledger] -> lake -> [files, catalog <- jobs]. *moved* is told of every batch that is committed."""
    from headwater.catalog import open_catalog
    from headwater.catalog.entries import open_entries
    from headwater.collect.kinesis import open_record
    from headwater.lake import open_index
    from headwater.lake.agreement import check_agreement
    from headwater.lake.caution import FoldCaution
    from headwater.lake.failures import failing
    from headwater.lake.fold import Lake
    from headwater.lake.maintain import Maintenance
    from headwater.lake.rebuild import rebuild
    from headwater.model import Window
    from headwater.pipe import Pipe
    from headwater.target.lake import Caution, LakeTarget, SeenKeys
    from headwater.target.lake.caution import BATCH_TO_TRIAL
    from headwater.target.lake.relearn import mark_lost

    models, clock = load_project_models(project, settings), SystemClock()
    stream = open_stream(resolve(settings.stream.url, project))
    ledger = open_ledger(resolve(settings.stores.ledger, project))
    root, access = lake_root(settings, project), s3_access(settings).properties()
    catalog = open_catalog(resolve(settings.stores.catalog, project), root, access)
    index = open_index(path_of(settings.stores.catalog, project), settings.app.database, access, read_only=False)
    store = open_lake_store(settings, project)
    try:
        with failing("compare catalog, ledger and lake"):
            tables = {table: index.location(table) for table in index.tables()}
            if news := check_agreement(tables, ledger.noted_tables(), store, root, settings.app.database):
                ledger.note_tables(news)
    except BaseException:
        for opened in (ledger, index, catalog):
            opened.close()
        raise
    lake = Lake(
        ledger,
        catalog,
        index,
        root,
        settings.app.database,
        clock,
        fold_rows=settings.lake.fold_rows,
        orphan_grace_s=file_grace_s(settings),
        store=store,
        step=between,
        caution=FoldCaution(Attempts(Paths(project).run / "fold"), Trial("headwater.lake.caution:trial")),
    )
    for table in models.tables.values():
        lake.ensure(table.name, table.schema)
    maintenance = Maintenance(
        lake,
        ledger,
        index,
        clock,
        soon_rows=settings.lake.fold_min_rows,
        soon_s=settings.lake.fold_seconds,
        late_s=settings.lake.fold_max_seconds,
    )
    stored = rebuild(ledger, catalog, settings.app.database, seeding=mark_lost)
    seen = SeenKeys(ledger, settings.pipe.duplicates_in_memory)
    window = Window(round(settings.pipe.past_days * DAY_MS), round(settings.pipe.ahead_days * DAY_MS))
    within_s = settings.pipe.batch_seconds
    judging = "headwater.target.lake.judging:trial", str(project / settings.app.events), "headwater.collect.kinesis:open_record"
    trial = Trial(*judging, within_s=within_s / BATCH_TO_TRIAL)
    caution = Caution(Attempts(Paths(project).run / "batch"), trial, window, within_s)
    size = settings.pipe.batch_size
    target = LakeTarget(LAKE, ledger, models, seen, window, clock, size, open_record, stored, between, caution)
    pipe = Pipe(LAKE, stream, target, size, between, moved)
    entries = open_entries(path_of(settings.stores.catalog, project), settings.app.database, read_only=False)
    stores = open_stores(settings, project)
    return WorkerParts(pipe, lake, maintenance, stream, ledger, ledger, ledger, seen, models, window, index, entries, stores)


def build_query(settings: Settings, project: Path, engine: Engine, ask: Ask, health: Health, metrics: Metrics) -> QueryParts:
    """[ledger], [files, catalog] -> query -> [results] -> people; changes -> *ask* -> worker."""
    from headwater.edge import private_app
    from headwater.edge.athena.service import Athena
    from headwater.edge.glue.service import Glue
    from headwater.edge.sql.service import Sql

    queries, knobs = build_queries(settings, project, engine, ask), settings.app
    app = private_app(
        health=health,
        metrics=metrics,
        control=open_project_control(project, settings),
        region=knobs.region,
        doors=[
            *Athena(queries, region=knobs.region, account_id=knobs.account_id).routes(),
            *Glue(queries, ask, engine.metadata, own=knobs.database, account_id=knobs.account_id).routes(),
            *Sql(queries.direct).routes(),
        ],
        confined=engine.confined,
        hosts=settings.private.hosts,
        max_skew_s=settings.public.max_clock_skew_s,
    )
    return QueryParts(app, engine, queries)


def build_queries(settings: Settings, project: Path, engine: Engine, ask: Ask) -> Queries:
    """Return the room of query executions on *engine*; one process at a time has it open. *ask* lets the worker do a job."""
    from headwater.catalog.entries import open_entries
    from headwater.executions import Bounds, Workgroup, open_queries

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
        bounds=Bounds(
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


def check_tables(settings: Settings, project: Path, models: Models) -> dict[str, list[str]]:
    """Return table -> columns that *models* add to it; change nothing.

    Raises the `ModelError` with which a worker would end because a table is not what *models* make of it.
    """
    from pyiceberg.exceptions import NoSuchTableError

    from headwater.catalog import open_catalog
    from headwater.catalog.schema import new_columns
    from headwater.lake.change import refuse_made

    if not path_of(settings.stores.catalog, project).exists():
        return {}  # nobody has served the project yet
    added = {}
    catalog = open_catalog(resolve(settings.stores.catalog, project), lake_root(settings, project), s3_access(settings).properties())
    for name, table in models.tables.items():
        with suppress(NoSuchTableError):
            known = catalog.load_table((settings.app.database, name))
            refuse_made(known)
            added[name] = [field.name for field in new_columns(known, table.schema)]
    return added


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


async def ask_elsewhere(query: str, project: Path) -> list[dict[str, Any]]:
    """Return the rows of a question that is asked in a process of its own, for one that must not load what SQL needs."""
    command = [sys.executable, "-m", "headwater", "sql", query, "--format", "json", "-C", str(project)]
    asked = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await asked.communicate()
    if asked.returncode:
        raise Unavailable(f"a question about the lake failed: {err.decode(errors='replace').strip()} (asked: {query.strip()})")
    rows: list[dict[str, Any]] = json.loads(out)
    return rows
