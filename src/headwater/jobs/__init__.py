"""Jobs: whatever changes the lake or its catalog beside the pipe, and what a role says of itself.

A job is a struct, its answer another. Who wants one done calls an `Ask`; the process that may do it has `Handlers`. Both are the same
whether they are in two processes with a socket between them (`jobs.socket`) or in one.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar, get_args

import msgspec

from headwater.errors import Cancelled, NotFound

__all__ = ["Answer", "Ask", "Done", "Handler", "Handlers", "Job", "JobRun", "Progress", "threaded"]

SUBMODULES = ("catalog", "roles", "socket", "tables")
"""What other rooms may import from beside this module, which would load more than they need."""

Answer = TypeVar("Answer")
AnyJob = TypeVar("AnyJob", bound="Job[Any]")

_KEPT_ANSWERS = 1_000


class Progress(msgspec.Struct, frozen=True):
    """How far a job is: so much of *total*, None where nobody knows, of what *unit* says."""

    done: int
    total: int | None
    unit: str


class Done(msgspec.Struct, frozen=True):
    """The answer of a job of which there is nothing more to say."""


class Job(msgspec.Struct, Generic[Answer], frozen=True, kw_only=True):
    """Something to be done. The name of its class is its name."""

    @classmethod
    def answer(cls) -> Any:
        """Return the type of what it gives."""
        [kind] = get_args(cls.__orig_bases__[0])  # type: ignore[attr-defined]
        return kind

    @classmethod
    def by(cls, do: Callable[[Self, JobRun], Awaitable[Answer]]) -> Handler:
        """Say that *do* does such jobs."""
        return Handler(cls, do)


class JobRun:
    """A job under way, for whoever does it.

    id: whoever asks again with it means the same job, which is done once; where None is given it is a new one that nobody asks for again.
    told: is given how far the job is, from any thread.
    """

    def __init__(self, id: str | None = None, told: Callable[[Progress], None] = lambda progress: None) -> None:  # noqa: A002
        self.id, self.may_come_again, self._told = id or str(uuid.uuid4()), id is not None, told
        self._cancelled = threading.Event()

    def at(self, done: int, total: int | None, unit: str) -> None:
        """Say how far the job is. Raises `Cancelled` where nobody wants it any more: call it only while there is nothing to undo."""
        if self._cancelled.is_set():
            raise Cancelled("the job was cancelled")
        self._told(Progress(done, total, unit))

    def cancel(self) -> None:
        """Let it end at its next step, if that still can be."""
        self._cancelled.set()


class Handler(NamedTuple):
    """Who does one kind of job."""

    kind: type[Job[Any]]
    do: Callable[[Any, JobRun], Awaitable[Any]]


class Ask(Protocol):
    """Has a job done, here or in another process, and waits for the answer."""

    def __call__(
        self,
        job: Job[Answer],
        /,
        *,
        id: str | None = None,  # noqa: A002
        told: Callable[[Progress], None] = ...,
        wanted: Callable[[], bool] = ...,
    ) -> Answer:
        """Return the answer. *id*: as of `JobRun`, a new one if None. *told* hears how far it is; *wanted* says whether to go on with it.

        Raises `Unavailable` where nobody can do it now, `Cancelled` once it was not wanted, `Refused` with the job's own code, or another
        `HeadwaterError`.
        """


class Handlers:
    """All that one process does, by the name of the job. A job whose id was done here, or is under way, is not done a second time."""

    def __init__(self, handlers: Iterable[Handler]) -> None:
        self._handlers = {handler.kind.__name__: handler for handler in handlers}
        self._under_way: dict[str, asyncio.Task[Any]] = {}
        self._runs: dict[str, JobRun] = {}

    def job(self, name: str, request: bytes | msgspec.Raw) -> Job[Any]:
        """Return the job that was asked for by name. Raises `NotFound`, or `msgspec.ValidationError` for what is none of that kind."""
        if (handler := self._handlers.get(name)) is None:
            raise NotFound("job", name)
        job: Job[Any] = msgspec.json.decode(request, type=handler.kind)
        return job

    async def do(self, job: Job[Answer], run: JobRun) -> Answer:
        """Do the job and return its answer; raises what that raises."""
        key = f"{type(job).__name__} {run.id}"
        if (task := self._under_way.get(key)) is None:
            do = self._handlers[type(job).__name__].do
            task = self._under_way[key] = asyncio.ensure_future(do(job, run))
            self._runs[key] = run
            task.add_done_callback(lambda task: self._ended(key, task))
        return await asyncio.shield(task)

    def cancel(self, job: Job[Any], run_id: str) -> None:
        """Let a job end that nobody wants any more."""
        if (run := self._runs.get(f"{type(job).__name__} {run_id}")) is not None:
            run.cancel()

    def _ended(self, key: str, task: asyncio.Task[Any]) -> None:
        run = self._runs.pop(key)
        if task.cancelled() or task.exception() is not None or not run.may_come_again:
            del self._under_way[key]  # what failed may be asked again, and is tried anew
        else:
            self._under_way[key] = self._under_way.pop(key)  # the newest of those that are done
        ended = [each for each in self._under_way if each not in self._runs]
        for old in ended[: max(0, len(ended) - _KEPT_ANSWERS)]:
            del self._under_way[old]


def threaded(do: Callable[[AnyJob, JobRun], Answer]) -> Callable[[AnyJob, JobRun], Awaitable[Answer]]:
    """Return what does such jobs in a thread, so that the process gets on with everything else."""

    async def done(job: AnyJob, run: JobRun) -> Answer:
        return await asyncio.to_thread(do, job, run)

    return done
