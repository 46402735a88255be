"""Calls that are made at a time, unless they are called off first."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Deadlines:
    """One thread that makes them; a call must not wait for anything."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._closed = False
        threading.Thread(target=self._run, name="deadlines", daemon=True).start()

    def set(self, seconds: float, call: Callable[[], None]) -> int:
        """Make *call* that many seconds from now; return a number to call it off by."""
        with self._changed:
            number = next(self._numbers)
            heapq.heappush(self._heap, (time.monotonic() + seconds, number, call))
            self._changed.notify()
            return number

    def call_off(self, number: int) -> None:
        """Do not make the call of that number; it does not matter if it was made."""
        with self._changed:
            self._heap = [entry for entry in self._heap if entry[1] != number]
            heapq.heapify(self._heap)

    def close(self) -> None:
        """Make no call any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._heap or self._heap[0][0] > time.monotonic()):
                    self._changed.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                if self._closed:
                    return
                _, _, call = heapq.heappop(self._heap)
            call()
