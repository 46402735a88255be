"""The lake's writer: folds tables, and makes, changes and drops them; each change once, whatever is killed meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.table import Table
from pyiceberg.table.update.snapshot import ExpireSnapshots

from headwater.catalog.made import NewTable, Partitioning, stage_table
from headwater.catalog.names import split_name
from headwater.clock import Clock
from headwater.errors import HeadwaterError, NotFound, Refused
from headwater.lake.caution import FoldCaution
from headwater.lake.change import CHANGES, Change, changes_of, noted, refuse_made, removals_of
from headwater.lake.expiry import Expiry
from headwater.lake.failures import failing
from headwater.lake.fold import Folding
from headwater.lake.folds import FoldLedger, FoldResult
from headwater.lake.iceberg import describe
from headwater.lake.index import LakeIndex
from headwater.lake.parquet import WrittenFile
from headwater.lake.snapshots import Keep
from headwater.lake.table import LakeTable
from headwater.lake.transaction import SteadyTransaction
from headwater.store import Store, join_url, open_store

FOLD_ROWS = 128_000
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
        self._ledger, self._catalog, self._index, self._step = ledger, catalog, index, step
        self._root, self._database, self.fold_rows = str(root.absolute() if isinstance(root, Path) else root), database, fold_rows
        self.store = store or open_store("file:")
        self._expiry = Expiry(ledger, index, self.store, self._root, database, clock, round(orphan_grace_s * 1_000))
        self._folding = Folding(ledger, self.store, self._expiry, clock, step, caution)
        self._lock = threading.RLock()
        self._noted = dict(ledger.noted_tables())
        self._tables: dict[str, LakeTable] = {}

    def ensure(self, table: str, schema: pa.Schema) -> None:
        """Create *table*, or add the columns of *schema* it lacks. Raises `ModelError` for a column that changed its type."""
        with self._lock, failing(f"create or extend table {table}"):
            known = self._table(table)
            with suppress(NoSuchTableError, NotFound):
                refuse_made(known.load())
            known.grow(schema)
            known.follow()
            known.note()

    def fold(self, table: str) -> FoldResult | None:
        """Move the oldest rows of *table* from the tail into the lake, whole batches up to about `fold_rows` or 64 MB.

        Returns None if there are none.
        Raises `Unavailable` or another `HeadwaterError` if that cannot be done now; whatever was done, the next call
        continues there and no row is lost or doubled.
        """
        with self._lock, failing(f"fold table {table}"):
            return self._folding.fold(self._table(table), self.data_folder(table), self.fold_rows)

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
            known = self._table(table)
            known.recover()
            if known.iceberg is None and not known.writers:
                del self._tables[table]  # whoever asks for tables that there are none of fills nothing
            yield known.loaded

    @contextmanager
    def writing(self, table: str) -> Iterator[None]:
        """Files are written for the table beside everything else; they are no orphans until this is left."""
        with self._lock:
            self._table(table).writers += 1
        try:
            yield
        finally:
            with self._lock:
                self._table(table).writers -= 1

    def pin(self, snapshot_id: int, for_s: float) -> None:
        """Let no snapshot of that id expire for so long, as far as this process goes."""
        with self._lock:
            self._expiry.pin(snapshot_id, for_s)

    def change(
        self, table: str, change: Change, added: Sequence[WrittenFile] = (), removed: Mapping[str, IcebergFile] | None = None
    ) -> None:
        """Commit files that come and go, and what became of them, in one step, while the table is `held`.

        When this returns they are in the table; when it raises they are not, or it is unknown: then the same change asked again
        is found done, or is done.
        """
        known, gone = self._table(table), removed or {}
        target = known.loaded
        before = describe(target)
        known.recovered = False  # until the ledger knows of the change
        try:
            with SteadyTransaction(target) as transaction:
                if old := self._expiry.old(target):
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
            if change.id not in changes_of(known.load()):
                self.store.delete(written.file.path for written in added)
                raise
        self._step("committed")
        known.committed(before, [new.file for new in added], gone)
        self._step("indexed")
        self._ledger.remove(removals_of(table, [change]))
        known.note()
        known.recovered = True

    def stage(self, table: str, schema: pa.Schema, partitioning: Partitioning, properties: Mapping[str, str]) -> NewTable:
        """Begin a table that is not there: nobody sees it before `create`. Raises `Refused`."""
        with self._lock, failing(f"create table {table}"):
            known = self._table(table)
            if table not in self._index.tables():
                # Before its first file is written: what a crash leaves may go.
                known.note_gone()
            return stage_table(self._catalog, *known.names, schema, partitioning, properties)

    def create(self, new: NewTable, table: str, change: Change, added: Sequence[WrittenFile] = ()) -> None:
        """Let the table be there, with its first rows, in one step. Raises `Refused` if another of its name came first."""
        with self._lock, failing(f"create table {table}"):
            known = self._table(table)
            try:
                new.commit({CHANGES: noted(new.table, change)}, added)
            except Exception as error:
                # The outcome is unknown until the catalog is asked.
                with suppress(NoSuchTableError):
                    known.load()
                if known.iceberg is None or change.id not in changes_of(known.iceberg):
                    self.store.delete(written.file.path for written in added)
                    if known.iceberg is not None:
                        raise Refused("ALREADY_EXISTS", f"Table '{table}' already exists") from error
                    raise
            self._step("committed")
            known.load()
            known.follow()
            known.note()
            self._step("indexed")

    def renew(self, table: str) -> None:
        """Make a snapshot with the columns that a table, which is `held`, has now; its rows are those of the one before."""
        known = self._table(table)
        with SteadyTransaction(known.loaded) as transaction, transaction.update_snapshot().fast_append():
            pass
        known.follow()
        known.note()

    def reload(self, table: str) -> None:
        """Follow what was changed of a table that is `held`."""
        known = self._table(table)
        known.load()
        known.follow()
        known.note()

    def drop(self, table: str) -> None:
        """Take the table out of the catalog; its files go once nobody can be reading them any more. Raises `NotFound`."""
        with self.held(table, "drop table"):
            known = self._table(table)
            known.note_gone()
            self._catalog.drop_table(known.names)
            self._step("dropped")
            self._noted.pop(table, None)
            if not known.writers:
                del self._tables[table]
            else:
                self._tables[table] = self._new(table)
                self._tables[table].writers = known.writers
            self._index.drop(table)
            self._expiry.dropped()
            with suppress(HeadwaterError):  # the table is gone all the same; its files are looked for again
                self.sweep_leftovers()

    def untidy(self) -> set[str]:
        """Return the tables that `tidy` has something to do for: many commits since, or files whose grace time is over."""
        return {*(name for name, known in self._tables.items() if known.commits >= TIDY_AFTER_COMMITS), *self._expiry.untidy()}

    def tidy(self, table: str, *, search: bool = True, keep: Keep | None = None) -> tuple[int, int]:
        """Expire old snapshots of *table* and delete files no kept snapshot has named for `orphan_grace_s`; return how many of each.

        *search* the data folder for files of folds that died; without, only what was found before is deleted. *keep*: which snapshots
        are not old, instead of the usual ones.
        """
        with self._lock, failing(f"tidy table {table}"):
            known = self._table(table)
            known.recover()
            if gone := self._expiry.expire(known, keep):
                self._step("expired")
                known.follow()
                known.note()
            known.commits = 0
            return gone, self._expiry.sweep(known, self.data_folder(table), search=search)

    def sweep_leftovers(self) -> None:
        """Delete files of tables that are no more, the grace time after they were found; looks for them at most that often."""
        with self._lock, failing("delete files of tables that are no more"):
            self._expiry.sweep_leftovers({name for name, known in self._tables.items() if known.writers})

    def data_folder(self, table: str) -> str:
        """Return the folder, or the place in a bucket, beneath which the data files of *table* lie, and nothing else."""
        return join_url(self._root, "data", *split_name(table, self._database))

    def _table(self, name: str) -> LakeTable:
        if (known := self._tables.get(name)) is None:
            known = self._tables[name] = self._new(name)
        return known

    def _new(self, name: str) -> LakeTable:
        names = split_name(name, self._database)
        return LakeTable(name, names, self._catalog, self._index, self._ledger, self._noted.get(name))
