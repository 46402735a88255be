"""Group commit: all appends that wait share one write and one sync, done in a thread so that the event loop stays free."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import NamedTuple

from headwater.errors import StreamFull, Unavailable
from headwater.record import Record

GROUP_BYTES = 8 * 1024 * 1024


class _Request(NamedTuple):
    records: Sequence[Record]
    answer: asyncio.Future[int]


class GroupCommit:
    """Gathers appends while the one before is under way; records of one call stay together, in one blob."""

    def __init__(self, append: Callable[[Sequence[Record]], int]) -> None:
        """Start the thread; *append* blocks, makes records durable and returns the first one's number."""
        self._append = append
        self._queue: SimpleQueue[_Request | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="headwater-stream-commit", daemon=True)
        self._thread.start()

    async def append(self, records: Sequence[Record]) -> int:
        """Return the number of the first record once all are durable; an error means that none was promised."""
        if self._closed:
            raise Unavailable("the stream is closed")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.put(_Request(records, answer))
        return await answer

    async def close(self) -> None:
        """Commit what waits and stop the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        request = self._queue.get()
        while request is not None:
            group, follower = self._gather(request)
            self._commit(group)
            request = self._queue.get() if follower is _NOBODY else follower

    def _gather(self, request: _Request) -> tuple[list[_Request], _Request | None]:
        """Return the requests that share a commit, and the one that came next if it was taken off the queue already."""
        group, waiting = [request], 0
        while True:
            try:
                follower = self._queue.get_nowait()
            except Empty:
                return group, _NOBODY
            if follower is None:
                return group, None
            waiting += _size(group[-1])
            if waiting + _size(follower) > GROUP_BYTES:
                return group, follower
            group.append(follower)

    def _commit(self, group: list[_Request]) -> None:
        try:
            first = self._append([record for request in group for record in request.records] if len(group) > 1 else group[0].records)
        except StreamFull as error:
            if len(group) == 1:
                _resolve([(group[0], error)])
            else:  # some of them may fit
                for request in group:
                    self._commit([request])
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers get it, and the thread lives on
            _resolve([(request, error) for request in group])
        else:
            answers: list[tuple[_Request, int | BaseException]] = []
            for request in group:
                answers.append((request, first))
                first += len(request.records)
            _resolve(answers)


_NOBODY = _Request((), None)  # type: ignore[arg-type]  # stands for an empty queue


def _size(request: _Request) -> int:
    return sum([len(record.body) for record in request.records])


def _resolve(answers: Sequence[tuple[_Request, int | BaseException]]) -> None:
    for loop, part in groupby(answers, key=lambda pair: pair[0].answer.get_loop()):
        try:
            loop.call_soon_threadsafe(_tell, list(part))
        except RuntimeError:  # the loop was closed: nobody waits any more
            continue


def _tell(answers: list[tuple[_Request, int | BaseException]]) -> None:
    for request, answer in answers:
        if request.answer.done():  # the caller was cancelled
            continue
        if isinstance(answer, BaseException):
            request.answer.set_exception(answer)
        else:
            request.answer.set_result(answer)
