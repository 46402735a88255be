"""Jobs over a Unix socket, a conversation for each, in lines of JSON: request -> how far it is, some times -> answer or failure."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from headwater.errors import Cancelled, HeadwaterError, Refused, Unavailable, mistake
from headwater.jobs import Answer, Handlers, Job, JobRun, Progress

LINE_BYTES = 16 * 1024 * 1024
"""Whatever the doors accept fits: bodies of 2 MiB, each byte of which JSON may write as six (`\\u007f`)."""

_LOOK_EVERY_S = 0.1
_CANCEL = b"cancel\n"


class _Asked(msgspec.Struct):
    id: str | None
    job: str
    request: msgspec.Raw


class _Failure(msgspec.Struct):
    kind: str
    code: str
    message: str


class _Said(msgspec.Struct):
    """One line of an answer; all but the last say progress."""

    progress: Progress | None = None
    answer: msgspec.Raw = msgspec.Raw(b"null")
    failure: _Failure | None = None


async def serve_jobs(path: Path, handlers: Handlers) -> asyncio.Server:
    """Listen at *path* (owner only) and do what is asked for; a job goes on where whoever asked has gone, and may be asked for again."""
    log = structlog.get_logger("jobs")

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line:
                writer.write(_line(await _answer(line, handlers, reader, writer)))
                await writer.drain()
        except (ConnectionError, ValueError) as error:  # ValueError: a line over the limit
            log.warning("a job conversation broke off", reason=str(error)[:256])
        finally:
            writer.close()

    return await asyncio.start_unix_server(converse, sock=_listen(path), limit=LINE_BYTES)


async def _answer(line: bytes, handlers: Handlers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Said:
    loop = asyncio.get_running_loop()

    def tell(progress: Progress) -> None:
        loop.call_soon_threadsafe(_write, writer, _line(_Said(progress=progress)))

    try:
        asked = msgspec.json.decode(line, type=_Asked)
        job = handlers.job(asked.job, asked.request)
        run = JobRun(asked.id, tell)
        cancelling = asyncio.create_task(_cancelled(reader, handlers, job, run.id))
        try:
            answer = await handlers.do(job, run)
        finally:
            cancelling.cancel()
        return _Said(answer=msgspec.Raw(msgspec.json.encode(answer)))
    except HeadwaterError as error:
        return _Said(failure=_Failure(_kind(error), error.code, str(error)))
    except Exception as error:  # noqa: BLE001  # whoever asked must get an answer, and the log the trace
        structlog.get_logger("jobs").error("a job failed", reason=str(error), exc_info=mistake(error))
        return _Said(failure=_Failure("", "", str(error)))


async def _cancelled(reader: asyncio.StreamReader, handlers: Handlers, job: Job[Any], run_id: str) -> None:
    with suppress(ConnectionError, ValueError):  # who asked has gone, or says what nobody understands: the job goes on
        if await reader.readline() == _CANCEL:
            handlers.cancel(job, run_id)


def _write(writer: asyncio.StreamWriter, line: bytes) -> None:
    if not writer.is_closing():  # whoever asked may have gone
        writer.write(line)


def _line(said: _Said) -> bytes:
    return msgspec.json.encode(said) + b"\n"


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(path) as name:
        listener.bind(name)
    path.chmod(0o600)
    return listener


class SocketAsk:
    """An `Ask` of the process that listens at *path*. An answer is waited for *within_s* seconds."""

    def __init__(self, path: Path, within_s: float = 3_600.0) -> None:
        self._path, self._within_s = path, within_s

    def __call__(
        self,
        job: Job[Answer],
        /,
        *,
        id: str | None = None,  # noqa: A002
        told: Callable[[Progress], None] = lambda progress: None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """Ask. `Refused` NOT_SUPPORTED, too, where the job is longer than a line may be."""
        name = type(job).__name__
        asked = msgspec.json.encode(_Asked(id, name, msgspec.Raw(msgspec.json.encode(job)))) + b"\n"
        # Over the limit the other side hangs up, which looks like a process that ended and may be asked again.
        if len(asked) > LINE_BYTES:
            raise Refused("NOT_SUPPORTED", f"job {name} would take {len(asked):,} bytes and may take {LINE_BYTES:,}: ask for less at once")
        said = self._converse(name, asked, told, wanted)
        if said.failure is not None:
            raise _error(said.failure)
        return msgspec.json.decode(said.answer, type=type(job).answer())  # type: ignore[no-any-return]

    def _converse(self, name: str, asked: bytes, told: Callable[[Progress], None], wanted: Callable[[], bool]) -> _Said:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conversation, _short(self._path) as address:
            conversation.settimeout(self._within_s)
            with self._reaching():
                conversation.connect(address)
                conversation.sendall(asked)
            try:
                for line in self._lines(conversation, wanted):
                    said = msgspec.json.decode(line, type=_Said)
                    if said.progress is None:
                        return said
                    told(said.progress)
            except KeyboardInterrupt:
                with suppress(OSError):
                    conversation.sendall(_CANCEL)
                raise
        raise Unavailable(f"the role at {self._path} ended before it answered job {name}; ask again")

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(f"nobody answers at {self._path}: {error}") from error

    def _lines(self, conversation: socket.socket, wanted: Callable[[], bool]) -> Iterator[bytes]:
        deadline, pending, cancelled = time.monotonic() + self._within_s, bytearray(), False
        with selectors.DefaultSelector() as ready:
            ready.register(conversation, selectors.EVENT_READ)
            while True:
                if ready.select(_LOOK_EVERY_S):
                    with self._reaching():
                        received = conversation.recv(1 << 20)
                    if not received:
                        return
                    pending += received
                    *whole, rest = pending.split(b"\n")
                    pending = bytearray(rest)
                    yield from map(bytes, whole)
                elif time.monotonic() > deadline:
                    raise Unavailable(f"nobody answers at {self._path}: no answer within {self._within_s:g} s")
                if not cancelled and not wanted():
                    cancelled = True
                    with suppress(ConnectionError):  # it has answered, or ended
                        conversation.sendall(_CANCEL)


def _kind(error: HeadwaterError) -> str:
    return next((kind.__name__ for kind in (Refused, Unavailable, Cancelled) if isinstance(error, kind)), "")


def _error(failure: _Failure) -> HeadwaterError:
    match failure.kind:
        case "Refused":
            return Refused(failure.code, failure.message)
        case "Unavailable":
            return Unavailable(failure.message)
        case "Cancelled":
            return Cancelled(failure.message)
    return HeadwaterError(failure.message)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a name for *path* that fits the 108 bytes of a socket address, however deep the project lies."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
