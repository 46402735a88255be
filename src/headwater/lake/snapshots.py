"""Which Iceberg snapshots are worth keeping."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
KEPT_NEWEST = 20


def expired(snapshots: Iterable[tuple[int, int]], now_ms: int) -> list[int]:
    """Return the ids to let go of, oldest first, out of (id, time in epoch ms).

    Kept: the newest 20, the newest of each hour of the last day, the newest of each day of the last 30.
    """
    newest_first = sorted(snapshots, key=lambda s: s[1], reverse=True)
    kept = {snapshot for snapshot, _ in islice(newest_first, KEPT_NEWEST)}
    for length_ms, since_ms in ((HOUR_MS, now_ms - DAY_MS), (DAY_MS, now_ms - 30 * DAY_MS)):
        seen: set[int] = set()
        for snapshot, at_ms in newest_first:
            if at_ms >= since_ms and at_ms // length_ms not in seen:
                seen.add(at_ms // length_ms)
                kept.add(snapshot)
    return [snapshot for snapshot, _ in reversed(newest_first) if snapshot not in kept]
