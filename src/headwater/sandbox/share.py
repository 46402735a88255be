"""Rows in memory that a sandbox may read and nobody may change."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
import threading
from collections import OrderedDict
from typing import NamedTuple

import pyarrow as pa

from headwater.lake import TableField
from headwater.query.tail import KnownTail


class Shared:
    """A table as an open file without a name; the file lives as long as this, and as whoever was given its descriptor."""

    def __init__(self, rows: pa.Table) -> None:
        self.fd = _unnamed()
        with open(self.fd, "wb", closefd=False) as file, pa.ipc.new_stream(file, rows.schema) as writer:
            writer.write_table(rows)
        self.size = os.fstat(self.fd).st_size
        if sys.platform == "linux":
            seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, seals)

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)


class _Part(NamedTuple):
    rows: pa.Table
    fields: tuple[TableField, ...]
    shared: Shared


class SharedTails:
    """The tails shared last, in pieces, so that only rows that are new are written again; safe to share between threads.

    Holds about *max_bytes* besides what queries are reading: tables not asked for longest are let go of first.
    """

    def __init__(self, max_bytes: int = 256 << 20) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._parts: OrderedDict[str, list[_Part]] = OrderedDict()

    def share(self, name: str, tail: KnownTail, fields: tuple[TableField, ...]) -> list[Shared]:
        """Return the rows of *tail* under the schema *fields*, in order."""
        if not fields:
            return [Shared(tail.table(()))]
        with self._lock:
            known = self._parts.pop(name, [])
            parts = []
            for segment in tail.segments:
                part = next((part for part in known if part.rows is segment.rows and part.fields == fields), None)
                parts.append(part or _Part(segment.rows, fields, Shared(KnownTail((segment,), 0).table(fields))))
            self._parts[name] = parts
            self._evict()
        return [part.shared for part in parts]

    def _evict(self) -> None:
        total = sum(part.shared.size for parts in self._parts.values() for part in parts)
        while total > self._max_bytes and len(self._parts) > 1:
            total -= sum(part.shared.size for part in self._parts.popitem(last=False)[1])


def _unnamed() -> int:
    if sys.platform == "linux":
        return os.memfd_create("headwater", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fd, path = tempfile.mkstemp()
    os.unlink(path)  # noqa: PTH108  # a moment's name, of no room
    return fd
