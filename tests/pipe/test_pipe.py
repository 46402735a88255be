"""A pipe takes batches to its target in order, and stands where the target stands."""

from __future__ import annotations

import asyncio

import pytest

from headwater.errors import Unavailable
from headwater.pipe import Pipe
from headwater.record import Record
from headwater.stream import Batch
from headwater.stream.memory import MemoryStream


class Kept:
    """A target that keeps bodies; it takes *most* of a batch, and fails while it is *away*."""

    def __init__(self, most: int = 100) -> None:
        self.bodies: list[bytes] = []
        self.most, self.away, self.closed = most, False, False
        self._upto = 0

    def position(self, shard_id: str) -> int:
        return self._upto

    def deliver(self, batch: Batch, after: int) -> int:
        if self.away:
            raise Unavailable("away")
        assert after == self._upto
        part = batch.until(batch.sequence_numbers[min(self.most, len(batch.records)) - 1])
        self.bodies += [record.body for record in part.records]
        self._upto = part.upto
        return part.upto

    def close(self) -> None:
        self.closed = True


BODIES = [f"{number}".encode() for number in range(25)]


@pytest.fixture
def stream() -> MemoryStream:
    made = MemoryStream()
    asyncio.run(made.append([Record(body, "c", 0) for body in BODIES]))
    return made


@pytest.mark.parametrize(("size", "most"), [(100, 100), (10, 100), (7, 3), (1, 1), (100, 4)])
def test_all_records_arrive_once_and_in_order(stream: MemoryStream, size: int, most: int) -> None:
    target, counts = Kept(most), []
    pipe = Pipe("p", stream, target, size)

    while moved := asyncio.run(pipe.step(0)):
        counts.append(moved)

    assert target.bodies == BODIES
    assert max(counts) == min(size, most, len(BODIES))
    assert sum(counts) == len(BODIES)


def test_a_target_that_fails_is_asked_again_for_the_same(stream: MemoryStream) -> None:
    target = Kept()
    pipe = Pipe("p", stream, target, 10)
    asyncio.run(pipe.step(0))
    target.away = True
    with pytest.raises(Unavailable):
        asyncio.run(pipe.step(0))
    target.away = False

    while asyncio.run(pipe.step(0)):
        pass

    assert target.bodies == BODIES


def test_another_pipe_of_the_same_name_goes_on_where_the_target_stands(stream: MemoryStream) -> None:
    target = Kept()
    asyncio.run(Pipe("p", stream, target, 10).step(0))

    again = Pipe("p", stream, target, 100)
    moved = asyncio.run(again.step(0))
    again.close()

    assert moved == 15
    assert target.bodies == BODIES
    assert target.closed
