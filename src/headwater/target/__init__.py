"""What may receive the batches of a pipe."""

from __future__ import annotations

from typing import Protocol

from headwater.stream import Batch

SUBMODULES = ("lake", "lake.caution", "lake.relearn")
"""What other rooms may import from beside this module, which would load more than they need."""


class Target(Protocol):
    """Receives batches in order, one after the other of a shard.

    Where what it takes and how far it came are one transaction, all of it is there exactly once.
    """

    def position(self, shard_id: str) -> int:
        """Return up to which number it has all of the shard, 0 for none."""

    def deliver(self, batch: Batch, after: int) -> int:
        """Take what lies behind *after* up to `batch.upto`, or the first part of it; return up to which number, durably.

        Called from a thread. What it raises leaves it where it stood.
        """

    def close(self) -> None:
        """Let go of what it has open."""
