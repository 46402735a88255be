"""What a writer finds in a shard's folder when it starts: which numbers are proven, and what the crash before it left behind.

A segment's name proves that all numbers below it are settled, because a writer creates it only then. So only the last segment
can hold anything in doubt: blobs that were written, and perhaps never synced, or synced with an error that was reported to a
process that is gone. A sync now would not show that. Whatever is whole beyond the proven numbers is therefore copied into a
new segment, written and synced afresh; whatever is torn at the end was never acknowledged, and is left behind.
"""

from __future__ import annotations

import errno
import os
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from headwater.store.durable import sync_folder
from headwater.stream.mark import Mark
from headwater.stream.segment import OpenSegment, SegmentFile, list_bases, rehome_blob, segment_path


class Found(NamedTuple):
    """The state to go on from, *whole* unless the disk was too full to settle the tail: then nothing may be appended yet.

    *leftovers* may be removed once a mark with *next* and *oldest* is durable.
    """

    sizes: dict[int, int]
    next: int
    oldest: int
    cut_bytes: int
    leftovers: list[Path]
    whole: bool


class _Tail(NamedTuple):
    offset: int | None  # of the first blob beyond the proven numbers
    after: int  # the number after the last good blob, 0 if there is none
    torn_bytes: int


def recover(folder: Path, mark: Mark | None, floor: int) -> Found:
    """Settle the shard in *folder*. Doing it again after an error, or after a crash in its midst, leads to the same numbers."""
    for unfinished in folder.glob("*.tmp"):
        unfinished.unlink()
    bases = list_bases(folder)
    proven = max(mark.next if mark else 1, bases[-1] if bases else 1)
    tail, whole = _Tail(None, proven, 0), True
    if bases:
        segment = SegmentFile(folder, bases[-1])
        try:
            tail = _look(segment, proven)
            if tail.offset is not None:
                whole = _copy(segment, tail.offset, folder, proven)
        finally:
            segment.close()
    next_number = max(tail.after, proven, floor + 1) if whole else proven
    oldest = mark.oldest if mark else bases[0] if bases else next_number
    leftovers = [base for base, following in pairwise(bases) if following <= oldest]
    if tail.after == 0 and bases[-1] == proven:
        leftovers.append(bases[-1])
    # a bad end below the proven numbers is damage, which readers report; beyond them it is a torn write
    cut_bytes = tail.torn_bytes if tail.after >= proven or bases[-1] in leftovers else 0
    sizes = {base: segment_path(folder, base).stat().st_size for base in list_bases(folder) if base not in leftovers}
    return Found(sizes, next_number, oldest, cut_bytes, [segment_path(folder, base) for base in leftovers], whole)


def _look(segment: SegmentFile, proven: int) -> _Tail:
    offset, after, end = None, 0, 0
    for blob in segment.blobs():
        after, end = blob.header.after, blob.header.end
        if offset is None and blob.header.first >= proven:
            offset = blob.header.offset
    return _Tail(offset, after, segment.size() - end)


def _copy(source: SegmentFile, offset: int, folder: Path, base: int) -> bool:
    path = segment_path(folder, base)
    unfinished = path.with_suffix(".tmp")
    segment = OpenSegment(unfinished, base)
    try:
        for blob in source.blobs(offset):
            segment.write(rehome_blob(blob, segment.marker), blob.header.newest_ms)
        segment.sync()
    except OSError as error:
        unfinished.unlink()
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return False  # readers may go on, and trimming makes room
        raise
    finally:
        segment.close()
    os.rename(unfinished, path)  # noqa: PTH104 - replaces a segment of the same base, of which it holds all that is whole
    sync_folder(folder)
    return True
