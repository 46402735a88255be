"""Finds out in processes of their own which items end the process that works on them, by halving."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn, TypeVar

import msgspec

# An item that takes longer than this has no end, as far as anybody can tell.
WITHIN_S = 60.0

# What a trial works on: how many items there are, and the work on those from one number up to another.
Work = tuple[int, Callable[[int, int], object]]

T = TypeVar("T")

_LENGTH = struct.Struct("!Q")
_SURVIVED = b"+"


class Trial:
    """A process that tries work before this one does it; started when it is first asked.

    *target* names, as `module:function`, what returns the work for a request once it was called with *arguments*. Work that takes longer
    than *within_s* seconds is ended, and counts as work that ends the process.
    """

    def __init__(self, target: str, *arguments: str, within_s: float = WITHIN_S) -> None:
        self._command = [sys.executable, "-m", "headwater.trial", str(within_s), target, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def deadly(self, request: bytes) -> dict[int, str]:
        """Return number -> how the process ended, for the items that end a process when they are worked on alone.

        Raises `OSError` where the trial itself cannot be made.
        """
        if self._socket is None:
            self._start()
        assert self._socket is not None
        try:
            _send(self._socket, request)
            return msgspec.msgpack.decode(_receive(self._socket), type=dict[int, str])
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End the process, if there is one; it is started anew when it is asked again."""
        if self._socket is not None:
            self._socket.close()  # its end of file is what ends it
            self._socket = None
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [*self._command[:3], str(theirs.fileno()), *self._command[3:]]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603


def culprits(count: int, failure: Callable[[int, int], T | None], most: int = sys.maxsize) -> dict[int, T]:
    """Return number -> its failure, for the first *most* of *count* items that fail alone, found by halving.

    *failure* tells what happens with the items from one number up to another, None where all goes well.
    """
    found: dict[int, T] = {}
    left = [(0, count)] if count else []
    while left and len(found) < most:
        start, end = left.pop()
        what = failure(start, end)
        if what is not None and end - start == 1:
            found[start] = what
        elif what is not None:
            middle = (start + end) // 2
            left += [(middle, end), (start, middle)]
    return found


def _death(work: Callable[[int, int], object], within_s: float, start: int, end: int) -> str | None:
    """Do the work in a fork, so without threads; return how the process ended during the work, None if the work ended, in whatever way."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        # The default of that signal is death, which not even a library that never gives Python its turn can put off.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, within_s)
        _work_and_leave(work, start, end, writing)
    os.close(writing)
    survived = os.read(reading, 1) == _SURVIVED
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if survived:
        return None
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return f"stopped after {within_s:g} s without an end"
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit code {os.waitstatus_to_exitcode(status)}"


def _work_and_leave(work: Callable[[int, int], object], start: int, end: int, writing: int) -> NoReturn:
    _work_through(work, start, end)
    os.write(writing, _SURVIVED)
    os._exit(0)


def _work_through(work: Callable[[int, int], object], start: int, end: int) -> None:
    """Do the work with every item: behind one at which it fails may lie one at which the process ends."""
    try:
        work(start, end)
    except BaseException:  # noqa: BLE001 - who does the work in earnest will see it
        if end - start > 1:
            middle = (start + end) // 2
            _work_through(work, start, middle)
            _work_through(work, middle, end)


def _send(to: socket.socket, content: bytes) -> None:
    to.sendall(_LENGTH.pack(len(content)))
    to.sendall(content)


def _receive(from_: socket.socket) -> bytes:
    [length] = _LENGTH.unpack(_exactly(from_, _LENGTH.size))
    return bytes(_exactly(from_, length))


def _exactly(from_: socket.socket, count: int) -> bytearray:
    content = bytearray(count)
    view = memoryview(content)
    while view:
        got = from_.recv_into(view)
        if not got:
            raise ConnectionError("the process that tries work has ended")
        view = view[got:]
    return content


def _serve(fd: str, within_s: str, target: str, *arguments: str) -> None:
    module, _, name = target.partition(":")
    prepare: Callable[[bytes], Work] = getattr(importlib.import_module(module), name)(*arguments)
    with socket.socket(fileno=int(fd)) as asker:
        while True:
            try:
                request = _receive(asker)
            except ConnectionError:
                return
            count, work = prepare(request)
            _send(asker, msgspec.msgpack.encode(culprits(count, partial(_death, work, float(within_s)))))


def _main(arguments: Sequence[str]) -> None:
    _serve(*arguments)


if __name__ == "__main__":
    _main(sys.argv[1:])
