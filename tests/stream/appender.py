"""A process that appends until it is killed: `appender.py URL NAME CALLERS SEGMENT_BYTES [COUNT]`; prints "acked NUMBER BODY" lines."""

from __future__ import annotations

import asyncio
import os
import sys

from headwater.errors import Unavailable
from headwater.record import Record
from headwater.stream import open_stream


async def main(url: str, name: str, callers: int, segment_bytes: int, count: int) -> None:
    """Let so many callers append, *count* times each; several records at a time. "refused" lines say what was not accepted."""
    stream = open_stream(url, mode="write", segment_bytes=segment_bytes)

    async def call(caller: int) -> None:
        for step in range(count):
            records = [Record(f"{name}-{caller}-{step}-{n}".encode(), "client-1", 1_795_403_182_000 + step) for n in range(1 + step % 3)]
            try:
                positions = await stream.append(records)
            except Unavailable:
                os.write(1, f"refused {step}\n".encode())
                continue
            lines = [f"acked {p.sequence_number} {r.body.decode()}\n" for p, r in zip(positions, records, strict=True)]
            os.write(1, "".join(lines).encode())

    await asyncio.gather(*map(call, range(callers)))
    await stream.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]) if len(sys.argv) > 5 else 10**9))
