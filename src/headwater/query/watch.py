"""An eye on one query from another thread: what it is about to read, and a way to end it whenever that comes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from headwater.errors import QueryError


class Stopped(QueryError):
    """The query was stopped."""

    def __init__(self) -> None:
        super().__init__("the query was stopped")


class Watch:
    """Given to the query it watches. `bytes` and `rows` are of the files it opens and the rows of no file, `planning_ms` is how long
    it was planned: 0 until then. A query that would read more than *limit_bytes* is stopped before it reads anything.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        self.bytes, self.rows, self.planning_ms = 0, 0, 0.0
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None
        self._stopped = False

    def arm(self, interrupt: Callable[[], None]) -> None:
        """Say how to interrupt from now on; raises `Stopped` if that was asked for already."""
        with self._lock:
            if self._stopped:
                raise Stopped
            self._interrupt = interrupt

    def planned(self, size: int, rows: int, planning_ms: float) -> None:
        """Say what will be read; raises `Stopped` if that is too much."""
        self.bytes, self.rows, self.planning_ms = size, rows, planning_ms
        if self._limit_bytes is not None and size > self._limit_bytes:
            raise Stopped

    def disarm(self) -> None:
        """Say that there is nothing to interrupt any more."""
        with self._lock:
            self._interrupt = None

    def stop(self) -> None:
        """End the query. The engine forgets an interrupt that comes between two of its steps: call again until the query has ended."""
        with self._lock:
            self._stopped = True
            if self._interrupt is not None:
                self._interrupt()
