"""The reading side of one shard, for any process: durable records in order, and exactly which numbers are damaged."""

from __future__ import annotations

import threading
from bisect import bisect_right
from pathlib import Path

import msgspec

from headwater.record import Record
from headwater.stream import Batch, Damage
from headwater.stream.mark import Mark, MarkReader
from headwater.stream.segment import HEADER_BYTES, Blob, SegmentFile, decode_payload, list_bases, segment_path
from headwater.stream.stat import ShardStat

BATCH_BYTES = 32 * 1024 * 1024
_CURSORS = 4


class _Cursor:
    """A place in a segment: the offset of the next blob, and the records of the one before it, decoded once."""

    def __init__(self, folder: Path, base: int) -> None:
        self.segment = SegmentFile(folder, base)
        self.base = base
        self.number = base  # the one that a sequential reader wants next
        self.held: list[Record] = []
        self.held_first = 0
        self.held_bytes = 0
        self._offset = HEADER_BYTES

    def holds(self, number: int) -> bool:
        return self.held_first <= number < self.held_first + len(self.held)

    def take(self, number: int, limit: int, stop: int) -> list[Record] | Damage:
        """Return records from *number* on, at least one and all below *stop*; or what is damaged there."""
        if not self.holds(number):
            blob = self._find(number)
            if blob is None or blob.header.first >= stop:
                return Damage(number, stop - 1, "bad blob" if self.segment.size() > self._offset else "missing")
            header = blob.header
            self.held, self.held_bytes = _records(blob)
            self._offset, self.held_first = header.end, header.first
            if header.first > number:
                return Damage(number, header.first - 1, "bad blob")
            if not self.held:
                return Damage(number, min(header.after, stop) - 1, "not a list of records")
        at = number - self.held_first
        return self.held[at : min(at + limit, stop - self.held_first)]

    def _find(self, number: int) -> Blob | None:
        if number < self.number:
            self._offset = HEADER_BYTES
        offset = believed = self._offset
        while (header := self.segment.peek(offset)) and header.after <= number and header.end > offset:
            believed, offset = offset, header.end
        blob = self.segment.load(offset) if header and header.first <= number else None
        if blob is not None:
            return blob
        # bytes are bad, or a header that was only peeked at lied: trust nothing but checksums from there on
        return next((blob for blob in self.segment.blobs(believed) if blob.header.after > number), None)


