"""The writing side of one shard: segments are created, appended to, given up after an error, and trimmed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from headwater.errors import StreamFull, Unavailable
from headwater.record import Record
from headwater.store.durable import sync_folder
from headwater.stream.mark import MarkWriter
from headwater.stream.recovery import recover
from headwater.stream.segment import HEADER_BYTES, OpenSegment, SegmentFile, encode_payload, newest_arrival, seal_blob, segment_path


class ShardWriter:
    """One per shard and machine. `append` is called by one thread, `trim` by any other; both block.

    Segments of earlier opens are never written again. Numbers start above *floor* and above all that was ever acknowledged.
    """

    def __init__(self, folder: Path, floor: int, max_bytes: int | None, segment_bytes: int) -> None:
        self._folder = folder
        self._floor = floor
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._blob = bytearray()
        self._active: OpenSegment | None = None
        self._unacknowledged: Path | None = None  # a segment in which nothing was acknowledged yet
        self._sizes: dict[int, int] = {}
        self._newest_ms: dict[int, int] = {}
        self._next = self._oldest = 1
        self._lock = threading.Lock()  # guards the three above and the mark, between append and trim
        self._trimming = threading.Lock()
        self._recovered = False
        self.cut_bytes = 0
        make_folder(folder)
        self._mark = MarkWriter(folder)
        try:
            self._recover()
        except BaseException:
            self._mark.close()
            raise

    def append(self, records: Sequence[Record]) -> int:
        """Return the number of the first of *records* once all are durable.

        Raises `StreamFull` if they do not fit the size limit, `Unavailable` after any error of the disk.
        """
        try:
            if not self._recovered:
                self._recover()
            if not self._recovered:
                raise Unavailable("the disk is too full to settle what the last crash left; trimming makes room")
            return self._append(records)
        except OSError as error:
            raise Unavailable(f"the stream cannot be written: {error}") from error

    def trim(self, before: int, older_than_ms: int) -> int:
        """Remove whole segments, oldest first, as `Stream.trim` says; return the bytes freed.

        Raises `Unavailable` after an error of the disk; what was not removed then goes at the next start.
        """
        try:
            return self._trim(before, older_than_ms)
        except OSError as error:
            raise Unavailable(f"the stream cannot be trimmed: {error}") from error

    def close(self) -> None:
        """Make the mark durable and let go of all files."""
        try:
            if self._active is not None:
                self._active.close()
            self._mark.sync()
        finally:
            self._mark.close()

    def _trim(self, before: int, older_than_ms: int) -> int:
        with self._trimming:
            with self._lock:
                bases = sorted(self._sizes)
            dropped = []
            for base, following in pairwise(bases):
                if following - 1 > before or self._arrival_of(base) >= older_than_ms:
                    break
                dropped.append(base)
            if not dropped:
                return 0
            with self._lock:
                self._oldest = bases[len(dropped)]
                self._publish()
            # durable first: a start after power loss must not take a trimmed segment for a lost one
            self._mark.sync()
            freed = 0
            for base in dropped:
                segment_path(self._folder, base).unlink(missing_ok=True)
                with self._lock:
                    freed += self._sizes.pop(base)
                self._newest_ms.pop(base, None)
            sync_folder(self._folder)
            return freed

    def _append(self, records: Sequence[Record]) -> int:
        first, count = self._next, len(records)
        encode_payload(records, self._blob)
        newest_ms = newest_arrival(records)
        active = self._active
        if active is not None and active.size + len(self._blob) > self._segment_bytes:
            active = None
        with self._lock:
            total = sum(self._sizes.values()) + len(self._blob) + (HEADER_BYTES if active is None else 0)
        if self._max_bytes is not None and total > self._max_bytes:
            raise StreamFull(f"the stream holds its limit of {self._max_bytes} bytes and nothing may be dropped yet")
        if active is None:
            active = self._start_segment(first)
        seal_blob(self._blob, active.marker, first, count, newest_ms)
        try:
            active.write(self._blob, newest_ms)
            active.sync()
        except OSError:
            self._abandon(active)
            raise
        self._unacknowledged = None
        with self._lock:
            self._sizes[active.base] = active.size
            self._newest_ms[active.base] = active.newest_ms
            # also if publishing fails: what is durable keeps its numbers
            self._next = first + count
            self._publish()
        return first

    def _start_segment(self, base: int) -> OpenSegment:
        done, self._active = self._active, None
        if done is not None:
            done.close()
            # keeps what a start after power loss must copy within one segment
            self._mark.sync()
        if self._unacknowledged is not None:
            self._unacknowledged.unlink(missing_ok=True)
        path = segment_path(self._folder, base)
        active = OpenSegment(path, base)
        self._unacknowledged = path
        try:
            sync_folder(self._folder)
        except OSError:
            self._abandon(active)
            raise
        self._active = active
        return active

    def _abandon(self, active: OpenSegment) -> None:
        self._active = None
        with contextlib.suppress(OSError):  # it is given up in any case
            active.close()
        with self._lock, contextlib.suppress(OSError):
            if self._unacknowledged is None:
                self._sizes[active.base] = active.path.stat().st_size
            else:  # its name will be needed again; if this fails, the next segment's start tries again, and says so
                active.path.unlink()
                self._unacknowledged = None

    def _publish(self) -> None:
        self._mark.publish(self._next, self._oldest, max(self._sizes, default=0))

    def _arrival_of(self, base: int) -> int:
        known = self._newest_ms.get(base)
        if known is None:
            segment = SegmentFile(self._folder, base)
            try:
                known = max((blob.header.newest_ms for blob in segment.blobs()), default=0)
            finally:
                segment.close()
            self._newest_ms[base] = known
        return known

    def _recover(self) -> None:
        with self._trimming:
            found = recover(self._folder, self._mark.last, self._floor)
            with self._lock:
                self._sizes = found.sizes
                self._next, self._oldest, self.cut_bytes = found.next, found.oldest, found.cut_bytes
                self._publish()
            self._mark.sync()
            for path in found.leftovers:
                path.unlink(missing_ok=True)
            sync_folder(self._folder)
            self._recovered = found.whole


def make_folder(folder: Path) -> None:
    """Create *folder* and its parents, each one's name durable."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)
