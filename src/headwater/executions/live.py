"""Executions that have not ended yet: what each is doing, and the eye on their limits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

import msgspec

from headwater.clock import Clock
from headwater.executions.execution import SYSTEM, USER, Execution, QueryFailure
from headwater.executions.runner import RunLimits, RunningQuery
from headwater.executions.statement import Read

StopReason = Literal["cancelled", "time", "scan", "end"]

_EVERY_S = 0.02

CANCELLED_TEXT = "Query cancelled by user"
RESTART = QueryFailure(SYSTEM, 100, "The query did not finish because Headwater was stopped or restarted; run it again", retryable=True)
UNSURE = QueryFailure(
    SYSTEM,
    100,
    "Headwater was stopped or restarted while this statement may have been running: look whether its rows are there before you"
    " run it again",
)
TIMEOUT = QueryFailure(USER, 206, "Query timeout")
CUTOFF = "Query cancelled! : Bytes scanned limit was exceeded"


_NOT_TWICE = ("INSERT", "UPDATE", "MERGE")


def restarted(execution: Execution, *, begun: bool) -> QueryFailure:
    """Return why an execution failed that had not ended when this role did; *begun*: whether it may have run."""
    return UNSURE if begun and execution.substatement in _NOT_TWICE else RESTART


class Live:
    """An execution that waits or runs. *execution* is how callers see it; `ended` once that is final, whatever still unwinds."""

    def __init__(self, execution: Execution, read: Read, *, may_change: bool) -> None:
        self.execution, self.read, self.may_change = execution, read, may_change
        self.limits = RunLimits(float("inf"))
        self.began: float | None = None
        self.running: RunningQuery | None = None
        self.stop: StopReason | None = None
        self.ended = False

    def running_since(self, now_ms: int, began: float, limits: RunLimits) -> None:
        """Say that it runs from now on, and within which limits."""
        self.began, self.limits = began, limits
        costs = msgspec.structs.replace(self.execution.costs, queue_ms=max(0, now_ms - self.execution.submitted_ms))
        self.execution = msgspec.structs.replace(self.execution, state="RUNNING", costs=costs)


class Watcher:
    """Stops what is over its limits or was cancelled, every 20 milliseconds while anything runs."""

    def __init__(self, clock: Clock, over: Callable[[Live, StopReason], None]) -> None:
        """*over* is called, in the watcher's thread, for a query that has just gone over a limit."""
        self._clock, self._over = clock, over
        self._changed = threading.Condition()
        self._working: dict[str, Live] = {}
        self._closed = False
        threading.Thread(target=self._watch, name="query-watcher", daemon=True).start()

    def add(self, live: Live) -> None:
        """Watch it until `remove`."""
        with self._changed:
            self._working[live.execution.id] = live
            self._changed.notify()

    def remove(self, live: Live) -> None:
        """Watch it no more."""
        with self._changed:
            self._working.pop(live.execution.id, None)

    def close(self) -> None:
        """Watch nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._working or self._closed)
                if self._closed:
                    return
                working = list(self._working.values())
            for live in working:
                self._look(live)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, _EVERY_S)

    def _look(self, live: Live) -> None:
        if live.stop is None and (found := self._found(live)) is not None:
            live.stop = found
            self._over(live, found)
        if live.stop is not None and live.running is not None:
            live.running.cancel()

    def _found(self, live: Live) -> StopReason | None:
        if live.began is not None and self._clock.monotonic() - live.began > live.limits.time_s:
            return "time"
        limit, running = live.limits.scanned_bytes, live.running
        if limit is not None and running is not None and running.scan().bytes > limit:
            return "scan"
        return None