class ShardReader:
    """Reads one shard's folder, which may not be there yet. Safe to call from several threads; every method may block on the disk."""

    def __init__(self, folder: Path, shard_id: str) -> None:
        self._folder, self._shard_id = folder, shard_id
        self._mark = MarkReader(folder)
        self._bases: list[int] = []
        self._listed: tuple[int, int] | None = None
        self._cursors: list[_Cursor] = []
        self._lock = threading.Lock()

    def has(self, after: int) -> bool:
        """Tell whether anything durable lies after *after*; cheap enough to poll."""
        with self._lock:
            mark = self._mark.read()
        return mark is not None and mark.next > after + 1 and (after > 0 or mark.next > mark.oldest)

    def read(self, after: int, limit: int) -> Batch:
        """Return what `Stream.read` promises, without waiting. A batch ends early at about `BATCH_BYTES`."""
        with self._lock:
            while True:
                try:
                    return self._read(after, limit)
                except FileNotFoundError:  # trimmed since we listed the folder
                    self._listed = None

    def position_at(self, time_ms: int) -> int:
        """Return what `Stream.position_at` promises, for arrival times that do not go back from blob to blob."""
        with self._lock:
            while True:
                try:
                    return self._position_at(time_ms)
                except FileNotFoundError:
                    self._listed = None

    def stat(self, cut_bytes: int = 0) -> ShardStat:
        """Return the shard's numbers; all zero before there is a shard."""
        with self._lock:
            mark = self._mark.read()
        if mark is None:
            return ShardStat(0, 0, 0, 0, cut_bytes)
        sizes = []
        for base in list_bases(self._folder):
            try:
                sizes.append(segment_path(self._folder, base).stat().st_size)
            except FileNotFoundError:
                continue  # trimmed meanwhile
        return ShardStat(sum(sizes), len(sizes), mark.oldest, mark.next, cut_bytes)

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            for cursor in self._cursors:
                cursor.segment.close()
            self._cursors.clear()
            self._mark.close()

    def _read(self, after: int, limit: int) -> Batch:
        records: list[Record] = []
        numbers: list[int] = []
        damaged: list[Damage] = []
        mark = self._refresh()
        number = after + 1
        if mark is not None and number < mark.oldest:
            if after > 0:
                damaged.append(Damage(number, mark.oldest - 1, "trimmed"))
            number = mark.oldest
        cursor, held_bytes = self._cursor_at(number), 0
        try:
            while mark is not None and number < mark.next and len(records) < limit and held_bytes < BATCH_BYTES:
                base, end = self._segment_of(number, mark.next)
                if base is None:
                    damaged.append(Damage(number, end - 1, "missing"))
                    number = end
                    continue
                if cursor is None or cursor.base != base:
                    if cursor is not None:
                        cursor.segment.close()
                        cursor = None
                    cursor = _Cursor(self._folder, base)
                found = cursor.take(number, limit - len(records), end)
                if isinstance(found, Damage):
                    damaged.append(found)
                    number = found.last + 1
                else:
                    records += found
                    numbers += range(number, number + len(found))
                    number += len(found)
                    held_bytes += cursor.held_bytes
                cursor.number = number
        finally:
            if cursor is not None:
                cursor.segment.forget()
                self._keep(cursor)
        return Batch(self._shard_id, records, numbers, tuple(damaged), number - 1 if records or damaged else after)

    def _refresh(self) -> Mark | None:
        mark = self._mark.read()
        if mark is not None and self._listed != (mark.oldest, mark.newest):
            # a segment is created before any mark that covers it, and removed after the mark that excludes it
            self._bases = [base for base in list_bases(self._folder) if base < mark.next]
            self._listed = (mark.oldest, mark.newest)
        return mark

    def _segment_of(self, number: int, stop: int) -> tuple[int | None, int]:
        index = bisect_right(self._bases, number)
        end = min(self._bases[index], stop) if index < len(self._bases) else stop
        return (self._bases[index - 1] if index else None), end

    def _cursor_at(self, number: int) -> _Cursor | None:
        for cursor in self._cursors:
            if cursor.number == number or cursor.holds(number):
                self._cursors.remove(cursor)
                return cursor
        return None

    def _keep(self, cursor: _Cursor) -> None:
        self._cursors.append(cursor)
        if len(self._cursors) > _CURSORS:
            self._cursors.pop(0).segment.close()

    def _position_at(self, time_ms: int) -> int:
        mark = self._refresh()
        if mark is None:
            return 0
        for base in reversed(self._bases):
            end = self._segment_of(base, mark.next)[1]
            found = self._last_before(base, end, time_ms) if end > mark.oldest else 0
            if found >= mark.oldest:
                return found
        return 0

    def _last_before(self, base: int, end: int, time_ms: int) -> int:
        found = 0
        segment = SegmentFile(self._folder, base)
        try:
            for blob in segment.blobs():
                header = blob.header
                if header.first >= end:
                    break
                if header.newest_ms >= time_ms:
                    earlier = (number for number, record in enumerate(_records(blob)[0], header.first) if record.arrival_ms < time_ms)
                    return min(max(earlier, default=found), end - 1)
                found = header.after - 1
        finally:
            segment.close()
        return min(found, end - 1)


def _records(blob: Blob) -> tuple[list[Record], int]:
    """Return what the blob holds and the bytes that takes in memory.

    Nothing if that is not what its header says, as only a writer gone wrong could bring about.
    """
    try:
        records, size = decode_payload(blob.payload)
    except msgspec.MsgspecError:
        return [], 0
    return (records, size) if len(records) == blob.header.after - blob.header.first else ([], 0)
