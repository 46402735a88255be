"""What holds for files beyond the promise: reopening, sharing a sync, and errors of the disk at every call."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import SettingsError, Unavailable
from headwater.stream import FIRST_SHARD, Position
from headwater.stream.file import FileStream
from headwater.stream.segment import list_bases, segment_path
from tests.stream.numbered import NOON_MS, fill, read_all, record, records
from tests.waiting import until

CALLS = ("open", "write", "pwrite", "fdatasync", "fsync", "rename", "unlink", "close", "mkdir")


@contextmanager
def watched(before: Callable[[str, tuple[Any, ...]], None]) -> Iterator[None]:
    """Call *before* ahead of every call of the system that durability rests on; what it raises, the call raises."""
    real = {name: getattr(os, name) for name in CALLS}

    def wrap(name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            before(name, args)
            return real[name](*args, **options)

        return call

    for name in CALLS:
        setattr(os, name, wrap(name))
    try:
        yield
    finally:
        for name in CALLS:
            setattr(os, name, real[name])


async def test_a_new_start_goes_on_in_a_new_segment_and_leaves_the_old_ones_alone(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [3, 2])
    old = segment_path(shard, 1)
    before = (old.read_bytes(), old.stat().st_mtime_ns, old.stat().st_ino)

    await fill(root.as_uri(), [2])
    await fill(root.as_uri(), [1, 1])

    assert (old.read_bytes(), old.stat().st_mtime_ns, old.stat().st_ino) == before
    assert list_bases(shard) == [1, 6, 8]
    stream = FileStream(root.as_uri())
    assert await read_all(stream) == (list(range(1, 10)), [])
    await stream.close()


async def test_a_start_without_appends_makes_no_segment(root: Path, shard: Path) -> None:
    for _ in range(3):
        await fill(root.as_uri(), [])

    assert [path.name for path in shard.iterdir()] == ["durable"]


async def test_segments_end_about_where_they_should(root: Path, shard: Path) -> None:
    stream = FileStream(root.as_uri(), mode="write", segment_bytes=10_000)
    for _ in range(40):
        await stream.append([record(b"x" * 1000)])

    stat = await stream.stat()
    await stream.close()

    sizes = [path.stat().st_size for path in shard.glob("*.seg")]
    assert stat.segments == len(sizes) == 5
    assert stat.bytes == sum(sizes)
    assert max(sizes) <= 10_000


async def test_a_stream_opened_to_read_refuses_to_write(url: str) -> None:
    stream = FileStream(url)

    with pytest.raises(SettingsError, match="mode='read'"):
        await stream.append(records(1, 1))
    with pytest.raises(SettingsError, match="mode='read'"):
        await stream.trim(FIRST_SHARD, 1, 1)
    await stream.close()


async def test_a_reader_may_come_before_the_writer(url: str) -> None:
    reader = FileStream(url)
    empty = (
        await reader.shards(),
        await reader.stat(),
        await reader.read(FIRST_SHARD, 0, 1, 0),
        await reader.position_at(FIRST_SHARD, NOON_MS),
    )

    await fill(url, [2])

    assert empty == ([FIRST_SHARD], (0, 0, 0, 0, 0), (FIRST_SHARD, [], [], (), 0), 0)
    assert await read_all(reader) == ([1, 2], [])
    await reader.close()


async def test_readers_follow_a_writer_through_restarts_rolls_and_trims(root: Path) -> None:
    reader, seen = FileStream(root.as_uri()), []
    number = 1
    for start in range(6):
        writer = FileStream(root.as_uri(), mode="write", segment_bytes=120)
        for count in (1, 3, 2):
            await writer.append(records(number, count))
            number += count
            batch = await reader.read(FIRST_SHARD, seen[-1] if seen else 0, 2, 0)
            assert batch.damaged == ()
            seen += batch.sequence_numbers
        if start % 2:
            await writer.trim(FIRST_SHARD, seen[-1], NOON_MS + 1)
        await writer.close()

    rest, damaged = await read_all(reader, after=seen[-1])
    await reader.close()

    assert (seen + rest, damaged) == (list(range(1, number)), [])


async def test_many_readers_at_many_places_do_not_disturb_each_other(root: Path) -> None:
    await fill(root.as_uri(), [7] * 40, segment_bytes=700)
    stream = FileStream(root.as_uri())

    results = await asyncio.gather(*(read_all(stream, after=after, limit=1 + after % 9) for after in range(0, 280, 20)))

    await stream.close()
    assert results == [(list(range(after + 1, 281)), []) for after in range(0, 280, 20)]


async def test_small_reads_in_a_row_read_each_byte_about_once(root: Path) -> None:
    stream = FileStream(root.as_uri(), mode="write")
    for _ in range(4):
        await stream.append([record(b"x" * 1000) for _ in range(500)])
    size, taken, real = (await stream.stat()).bytes, 0, os.pread

    def counted(fd: int, length: int, offset: int) -> bytes:
        nonlocal taken
        data = real(fd, length, offset)
        taken += len(data) if length > 1024 else 0  # the mark is read at each look
        return data

    after = 0
    os.pread = counted
    try:
        while (batch := await stream.read(FIRST_SHARD, after, 7, 0)).records:
            after = batch.upto
    finally:
        os.pread = real
    await stream.close()

    assert after == 2000
    assert taken < 1.5 * size


async def test_position_at_looks_into_the_right_segment(root: Path) -> None:
    stream = FileStream(root.as_uri(), mode="write", segment_bytes=300)
    for step in range(50):
        await stream.append([record("a", NOON_MS + 10 * step), record("b", NOON_MS + 10 * step + 5)])
    assert (await stream.stat()).segments > 10

    found = {ms: await stream.position_at(FIRST_SHARD, NOON_MS + ms) for ms in range(0, 520, 5)}

    await stream.close()
    assert found == {ms: min(ms // 5, 100) for ms in range(0, 520, 5)}


async def test_appends_that_wait_share_one_sync_and_keep_their_order(root: Path) -> None:
    calls: Counter[str] = Counter()
    begun = 0
    stream = FileStream(root.as_uri(), mode="write")
    await stream.append(records(1, 1))

    def slow(name: str, args: tuple[Any, ...]) -> None:
        calls[name] += 1
        if name == "fdatasync":
            until(lambda: begun == 200)  # the slow disk

    async def append(number: int) -> list[Position]:
        nonlocal begun
        begun += 1
        return await stream.append([record(str(number))])

    with watched(slow):
        answers = await asyncio.gather(*(append(number) for number in range(2, 202)))

    numbers = [position.sequence_number for answer in answers for position in answer]
    assert numbers == list(range(2, 202))
    assert calls["fdatasync"] <= 3
    assert (await read_all(stream)) == (list(range(1, 202)), [])
    await stream.close()


async def test_the_event_loop_stays_free_while_the_disk_is_slow(root: Path) -> None:
    stream = FileStream(root.as_uri(), mode="write")
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.005)  # a beat
            beats += 1

    heart = asyncio.create_task(beat())
    with watched(lambda name, args: until(lambda: beats > 15) if name == "fdatasync" else None):  # the slow disk
        await stream.append(records(1, 1))
    heart.cancel()
    await stream.close()

    assert beats > 15


async def test_nothing_is_seen_before_it_is_durable(root: Path) -> None:
    stream, reader = FileStream(root.as_uri(), mode="write"), FileStream(root.as_uri())
    await stream.append(records(1, 1))
    seen = []

    def look(name: str, args: tuple[Any, ...]) -> None:
        if name == "fdatasync":
            seen.append(FileStreamPeek(root).numbers())

    with watched(look):
        await stream.append(records(2, 3))

    assert seen == [[1]]
    assert await read_all(reader) == ([1, 2, 3, 4], [])
    await stream.close()
    await reader.close()


class FileStreamPeek:
    """Reads what a process that starts now would see, from a thread without an event loop."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def numbers(self) -> list[int]:
        async def read() -> list[int]:
            stream = FileStream(self._root.as_uri())
            numbers, _ = await read_all(stream)
            await stream.close()
            return numbers

        return asyncio.run(read())


