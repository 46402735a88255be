"""Processes that tests start: none outlives the run, and none that its test left running goes unseen."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.waiting import until

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_PROGRAM = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({_SET_PDEATHSIG}, {signal.SIGTERM:d}, 0, 0, 0)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
# Python's own, which ends with the interpreter.
_HARMLESS = b"multiprocessing.resource_tracker"


def ending_with_us(*command: str | Path) -> list[str]:
    """Return the command in a form that is told to end when this process is gone, however that came; Linux alone can do that."""
    program = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(os.getpid())] if sys.platform == "linux" else []
    return [*program, *map(str, command)]


class LeftRunning:
    """Every process below this one, also those whose parent has ended: this process takes them in as init would."""

    def __init__(self) -> None:
        self._first_seen: dict[int, str] = {}
        self._before: set[int] = set()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            self._before = set(_descendants())

    def note(self, where: str) -> None:
        """Remember that what runs by now was started by *where*, unless it was seen before."""
        for pid in self._running():
            self._first_seen.setdefault(pid, where)

    def nothing(self, within_s: float = 30.0) -> None:
        """Fail if anything still runs after *within_s* seconds, and end it."""
        left = until(self._running, lambda running: not running, within_s)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        if left:
            told = "\n".join(f"{self._first_seen.get(pid, '?')}: {pid} {command}" for pid, command in left.items())
            pytest.fail(f"these processes were left running, first seen at the end of\n{told}", pytrace=False)

    def _running(self) -> dict[int, str]:
        return {pid: command for pid, command in _descendants().items() if pid not in self._before} if sys.platform == "linux" else {}


def _descendants() -> dict[int, str]:
    """Return the pid and the command of each living process below this one."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:  # it has just ended
                continue
            if state not in "ZX":
                parents[int(folder.name)] = int(parent)
    below, found = {os.getpid()}, {}
    while fresh := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= fresh
        for pid in fresh:
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if _HARMLESS not in command:
                found[pid] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found
