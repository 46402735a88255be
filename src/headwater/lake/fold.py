"""The lake's writer: moves tail rows into Parquet and one Iceberg commit per fold, exactly once, and keeps the tables small."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, ValidationException
from pyiceberg.table import Table
from pyiceberg.table.update.snapshot import ExpireSnapshots
from sqlalchemy.exc import SQLAlchemyError

from headwater.catalog.names import split_name
from headwater.catalog.schema import arrow_schema, ensure_table
from headwater.clock import Clock
from headwater.errors import HeadwaterError, LedgerError, NotFound, Unavailable
from headwater.lake.conform import conform
from headwater.lake.iceberg import FOLDED, POSITIONS, SETTLED, describe, live_files
from headwater.lake.index import LakeIndex
from headwater.lake.parquet import WrittenFile, write_days
from headwater.lake.snapshots import expired
from headwater.lake.sweep import Sweeper
from headwater.lake.transaction import SteadyTransaction
from headwater.ledger import TailRows

FOLD_ROWS, FOLD_SOON_ROWS = 128_000, 5_000
FOLD_SOON_S, FOLD_LATE_S = 60.0, 600.0

# How many commits' worth of superseded metadata files may pile up before they are looked for.
TIDY_AFTER_COMMITS = 20
TIDY_EVERY_MS = 3_600_000
RETRY_MS, RETRY_LATEST_MS = 1_000, 60_000


class Waiting(Protocol):
    """What a ledger says of one table's tail; `oldest_ms` is when its first batch was committed."""

    @property
    def table(self) -> str:
        """Its name."""

    @property
    def rows(self) -> int:
        """How many rows wait."""

    @property
    def oldest_ms(self) -> int:
        """When its first batch was committed, epoch ms."""


class FoldLedger(Protocol):
    """What a fold needs of a ledger; the promises are those of `headwater.ledger.Ledger`."""

    def tail(
        self, after: Mapping[str, int] | None = None, tables: Sequence[str] | None = None, limit_rows: int | None = None
    ) -> list[TailRows]:
        """Return unfolded rows in batch order, each table up to the first batch that reaches *limit_rows*."""

    def backlog(self) -> Sequence[Waiting]:
        """Return what waits of each table, without the rows."""

    def fold(self, table: str, upto_batch: int) -> None:
        """Forget the tail rows of *table* up to that batch."""

    def settled(self, folding: tuple[str, int] | None = None) -> dict[tuple[str, str], int]:
        """Return how far all tables are in the lake, as if *folding* (table, batch) had been done already."""


class FoldResult(NamedTuple):
    """What one fold did: batches up to `folded` of `table` are in the lake now; it took that many seconds."""

    table: str
    rows: int
    files: int
    size: int
    folded: int
    seconds: float


class Upkeep(NamedTuple):
    """What one `maintain` did; `failures` are tables that could not be served now and will be tried again, and why."""

    folds: list[FoldResult]
    expired_snapshots: int
    deleted_files: int
    failures: dict[str, Exception]


