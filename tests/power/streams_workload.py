"""Makes, changes, fills and deletes named streams, and starts again: `streams_workload.py ROOT [FLAW]`; a flaw leaves something out."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path

from headwater.record import Record
from headwater.stream.memory import MemoryStream
from headwater.stream.streams import Streams

ROUNDS = 3


def say(*words: object) -> None:
    os.write(1, ("acked " + " ".join(map(str, words)) + "\n").encode())


def introduce(flaw: str) -> None:
    """Take one of the promises away, to see whether it is missed."""
    real = os.fsync
    if flaw == "no folder sync":
        os.fsync = lambda fd: None if stat.S_ISDIR(os.fstat(fd).st_mode) else real(fd)  # type: ignore[arg-type]
    elif flaw == "no state sync":
        os.fsync = lambda fd: real(fd) if stat.S_ISDIR(os.fstat(fd).st_mode) else None  # type: ignore[arg-type]


async def work(root: Path) -> None:
    for number in range(ROUNDS):
        streams = Streams(root, MemoryStream(), "app")
        kept, gone = f"kept-{number}", f"gone-{number}"
        for name in (kept, gone):
            stream = await streams.create(name, mode="ON_DEMAND", max_record_kib=1024, tags={})
            say("made", name)
            for body in range(2):
                await stream.append([Record(str(body).encode(), "k", 1)])
                say("put", name, body)
        for hours in (48, 72):
            await streams.change(kept, retention_hours=hours)
            say("changed", kept, hours)
        await streams.change("app", tags={"round": str(number)})
        say("tagged", number)
        say("deleting", gone)
        await streams.delete(gone)
        say("deleted", gone)
        await streams.close()


if __name__ == "__main__":
    introduce(sys.argv[2] if len(sys.argv) > 2 else "")
    asyncio.run(work(Path(sys.argv[1])))
