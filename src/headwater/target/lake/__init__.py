"""Into the lake's ledger: judge each record, drop what was seen before, write all of it down at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from headwater.clock import Clock
from headwater.errors import HeadwaterError
from headwater.ledger import Ledger, LedgerBatch, Rows
from headwater.ledger.packing import packed
from headwater.model import Decoded, Letter, Models, Window
from headwater.stream import Batch
from headwater.target.lake.caution import Caution
from headwater.target.lake.duplicates import SeenKeys
from headwater.target.lake.judging import faulty
from headwater.target.lake.letters import ended
from headwater.target.lake.outcome import FATES, LETTERS, count_fates, fate_rows, letter_rows, stored_of, without_stored
from headwater.target.lake.slices import OpenRecord, Slice, slices

__all__ = ["Caution", "LakeTarget", "SeenKeys"]


class LakeTarget:
    """Keeps what *pipe* brings. It knows nothing that the ledger does not: killed anywhere, it stands where the ledger stands.

    stored: after a lost ledger, table -> "pipe/shard" -> number up to which its rows are in the lake; those are counted, not written.
    open_record: takes a record apart that holds several events; each of them then has a fate of its own.
    between: called with a name between any two steps, so that a test may stop it there.
    moved: called with the events of each transaction, and when they came here and were committed (epoch ns).
    caution: knows at which batch the process before died.
    """

    name = "lake"

    def __init__(
        self,
        pipe: str,
        into: Ledger,
        models: Models,
        seen: SeenKeys,
        window: Window,
        clock: Clock,
        batch_size: int = 10_000,
        open_record: OpenRecord = lambda record, shard_id, number: [record],
        stored: Mapping[str, Mapping[str, int]] | None = None,
        between: Callable[[str], None] = lambda step: None,
        moved: Callable[[Batch, int, int], None] = lambda batch, came_ns, committed_ns: None,
        caution: Caution | None = None,
    ) -> None:
        self._pipe = pipe
        self._ledger, self._models, self._seen = into, models, seen
        self._window, self._clock, self._batch_size = window, clock, batch_size
        self._open_record, self._stored = open_record, stored or {}
        self._between, self._moved, self._caution = between, moved, caution
        self._positions = {shard_id: upto for (name, shard_id), upto in into.positions().items() if name == pipe}
        self._log = structlog.get_logger("pipe")

    def position(self, shard_id: str) -> int:
        """Return up to which number the ledger has the shard."""
        return self._positions.get(shard_id, 0)

    def deliver(self, batch: Batch, after: int) -> int:
        """Judge the records and write down what became of each; after a death of the process perhaps only of the first ones."""
        caution = self._caution
        if caution is None:
            return self._deliver(batch, after, {})
        batch = caution.cut(batch, after)
        try:
            return self._deliver(batch, after, {index: ended(how) for index, how in caution.begin(batch, after).items()})
        finally:  # a failure, too, is no death of the process
            caution.end()

    def close(self) -> None:
        """Let go of what it watches itself by; the ledger is another's to close."""
        if self._caution is not None:
            self._caution.close()

    def _deliver(self, batch: Batch, after: int, letters: Mapping[int, Letter]) -> int:
        came_ns = time.time_ns()
        for part in slices(batch, after, self._batch_size, self._open_record, letters):
            self._store(part)
            self._moved(part.batch, came_ns, time.time_ns())
            if self._caution is not None and part.batch.upto < batch.upto:
                self._caution.go_on(part.batch.upto)
        return batch.upto

    def _store(self, part: Slice) -> None:
        batch = part.batch
        stored = self._prepare(part, dict(part.unopened))
        if self._caution is not None:
            self._caution.judged()
        self._ledger.commit(stored)
        self._between("committed")
        self._positions[batch.shard_id] = batch.upto
        self._seen.remember(stored.keys)
        for damage in batch.damaged:
            self._log.error("acknowledged events cannot be read any more", shard=batch.shard_id, **damage._asdict())

    def _prepare(self, part: Slice, letters: dict[int, Letter]) -> LedgerBatch:
        """Return what is to be written down. A record at which that fails has a letter that says so, and the rest goes on."""
        while True:
            try:
                return self._judge(part, letters)
            except (HeadwaterError, OSError):  # what is away for now
                raise
            except Exception as error:
                found = faulty(self._models, part.batch, self._window, letters)
                if not found:
                    raise
                self._log.exception(
                    "judging records failed; they are dead letters", shard=part.batch.shard_id, records=len(found), reason=str(error)
                )
                letters |= found

    def _judge(self, part: Slice, letters: Mapping[int, Letter]) -> LedgerBatch:
        batch = part.batch
        decoded = self._models.decode(batch.records, batch.shard_id, batch.sequence_numbers, self._window, letters)
        self._between("decoded")
        seen = self._seen.check(decoded.keys, decoded.minutes)
        # A letter that is driven again carries its own key, which was seen when it became a letter.
        duplicates = seen.duplicates - decoded.letter_ids.keys() if seen.duplicates else seen.duplicates
        rejected = [i for i in decoded.letters if i not in duplicates]
        now_ms = self._clock.now_ms()
        rows = self._rows(part, decoded, duplicates, rejected, now_ms)
        fates = count_fates(self.name, batch, decoded, duplicates, rejected)
        self._between("built")
        return LedgerBatch(self._pipe, batch.shard_id, part.after, batch.upto, rows, fates, seen.keys, now_ms)

    def _rows(self, part: Slice, decoded: Decoded, duplicates: set[int], rejected: Sequence[int], now_ms: int) -> dict[str, Rows]:
        batch = part.batch
        tables = decoded.tables(drop=duplicates)
        # numbers[table][i] is where the record of row i lies; only asked for after a lost ledger
        numbers = {name: [i for i in decoded.places(name) if i not in duplicates] for name in tables} if self._stored else {}
        if rejected:
            tables[LETTERS] = letter_rows(self._pipe, part, decoded, rejected, now_ms)
            numbers[LETTERS] = list(rejected)
        if duplicates or batch.damaged:
            tables[FATES] = fate_rows(self._pipe, self.name, batch, decoded, duplicates, now_ms)
            numbers[FATES] = sorted(duplicates)
        if self._stored:
            for name, places in numbers.items():
                stored_upto = stored_of(self._stored, name, self._pipe, batch.shard_id)
                if not (name == FATES and batch.damaged):
                    tables[name] = without_stored(tables[name], [batch.sequence_numbers[i] for i in places], stored_upto)
        return {name: packed(table) for name, table in tables.items() if table.num_rows}