async def test_after_a_failed_sync_the_segment_is_given_up_and_never_synced_again(root: Path, shard: Path) -> None:
    stream = FileStream(root.as_uri(), mode="write")
    await stream.append(records(1, 2))
    given_up: set[int] = set()

    def fail_once(name: str, args: tuple[Any, ...]) -> None:
        if name == "close":
            given_up.discard(args[0])
        if name == "fdatasync":
            assert args[0] not in given_up
            if list_bases(shard) == [1]:
                given_up.add(args[0])
                raise OSError(errno.EIO, "Input/output error")

    with watched(fail_once):
        with pytest.raises(Unavailable):
            await stream.append([record("lost")])
        assert given_up == set()  # closed at once
        await stream.append(records(3, 2))

    assert list_bases(shard) == [1, 3]
    assert await read_all(stream) == ([1, 2, 3, 4], [])
    await stream.close()


async def scripted(root: Path, acknowledged: dict[int, bytes]) -> None:
    """Start, append, roll, trim and close; note what was acknowledged. Raises nothing but what a caller must expect."""
    stream = FileStream(root.as_uri(), mode="write", segment_bytes=400)
    for step in range(12):
        given = [record(f"{step}-{n}" + "x" * 50) for n in range(1 + step % 3)]
        try:
            positions = await stream.append(given)
        except Unavailable:
            continue
        for position, item in zip(positions, given, strict=True):
            assert position.sequence_number not in acknowledged
            acknowledged[position.sequence_number] = item.body
        if step == 8:
            with suppress(Unavailable):
                await stream.trim(FIRST_SHARD, 6, NOON_MS + 1)
    with suppress(OSError):
        await stream.close()


