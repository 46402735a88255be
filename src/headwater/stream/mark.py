"""The small file in which a shard's writer tells readers in other processes how far the shard is durable.

Two slots, each in a disk sector of its own, are written in turn, and each has a checksum: a reader that meets a write half done,
and a start after power loss, find the other one. A slot is written only after the data it speaks of is durable, so whatever slot
survives was true once; it may be old, and the segments may prove more, but it is never ahead of them.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

from headwater.store.durable import sync_folder
from headwater.stream.segment import is_whole, sync_data, with_checksum

_SLOT = struct.Struct("<4sHHQQQQQ")
_MAGIC = b"HWMK"
_FORMAT = 1
_SLOT_OFFSETS = (0, 512)
_FILE_BYTES = 1024


class Mark(NamedTuple):
    """Numbers below *next* are durable; those below *oldest* were trimmed; *newest* is the base of the last segment, 0 for none."""

    generation: int
    next: int
    oldest: int
    newest: int


class MarkReader:
    """Reads the mark; the file may not be there yet."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "durable"
        self._fd = -1
        self._last: Mark | None = None

    def read(self) -> Mark | None:
        """Return the newest mark seen, None if there never was a good one."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
        found = _newest(os.pread(self._fd, _FILE_BYTES, 0))
        if found is not None and (self._last is None or found.generation > self._last.generation):
            self._last = found
        return self._last

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class MarkWriter:
    """Publishes the mark; one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Open the file, or create it durably; `last` is the mark it holds."""
        self._fd = os.open(folder / "durable", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            content = os.pread(self._fd, _FILE_BYTES, 0)
            self.last = _newest(content)
            if len(content) < _FILE_BYTES:
                # room for both slots from now on: publishing must not fail because the disk is full
                os.pwrite(self._fd, bytes(_FILE_BYTES - len(content)), len(content))
                os.fsync(self._fd)
                sync_folder(folder)
        except BaseException:
            self.close()
            raise

    def publish(self, next_number: int, oldest: int, newest: int) -> None:
        """Let readers see that everything below *next_number* is durable, which it must be by now."""
        mark = Mark(self.last.generation + 1 if self.last else 1, next_number, oldest, newest)
        slot = with_checksum(_SLOT.pack(_MAGIC, _FORMAT, 0, *mark, 0)[:-8])
        os.pwrite(self._fd, slot, _SLOT_OFFSETS[mark.generation % 2])
        self.last = mark

    def sync(self) -> None:
        """Make what was published durable itself."""
        sync_data(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def _newest(content: bytes) -> Mark | None:
    marks = [mark for offset in _SLOT_OFFSETS if (mark := _slot(content[offset : offset + _SLOT.size])) is not None]
    return max(marks, default=None)


def _slot(data: bytes) -> Mark | None:
    if len(data) < _SLOT.size:
        return None
    magic, version, _, generation, next_number, oldest, newest, _ = _SLOT.unpack(data)
    if magic != _MAGIC or version != _FORMAT or not is_whole(data):
        return None
    return Mark(generation, next_number, oldest, newest)
