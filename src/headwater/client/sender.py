"""The queue of recorded entries, and the thread that delivers them: in batches, in order, again until each has a verdict."""

from __future__ import annotations

import atexit
import http.client
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from headwater.client.batch import RequestBatch, Verdicts
from headwater.client.connection import Connection
from headwater.client.entry import QueuedEvent
from headwater.client.failure import NotDelivered, QueueFull
from headwater.errors import HeadwaterError

_log = logging.getLogger("headwater.client")

_BATCH_BYTES = 512 * 1024  # below what proxies let through by default
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 20.0
_KEPT_FAILURES = 100
_REMEMBERED_USERS = 10_000

CLOSE_S = 10.0

OnError = Callable[[NotDelivered], None]


class Sender:
    """Delivers entries. Everything public may be called from any thread; the thread is started by the first entry."""

    def __init__(self, connection: Connection, *, queue_size: int, batch_size: int, linger_s: float, on_error: OnError | None) -> None:
        self._connection, self._on_error = connection, on_error
        self._queue_size, self._batch_size, self._batch_bytes, self._linger_s = queue_size, batch_size, _BATCH_BYTES, linger_s
        self.forget()
        _OPEN.add(self)

    def forget(self) -> None:
        """Begin anew with an empty queue; for a forked child, whose parent delivers what was recorded before."""
        self._connection.abandon()
        self._change = threading.Condition()
        self._queue: deque[QueuedEvent] = deque()
        self._in_flight: list[QueuedEvent] = []
        self._recorded = 0
        self._hurry_upto = 0
        self._oldest_at = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False
        self._give_up_at = float("inf")
        self._users: dict[str, str] = {}
        self._failed: list[dict[str, Any]] = []
        self._failed_count = 0
        self._failed_reason = ""

    def put(self, make: Callable[[int], QueuedEvent]) -> None:
        """Queue the entry that *make* makes of its number. A full queue raises `QueueFull`, or tells `on_error` if there is one."""
        with self._change:
            if self._closed:
                raise HeadwaterError("this client is closed; record before close(), or make another")
            entry = make(self._recorded + 1)
            full = len(self._queue) + len(self._in_flight) >= self._queue_size
            if not full:
                if self._thread is None:
                    thread = threading.Thread(target=self._run, name="headwater-client", daemon=True)
                    thread.start()
                    self._thread = thread
                self._recorded += 1
                if not self._queue:
                    self._oldest_at = time.monotonic()
                self._queue.append(entry)
                if len(self._queue) in (1, self._batch_size):
                    self._change.notify_all()
        if full:
            error = QueueFull(f"the queue is full ({self._queue_size:,} entries wait); is the server out of reach?", [entry.line()])
            if self._on_error is None:
                raise error
            self._on_error(error)

    def flush(self, timeout_s: float | None) -> None:
        """Return when all that is recorded has a verdict. TimeoutError leaves the rest queued; `NotDelivered` says what was refused."""
        if threading.current_thread() is self._thread:
            raise HeadwaterError("on_error runs in the thread that delivers; it cannot wait for it")
        with self._change:
            upto = self._recorded
            self._hurry_upto = upto
            self._change.notify_all()
            if not self._change.wait_for(lambda: self._settled(upto), timeout_s):
                waiting = len(self._queue) + len(self._in_flight)
                raise TimeoutError(f"{waiting} entries wait still after {timeout_s} s; they are tried further")
        self._raise_failures()

    def close(self, timeout_s: float) -> None:
        """Deliver what is queued for up to *timeout_s*, then give up what is left; `NotDelivered` says what, unless `on_error` was told."""
        _OPEN.discard(self)
        with self._change:
            self._closed = True
            self._give_up_at = time.monotonic() + timeout_s
            self._change.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)
            if thread.is_alive():  # in the middle of an exchange, or of a connection being made, which ends by its own time limit
                self._connection.abort()
                thread.join(self._connection.timeout_s + 1)
            if thread.is_alive():
                with self._change:
                    left = [*self._in_flight, *self._queue]
                    self._in_flight, self._queue = [], deque()
                self._fail("given up in the middle of an exchange; some may arrive yet", left)
        self._raise_failures()

    def _settled(self, upto: int) -> bool:
        return not any(entries and entries[0].number <= upto for entries in (self._in_flight, self._queue))

    def _raise_failures(self) -> None:
        with self._change:
            failed, count, reason = self._failed, self._failed_count, self._failed_reason
            self._failed, self._failed_count, self._failed_reason = [], 0, ""
        if count:
            raise NotDelivered(reason, failed, count)

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                try:
                    self._deliver(batch)
                except Exception as error:  # noqa: BLE001 - told below; the thread must live
                    _log.exception("an error of ours")
                    self._fail(f"an error of the client's own: {type(error).__name__}: {error}", batch.entries)
                with self._change:
                    self._in_flight = []
                    self._change.notify_all()
        finally:
            self._connection.close()

    def _next_batch(self) -> RequestBatch | None:
        with self._change:
            while not self._queue:
                if self._closed:
                    return None
                self._change.wait()
            due = self._oldest_at + self._linger_s
            while len(self._queue) < self._batch_size and self._queue[0].number > self._hurry_upto and not self._closed:
                left = due - time.monotonic()
                if left <= 0:
                    break
                self._change.wait(left)
            batch = RequestBatch(self._users)
            batch.take(self._queue, self._batch_size, self._batch_bytes)
            self._in_flight = batch.entries
            self._oldest_at = time.monotonic()
            return batch

    def _deliver(self, batch: RequestBatch) -> None:
        """Send the batch until it has an answer that counts, or it is time to give up."""
        body, pause_s = batch.body(), _FIRST_PAUSE_S
        if not self._pause(0):
            self._fail("given up; never tried", batch.entries)
            return
        while True:
            problem, verdicts = self._attempt(batch, body)
            if verdicts is not None:
                self._settle(verdicts)
                if verdicts.again:
                    self._put_back(verdicts.again)
                    self._pause(pause_s)
                return
            if problem == "":
                return
            if not self._pause(pause_s * random.uniform(0.5, 1)):  # noqa: S311 - spreads clients out, no secret
                self._fail(f"given up, the last time: {problem}; some may have arrived", batch.entries)
                return
            _log.warning("trying again: %s", problem)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _attempt(self, batch: RequestBatch, body: bytes) -> tuple[str, Verdicts | None]:
        """Return what went wrong so that trying again may help, "" if the batch is done with; and the verdicts if there are any."""
        try:
            answer = self._connection.post(body)
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}", None
        if answer.status == 202:
            try:
                return "", batch.verdicts(answer.body)
            except (ValueError, KeyError, TypeError, AttributeError):
                return "an answer that is none to PutEvents", None
        if answer.status in (408, 425, 429) or answer.status >= 500:
            return answer.said(), None
        if answer.status == 413 and len(batch.entries) > 1:  # a proxy that lets less through
            self._batch_bytes = max(batch.size_bytes // 2, 1)
            self._put_back(batch.entries)
            return "", None
        self._fail(answer.said(), batch.entries)
        return "", None

    def _settle(self, verdicts: Verdicts) -> None:
        if len(self._users) + len(verdicts.users) > _REMEMBERED_USERS:
            self._users.clear()
        self._users.update(verdicts.users)
        for entry, reason in verdicts.refused:
            self._fail(reason, [entry])

    def _put_back(self, entries: list[QueuedEvent]) -> None:
        with self._change:
            self._queue.extendleft(sorted(entries, key=lambda entry: entry.number, reverse=True))
            self._in_flight = []

    def _pause(self, seconds: float) -> bool:
        """Wait; False if there is no time left to try again."""
        with self._change:
            until = time.monotonic() + seconds
            while (left := min(until, self._give_up_at) - time.monotonic()) > 0:
                self._change.wait(left)
            return time.monotonic() < self._give_up_at

    def _fail(self, reason: str, entries: list[QueuedEvent]) -> None:
        lines = [entry.line() for entry in entries]
        if self._on_error is not None:
            try:
                self._on_error(NotDelivered(reason, lines))
            except Exception:  # noqa: BLE001 - the recorder's own function
                _log.exception("on_error failed; %d not delivered: %s", len(lines), reason)
            return
        _log.error("%d not delivered: %s", len(lines), reason)
        with self._change:
            self._failed_reason = self._failed_reason or reason
            self._failed_count += len(lines)
            self._failed += lines[: _KEPT_FAILURES - len(self._failed)]


# A sender whose thread runs is held by it, even if nobody else remembers the client.
_OPEN: WeakSet[Sender] = WeakSet()


def _begin_anew_in_child() -> None:
    for sender in list(_OPEN):
        sender.forget()


def _close_all() -> None:
    for sender in list(_OPEN):
        try:
            sender.close(CLOSE_S)
        except NotDelivered as lost:
            _log.error("%s", lost)


os.register_at_fork(after_in_child=_begin_anew_in_child)
atexit.register(_close_all)