async def check(root: Path, acknowledged: dict[int, bytes], mode: str) -> None:
    stream = FileStream(root.as_uri(), mode=mode)  # type: ignore[arg-type]
    batch = await stream.read(FIRST_SHARD, 0, 10_000, 0)
    oldest = (await stream.stat()).oldest
    await stream.close()
    found = dict(zip(batch.sequence_numbers, [item.body for item in batch.records], strict=True))
    assert batch.damaged == ()
    assert oldest <= 7
    assert {number: body for number, body in acknowledged.items() if number >= oldest}.items() <= found.items()
    assert list(found) == list(range(oldest, oldest + len(found)))


@pytest.mark.parametrize(("code", "lasting"), [(errno.EIO, False), (errno.ENOSPC, False), (errno.EIO, True)])
async def test_an_error_of_any_call_for_once_or_from_then_on_loses_nothing_that_was_acknowledged(
    quick_disk: Path, code: int, lasting: bool
) -> None:
    total, refused = 0, 0

    def count(name: str, args: tuple[Any, ...]) -> None:
        nonlocal total
        total += 1

    with watched(count):
        await scripted(quick_disk / "whole", {})
    assert total > 60

    for wrong in range(1, total + 1):
        root, calls, acknowledged = quick_disk / f"{wrong}", 0, dict[int, bytes]()

        def fail(name: str, args: tuple[Any, ...]) -> None:
            nonlocal calls
            calls += 1
            if (calls == wrong or (lasting and calls > wrong)) and name != "close":  # noqa: B023 - used in this round only
                raise OSError(code, os.strerror(code))

        with watched(fail):
            try:
                await scripted(root, acknowledged)
            except OSError:  # from the start itself
                assert not acknowledged
        refused += len(acknowledged) < 24

        await check(root, acknowledged, "read")
        await check(root, acknowledged, "write")
        await check(root, acknowledged, "read")
        left = sorted(path.name for path in (root / FIRST_SHARD).iterdir())
        assert all(path.stat().st_size > 50 for path in (root / FIRST_SHARD).iterdir()), (wrong, left)
        assert not [name for name in left if name.endswith(".tmp")], (wrong, left)

    assert refused > 10
