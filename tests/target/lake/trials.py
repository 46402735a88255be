"""Work for trials, in modules of their own because a process that tries it loads them."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

from headwater.record import Record
from headwater.trial import Work


def harmless() -> Callable[[bytes], Work]:
    """Return work at which nothing dies."""
    return lambda request: (1, lambda start, end: None)


def as_told() -> Callable[[bytes], Work]:
    """Return work of an item for each letter: `x` fails, `k` ends the process, `e` and `r` have no end, others do nothing."""

    def prepare(request: bytes) -> Work:
        def work(start: int, end: int) -> None:
            for letter in request.decode()[start:end]:
                if letter == "k":
                    os.kill(os.getpid(), signal.SIGKILL)
                while letter == "e":
                    time.sleep(0.1)
                if letter == "r":
                    re.match("(a+)+$", "a" * 64 + "b")
                if letter == "x":
                    raise SystemExit(3)

        return len(request), work

    return prepare


def open_unless_deadly(record: Record, shard_id: str, number: int) -> list[Record]:
    """Take a record apart into one event for each line; the process ends at one that says `deadly`."""
    if b"deadly" in record.body:
        os.kill(os.getpid(), signal.SIGKILL)
    return [Record(line, record.partition_key, record.arrival_ms) for line in record.body.split(b"\n")]
