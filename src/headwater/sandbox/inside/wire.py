"""What goes over the socket between the query process and a sandbox: a kind, a length, bytes; open files go along with a job."""

from __future__ import annotations

import json
import pickle
import socket
import struct
from typing import Any, Literal, NamedTuple

Kind = Literal[b"a", b"r", b"i", b"v", b"s", b"b", b"d", b"e"]
"""To a sandbox: ask, run, interrupt. From it: value, schema, batch, done, error."""

_HEAD = struct.Struct("=cI")
MAX_FRAME = 1 << 30
_FDS_EACH = 64


class Assignment(NamedTuple):
    """What one query needs.

    text: the SELECT (or EXPLAIN). views: name and SELECT, each after all it uses. files: all that may be opened. tables: those that come
    as open files: the name in SQL, and how many of the files are its parts.
    """

    text: str
    parameters: Any
    views: list[tuple[str, str]]
    files: list[str]
    tables: list[tuple[str, int]]


def send(sock: socket.socket, kind: Kind, body: bytes | memoryview = b"") -> None:
    """Send one frame."""
    sock.sendall(_HEAD.pack(kind, len(body)))
    if body:
        sock.sendall(body)


def receive(sock: socket.socket, most: int = MAX_FRAME) -> tuple[bytes, memoryview] | None:
    """Return kind and body of the next frame, None at the end. Raises `ValueError` for one longer than *most* bytes."""
    head = _exactly(sock, _HEAD.size)
    if head is None:
        return None
    kind, size = _HEAD.unpack(head)
    if size > most:
        raise ValueError(f"a frame of {size} bytes; at most {most} are taken")
    body = _exactly(sock, size)
    return None if body is None else (kind, body)


def send_question(sock: socket.socket, text: str, parameters: Any) -> None:
    """Send a text with its parameters."""
    send(sock, b"a", pickle.dumps((text, parameters)))


def read_question(body: memoryview) -> tuple[str, Any]:
    """Return text and parameters. Only a sandbox calls it: it believes what it is sent."""
    text, parameters = pickle.loads(body)  # noqa: S301  # from the query process, never the other way
    return text, parameters


def send_job(sock: socket.socket, job: Assignment, fds: list[int]) -> None:
    """Send a job, and the files of its tables; the receiver has descriptors of its own."""
    send(sock, b"r", pickle.dumps(job))
    for at in range(0, len(fds), _FDS_EACH):
        socket.send_fds(sock, [b"f"], fds[at : at + _FDS_EACH])


def receive_job(sock: socket.socket, body: memoryview) -> tuple[Assignment, list[int]]:
    """Return the job in *body*, and its files. Only a sandbox calls it: it believes what it is sent."""
    job: Assignment = pickle.loads(body)  # noqa: S301  # from the query process, never the other way
    fds: list[int] = []
    count = sum(parts for _, parts in job.tables)
    while len(fds) < count:
        found = socket.recv_fds(sock, 1, _FDS_EACH)[1]
        if not found:
            raise EOFError("the files of a job did not come")
        fds += found
    return job, fds


def dump(value: object) -> bytes:
    """Pack what a sandbox says."""
    return json.dumps(value).encode()


def load(body: memoryview) -> Any:
    """Unpack what a sandbox said."""
    return json.loads(bytes(body))


def _exactly(sock: socket.socket, size: int) -> memoryview | None:
    view = memoryview(bytearray(size))
    done = 0
    while done < size:
        count = sock.recv_into(view[done:])
        if not count:
            return None
        done += count
    return view
