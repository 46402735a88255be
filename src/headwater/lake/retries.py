"""Work that may fail for now: what was tried in vain waits, longer each time, and keeps nothing else from its turn."""

from __future__ import annotations

from collections.abc import Callable

from headwater.clock import Clock
from headwater.errors import StoreBroken

FIRST_MS, LATEST_MS = 1_000, 60_000


class Retries:
    """Remembers by name what failed last time, and when it may be tried again: after a second, then twice as long, up to a minute.

    failing: name -> why, of what failed last time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: dict[str, tuple[int, int]] = {}
        self.failing: dict[str, Exception] = {}

    def due(self, name: str) -> bool:
        """Return whether nothing of that name failed, or its wait is over."""
        return self._waits.get(name, (0, 0))[0] <= self._clock.now_ms()

    def attempt(self, name: str, failures: dict[str, Exception], work: Callable[[], object]) -> None:
        """Do the work now; an error, whichever it is, goes into *failures* under its name."""
        try:
            work()
            self._waits.pop(name, None)
            self.failing.pop(name, None)
        except StoreBroken:  # the process begins anew
            raise
        except Exception as error:  # noqa: BLE001  # a mistake in what one of them needs must not stop the others
            wait_ms = min(2 * self._waits.get(name, (0, FIRST_MS // 2))[1], LATEST_MS)
            self._waits[name] = (self._clock.now_ms() + wait_ms, wait_ms)
            failures[name] = self.failing[name] = error
