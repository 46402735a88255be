"""What a process is at, written down beforehand, so that the next one knows during which work this one died."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from headwater.errors import Unavailable

_BYTES = 1024


class Attempt(NamedTuple):
    """Work under way: what it is about, its part from *after* up to *upto*, and how many processes died at it before."""

    name: str
    after: int
    upto: int
    deaths: int = 0


class Attempts:
    """One process's work in a file of a fixed size. It is not synced: what a process wrote outlives it, and only it has to be outlived.

    left: what the process before was at when it died, None where it was at nothing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._noted = path, False
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.left = _read(os.pread(self._fd, _BYTES, 0))

    def begin(self, name: str, after: int, upto: int) -> None:
        """Note what is done next, and how often that was begun before by processes that died. `Unavailable` where the disk has no room."""
        left = self.left
        deaths = left.deaths + 1 if left is not None and (left.name, left.after) == (name, after) else 0
        note = msgspec.json.encode([name, str(after), str(upto), deaths]).ljust(_BYTES)
        try:
            os.pwrite(self._fd, note, 0)
        except OSError as error:
            raise Unavailable(f"cannot note what is done next in {self._path}: {error}") from error
        self._noted = True

    def end(self) -> None:
        """Note that it is over, well or not: the process lives."""
        if self._noted:  # so the file has its room
            self.left, self._noted = None, False
            os.pwrite(self._fd, b" ", 0)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def _read(content: bytes) -> Attempt | None:
    try:
        name, after, upto, deaths = msgspec.json.decode(content.strip(), type=tuple[str, str, str, int])
        return Attempt(name, int(after), int(upto), deaths)
    except (msgspec.MsgspecError, ValueError):  # done, or of a machine that lost its power
        return None
