"""What a thread writes is sent as it comes: the writer waits for the reader, and neither for ever."""

from __future__ import annotations

import asyncio

import pytest

from headwater.edge.http import backpressure as outflow
from headwater.edge.http.backpressure import PART_BYTES, Outflow
from headwater.errors import QueryError, Unavailable
from headwater.executions import OutletClosed

PART = b"x" * PART_BYTES


async def test_a_short_answer_is_there_as_a_whole() -> None:
    out = Outflow()

    out.write(b"one ")
    out.write(b"two")
    out.end()

    assert await out.first() == b"one two"


async def test_an_error_before_much_was_written_is_all_there_is() -> None:
    out = Outflow()
    out.write(b"one")
    out.end(QueryError("no"))

    with pytest.raises(QueryError, match="no"):
        await out.first()


async def test_a_long_answer_comes_in_parts_and_its_error_at_the_end() -> None:
    out, got = Outflow(), b""
    out.write(PART)
    out.write(b"tail")
    out.end(QueryError("late"))

    assert await out.first() is None
    with pytest.raises(QueryError, match="late"):
        async for part in out.parts():
            got += part
    assert got == PART + b"tail"


async def test_the_writer_waits_for_the_reader() -> None:
    out, taken = Outflow(), 0

    def write() -> None:
        for _ in range(100):
            out.write(PART)
        out.end()

    writing = asyncio.get_running_loop().run_in_executor(None, write)
    await asyncio.sleep(0.2)  # as long as nobody reads, it comes no further than this
    ahead = out.tell()
    async for part in out.parts():
        taken += len(part)
    await writing

    assert ahead <= 6 * 1024 * 1024
    assert taken == 100 * PART_BYTES


async def test_a_writer_whose_reader_is_gone_or_asleep_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outflow, "_STALLED_S", 0.05)
    asleep, gone = Outflow(), Outflow()

    def write(out: Outflow) -> None:
        while True:
            out.write(PART)

    with pytest.raises(OutletClosed):
        await asyncio.to_thread(write, asleep)
    with pytest.raises(Unavailable, match="not read"):
        async for _ in asleep.parts():
            pass
    gone.leave()
    with pytest.raises(OutletClosed):
        await asyncio.to_thread(write, gone)
