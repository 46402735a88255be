"""Which Iceberg snapshots are worth keeping."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
KEPT_NEWEST = 20


class Keep(NamedTuple):
    """Which snapshots of a table its owner wants: those of the last *age_ms*, and so many of the newest in any case, one at least."""

    age_ms: int
    newest: int = 1


def expired(snapshots: Iterable[tuple[int, int]], now_ms: int, keep: Keep | None = None) -> list[int]:
    """Return the ids to let go of, oldest first, out of (id, time in epoch ms).

    Kept, where *keep* says nothing else: the newest 20, the newest of each hour of the last day, the newest of each day of the last 30.
    """
    newest_first = sorted(snapshots, key=lambda s: s[1], reverse=True)
    if keep is not None:
        return [snapshot for snapshot, at_ms in reversed(newest_first[max(1, keep.newest) :]) if at_ms < now_ms - keep.age_ms]
    kept = {snapshot for snapshot, _ in islice(newest_first, KEPT_NEWEST)}
    for length_ms, since_ms in ((HOUR_MS, now_ms - DAY_MS), (DAY_MS, now_ms - 30 * DAY_MS)):
        seen: set[int] = set()
        for snapshot, at_ms in newest_first:
            if at_ms >= since_ms and at_ms // length_ms not in seen:
                seen.add(at_ms // length_ms)
                kept.add(snapshot)
    return [snapshot for snapshot, _ in reversed(newest_first) if snapshot not in kept]
