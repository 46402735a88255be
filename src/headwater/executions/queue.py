"""Which query runs next: each workgroup within its limit, and whoever has the least running first."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from headwater.executions.errors import TooManyQueries


class Ticket(NamedTuple):
    """A query that waits to run. *work*: what runs it, None = what the queue runs its tickets with."""

    id: str
    workgroup: str
    principal: str
    work: Callable[[], None] | None = None


class Queue:
    """Runs each ticket in a thread of its own, at most *concurrency* at a time.

    *limit_of*: how many of a workgroup may run at a time, None = as many as there may be. *waiting* and *waiting_each*: how many may
    wait, in all and of one principal.
    """

    def __init__(
        self, run: Callable[[str], None], *, concurrency: int, waiting: int, waiting_each: int, limit_of: Callable[[str], int | None]
    ) -> None:
        self._run, self._limit_of = run, limit_of
        self._concurrency, self._waiting_limit, self._each_limit = concurrency, waiting, waiting_each
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, Ticket] = OrderedDict()
        self._running: dict[str, Ticket] = {}
        self._idle = threading.Condition(self._lock)
        self._closed = False

    def check(self, principal: str) -> None:
        """Raise `TooManyQueries` if one more of that principal could not wait."""
        with self._lock:
            own = sum(ticket.principal == principal for ticket in self._waiting.values())
            if self._closed or len(self._waiting) >= self._waiting_limit or own >= self._each_limit:
                raise TooManyQueries

    def put(self, ticket: Ticket) -> None:
        """Run it as soon as there is room."""
        with self._lock:
            self._waiting[ticket.id] = ticket
            self._start_next()

    def drop(self, ticket_id: str) -> None:
        """Forget one that still waits; it does not matter if it does not."""
        with self._lock:
            self._waiting.pop(ticket_id, None)

    def close(self, within_s: float) -> None:
        """Start nothing any more, and wait that long for what runs."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            self._idle.wait_for(lambda: not self._running, within_s)

    def counts(self) -> tuple[int, int]:
        """Return how many wait and how many run."""
        with self._lock:
            return len(self._waiting), len(self._running)

    def _start_next(self) -> None:
        while not self._closed and len(self._running) < self._concurrency and (ticket := self._next()) is not None:
            del self._waiting[ticket.id]
            self._running[ticket.id] = ticket
            threading.Thread(target=self._work, args=(ticket,), name=f"query-{ticket.id[:8]}", daemon=True).start()

    def _next(self) -> Ticket | None:
        groups = Counter(ticket.workgroup for ticket in self._running.values())
        principals = Counter(ticket.principal for ticket in self._running.values())
        best: Ticket | None = None
        limits: dict[str, int | None] = {}
        for ticket in self._waiting.values():
            if ticket.workgroup not in limits:
                limits[ticket.workgroup] = self._limit_of(ticket.workgroup)
            limit = limits[ticket.workgroup]
            if limit is not None and groups[ticket.workgroup] >= limit:
                continue
            if best is None or principals[ticket.principal] < principals[best.principal]:
                best = ticket
        return best

    def _work(self, ticket: Ticket) -> None:
        try:
            if ticket.work is None:
                self._run(ticket.id)
            else:
                ticket.work()
        finally:
            with self._lock:
                del self._running[ticket.id]
                self._idle.notify_all()
                self._start_next()
