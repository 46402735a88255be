"""What a shard holds, in numbers, for metrics and for whoever trims."""

from __future__ import annotations

from typing import NamedTuple


class ShardStat(NamedTuple):
    """Durable are the numbers from *oldest* to *next* - 1, less the damaged.

    *bytes* and *segments* are what it takes up. *cut_bytes*: the torn, never acknowledged tail that the last start for writing ignored.
    """

    bytes: int
    segments: int
    oldest: int
    next: int
    cut_bytes: int
