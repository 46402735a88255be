"""Work that ends the process at some rows: what a crash in a library does, at values of the test's choice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import msgspec
import pyarrow as pa

from headwater.lake.caution import trial as honest
from headwater.trial import Work


def trial() -> Callable[[bytes], Work]:
    """Die at the rows whose event id begins with "deadly"."""
    prepare = honest()

    def deadly(request: bytes) -> Work:
        count, write = prepare(request)
        packed, _ = msgspec.msgpack.decode(request, type=tuple[bytes, bytes])
        names = pa.ipc.open_stream(packed).read_all().column("event_id").to_pylist()

        def work(start: int, end: int) -> None:
            write(start, end)
            if any(name.startswith("deadly") for name in names[start:end]):
                os.kill(os.getpid(), signal.SIGSEGV)

        return count, work

    return deadly
