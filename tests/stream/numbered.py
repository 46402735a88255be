"""Records whose bodies are the numbers they should get, so that any mix-up shows."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.record import Record
from headwater.stream import FIRST_SHARD
from headwater.stream.file import FileStream

NOON_MS = 1_795_403_182_000


def record(body: bytes | str, at_ms: int = NOON_MS) -> Record:
    """Return a record with that body."""
    return Record(body.encode() if isinstance(body, str) else body, "client-1", at_ms)


def records(first: int, count: int, at_ms: int = NOON_MS) -> list[Record]:
    """Return records whose bodies are the numbers they should get."""
    return [record(str(number), at_ms) for number in range(first, first + count)]


async def fill(url: str, appends: Sequence[int], **options: object) -> int:
    """Append so many records at a time, with bodies that are their numbers; return the next number."""
    stream = FileStream(url, mode="write", **options)  # type: ignore[arg-type]
    number = (await stream.stat()).next
    for count in appends:
        positions = await stream.append(records(number, count))
        assert [position.sequence_number for position in positions] == list(range(number, number + count))
        number += count
    await stream.close()
    return number


async def read_all(stream: FileStream, after: int = 0, limit: int = 1000) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the numbers that can be read (each with its own body) and the damaged runs, from *after* to the end."""
    numbers: list[int] = []
    damaged: list[tuple[int, int]] = []
    while True:
        batch = await stream.read(FIRST_SHARD, after, limit, 0)
        if batch.upto == after:
            return numbers, damaged
        assert [int(item.body) for item in batch.records] == batch.sequence_numbers
        numbers += batch.sequence_numbers
        damaged += [(run.first, run.last) for run in batch.damaged]
        after = batch.upto
