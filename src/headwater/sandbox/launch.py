"""Starts the process that starts sandboxes, and asks it for them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import suppress

from headwater.sandbox.box import Box
from headwater.sandbox.deadline import Deadlines
from headwater.sandbox.inside.confine import SandboxBounds
from headwater.sandbox.inside.launcher import MESSAGE

_PROGRAM = "from headwater.sandbox.inside.launcher import main; main()"
# Neither may start threads: a process with threads cannot be forked safely. There is nothing else in the environment.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


class Launcher:
    """Gives out boxes; safe to share between threads. One whose process has ended starts another."""

    def __init__(self, bounds: SandboxBounds, database: str, deadlines: Deadlines) -> None:
        self._arguments = json.dumps([database, list(bounds.roots), bounds.memory, bounds.threads, bounds.cpu_s])
        self._deadlines = deadlines
        self._lock = threading.Lock()
        self._numbers = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def box(self) -> Box:
        """Return a box whose process is about to start."""
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            self._numbers += 1
            number, control = self._numbers, self._control
            assert control is not None
            try:
                socket.send_fds(control, [MESSAGE.pack(b"s", number)], [theirs.fileno()])
            except OSError:
                # It has ended since; those who had a box of it notice by themselves.
                self._start()
                control = self._control
                assert control is not None
                socket.send_fds(control, [MESSAGE.pack(b"s", number)], [theirs.fileno()])
        return Box(ours, self._deadlines, lambda: self._kill(control, number))

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._stop()

    def _kill(self, control: socket.socket, number: int) -> None:
        # A launcher that is gone took its sandboxes with it.
        with self._lock, suppress(OSError):
            control.sendall(MESSAGE.pack(b"k", number))

    def _start(self) -> None:
        self._stop()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # this interpreter, and nothing anybody wrote
                [sys.executable, "-I", "-c", _PROGRAM, str(theirs.fileno()), self._arguments],
                env=_ENVIRONMENT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        self._control = ours

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
