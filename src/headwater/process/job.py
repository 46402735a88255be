"""Jobs: whatever changes the lake beside the pipe is sent to the one process that may, over a Unix socket, one JSON line each way."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from headwater.errors import HeadwaterError, NotFound, Refused, Unavailable, mistake

Job = Callable[..., Awaitable[Any]]
LINE_BYTES = 16 * 1024 * 1024
"""Whatever the doors accept fits: bodies of 2 MiB, each byte of which JSON may write as six (`\\u007f`)."""


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


async def serve_jobs(path: Path, jobs: Mapping[str, Job]) -> asyncio.Server:
    """Listen at *path* (owner only) and run what is asked for; a job's error goes back to who asked."""
    log = structlog.get_logger("jobs")

    async def answer(line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            name, arguments = request["job"], request.get("arguments", {})
            if name not in jobs:
                raise NotFound("job", str(name))
            return {"result": await jobs[name](**arguments)}
        except HeadwaterError as error:
            return {"error": type(error).__name__, "message": str(error), "code": error.code}
        except Exception as error:  # whoever asked must get an answer, and the log the trace
            log.error("a job failed", reason=str(error), exc_info=mistake(error))
            return {"error": type(error).__name__, "message": str(error)}

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:  # ValueError: a line over the limit
            log.warning("a job conversation broke off", reason=str(error)[:256])
        finally:
            writer.close()

    return await asyncio.start_unix_server(converse, sock=_listen(path), limit=LINE_BYTES)


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(path) as name:
        listener.bind(name)
    path.chmod(0o600)
    return listener


def send_job(path: Path, name: str, /, timeout_s: float = 600, **arguments: Any) -> Any:
    """Ask the process that listens at *path* to run job *name* and return its result.

    Raises `Unavailable` if nobody listens there; `Refused` with the job's own code, or `HeadwaterError`, with its message, if it failed;
    `Refused` NOT_SUPPORTED, too, if its arguments are longer than the line may be.
    """
    asked = json.dumps({"job": name, "arguments": arguments}).encode() + b"\n"
    # Over the limit the other side hangs up, which looks like a process that ended and may be asked again.
    if len(asked) > LINE_BYTES:
        raise Refused("NOT_SUPPORTED", f"job {name!r} would take {len(asked):,} bytes and may take {LINE_BYTES:,}: ask for less at once")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conversation, _short(path) as address:
        conversation.settimeout(timeout_s)
        try:
            conversation.connect(address)
            conversation.sendall(asked)
            line = conversation.makefile("rb").readline()
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"nobody answers at {path}: {error}") from error
    if not line:
        raise Unavailable(f"the role at {path} ended before it answered job {name!r}; ask again")
    answer = json.loads(line)
    if answer.get("error") == Refused.__name__:
        raise Refused(answer["code"], answer["message"])
    if answer.get("error") == Unavailable.__name__:
        raise Unavailable(answer["message"])
    if "error" in answer:
        raise HeadwaterError(answer["message"])
    return answer["result"]
