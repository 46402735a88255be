"""One query's time in a sandbox: waiting for its turn, running, being stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from headwater.errors import QueryLimit, Unavailable
from headwater.query.sandbox.box import Box, Rows, SandboxLost, Terms
from headwater.query.sandbox.inside.wire import Job
from headwater.query.watch import Stopped

_LOOK_EVERY_S = 0.05
# Spares can be gone without having done anything, with the process that started them.
_TRIES = 4


class Run:
    """Takes one of *slots*, and a process from *box*, when it starts; gives back the one and ends the other when it is closed."""

    def __init__(self, slots: threading.Semaphore, box: Callable[[], Box], terms: Terms) -> None:
        self._slots, self._new_box, self._terms = slots, box, terms
        self._lock = threading.Lock()
        self._box: Box | None = None
        self._has_slot = False
        self._stopped = threading.Event()

    def start(self, job: Job, fds: Sequence[int]) -> Rows:
        """Run *job*. Raises `duckdb.Error`, `QueryLimit`, `Stopped`, or `Unavailable` if no process can be had."""
        self._wait()
        for _ in range(_TRIES):
            with self._lock:
                if self._stopped.is_set():
                    raise Stopped
                box = self._box = self._new_box()
            try:
                return box.run(job, fds, self._terms)
            except SandboxLost:
                box.close()
        raise Unavailable("no sandbox could be started; try again later")

    def stop(self) -> None:
        """End it soon, from any thread; it may not have started."""
        with self._lock:
            self._stopped.set()
            if self._box is not None:
                self._box.end("stopped")

    def close(self) -> None:
        """End it now."""
        with self._lock:
            box, self._box = self._box, None
            had_slot, self._has_slot = self._has_slot, False
        if box is not None:
            box.close()
        if had_slot:
            self._slots.release()

    def _wait(self) -> None:
        until = time.monotonic() + self._terms.seconds
        while not self._slots.acquire(timeout=_LOOK_EVERY_S):
            if self._stopped.is_set():
                raise Stopped
            if time.monotonic() > until:
                raise QueryLimit("time", f"the query waited for {self._terms.seconds:g} s, and others were still running; try again later")
        self._has_slot = True
