"""Streams by name: made, found again after a restart, changed, trimmed, deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from headwater.clock import ManualClock
from headwater.errors import BadRequest, Conflict, NotFound, Unavailable
from headwater.record import Record, Run, Runs
from headwater.stream import FIRST_SHARD
from headwater.stream.memory import MemoryStream
from headwater.stream.named import SHARD_METRICS
from headwater.stream.streams import Streams, TooManyStreams

HOUR_S = 3600


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def reopen(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Callable[..., Any]]:
    """Open the folder's streams; those of the opening before are closed first."""
    opened: list[Streams] = []

    async def open_again(**options: Any) -> Streams:
        for streams in opened:
            await streams.close()
        opened[:] = [Streams(tmp_path / "streams", MemoryStream(), options.pop("app_name", "app"), clock=clock, **options)]
        return opened[0]

    yield open_again
    for streams in opened:
        await streams.close()


def record(body: bytes, arrival_ms: int = 1) -> Record:
    return Record(body, "k", arrival_ms)


async def made(streams: Streams, name: str = "mine", **options: Any) -> Any:
    return await streams.create(name, **{"mode": "ON_DEMAND", "max_record_kib": 1024, "tags": {}, **options})


async def bodies(stream: Any) -> list[bytes]:
    return [r.body for r in (await stream.read(FIRST_SHARD, 0, 1000, 0)).records]


async def test_a_made_stream_keeps_its_records_and_its_state_over_a_restart(reopen: Any) -> None:
    streams = await reopen()
    stream = await made(streams, tags={"team": "a"})
    await stream.append([record(b"\xff\x00"), record(b"")])
    await streams.change("mine", retention_hours=48, metrics=("IncomingBytes",))

    again = (await reopen()).get("mine")

    assert await bodies(again) == [b"\xff\x00", b""]
    assert again.state == stream.state
    assert (again.state.retention_hours, again.state.tags, again.state.mode) == (48, {"team": "a"}, "ON_DEMAND")


async def test_the_app_stream_is_one_of_them_and_keeps_its_tags(reopen: Any) -> None:
    streams = await reopen(app_name="events-prd")
    await streams.change("events-prd", tags={"Environment": "prd"})

    again = await reopen(app_name="events-new", app_retention_hours=72)

    assert again.names() == ["events-new"]
    assert again.app.state.tags == {"Environment": "prd"}
    assert again.app.state.retention_hours == 72
    assert again.app.state.stream_id == streams.app.state.stream_id


