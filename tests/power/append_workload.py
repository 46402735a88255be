"""Appends to a file stream, rolling, trimming and starting again: `append_workload.py ROOT [FLAW]`; a flaw leaves something out."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from headwater.errors import Unavailable
from headwater.record import Record
from headwater.stream import FIRST_SHARD
from headwater.stream.file import FileStream

STARTS, CALLERS, STEPS = 4, 3, 7


def is_folder(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def ignore_some(name: str, some: Callable[[int], bool]) -> None:
    real = getattr(os, name)
    setattr(os, name, lambda fd: None if some(fd) else real(fd))


def introduce(flaw: str) -> None:
    """Take one of the promises away, to see whether it is missed."""
    match flaw:
        case "no data sync":
            ignore_some("fdatasync", lambda fd: True)
        case "no folder sync":
            ignore_some("fsync", is_folder)
        case "seen too early":
            from headwater.stream.segment import OpenSegment
            from headwater.stream.writer import ShardWriter

            append = ShardWriter._append

            def early(self: ShardWriter, records: list[Record]) -> int:
                sync = OpenSegment.sync

                def late(segment: OpenSegment) -> None:
                    self._mark.publish(self._next + len(records), self._oldest, segment.base)
                    os.write(1, f"acked seen {self._next + len(records) - 1}\n".encode())
                    sync(segment)

                OpenSegment.sync = late
                try:
                    return append(self, records)
                finally:
                    OpenSegment.sync = sync

            ShardWriter._append = early
        case "failed sync":
            # not a flaw but a fault: now and then the disk loses what it was given, and says so
            real, calls = os.fdatasync, iter(range(10**9))

            def fail(fd: int) -> None:
                if Path(f"/proc/self/fd/{fd}").readlink().suffix == ".seg" and next(calls) % 7 == 5:
                    raise OSError(5, "Input/output error")
                real(fd)

            os.fdatasync = fail


async def main(root: Path) -> None:
    """Print "acked NUMBER BODY" for what was acknowledged and "acked seen NUMBER" for what a reader saw."""
    mark, stale = root / FIRST_SHARD / "durable", b""
    for start in range(STARTS):
        if start == 1:  # as if an earlier power cut had left an old mark, so that the start has a tail to settle
            with mark.open("r+b") as file:
                file.write(stale)
                file.flush()
                os.fsync(file.fileno())
        stream = FileStream(root.as_uri(), mode="write", segment_bytes=1500)
        stale = stale or mark.read_bytes()
        reader = FileStream(root.as_uri())
        seen = (await reader.stat()).next - 1

        async def call(caller: int, stream: FileStream = stream, start: int = start) -> None:
            for step in range(STEPS):
                given = [Record(f"{start}-{caller}-{step}-{n}-".encode().ljust(20 + 97 * n, b"."), "c", step) for n in range(1 + step % 4)]
                try:
                    positions = await stream.append(given)
                except Unavailable:
                    continue
                lines = [f"acked {p.sequence_number} {r.body.decode()}\n" for p, r in zip(positions, given, strict=True)]
                os.write(1, "".join(lines).encode())

        async def follow(reader: FileStream = reader, seen: int = seen) -> None:
            while True:
                seen = (await reader.read(FIRST_SHARD, seen, 1000, 60)).upto
                os.write(1, f"acked seen {seen}\n".encode())

        following = asyncio.create_task(follow())
        await asyncio.gather(*map(call, range(CALLERS)))
        if start == 2:
            await stream.trim(FIRST_SHARD, 12, 10**9)
            os.write(1, b"acked trimmed 0\n")
        following.cancel()
        await reader.close()
        if start % 2:
            await stream.close()
        # else as if killed: the next start finds the files as they are


if __name__ == "__main__":
    introduce(sys.argv[2] if len(sys.argv) > 2 else "")
    asyncio.run(main(Path(sys.argv[1])))
