"""The lake's writer: moves tail rows into Parquet and one Iceberg commit per fold, exactly once, and makes, changes and drops tables."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import structlog
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.table import Table
from pyiceberg.table.update.snapshot import ExpireSnapshots

from headwater.catalog.made import NewTable, Partitioning, stage_table
from headwater.catalog.names import split_name
from headwater.catalog.schema import arrow_schema, ensure_table
from headwater.clock import Clock
from headwater.errors import HeadwaterError, NotFound, Refused
from headwater.lake.agreement import state_of
from headwater.lake.caution import FoldCaution
from headwater.lake.change import CHANGES, Change, changes_of, noted, refuse_made, removals_of
from headwater.lake.conform import conform
from headwater.lake.failures import failing
from headwater.lake.folds import FoldLedger, FoldResult
from headwater.lake.iceberg import FOLDED, POSITIONS, SETTLED, describe, live_files
from headwater.lake.index import LakeIndex
from headwater.lake.leftovers import sweep_leftovers
from headwater.lake.parquet import WrittenFile, write_days
from headwater.lake.snapshots import Keep, expired
from headwater.lake.sweep import Sweeper
from headwater.lake.transaction import SteadyTransaction
from headwater.lake.unfit import FAULTS, Nowhere, letters_of, rows_of, unfit_rows
from headwater.ledger import FateCount, TailRows
from headwater.ledger.packing import packed
from headwater.model.system import DEAD_LETTER_LOG, FATES
from headwater.store import Store, join_url, open_store

_log = logging.getLogger(__name__)

FOLD_ROWS = 128_000
# A fold holds its rows in memory a few times over: 131,072 usual events are 40 MB, and of large ones as many would be gigabytes.
FOLD_BYTES = 64 << 20

# How many commits' worth of superseded metadata files may pile up before they are looked for.
TIDY_AFTER_COMMITS = 20


class Lake:
    """Writes the tables under the folder *root*, or the place in a bucket of *store*; one per project, in the worker. Threads may share it.

    *database* is the project's own; a table of another is named `database.table`.
    *step* is called with a name between any two steps of a fold; tests stop there. *caution* knows at which rows the process before died.
    """

    def __init__(
        self,
        ledger: FoldLedger,
        catalog: Catalog,
        index: LakeIndex,
        root: Path | str,
        database: str,
        clock: Clock,
        *,
        fold_rows: int = FOLD_ROWS,
        orphan_grace_s: float = 900.0,
        store: Store | None = None,
        step: Callable[[str], None] = lambda name: None,
        caution: FoldCaution | None = None,
    ) -> None:
        self._ledger, self._catalog, self._index, self._clock, self._step = ledger, catalog, index, clock, step
        self._root, self._database, self.fold_rows = str(root.absolute() if isinstance(root, Path) else root), database, fold_rows
        self.store = store or open_store("file:")
        self._grace_ms = round(orphan_grace_s * 1_000)
        self._caution = caution
        self._lock = threading.RLock()
        self._log = structlog.get_logger("lake")
        self._loaded: dict[str, Table] = {}
        self._known: dict[str, set[pa.Schema]] = {}
        self._recovered: set[str] = set()
        self._commits: dict[str, int] = {}
        self._sweepers: dict[str, Sweeper] = {}
        self._writing: Counter[str] = Counter()
        self._leftovers_ms = 0
        self._told: set[str] = set()
        self._noted = dict(ledger.noted_tables())
        self._pinned: dict[int, int] = {}

    def ensure(self, table: str, schema: pa.Schema) -> None:
        """Create *table*, or add the columns of *schema* it lacks. Raises `ModelError` for a column that changed its type."""
        with self._lock, failing(f"create or extend table {table}"):
            self._refuse_made(table)
            self._loaded[table] = ensure_table(self._catalog, *self._names(table), schema)
            self._follow(table)
            self._note(table)

    def fold(self, table: str) -> FoldResult | None:
        """Move the oldest rows of *table* from the tail into the lake, whole batches up to about `fold_rows` or 64 MB.

        Returns None if there are none.
        Raises `Unavailable` or another `HeadwaterError` if that cannot be done now; whatever was done, the next call
        continues there and no row is lost or doubled.
        """
        with self._lock, failing(f"fold table {table}"):
            began = time.perf_counter()
            folded = self._recover(table)
            self._recovered.discard(table)  # until this fold is through
            tail = self._ledger.tail({table: folded}, [table], self.fold_rows, FOLD_BYTES)
            if not tail:
                self._recovered.add(table)
                return None
            if self._caution is not None:
                tail = self._caution.limit(table, tail)
            self._step("read")
            if self._withdraw_deadly(table, tail):
                return self.fold(table)
            written: list[WrittenFile] = []
            try:
                rows = self._rows(table, tail)
                target, upto = self._loaded[table], tail[-1].batch
                for file in write_days(target, rows, self.store, self.data_folder(table)):
                    written.append(file)
                    self._step("written")
            except FAULTS:
                self.store.delete(new.file.path for new in written)
                if not self._withdraw_unfit(table, tail):
                    raise
                return self.fold(table)
            finally:
                if self._caution is not None:
                    self._caution.end()
            head = describe(target)
            self._commit(table, tail, written)
            self._step("committed")
            files = [new.file for new in written]
            if self._index.head(table) == head:
                self._index.apply(table, describe(target), files)
            else:
                self._follow(table)
            self._step("indexed")
            state = state_of(target.metadata_location)
            self._ledger.fold(table, upto, state)
            self._noted[table] = state
            self._step("forgotten")
            self._recovered.add(table)
            return FoldResult(table, len(rows), len(files), sum(f.size for f in files), upto, time.perf_counter() - began)

    def _withdraw_unfit(self, table: str, tail: Sequence[TailRows]) -> int:
        """Take the rows that cannot be written out of the tail, and make dead letters of them; return how many."""

        def write(rows: pa.Table) -> None:
            for _ in write_days(self._loaded[table], conform([rows], arrow_schema(self._loaded[table])), Nowhere(), "trial"):
                pass

        return sum(self._withdraw(table, part, unfit_rows(rows_of(part), write)) for part in tail)

    def _withdraw_deadly(self, table: str, tail: Sequence[TailRows]) -> int:
        """Do the same with the rows at which the process before this one died, if it did."""
        if self._caution is None:
            return 0
        loaded = self._loaded.get(table)
        dead = self._caution.begin(table, tail, None if loaded is None else arrow_schema(loaded))
        if not dead:
            return 0
        count = sum(self._withdraw(table, part, dead.get(part.batch, {})) for part in tail)
        self._caution.end()
        return count

    def _withdraw(self, table: str, part: TailRows, unfit: Mapping[int, Exception]) -> int:
        if unfit:
            rows = rows_of(part)
            kept = packed(rows.take(pa.array([at for at in range(rows.num_rows) if at not in unfit], pa.int64())))
            letters = {DEAD_LETTER_LOG.name: packed(letters_of(table, part, rows, unfit, self._clock.now_ms()))}
            # Rows of our own tables are no events that were delivered.
            moved = 0 if table in (DEAD_LETTER_LOG.name, FATES.name) else len(unfit)
            fates = [FateCount("lake", "delivered", "", -moved), FateCount("lake", "dead-lettered", "fold", moved)] if moved else []
            self._ledger.withdraw(part, kept, letters, fates, self._clock.now_ms())
            self._step("withdrawn")
            why = str(next(iter(unfit.values())))
            self._log.error("rows cannot be put into files and are dead letters now", table=table, rows=len(unfit), reason=why)
        return len(unfit)

    def fold_waiting(self, table: str, upto_batch: int | None = None) -> Iterator[FoldResult]:
        """Fold what waits of *table* now, a fold at each step, and end there, whatever comes meanwhile. Raises as `fold` does.

        *upto_batch*: the last batch that waits, where that is known.
        """
        if upto_batch is None:
            upto_batch = max((waiting.last_batch for waiting in self._ledger.backlog() if waiting.table == table), default=0)
        folded = -1
        while folded < upto_batch and (result := self.fold(table)) is not None:
            folded = result.folded
            yield result

    @contextmanager
    def held(self, table: str, doing: str = "change table") -> Iterator[Table]:
        """Hold the table still and give its newest state. Raises `NotFound`; failures on the way become those of `fold`."""
        with self._lock, failing(f"{doing} {table}"):
            self._recover(table)
            if (loaded := self._loaded.get(table)) is None:
                raise NotFound("table", table)
            yield loaded

    @contextmanager
    def writing(self, table: str) -> Iterator[None]:
        """Files are written for the table beside everything else; they are no orphans until this is left."""
        with self._lock:
            self._writing[table] += 1
        try:
            yield
        finally:
            with self._lock:
                self._writing[table] -= 1

    def pin(self, snapshot_id: int, for_s: float) -> None:
        """Let no snapshot of that id expire for so long, as far as this process goes."""
        with self._lock:
            now_ms = self._clock.now_ms()
            self._pinned = {each: until_ms for each, until_ms in self._pinned.items() if until_ms > now_ms}
            self._pinned[snapshot_id] = now_ms + round(for_s * 1_000)

    def change(
        self, table: str, change: Change, added: Sequence[WrittenFile] = (), removed: Mapping[str, IcebergFile] | None = None
    ) -> None:
        """Commit files that come and go, and what became of them, in one step, while the table is `held`.

        When this returns they are in the table; when it raises they are not, or it is unknown: then the same change asked again
        is found done, or is done.
        """
        target, gone = self._loaded[table], removed or {}
        head = describe(target)
        self._recovered.discard(table)  # until the ledger knows of the change
        try:
            with SteadyTransaction(target) as transaction:
                if old := self._old_snapshots(target):
                    ExpireSnapshots(transaction).by_ids(old).commit()
                transaction.set_properties({CHANGES: noted(target, change)})
                if gone:
                    with transaction.update_snapshot().overwrite() as overwrite:
                        for file in gone.values():
                            overwrite.delete_data_file(file)
                        for written in added:
                            overwrite.append_data_file(written.iceberg)
                elif added:
                    with transaction.update_snapshot().merge_append() as append:
                        for written in added:
                            append.append_data_file(written.iceberg)
        except Exception:
            self._load(table)
            if change.id not in changes_of(self._loaded[table]):
                self.store.delete(written.file.path for written in added)
                raise
        self._step("committed")
        self._commits[table] = self._commits.get(table, 0) + 1
        if self._index.head(table) == head:
            self._index.apply(table, describe(self._loaded[table]), [new.file for new in added], gone)
        else:
            self._follow(table)
        self._step("indexed")
        self._ledger.remove(removals_of(table, [change]))
        self._note(table)
        self._recovered.add(table)

    def stage(self, table: str, schema: pa.Schema, partitioning: Partitioning, properties: Mapping[str, str]) -> NewTable:
        """Begin a table that is not there: nobody sees it before `create`. Raises `Refused`."""
        with self._lock, failing(f"create table {table}"):
            if table not in self._index.tables():
                # Before its first file is written: what a crash leaves may go.
                self._note_gone(table)
            return stage_table(self._catalog, *self._names(table), schema, partitioning, properties)

    def create(self, new: NewTable, table: str, change: Change, added: Sequence[WrittenFile] = ()) -> None:
        """Let the table be there, with its first rows, in one step. Raises `Refused` if another of its name came first."""
        with self._lock, failing(f"create table {table}"):
            try:
                new.commit({CHANGES: noted(new.table, change)}, added)
            except Exception as error:
                # The outcome is unknown until the catalog is asked.
                with suppress(NoSuchTableError):
                    self._load(table)
                there = self._loaded.get(table)
                if there is None or change.id not in changes_of(there):
                    self.store.delete(written.file.path for written in added)
                    if there is not None:
                        raise Refused("ALREADY_EXISTS", f"Table '{table}' already exists") from error
                    raise
            self._step("committed")
            self._load(table)
            self._follow(table)
            self._note(table)
            self._step("indexed")

    def renew(self, table: str) -> None:
        """Make a snapshot with the columns that a table, which is `held`, has now; its rows are those of the one before."""
        with SteadyTransaction(self._loaded[table]) as transaction, transaction.update_snapshot().fast_append():
            pass
        self._follow(table)
        self._note(table)

    def reload(self, table: str) -> None:
        """Follow what was changed of a table that is `held`."""
        self._load(table)
        self._follow(table)
        self._note(table)

    def drop(self, table: str) -> None:
        """Take the table out of the catalog; its files go once nobody can be reading them any more. Raises `NotFound`."""
        with self.held(table, "drop table"):
            names = self._names(table)
            self._note_gone(table)
            self._catalog.drop_table(names)
            self._step("dropped")
            for known in (self._loaded, self._known, self._commits, self._sweepers):
                known.pop(table, None)
            self._recovered.discard(table)
            self._index.drop(table)
            self._leftovers_ms = 0
            with suppress(HeadwaterError):  # the table is gone all the same; its files are looked for again
                self.sweep_leftovers()

    def untidy(self) -> set[str]:
        """Return the tables that `tidy` has something to do for: many commits since, or files whose grace time is over."""
        untidy = {table for table, commits in self._commits.items() if commits >= TIDY_AFTER_COMMITS}
        return {*untidy, *self._index.garbage(self._clock.now_ms() - self._grace_ms)}

    def tidy(self, table: str, *, search: bool = True, keep: Keep | None = None) -> tuple[int, int]:
        """Expire old snapshots of *table* and delete files no kept snapshot has named for `orphan_grace_s`; return how many of each.

        *search* the data folder for files of folds that died; without, only what was found before is deleted. *keep*: which snapshots
        are not old, instead of the usual ones.
        """
        with self._lock, failing(f"tidy table {table}"):
            self._recover(table)
            if (loaded := self._loaded.get(table)) is None:
                raise NotFound("table", table)
            if old := self._old_snapshots(loaded, keep):
                ExpireSnapshots(SteadyTransaction(loaded, autocommit=True)).by_ids(old).commit()
                self._step("expired")
                self._follow(table)
                self._note(table)
            self._commits[table] = 0
            if (sweeper := self._sweepers.get(table)) is None:
                folders = join_url(self._root, "metadata", *self._names(table)), self.data_folder(table)
                sweeper = self._sweepers[table] = Sweeper(self._index, table, self.store, folders, self._grace_ms)
            search = search and not self._writing[table]
            return len(old), len(sweeper.sweep(loaded, self._clock.now_ms(), search=search))

    def sweep_leftovers(self) -> None:
        """Delete files of tables that are no more, the grace time after they were found; looks for them at most that often."""
        with self._lock, failing("delete files of tables that are no more"):
            if (now_ms := self._clock.now_ms()) < self._leftovers_ms:
                return
            known = {*self._index.tables(), *(table for table, count in self._writing.items() if count)}
            noted = self._ledger.noted_tables()
            gone = {table for table, state in noted.items() if state is None} - known
            left = sweep_leftovers(self._index, self.store, self._root, self._database, gone, now_ms, self._grace_ms)
            self._ledger.forget_tables(gone - left)
            if unknown := sorted(left - gone - known - self._told):
                self._told.update(unknown)
                _log.warning(
                    "the lake has files of tables that the catalog does not know and nothing says were dropped; they stay: %s", unknown
                )
            # What was found just now may go when this is over.
            self._leftovers_ms = now_ms + self._grace_ms + 1

    def data_folder(self, table: str) -> str:
        """Return the folder, or the place in a bucket, beneath which the data files of *table* lie, and nothing else."""
        return join_url(self._root, "data", *self._names(table))

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
            if removals := removals_of(table, changes_of(loaded).values()):
                self._ledger.remove(removals)
            self._recovered.add(table)
        return folded

    def _note(self, table: str) -> None:
        """Let the ledger know of the loaded state, as a second witness beside the catalog."""
        if (state := state_of(self._loaded[table].metadata_location)) != self._noted.get(table):
            self._ledger.note_tables({table: state})
            self._noted[table] = state

    def _note_gone(self, table: str) -> None:
        """Let the ledger know that what lies in the table's folders may go, once the catalog does not know the table."""
        self._noted.pop(table, None)
        self._ledger.note_tables({table: None})

    def _refuse_made(self, table: str) -> None:
        with suppress(NoSuchTableError, NotFound):
            self._load(table)
            refuse_made(self._loaded[table])

    def _load(self, table: str) -> None:
        self._loaded[table] = self._catalog.load_table(self._names(table))
        self._known.pop(table, None)
        self._recovered.discard(table)

    def _rows(self, table: str, tail: Sequence[TailRows]) -> pa.Table:
        batches = [rows_of(part) for part in tail]
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
                self.store.delete(file.file.path for file in written)
                raise
        self._commits[table] = self._commits.get(table, 0) + 1

    def _old_snapshots(self, table: Table, keep: Keep | None = None) -> list[int]:
        now_ms = self._clock.now_ms()
        old = expired([(s.snapshot_id, s.timestamp_ms) for s in table.metadata.snapshots], now_ms, keep)
        # A head of a branch and what a tag names do not expire, however old: asked to, PyIceberg refuses the whole commit.
        named = {table.metadata.current_snapshot_id, *(ref.snapshot_id for ref in table.metadata.refs.values())}
        return [each for each in old if each not in named and self._pinned.get(each, 0) <= now_ms]

    def _follow(self, table: str) -> None:
        """Make the index reflect the loaded table."""
        loaded = self._loaded[table]
        before, now = self._index.head(table), describe(loaded)
        if before is not None and before.snapshot_id == now.snapshot_id:
            if before != now:
                self._index.apply(table, now)
        else:
            self._index.replace(table, now, live_files(loaded))
