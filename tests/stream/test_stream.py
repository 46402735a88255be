"""What every backend promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from headwater.errors import NotFound, SettingsError, StreamFull, Unavailable
from headwater.stream import FIRST_SHARD, Damage, Stream, open_stream
from tests.stream.numbered import NOON_MS, record, records

Open = Callable[..., Stream]


@pytest.fixture(params=["memory", "file"])
async def open_one(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Stream] = []

    def open_one(**options: object) -> Stream:
        if request.param == "file":
            # the smallest segments there are, so that each append is one, as in memory
            options = {"segment_bytes": 1, "mode": "write", **options}
        opened.append(open_stream("memory:" if request.param == "memory" else (tmp_path / "a b%").as_uri(), **options))
        return opened[-1]

    yield open_one
    for stream in opened:
        await stream.close()


@pytest.fixture
def stream(open_one: Open) -> Stream:
    return open_one()


async def test_positions_come_in_order_and_grow_by_one(stream: Stream) -> None:
    first = await stream.append(records(1, 3))
    second = await stream.append(records(4, 2))

    assert first + second == [(FIRST_SHARD, number) for number in range(1, 6)]
    assert await stream.shards() == [FIRST_SHARD]


async def test_a_record_comes_back_byte_for_byte(stream: Stream) -> None:
    given = [record(bytes(range(256)) * 40), record(b""), record("ä\0", 7)]
    await stream.append(given)

    batch = await stream.read(FIRST_SHARD, 0, 10, 0)

    assert batch.records == given


async def test_reading_goes_on_after_the_last_position(stream: Stream) -> None:
    await stream.append(records(1, 5))
    await stream.append(records(6, 5))

    batches = [await stream.read(FIRST_SHARD, after, 4, 0) for after in (0, 4, 8)]

    assert [batch.sequence_numbers for batch in batches] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert [[int(item.body) for item in batch.records] for batch in batches] == [batch.sequence_numbers for batch in batches]
    assert [batch.upto for batch in batches] == [4, 8, 10]


async def test_any_position_can_be_read_again_and_out_of_order(stream: Stream) -> None:
    for first in range(1, 41, 4):
        await stream.append(records(first, 4))

    for after in (30, 0, 7, 39, 7, 8, 12, 3):
        batch = await stream.read(FIRST_SHARD, after, 3, 0)

        assert batch.sequence_numbers == list(range(after + 1, min(after + 4, 41)))
        assert [int(item.body) for item in batch.records] == batch.sequence_numbers


async def test_reading_at_the_end_gives_an_empty_batch_that_stays_where_it_was(stream: Stream) -> None:
    await stream.append(records(1, 2))

    batch = await stream.read(FIRST_SHARD, 2, 10, 0.01)

    assert (batch.records, batch.sequence_numbers, batch.damaged, batch.upto) == ([], [], (), 2)


async def test_a_waiting_reader_gets_what_is_appended_meanwhile(stream: Stream) -> None:
    waiting = asyncio.create_task(stream.read(FIRST_SHARD, 0, 10, 30))
    await asyncio.sleep(0.02)  # by now it waits
    await stream.append(records(1, 1))

    batch = await asyncio.wait_for(waiting, 60)

    assert batch.sequence_numbers == [1]


async def test_appends_at_the_same_time_each_get_their_own_numbers(stream: Stream) -> None:
    async def append(caller: int) -> list[tuple[int, bytes]]:
        given = [record(f"{caller}-{n}") for n in range(1 + caller % 3)]
        positions = await stream.append(given)
        return [(position.sequence_number, item.body) for position, item in zip(positions, given, strict=True)]

    answered = [pair for answer in await asyncio.gather(*map(append, range(60))) for pair in answer]

    batch = await stream.read(FIRST_SHARD, 0, 1000, 0)
    assert sorted(answered) == list(zip(batch.sequence_numbers, [item.body for item in batch.records], strict=True))
    assert batch.sequence_numbers == list(range(1, len(answered) + 1))


async def test_a_cancelled_caller_disturbs_nobody_else(stream: Stream) -> None:
    given_up = asyncio.create_task(stream.append([record("x")]))
    await asyncio.sleep(0)  # its turn to begin
    given_up.cancel()
    [position] = await stream.append([record("kept")])

    batch = await stream.read(FIRST_SHARD, position.sequence_number - 1, 1, 0)

    assert batch.records[0].body == b"kept"


async def test_appending_nothing_takes_no_number(stream: Stream) -> None:
    assert await stream.append([]) == []
    assert [position.sequence_number for position in await stream.append(records(1, 1))] == [1]


async def test_numbers_start_above_the_position_that_was_consumed(open_one: Open) -> None:
    stream = open_one(after={FIRST_SHARD: 41})
    positions = await stream.append([record("42")])

    from_start = await stream.read(FIRST_SHARD, 0, 10, 0)
    from_ledger = await stream.read(FIRST_SHARD, 41, 10, 0)

    assert positions == [(FIRST_SHARD, 42)]
    assert from_start.sequence_numbers == from_ledger.sequence_numbers == [42]
    assert from_start.damaged == from_ledger.damaged == ()


async def test_a_position_is_found_by_arrival_time(stream: Stream) -> None:
    for step in range(4):
        await stream.append([record("a", NOON_MS + step * 1000), record("b", NOON_MS + step * 1000 + 500)])

    found = [await stream.position_at(FIRST_SHARD, NOON_MS + ms) for ms in (0, 1, 500, 501, 1000, 2499, 9999)]

    assert found == [0, 1, 1, 2, 2, 5, 8]


async def test_no_position_lies_before_a_time_when_the_stream_is_empty(stream: Stream) -> None:
    assert await stream.position_at(FIRST_SHARD, NOON_MS) == 0


async def test_trimming_drops_only_what_was_passed_and_is_old_enough(stream: Stream) -> None:
    for step in range(5):
        await stream.append([record(str(number), NOON_MS + step) for number in (2 * step + 1, 2 * step + 2)])
    before = (await stream.stat()).bytes

    freed = [await stream.trim(FIRST_SHARD, upto, NOON_MS + ms) for upto, ms in ((1, 99), (6, 2), (5, 99), (6, 99))]

    assert [bool(count) for count in freed] == [False, True, False, True]
    stat = await stream.stat()
    assert (stat.bytes, stat.segments, stat.oldest, stat.next) == (before - sum(freed), 2, 7, 11)
    batch = await stream.read(FIRST_SHARD, 0, 100, 0)
    assert (batch.sequence_numbers, batch.damaged) == ([7, 8, 9, 10], ())


async def test_the_newest_segment_is_never_trimmed(stream: Stream) -> None:
    for number in (1, 2, 3):
        await stream.append(records(number, 1))

    await stream.trim(FIRST_SHARD, 1000, NOON_MS + 1000)

    assert (await stream.read(FIRST_SHARD, 0, 10, 0)).sequence_numbers == [3]
    assert [position.sequence_number for position in await stream.append(records(4, 1))] == [4]


async def test_a_reader_that_was_left_behind_is_told_what_it_missed(stream: Stream) -> None:
    for number in range(1, 7):
        await stream.append(records(number, 1))
    await stream.trim(FIRST_SHARD, 4, NOON_MS + 1000)

    batch = await stream.read(FIRST_SHARD, 2, 1, 0)
    following = await stream.read(FIRST_SHARD, batch.upto, 10, 0)

    assert (batch.damaged, batch.sequence_numbers, batch.upto) == ((Damage(3, 4, "trimmed"),), [5], 5)
    assert (following.damaged, following.sequence_numbers) == ((), [6])


async def test_a_full_stream_refuses_and_takes_the_same_records_after_trimming(open_one: Open) -> None:
    stream = open_one(max_bytes=5000)
    accepted = 0
    with pytest.raises(StreamFull):
        while True:
            await stream.append([record(b"x" * 900)])
            accepted += 1
    await stream.trim(FIRST_SHARD, 1, NOON_MS + 1)

    [position] = await stream.append([record(b"x" * 900)])

    assert accepted >= 4
    assert position.sequence_number == accepted + 1
    batch = await stream.read(FIRST_SHARD, 0, 100, 0)
    assert (batch.sequence_numbers, batch.damaged) == (list(range(2, accepted + 2)), ())
    assert (await stream.stat()).bytes <= 5000


async def test_one_append_too_big_for_the_limit_does_not_refuse_those_beside_it(open_one: Open) -> None:
    stream = open_one(max_bytes=5000)

    answers = await asyncio.gather(*(stream.append([record(b"x" * size)]) for size in (10, 20, 9000, 30)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [list, list, StreamFull, list]
    assert [len(item.body) for item in (await stream.read(FIRST_SHARD, 0, 100, 0)).records] == [10, 20, 30]


@pytest.mark.parametrize(
    "shard_id", ["shardId-000000000001", "../shardId-000000000000", "", "shardId-00000000000\N{ARABIC-INDIC DIGIT ONE}"]
)
async def test_a_shard_that_is_not_there_is_not_found(stream: Stream, shard_id: str) -> None:
    with pytest.raises(NotFound):
        await stream.read(shard_id, 0, 1, 0)
    with pytest.raises(NotFound):
        await stream.trim(shard_id, 1, 1)


async def test_a_closed_stream_refuses_appends(stream: Stream) -> None:
    await stream.close()

    with pytest.raises(Unavailable):
        await stream.append(records(1, 1))
    await stream.close()


@pytest.mark.parametrize(
    ("url", "options"), [("file:relative", {}), ("file://host-only", {}), ("file:///tmp/x", {"mode": "both"}), ("tape:", {})]
)
def test_a_wrong_url_or_option_is_refused(url: str, options: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        open_stream(url, **options)
