"""Bodies that arrive and bodies that are worked on share what room there is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater.edge.http import bodies as module
from headwater.edge.http.bodies import Bodies
from headwater.errors import BadRequest, PayloadTooLarge, Unavailable


class Sender:
    """A client whose body comes in parts, when the test says so."""

    def __init__(self, room: Bodies, first: bytes = b"", limit: int = 1_000) -> None:
        self._parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.read = asyncio.create_task(room.read(self._parts.get, limit, self._message(first)))

    @staticmethod
    def _message(part: bytes, more: bool = True) -> dict[str, Any]:
        return {"type": "http.request", "body": part, "more_body": more}

    async def send(self, part: bytes, more: bool = True) -> None:
        self._parts.put_nowait(self._message(part, more))
        await asyncio.sleep(0.001)  # the reader's turn

    def vanish(self) -> None:
        self._parts.put_nowait({"type": "http.disconnect"})


async def test_a_body_is_put_together_and_held_until_it_is_released() -> None:
    room = Bodies(10)
    sender = Sender(room, b"abc")
    await sender.send(b"def")
    await sender.send(b"", more=False)

    assert await sender.read == b"abcdef"
    with pytest.raises(Unavailable):
        room.hold(5)
    room.release(6)
    room.hold(10)


async def test_what_is_only_announced_takes_no_room() -> None:
    room = Bodies(10)
    senders = [Sender(room) for _ in range(1_000)]
    await asyncio.sleep(0)  # their turn to begin

    room.expect(10)
    room.hold(10)

    for sender in senders:
        sender.read.cancel()


async def test_those_that_have_been_at_it_longest_give_way() -> None:
    room = Bodies(10)
    first, second, third = (Sender(room, part) for part in (b"aaaa", b"bbb", b"cc"))
    await asyncio.sleep(0.001)  # their turn to take what came

    room.hold(6)
    await third.send(b"c", more=False)

    for evicted in (first, second):
        with pytest.raises(Unavailable):
            await evicted.read
    assert await third.read == b"ccc"


async def test_the_oldest_gives_way_to_its_own_next_part() -> None:
    room = Bodies(10)
    room.hold(8)
    sender = Sender(room, b"a")
    await sender.send(b"aa")

    with pytest.raises(Unavailable):
        await sender.read
    room.hold(2)


async def test_what_is_worked_on_does_not_give_way() -> None:
    room = Bodies(10)
    room.hold(6)

    with pytest.raises(Unavailable):
        room.expect(5)
    with pytest.raises(Unavailable):
        room.hold(5)
    room.release(6)
    room.hold(10)


async def test_a_part_that_came_together_with_the_order_to_give_way_counts_for_nothing() -> None:
    room = Bodies(10)
    sender = Sender(room, b"aaaa")
    await asyncio.sleep(0.001)  # its turn to take what came

    sender._parts.put_nowait(Sender._message(b"a", more=False))
    room.hold(10)

    with pytest.raises(Unavailable):
        await sender.read
    room.release(10)
    room.hold(10)


async def test_a_body_over_its_limit_a_slow_one_and_one_whose_sender_is_gone_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Bodies(10)
    large, gone = Sender(room, b"aaaa", limit=5), Sender(room, b"bb")

    await large.send(b"aa")
    gone.vanish()

    for read, error in ((large.read, PayloadTooLarge), (gone.read, ConnectionResetError)):
        with pytest.raises(error):
            await read
    monkeypatch.setattr(module, "_SLOW_AFTER_S", 0.01)
    with pytest.raises(BadRequest):
        await Sender(room, b"c").read
    room.hold(10)
