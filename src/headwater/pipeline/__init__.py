"""The map: what joins the rooms, in the order in which data goes through them.

    apps              HTTP requests: batches of events, endpoints, records
      -> edge         who asks and what for: a Principal, a request of its own shape
      -> collect      a verdict for each event; those taken are Records
      -> [stream]     records in order for each shard, durable before anybody is answered
      -> pipe         a Batch: up to 10,000 records of one shard
      -> target.lake  Decoded: rows as Arrow, a table for each event type; letters; duplicates
      -> [ledger]     a LedgerBatch: one transaction with rows, letters, fates, keys and the position; its rows are the tail
      -> lake         tail rows -> files of one day each -> one Iceberg commit a table
      -> [files, catalog]
      -> query        a plan: the files that can have such rows, and the tail that is in none yet
      -> sandbox      SQL and open files in, Arrow out
      -> executions   states, statistics, [results]
      -> edge         Athena, Glue, SQL
      -> people

    people -> edge -> executions -> Job -> worker -> [catalog, files]       whatever changes the lake beside the pipe

Here rooms are joined, from places that are open. `collector`, `worker` and `query` open the places of one role each, and say which setting
is which argument. Each function imports only its own rooms: the collector has no business loading PyArrow, DuckDB or PyIceberg.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headwater.attempt import Attempts
from headwater.clock import Clock
from headwater.ledger import LAKE, LedgerDatabase
from headwater.stream import Batch, Stream
from headwater.trial import Trial

if TYPE_CHECKING:  # for the reader of types; at run time each role loads its own
    from pyiceberg.catalog import Catalog

    from headwater.collect import Collector
    from headwater.collect.links import IdentityLog
    from headwater.control import Control
    from headwater.control.identities import IdentityStore
    from headwater.edge import ASGIApp, Health, Metrics
    from headwater.endpoint import Endpoints
    from headwater.executions import QueryRooms
    from headwater.jobs import Ask
    from headwater.lake import LakeIndex
    from headwater.lake.maintain import Maintenance
    from headwater.lake.writer import Lake
    from headwater.model import Models, Window
    from headwater.pipe import Pipe
    from headwater.query import Engine
    from headwater.store import Store
    from headwater.stream.named import ShardStream
    from headwater.target.lake import SeenKeys

SUBMODULES = ("collector", "query", "worker")
"""What other rooms may import from beside this module, which would load more than they need."""


class AppIds(NamedTuple):
    """The ids of the project's app, as they are baked into those that were shipped."""

    id: str
    account_id: str
    identity_pool_id: str


class FoldTimes(NamedTuple):
    """When rows of the tail become files: *most* of them wait, *soon_rows* for *soon_s* seconds, or any for *late_s*."""

    most: int
    soon_rows: int
    soon_s: float
    late_s: float


def join_collect(app_stream: ShardStream, endpoints: Endpoints, identities: IdentityStore, app: AppIds) -> tuple[Collector, IdentityLog]:
    """edge -> collect -> [stream]: what apps send, and what happens to identities."""
    from headwater.collect import Collector
    from headwater.collect.links import IdentityLog

    pool = app.identity_pool_id
    collector = Collector(app_stream, endpoints, account_id=app.account_id, identity_pool_id=pool, identities=identities)
    links = IdentityLog(app_stream, endpoints, identities, app_id=app.id, account_id=app.account_id)
    return collector, links


def join_pipe(
    stream: Stream,
    ledger: LedgerDatabase,
    models: Models,
    seen: SeenKeys,
    window: Window,
    clock: Clock,
    *,
    batch_size: int,
    batch_seconds: float,
    events: Path,
    run: Path,
    stored: Mapping[str, Mapping[str, int]],
    between: Callable[[str], None],
    moved: Callable[[Batch, int, int], None],
) -> Pipe:
    """[stream] -> pipe -> target.lake -> [ledger]. *events*: the file of the models, for trials; *run*: the folder for notes."""
    from headwater.collect.kinesis import open_record
    from headwater.pipe import Pipe
    from headwater.target.lake import Caution, LakeTarget
    from headwater.target.lake.caution import BATCH_TO_TRIAL

    judging = "headwater.target.lake.judging:trial", str(events), "headwater.collect.kinesis:open_record"
    trial = Trial(*judging, within_s=batch_seconds / BATCH_TO_TRIAL)
    caution = Caution(Attempts(run / "batch"), trial, window, batch_seconds)
    target = LakeTarget(LAKE, ledger, models, seen, window, clock, batch_size, open_record, stored, between, moved, caution)
    return Pipe(LAKE, stream, target, batch_size, between)


def join_lake(
    ledger: LedgerDatabase,
    catalog: Catalog,
    index: LakeIndex,
    store: Store,
    root: str,
    database: str,
    models: Models,
    clock: Clock,
    times: FoldTimes,
    *,
    grace_s: float,
    run: Path,
    between: Callable[[str], None],
) -> tuple[Lake, Maintenance]:
    """[ledger] -> lake -> [files, catalog]; the tables of the models are there from now on."""
    from headwater.lake.caution import FoldCaution
    from headwater.lake.maintain import Maintenance
    from headwater.lake.writer import Lake

    caution = FoldCaution(Attempts(run / "fold"), Trial("headwater.lake.caution:trial"))
    lake = Lake(
        ledger,
        catalog,
        index,
        root,
        database,
        clock,
        fold_rows=times.most,
        orphan_grace_s=grace_s,
        store=store,
        step=between,
        caution=caution,
    )
    for table in models.tables.values():
        lake.ensure(table.name, table.schema)
    maintenance = Maintenance(lake, ledger, index, clock, soon_rows=times.soon_rows, soon_s=times.soon_s, late_s=times.late_s)
    return lake, maintenance


def join_answers(
    queries: QueryRooms,
    engine: Engine,
    ask: Ask,
    control: Control,
    health: Health,
    metrics: Metrics,
    *,
    region: str,
    account_id: str,
    database: str,
    hosts: tuple[str, ...],
    max_skew_s: int,
) -> ASGIApp:
    """[files, catalog, ledger] -> query -> executions -> edge -> people; changes go to *ask*."""
    from headwater.edge import private_app
    from headwater.edge.athena.service import Athena
    from headwater.edge.glue.service import Glue
    from headwater.edge.sql.service import Sql

    doors = [
        *Athena(queries, region=region, account_id=account_id).routes(),
        *Glue(queries, ask, engine.metadata, own=database, account_id=account_id).routes(),
        *Sql(queries.direct).routes(),
    ]
    confined = engine.confined
    return private_app(
        health=health,
        metrics=metrics,
        control=control,
        region=region,
        doors=doors,
        confined=confined,
        hosts=hosts,
        max_skew_s=max_skew_s,
    )
