"""Group commit: all appends that wait share one write and one sync, done in a thread so that the event loop stays free."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from headwater.errors import StreamFull, Unavailable
from headwater.record import Record, Run, Runs

GROUP_BYTES = 8 * 1024 * 1024
GATHER_TURNS = 8


class _Request(NamedTuple):
    records: Sequence[Record]
    answer: asyncio.Future[int]


_Group = list[_Request]


class GroupCommit:
    """Gathers appends while the one before is under way; records of one call stay together, in one blob.

    The event loop gathers and the thread only commits: the two take turns once for each group, not for each append.
    Those who call are in one event loop; in another one only after that has ended.
    """

    def __init__(self, append: Callable[[Sequence[Record]], int]) -> None:
        """Start the thread; *append* blocks, makes records durable and returns the first one's number."""
        self._append = append
        self._queue: SimpleQueue[_Group | None] = SimpleQueue()
        self._waiting: _Group = []
        # Whether somebody will hand over what waits: the end of this turn of the loop, or of the commit under way.
        self._expected = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="headwater-stream-commit", daemon=True)
        self._thread.start()

    async def append(self, records: Sequence[Record]) -> int:
        """Return the number of the first record once all are durable; an error means that none was promised."""
        if self._closed:
            raise Unavailable("the stream is closed")
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # whoever waits in a loop that has ended waits no more
            self._loop, self._waiting, self._expected = loop, [], False
        answer: asyncio.Future[int] = loop.create_future()
        self._waiting.append(_Request(records, answer))
        if not self._expected:
            self._expected = True
            loop.call_soon(self._hand_over, loop, 0, 0)
        return await answer

    async def close(self) -> None:
        """Commit what waits and stop the thread."""
        if not self._closed:
            self._closed = True
            while self._waiting:
                self._queue.put(self._take())
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self, loop: asyncio.AbstractEventLoop, turns: int, seen: int) -> None:
        """Begin the next commit as soon as a turn of the loop brings no more requests: a busy loop has no time to answer earlier anyway."""
        if loop is not self._loop:
            return
        waiting = len(self._waiting)
        if seen < waiting and turns < GATHER_TURNS and not self._closed:
            loop.call_soon(self._hand_over, loop, turns + 1, waiting)
            return
        self._expected = waiting > 0
        if waiting:
            self._queue.put(self._take())

    def _take(self) -> _Group:
        """Return the requests that share the next commit."""
        waiting, size = self._waiting, 0
        for count, request in enumerate(waiting):
            size += _size(request.records)
            if size > GROUP_BYTES and count:
                self._waiting = waiting[count:]
                return waiting[:count]
        self._waiting = []
        return waiting

    def _run(self) -> None:
        while (group := self._queue.get()) is not None:
            loop = group[0].answer.get_loop()
            try:
                loop.call_soon_threadsafe(self._settle, loop, group, self._commit(group))
            except RuntimeError:  # the loop was closed: nobody waits any more
                continue

    def _commit(self, group: _Group) -> list[int | BaseException]:
        """Return for each request the number of its first record, or why it has none."""
        try:
            first = self._append(_joined(group))
        except StreamFull as error:
            if len(group) == 1:
                return [error]
            return [self._commit([request])[0] for request in group]  # some of them may fit
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers get it, and the thread lives on
            return [error] * len(group)
        numbers: list[int | BaseException] = []
        for request in group:
            numbers.append(first)
            first += len(request.records)
        return numbers

    def _settle(self, loop: asyncio.AbstractEventLoop, group: _Group, outcomes: list[int | BaseException]) -> None:
        for (_, answer), outcome in zip(group, outcomes, strict=True):
            if answer.done():  # the caller was cancelled
                continue
            if isinstance(outcome, int):
                answer.set_result(outcome)
            else:
                answer.set_exception(outcome)
        self._hand_over(loop, 0, 0)


def _joined(group: _Group) -> Sequence[Record]:
    if len(group) == 1:
        return group[0].records
    runs: list[Run] = []
    for request in group:
        if not isinstance(request.records, Runs):
            return [record for request in group for record in request.records]
        runs += request.records.runs
    return Runs(runs)


def _size(records: Sequence[Record]) -> int:
    if isinstance(records, Runs):
        return sum([run.size() for run in records.runs])
    return sum([len(record.body) for record in records])
