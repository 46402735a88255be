"""From the stream into the lake's ledger: read a batch, judge each record, drop what was seen before, write all of it down at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from headwater.clock import Clock
from headwater.errors import HeadwaterError
from headwater.ledger import Ledger, LedgerBatch, Rows
from headwater.ledger.packing import packed
from headwater.model import Decoded, Letter, Models, Window
from headwater.pipe.caution import Caution
from headwater.pipe.duplicates import SeenKeys
from headwater.pipe.judging import faulty
from headwater.pipe.letters import ended
from headwater.pipe.outcome import FATES, LETTERS, count_fates, fate_rows, letter_rows, stored_of, without_stored
from headwater.pipe.slices import OpenRecord, Slice, slices
from headwater.stream import Batch, Stream

__all__ = ["Caution", "Pipe", "SeenKeys"]

TARGET = "lake"


class Pipe:
    """Moves one stream into the lake. It keeps nothing that the ledger does not: killed anywhere, it goes on where the ledger stands.

    stored: after a lost ledger, table -> "pipe/shard" -> number up to which its rows are in the lake; those are counted, not written.
    open_record: takes a record apart that holds several events; each of them then has a fate of its own.
    between: called with a name between any two steps, so that a test may stop it there.
    moved: called with each batch that is committed, and when it was read and committed (epoch ns).
    caution: knows at which batch the process before died.
    """

    def __init__(
        self,
        name: str,
        stream: Stream,
        into: Ledger,
        models: Models,
        seen: SeenKeys,
        window: Window,
        clock: Clock,
        batch_size: int = 10_000,
        open_record: OpenRecord = lambda record, shard_id, number: [record],
        stored: Mapping[str, Mapping[str, int]] | None = None,
        between: Callable[[str], None] = lambda step: None,
        moved: Callable[[Batch, int, int], None] = lambda batch, read_ns, committed_ns: None,
        caution: Caution | None = None,
    ) -> None:
        self.name = name
        self._stream, self._ledger, self._models, self._seen = stream, into, models, seen
        self._window, self._clock, self._batch_size = window, clock, batch_size
        self._open_record, self._stored = open_record, stored or {}
        self._between, self._moved, self._caution = between, moved, caution
        self._positions = {shard_id: upto for (pipe, shard_id), upto in into.positions().items() if pipe == name}
        self._log = structlog.get_logger("pipe")

    async def step(self, wait_s: float) -> int:
        """Take one batch of each shard to the ledger; return how many records that was (0: none came in *wait_s* seconds)."""
        moved = 0
        for shard_id in await self._stream.shards():
            after = self._positions.get(shard_id, 0)
            limit = self._batch_size if self._caution is None else self._caution.limit(shard_id, after, self._batch_size)
            batch = await self._stream.read(shard_id, after, limit, wait_s)
            if batch.upto > after:
                await asyncio.to_thread(self._store_all, batch, after)
                moved += batch.upto - after
        return moved

    def close(self) -> None:
        """Let go of what it watches itself by; the places it moves between are others' to close."""
        if self._caution is not None:
            self._caution.close()

    def _store_all(self, batch: Batch, after: int) -> None:
        read_ns = time.time_ns()
        self._between("read")
        caution = self._caution
        try:
            deadly = {} if caution is None else caution.begin(batch, after)
            letters = {index: ended(how) for index, how in deadly.items()}
            for part in slices(batch, after, self._batch_size, self._open_record, letters):
                self._store(part, read_ns)
                if caution is not None and part.batch.upto < batch.upto:
                    caution.go_on(part.batch.upto)
        finally:  # a failure, too, is no death of the process
            if caution is not None:
                caution.end()

    def _store(self, part: Slice, read_ns: int) -> None:
        batch = part.batch
        stored = self._prepare(part, dict(part.unopened))
        if self._caution is not None:
            self._caution.judged()
        self._ledger.commit(stored)
        self._between("committed")
        self._positions[batch.shard_id] = batch.upto
        self._seen.remember(stored.keys)
        self._moved(batch, read_ns, time.time_ns())
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
        fates = count_fates(TARGET, batch, decoded, duplicates, rejected)
        self._between("built")
        return LedgerBatch(self.name, batch.shard_id, part.after, batch.upto, rows, fates, seen.keys, now_ms)

    def _rows(self, part: Slice, decoded: Decoded, duplicates: set[int], rejected: Sequence[int], now_ms: int) -> dict[str, Rows]:
        batch = part.batch
        tables = decoded.tables(drop=duplicates)
        # numbers[table][i] is where the record of row i lies; only asked for after a lost ledger
        numbers = {name: [i for i in decoded.places(name) if i not in duplicates] for name in tables} if self._stored else {}
        if rejected:
            tables[LETTERS] = letter_rows(self.name, part, decoded, rejected, now_ms)
            numbers[LETTERS] = list(rejected)
        if duplicates or batch.damaged:
            tables[FATES] = fate_rows(self.name, TARGET, batch, decoded, duplicates, now_ms)
            numbers[FATES] = sorted(duplicates)
        if self._stored:
            for name, places in numbers.items():
                stored_upto = stored_of(self._stored, name, self.name, batch.shard_id)
                if not (name == FATES and batch.damaged):
                    tables[name] = without_stored(tables[name], [batch.sequence_numbers[i] for i in places], stored_upto)
        return {name: packed(table) for name, table in tables.items() if table.num_rows}