async def test_names_are_never_paths(reopen: Any, tmp_path: Path) -> None:
    streams = await reopen()

    for name in (".", "..", "app.json", "CON", "a" * 128, "-rf"):
        await made(streams, name)

    assert sorted(streams.names()) == sorted([".", "..", "app.json", "CON", "a" * 128, "-rf", "app"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["streams"]
    assert all(len(path.name) == 24 for path in (tmp_path / "streams").iterdir() if path.is_dir())


@pytest.mark.parametrize("name", ["", "a" * 129, "a/b", "a b", "é", "a\n", "a\0"])
async def test_a_name_of_other_characters_is_refused(reopen: Any, name: str) -> None:
    streams = await reopen()

    with pytest.raises(BadRequest):
        await made(streams, name)


async def test_a_name_is_given_once_also_to_two_who_ask_at_the_same_time(reopen: Any) -> None:
    streams = await reopen()

    answers = await asyncio.gather(made(streams), made(streams), made(streams, "app"), return_exceptions=True)

    assert [type(answer).__name__ for answer in answers] == ["NamedStream", "Conflict", "Conflict"]


async def test_there_is_a_limit_to_how_many_may_be_made(reopen: Any) -> None:
    streams = await reopen(limit=2)
    await made(streams, "a")
    await made(streams, "b")

    with pytest.raises(TooManyStreams):
        await made(streams, "c")


async def test_a_deleted_stream_is_gone_and_its_name_free_for_an_empty_one(reopen: Any, tmp_path: Path) -> None:
    streams = await reopen()
    old = await made(streams)
    await old.append([record(b"1")])

    await streams.delete("mine")
    new = await made(streams)

    assert await bodies(new) == []
    assert new.state.stream_id != old.state.stream_id
    assert not (tmp_path / "streams" / old.state.stream_id).exists()
    with pytest.raises(NotFound):
        streams.with_id(old.state.stream_id)
    with pytest.raises(NotFound):
        await old.read(FIRST_SHARD, 0, 10, 0)
    with pytest.raises(Unavailable):
        await old.append([record(b"2")])


async def test_deleting_waits_for_who_reads(reopen: Any) -> None:
    streams = await reopen()
    stream = await made(streams)

    reading = asyncio.create_task(stream.read(FIRST_SHARD, 0, 10, 0.2))
    await asyncio.sleep(0)  # its turn to begin
    await streams.delete("mine")

    assert reading.done()
    assert reading.result().records == []


async def test_the_app_stream_cannot_be_deleted(reopen: Any) -> None:
    streams = await reopen()

    with pytest.raises(Conflict):
        await streams.delete("app")


async def test_what_a_crash_left_half_made_or_half_deleted_goes_and_the_rest_stays(reopen: Any, tmp_path: Path) -> None:
    streams = await reopen()
    kept, gone = await made(streams, "kept"), await made(streams, "gone")
    await kept.append([record(b"1")])
    await streams.close()
    root = tmp_path / "streams"
    (root / gone.state.stream_id / "stream.json").rename(root / gone.state.stream_id / "deleted")
    (root / f"{'n' * 20}-new").mkdir()
    (root / f"{'n' * 20}-tmp").mkdir()
    (root / f"{'n' * 20}-tmp" / "stream.json.tmp").write_bytes(b"{")
    (root / "someone-elses").mkdir()

    again = await reopen()

    assert again.names() == ["app", "kept"]
    assert await bodies(again.get("kept")) == [b"1"]
    assert sorted(p.name for p in root.iterdir()) == sorted(["app.json", "someone-elses", kept.state.stream_id])


@pytest.mark.parametrize("damage", [b"", b"{", b'{"name":"x"}', b'{"name":"x","stream_id":"y","created_ms":1,"format":2}'])
async def test_a_stream_whose_state_cannot_be_read_is_left_alone(reopen: Any, tmp_path: Path, damage: bytes, caplog: Any) -> None:
    streams = await reopen()
    stream = await made(streams)
    await stream.append([record(b"1")])
    await streams.close()
    folder = tmp_path / "streams" / stream.state.stream_id
    (folder / "stream.json").write_bytes(damage)

    again = await reopen()

    assert again.names() == ["app"]
    assert (folder / FIRST_SHARD).is_dir()
    assert "cannot be read" in caplog.text


async def test_a_change_is_all_or_nothing_in_the_file(reopen: Any, tmp_path: Path) -> None:
    streams = await reopen()
    stream = await made(streams)
    path = tmp_path / "streams" / stream.state.stream_id / "stream.json"

    await asyncio.gather(*(streams.change("mine", retention_hours=hours) for hours in range(24, 34)))

    assert json.loads(path.read_bytes())["retention_hours"] == stream.state.retention_hours == 33
    assert [p.name for p in path.parent.glob("*.tmp")] == []


async def test_what_is_older_than_a_stream_keeps_is_dropped_in_whole_segments(reopen: Any, clock: ManualClock) -> None:
    streams = await reopen(segment_bytes=1)  # each append begins a segment
    stream = await made(streams)
    for number in range(3):
        await stream.append([record(str(number).encode(), clock.now_ms())])
        clock.advance(10 * HOUR_S)

    freed = await streams.trim()

    assert freed > 0
    assert await bodies(stream) == [b"1", b"2"]


async def test_a_full_stream_refuses_and_counts_it(reopen: Any) -> None:
    streams = await reopen(max_bytes=2_000)
    stream = await made(streams)

    with pytest.raises(Unavailable):
        await stream.append([record(b"x" * 3_000), record(b"y")])

    assert stream.counts()["WriteProvisionedThroughputExceeded"] == 2
    assert stream.counts()["IncomingRecords"] == 0


async def test_all_seven_are_counted_and_those_that_are_enabled_are_shown(reopen: Any) -> None:
    streams = await reopen()
    stream = await made(streams)
    await stream.append([record(b"123"), record(b"4")])
    await stream.append(Runs([Run("k", 1, b"tail", [b"a", b"bc"])]))
    stream.count_read([record(b"123")], age_ms=70)
    stream.count_refused_read()
    await streams.change("mine", metrics=("IncomingBytes", "IteratorAgeMilliseconds"))

    shown = streams.counters()

    assert stream.counts() == {
        "IncomingBytes": 4 + 11, "IncomingRecords": 4, "IteratorAgeMilliseconds": 70, "OutgoingBytes": 3, "OutgoingRecords": 1,
        "ReadProvisionedThroughputExceeded": 1, "WriteProvisionedThroughputExceeded": 0,
    }  # fmt: skip
    assert tuple(stream.counts()) == SHARD_METRICS
    assert shown == [("mine", FIRST_SHARD, "IncomingBytes", 15), ("mine", FIRST_SHARD, "IteratorAgeMilliseconds", 70)]
