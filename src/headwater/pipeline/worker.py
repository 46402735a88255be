"""The worker: which settings are which arguments of what moves events into the lake."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headwater.clock import SystemClock
from headwater.ledger import LedgerDatabase, open_ledger
from headwater.pipeline import FoldTimes, join_lake, join_pipe
from headwater.places import Paths, file_grace_s, lake_root, load_project_models, open_lake_store, open_stores, path_of, resolve, s3_access
from headwater.settings import Settings
from headwater.stream import Batch, Stream, open_stream

if TYPE_CHECKING:
    from headwater.catalog.entries import Entries
    from headwater.lake import LakeIndex
    from headwater.lake.maintain import Maintenance
    from headwater.lake.writer import Lake
    from headwater.model import Models, Window
    from headwater.pipe import Pipe
    from headwater.store import Stores
    from headwater.target.lake import SeenKeys

DAY_MS = 86_400_000


class WorkerParts(NamedTuple):
    """What the worker role runs: `pipe` moves records into the ledger, `lake` rows from there into files when `maintenance` says so."""

    pipe: Pipe
    lake: Lake
    maintenance: Maintenance
    stream: Stream
    ledger: LedgerDatabase
    seen: SeenKeys
    models: Models
    window: Window
    lake_index: LakeIndex
    entries: Entries
    stores: Stores


def build_worker(
    settings: Settings,
    project: Path,
    between: Callable[[str], None] = lambda step: None,
    moved: Callable[[Batch, int, int], None] = lambda batch, read_ns, delivered_ns: None,
) -> WorkerParts:
    """[stream] -> pipe -> [ledger] -> lake -> [files, catalog <- jobs]. *moved* is told of every batch that is delivered."""
    from headwater.catalog import open_catalog
    from headwater.catalog.entries import open_entries
    from headwater.lake import open_index
    from headwater.lake.agreement import check_agreement
    from headwater.lake.failures import failing
    from headwater.lake.rebuild import rebuild
    from headwater.model import Window
    from headwater.target.lake import SeenKeys
    from headwater.target.lake.relearn import mark_lost

    models, clock, database, run = load_project_models(project, settings), SystemClock(), settings.app.database, Paths(project).run
    stream = open_stream(resolve(settings.stream.url, project))
    ledger = open_ledger(resolve(settings.stores.ledger, project))
    root, access = lake_root(settings, project), s3_access(settings).properties()
    catalog = open_catalog(resolve(settings.stores.catalog, project), root, access)
    index = open_index(path_of(settings.stores.catalog, project), database, access, read_only=False)
    store = open_lake_store(settings, project)
    try:
        with failing("compare catalog, ledger and lake"):
            tables = {table: index.location(table) for table in index.tables()}
            if news := check_agreement(tables, ledger.noted_tables(), store, root, database):
                ledger.note_tables(news)
    except BaseException:
        for opened in (ledger, index, catalog):
            opened.close()
        raise
    knobs, grace_s = settings.lake, file_grace_s(settings)
    times = FoldTimes(knobs.fold_rows, knobs.fold_min_rows, knobs.fold_seconds, knobs.fold_max_seconds)
    lake, maintenance = join_lake(
        ledger, catalog, index, store, root, database, models, clock, times, grace_s=grace_s, run=run, between=between
    )
    seen = SeenKeys(ledger, settings.pipe.duplicates_in_memory)
    window = Window(round(settings.pipe.past_days * DAY_MS), round(settings.pipe.ahead_days * DAY_MS))
    pipe = join_pipe(
        stream,
        ledger,
        models,
        seen,
        window,
        clock,
        batch_size=settings.pipe.batch_size,
        batch_seconds=settings.pipe.batch_seconds,
        events=project / settings.app.events,
        run=run,
        stored=rebuild(ledger, catalog, database, seeding=mark_lost),
        between=between,
        moved=moved,
    )
    entries = open_entries(path_of(settings.stores.catalog, project), database, read_only=False)
    return WorkerParts(pipe, lake, maintenance, stream, ledger, seen, models, window, index, entries, open_stores(settings, project))


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
