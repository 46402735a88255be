"""Where time comes from; tests pass a `ManualClock`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Milliseconds since the epoch, and a monotonic count of seconds for durations."""

    def now_ms(self) -> int:
        """Return the wall clock in whole milliseconds since 1970-01-01T00:00:00Z."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Return the wall clock in milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, now_ms: int = 1_795_403_182_544) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return the time it was last set to."""
        return self._now_ms

    def monotonic(self) -> float:
        """Return the same time in seconds."""
        return self._now_ms / 1000

    def advance(self, seconds: float) -> None:
        """Move the time forward."""
        self._now_ms += round(seconds * 1000)
