"""A fold: rows of the tail -> files of one day each -> one Iceberg commit that also says how far it came."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import structlog
from pyiceberg.table.update.snapshot import ExpireSnapshots

from headwater.catalog.schema import arrow_schema
from headwater.clock import Clock
from headwater.lake.caution import FoldCaution
from headwater.lake.conform import conform
from headwater.lake.expiry import Expiry
from headwater.lake.folds import FoldLedger, FoldResult
from headwater.lake.iceberg import FOLDED, POSITIONS, SETTLED, describe
from headwater.lake.parquet import WrittenFile, write_days
from headwater.lake.table import LakeTable
from headwater.lake.transaction import SteadyTransaction
from headwater.lake.unfit import FAULTS, Nowhere, letters_of, rows_of, unfit_rows
from headwater.ledger import FateCount, TailRows
from headwater.ledger.packing import packed
from headwater.model.system import DEAD_LETTER_LOG, FATES
from headwater.store import Store

# A fold holds its rows in memory a few times over: 131,072 usual events are 40 MB, and of large ones as many would be gigabytes.
FOLD_BYTES = 64 << 20


class Folding:
    """Folds tables; its lake holds the lock. *step* and *caution*: see `Lake`."""

    def __init__(
        self,
        ledger: FoldLedger,
        store: Store,
        expiry: Expiry,
        clock: Clock,
        step: Callable[[str], None],
        caution: FoldCaution | None,
    ) -> None:
        self._ledger, self._store, self._expiry, self._clock = ledger, store, expiry, clock
        self._step, self._caution = step, caution
        self._log = structlog.get_logger("lake")

    def fold(self, table: LakeTable, folder: str, most_rows: int) -> FoldResult | None:
        """Move the oldest rows of *table* into files beneath *folder*, whole batches up to about *most_rows* or 64 MB; None for none."""
        began = time.perf_counter()
        after = table.recover()
        table.recovered = False  # until this fold is through
        tail = self._ledger.tail({table.name: after}, [table.name], most_rows, FOLD_BYTES)
        if not tail:
            table.recovered = True
            return None
        if self._caution is not None:
            tail = self._caution.limit(table.name, tail)
        self._step("read")
        if self._withdraw_deadly(table, tail):
            return self.fold(table, folder, most_rows)
        written: list[WrittenFile] = []
        try:
            rows = table.hold([rows_of(part) for part in tail])
            for file in write_days(table.loaded, rows, self._store, folder):
                written.append(file)
                self._step("written")
        except FAULTS:
            self._store.delete(new.file.path for new in written)
            if not self._withdraw_unfit(table, tail):
                raise
            return self.fold(table, folder, most_rows)
        finally:
            if self._caution is not None:
                self._caution.end()
        before = describe(table.loaded)
        self._commit(table, tail, written)
        self._step("committed")
        files = [new.file for new in written]
        table.committed(before, files)
        self._step("indexed")
        upto = tail[-1].batch
        table.folded(upto)
        self._step("forgotten")
        table.recovered = True
        return FoldResult(table.name, len(rows), len(files), sum(f.size for f in files), upto, time.perf_counter() - began)

    def _commit(self, table: LakeTable, tail: Sequence[TailRows], written: Sequence[WrittenFile]) -> None:
        """Commit files and progress in one step; when it returns they are in the table, when it raises they are not, or it is unknown."""
        target, upto = table.loaded, tail[-1].batch
        positions = json.loads(target.properties.get(POSITIONS, "{}"))
        for part in tail:
            shard = f"{part.pipe}/{part.shard_id}"
            positions[shard] = max(positions.get(shard, 0), part.upto)
        settled = {f"{pipe}/{shard}": floor for (pipe, shard), floor in self._ledger.settled((table.name, upto)).items()}
        self._step("settled")
        try:
            with SteadyTransaction(target) as transaction:
                # In the same commit, because a commit costs what the snapshots it copies cost.
                if old := self._expiry.old(target):
                    ExpireSnapshots(transaction).by_ids(old).commit()
                transaction.set_properties({FOLDED: str(upto), POSITIONS: json.dumps(positions), SETTLED: json.dumps(settled)})
                with transaction.update_snapshot().merge_append() as append:
                    for file in written:
                        append.append_data_file(file.iceberg)
        except Exception:
            # The outcome is unknown until the table is read again: an error after the commit leaves it done.
            if int(table.load().properties.get(FOLDED, 0)) < upto:
                self._store.delete(file.file.path for file in written)
                raise

    def _withdraw_unfit(self, table: LakeTable, tail: Sequence[TailRows]) -> int:
        """Take the rows that cannot be written out of the tail, and make dead letters of them; return how many."""

        def write(rows: pa.Table) -> None:
            for _ in write_days(table.loaded, conform([rows], arrow_schema(table.loaded)), Nowhere(), "trial"):
                pass

        return sum(self._withdraw(table.name, part, unfit_rows(rows_of(part), write)) for part in tail)

    def _withdraw_deadly(self, table: LakeTable, tail: Sequence[TailRows]) -> int:
        """Do the same with the rows at which the process before this one died, if it did."""
        if self._caution is None:
            return 0
        dead = self._caution.begin(table.name, tail, None if table.iceberg is None else arrow_schema(table.iceberg))
        if not dead:
            return 0
        count = sum(self._withdraw(table.name, part, dead.get(part.batch, {})) for part in tail)
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