class Lake:
    """Writes the tables under the folder *root*; one per project, in the worker. Safe to share between threads.

    *database* is the project's own; a table of another is named `database.table`.
    *step* is called with a name between any two steps of a fold; tests stop there.
    """

    def __init__(
        self,
        ledger: FoldLedger,
        catalog: Catalog,
        index: LakeIndex,
        root: Path,
        database: str,
        clock: Clock,
        *,
        fold_rows: int = FOLD_ROWS,
        fold_soon_rows: int = FOLD_SOON_ROWS,
        fold_soon_s: float = FOLD_SOON_S,
        fold_late_s: float = FOLD_LATE_S,
        orphan_grace_s: float = 900.0,
        step: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._ledger, self._catalog, self._index, self._clock, self._step = ledger, catalog, index, clock, step
        self._root, self._database, self._fold_rows = root.absolute(), database, fold_rows
        self._soon_rows, self._soon_ms, self._late_ms = fold_soon_rows, round(fold_soon_s * 1_000), round(fold_late_s * 1_000)
        self._grace_ms = round(orphan_grace_s * 1_000)
        self._lock = threading.RLock()
        self._loaded: dict[str, Table] = {}
        self._known: dict[str, set[pa.Schema]] = {}
        self._recovered: set[str] = set()
        self._commits: dict[str, int] = {}
        self._retries: dict[str, tuple[int, int]] = {}
        self._sweepers: dict[str, Sweeper] = {}
        self._tidied_ms: int | None = None

    def ensure(self, table: str, schema: pa.Schema) -> None:
        """Create *table*, or add the columns of *schema* it lacks. Raises `ModelError` for a column that changed its type."""
        with self._lock, self._failures(f"create or extend table {table}"):
            self._loaded[table] = ensure_table(self._catalog, *self._names(table), schema)
            self._follow(table)

    def fold(self, table: str) -> FoldResult | None:
        """Move the oldest rows of *table* from the tail into the lake, whole batches up to about `fold_rows`; None if there are none.

        Raises `Unavailable` or another `HeadwaterError` if that cannot be done now; whatever was done, the next call
        continues there and no row is lost or doubled.
        """
        with self._lock, self._failures(f"fold table {table}"):
            began = time.perf_counter()
            folded = self._recover(table)
            self._recovered.discard(table)  # until this fold is through
            tail = self._ledger.tail({table: folded}, [table], self._fold_rows)
            if not tail:
                self._recovered.add(table)
                return None
            self._step("read")
            rows = self._rows(table, tail)
            target, upto = self._loaded[table], tail[-1].batch
            written = []
            for file in write_days(target, rows, self.data_folder(table)):
                written.append(file)
                self._step("written")
            head = describe(target)
            self._commit(table, tail, written)
            self._step("committed")
            files = [new.file for new in written]
            if self._index.head(table) == head:
                self._index.apply(table, describe(target), files)
            else:
                self._follow(table)
            self._step("indexed")
            self._ledger.fold(table, upto)
            self._step("forgotten")
            self._recovered.add(table)
            return FoldResult(table, len(rows), len(files), sum(f.size for f in files), upto, time.perf_counter() - began)

    def due(self, now_ms: int) -> list[str]:
        """Return the tables to fold now: `fold_rows` rows, or `fold_soon_rows` after a while, any after a long one; the largest first."""
        due = [
            waiting
            for waiting in self._ledger.backlog()
            if waiting.rows >= self._fold_rows
            or (waiting.rows >= self._soon_rows and now_ms - waiting.oldest_ms >= self._soon_ms)
            or now_ms - waiting.oldest_ms >= self._late_ms
        ]
        return [waiting.table for waiting in sorted(due, key=lambda waiting: -waiting.rows)]

    def fold_all(self) -> list[FoldResult]:
        """Fold everything that is in the tail now. Raises as `fold` does, after all tables were tried."""
        folds: list[FoldResult] = []
        failures: dict[str, Exception] = {}
        for waiting in self._ledger.backlog():
            self._try(waiting.table, failures, lambda table=waiting.table: folds.extend(self._fold_whole(table)))  # type: ignore[misc]
        for failure in failures.values():
            raise failure
        return folds

    def maintain(self) -> Upkeep:
        """Do what is due: folds, snapshot expiry, deletion of files nothing names. Call it every second or so.

        A table that fails is left for later, at growing intervals up to a minute, and does not keep the others from their turn.
        """
        now_ms = self._clock.now_ms()
        folds: list[FoldResult] = []
        failures: dict[str, Exception] = {}
        tidied: list[tuple[int, int]] = []
        for table in self.due(now_ms):
            if self._retries.get(table, (0, 0))[0] <= now_ms:
                self._try(table, failures, lambda table=table: folds.extend(self._fold_due(table)))  # type: ignore[misc]
        everything = self._tidied_ms is None or now_ms - self._tidied_ms >= TIDY_EVERY_MS
        if everything:
            self._tidied_ms = now_ms
        untidy = {table for table, commits in self._commits.items() if commits >= TIDY_AFTER_COMMITS}
        for table in self._index.tables() if everything else {*untidy, *self._index.garbage(now_ms - self._grace_ms)}:
            self._try(table, failures, lambda table=table: tidied.append(self.tidy(table, search=everything)))  # type: ignore[misc]
        return Upkeep(folds, sum(snapshots for snapshots, _ in tidied), sum(files for _, files in tidied), failures)

    def tidy(self, table: str, *, search: bool = True) -> tuple[int, int]:
        """Expire old snapshots of *table* and delete files no kept snapshot has named for `orphan_grace_s`; return how many of each.

        *search* the data folder for files of folds that died; without, only what was found before is deleted.
        """
        with self._lock, self._failures(f"tidy table {table}"):
            self._recover(table)
            if (loaded := self._loaded.get(table)) is None:
                raise NotFound("table", table)
            if old := self._old_snapshots(loaded):
                ExpireSnapshots(SteadyTransaction(loaded, autocommit=True)).by_ids(old).commit()
                self._step("expired")
                self._follow(table)
            self._commits[table] = 0
            if (sweeper := self._sweepers.get(table)) is None:
                metadata = self._root.joinpath("metadata", *self._names(table))
                sweeper = self._sweepers[table] = Sweeper(self._index, table, self.data_folder(table), metadata, self._grace_ms)
            return len(old), len(sweeper.sweep(loaded, self._clock.now_ms(), search=search))

    def data_folder(self, table: str) -> Path:
        """Return the folder beneath which the data files of *table* lie, and nothing else."""
        return self._root.joinpath("data", *self._names(table))

    def _names(self, table: str) -> tuple[str, str]:
        return split_name(table, self._database)

    def _recover(self, table: str) -> int:
        """Load the table if another state is current, finish a fold that died half-way, and return the last batch in the lake."""
        try:
            loaded = self._loaded.get(table)
            if loaded is None or self._index.location(table) != loaded.metadata_location:
                self._load(table)
        except (NoSuchTableError, NotFound):
            self._loaded.pop(table, None)
            return 0
        loaded = self._loaded[table]
        folded = int(loaded.properties.get(FOLDED, 0))
        if table not in self._recovered:
            self._follow(table)
            if folded:
                self._ledger.fold(table, folded)
            self._recovered.add(table)
        return folded

    def _load(self, table: str) -> None:
        self._loaded[table] = self._catalog.load_table(self._names(table))
        self._known.pop(table, None)
        self._recovered.discard(table)

    def _rows(self, table: str, tail: Sequence[TailRows]) -> pa.Table:
        batches = [pa.ipc.open_stream(part.rows.arrow).read_all() for part in tail]
        # A batch may be older or newer than the model this process started with. The table grows to hold what was accepted.
        if new := {batch.schema.remove_metadata() for batch in batches} - self._known.get(table, set()):
            for schema in new:
                self._loaded[table] = ensure_table(self._catalog, *self._names(table), schema)
            self._known[table] = self._known.get(table, set()) | new
            self._follow(table)
        return conform(batches, arrow_schema(self._loaded[table]))

    def _commit(self, table: str, tail: Sequence[TailRows], written: Sequence[WrittenFile]) -> None:
        """Commit files and progress in one step; when it returns they are in the table, when it raises they are not, or it is unknown."""
        target, upto = self._loaded[table], tail[-1].batch
        positions = json.loads(target.properties.get(POSITIONS, "{}"))
        for part in tail:
            shard = f"{part.pipe}/{part.shard_id}"
            positions[shard] = max(positions.get(shard, 0), part.upto)
        settled = {f"{pipe}/{shard}": floor for (pipe, shard), floor in self._ledger.settled((table, upto)).items()}
        self._step("settled")
        try:
            with SteadyTransaction(target) as transaction:
                # In the same commit, because a commit costs what the snapshots it copies cost.
                if old := self._old_snapshots(target):
                    ExpireSnapshots(transaction).by_ids(old).commit()
                transaction.set_properties({FOLDED: str(upto), POSITIONS: json.dumps(positions), SETTLED: json.dumps(settled)})
                with transaction.update_snapshot().merge_append() as append:
                    for file in written:
                        append.append_data_file(file.iceberg)
        except Exception:
            # The outcome is unknown until the table is read again: an error after the commit leaves it done.
            self._load(table)
            if int(self._loaded[table].properties.get(FOLDED, 0)) < upto:
                for file in written:
                    Path(file.file.path).unlink(missing_ok=True)
                raise
        self._commits[table] = self._commits.get(table, 0) + 1

    def _old_snapshots(self, table: Table) -> list[int]:
        return expired([(s.snapshot_id, s.timestamp_ms) for s in table.metadata.snapshots], self._clock.now_ms())

    def _follow(self, table: str) -> None:
        """Make the index reflect the loaded table."""
        loaded = self._loaded[table]
        before, now = self._index.head(table), describe(loaded)
        if before is not None and before.snapshot_id == now.snapshot_id:
            if before != now:
                self._index.apply(table, now)
        else:
            self._index.replace(table, now, live_files(loaded))

    def _fold_whole(self, table: str) -> Iterator[FoldResult]:
        while (result := self.fold(table)) is not None:
            yield result

    def _fold_due(self, table: str) -> Iterator[FoldResult]:
        for result in self._fold_whole(table):
            yield result
            if result.rows < self._fold_rows:
                return

    def _try(self, table: str, failures: dict[str, Exception], work: Callable[[], None]) -> None:
        try:
            work()
            self._retries.pop(table, None)
        except HeadwaterError as error:
            wait_ms = min(2 * self._retries.get(table, (0, RETRY_MS // 2))[1], RETRY_LATEST_MS)
            self._retries[table] = (self._clock.now_ms() + wait_ms, wait_ms)
            failures[table] = error

    @contextmanager
    def _failures(self, doing: str) -> Iterator[None]:
        try:
            yield
        except pa.ArrowException as error:
            raise LedgerError(f"cannot {doing}: rows in the tail cannot be read as the table's: {error}; they stay there") from error
        except (SQLAlchemyError, OSError, CommitFailedException, ValidationException) as error:
            what = getattr(error, "orig", None) or error  # SQLAlchemy's own text has the whole statement, and a link
            raise Unavailable(f"cannot {doing} now: {what}; nothing is lost, it will be tried again") from error
