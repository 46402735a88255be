"""Files that were cut, changed or removed: what is left is read, and what is lost is named exactly."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from headwater.errors import ProjectError
from headwater.stream import FIRST_SHARD, Damage
from headwater.stream.file import FileStream
from headwater.stream.segment import HEADER_BYTES, SegmentFile, segment_path, with_checksum
from tests.stream.numbered import NOON_MS, fill, read_all, record, records


@pytest.fixture
def root(quick_disk: Path) -> Path:
    return quick_disk / "stream"


async def reopened(url: str, after: int = 0) -> tuple[list[int], list[tuple[int, int]], int, int]:
    """Open for writing and return what can be read, what is damaged, the next number and the bytes cut."""
    stream = FileStream(url, mode="write", after={FIRST_SHARD: after})
    numbers, damaged = await read_all(stream)
    stat = await stream.stat()
    await stream.close()
    return numbers, damaged, stat.next, stat.cut_bytes


def blob_offsets(shard: Path, base: int) -> list[int]:
    """Return where the blobs of a segment begin, and where the last one ends."""
    segment = SegmentFile(shard, base)
    headers = [blob.header for blob in segment.blobs()]
    segment.close()
    return [header.offset for header in headers] + [headers[-1].end]


def replace(folder: Path, by: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(by, folder)


@pytest.mark.parametrize("acknowledged", [False, True])
async def test_a_last_blob_torn_at_any_byte_is_cut_or_is_damage_if_it_was_acknowledged(
    root: Path, shard: Path, tmp_path: Path, acknowledged: bool
) -> None:
    await fill(root.as_uri(), [3, 2])
    before = (shard / "durable").read_bytes()
    stream = FileStream(root.as_uri(), mode="write")
    await stream.append(records(6, 2))
    await stream.append(records(8, 3))
    between = (shard / "durable").read_bytes()
    await stream.append(records(11, 4))
    await stream.close()
    if not acknowledged:
        (shard / "durable").write_bytes(between)
    begin, end = blob_offsets(shard, 6)[-2:]
    whole = segment_path(shard, 6).read_bytes()
    assert (len(whole), before != between) == (end, True)
    kept = tmp_path / "kept"
    shutil.copytree(root, kept)

    for length in range(begin, end):
        replace(root, kept)
        segment_path(shard, 6).write_bytes(whole[:length])

        found = await reopened(root.as_uri())

        if acknowledged:
            assert found == (list(range(1, 11)), [(11, 14)], 15, 0), length
        else:
            assert found == (list(range(1, 11)), [], 11, length - begin), length
        if length % 9 == 0:
            assert await fill(root.as_uri(), [2, 1]) == found[2] + 3
            more = [*range(1, 11), *range(found[2], found[2] + 3)]
            assert await reopened(root.as_uri()) == (more, found[1], found[2] + 3, 0)


async def test_a_whole_last_blob_that_was_not_acknowledged_is_kept_in_a_file_of_its_own(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [3])
    mark = (shard / "durable").read_bytes()
    stream = FileStream(root.as_uri(), mode="write")
    await stream.append(records(4, 2))
    await stream.append(records(6, 1))
    await stream.close()
    (shard / "durable").write_bytes(mark)
    old = segment_path(shard, 4).stat().st_ino

    found = await reopened(root.as_uri())

    assert found == (list(range(1, 7)), [], 7, 0)
    assert segment_path(shard, 4).stat().st_ino != old
    assert sorted(path.name for path in shard.iterdir()) == ["00000000000000000001.seg", "00000000000000000004.seg", "durable"]


@pytest.mark.parametrize("mode", ["read", "write"])
async def test_a_bit_flipped_at_any_byte_of_a_middle_blob_loses_that_blob_and_no_other(root: Path, shard: Path, mode: str) -> None:
    await fill(root.as_uri(), [2, 3, 4, 2])
    _, begin, end, _, _ = blob_offsets(shard, 1)
    whole = segment_path(shard, 1).read_bytes()

    for offset in range(begin, end):
        for bit in (offset % 8, (offset + 3) % 8):
            broken = bytearray(whole)
            broken[offset] ^= 1 << bit
            segment_path(shard, 1).write_bytes(broken)
            stream = FileStream(root.as_uri(), mode=mode)  # type: ignore[arg-type]

            in_order = await read_all(stream, limit=2)
            from_within = await read_all(stream, after=3)
            behind = await read_all(stream, after=5)
            await stream.close()

            assert in_order == ([1, 2, 6, 7, 8, 9, 10, 11], [(3, 5)]), (offset, bit)
            assert from_within == ([6, 7, 8, 9, 10, 11], [(4, 5)]), (offset, bit)
            assert behind == ([6, 7, 8, 9, 10, 11], []), (offset, bit)


async def test_a_bit_flipped_in_a_segments_header_loses_nothing(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [2, 3])
    whole = segment_path(shard, 1).read_bytes()

    for offset in range(HEADER_BYTES):
        broken = bytearray(whole)
        broken[offset] ^= 0x10
        segment_path(shard, 1).write_bytes(broken)

        assert await reopened(root.as_uri()) == ([1, 2, 3, 4, 5], [], 6, 0), offset


async def test_a_bad_blob_before_a_good_one_beyond_the_mark_is_damage_and_not_a_torn_tail(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [2])
    mark = (shard / "durable").read_bytes()
    stream = FileStream(root.as_uri(), mode="write")
    for first, count in ((3, 2), (5, 3), (8, 1)):
        await stream.append(records(first, count))
    await stream.close()
    (shard / "durable").write_bytes(mark)
    broken = bytearray(segment_path(shard, 3).read_bytes())
    broken[blob_offsets(shard, 3)[1] + 60] ^= 1
    segment_path(shard, 3).write_bytes(broken)

    assert await reopened(root.as_uri()) == ([1, 2, 3, 4, 8], [(5, 7)], 9, 0)
    assert await reopened(root.as_uri()) == ([1, 2, 3, 4, 8], [(5, 7)], 9, 0)


async def test_missing_segments_are_damage_wherever_they_were(root: Path, shard: Path, tmp_path: Path) -> None:
    await fill(root.as_uri(), [2, 3, 1, 2], segment_bytes=1)
    kept = tmp_path / "kept"
    shutil.copytree(root, kept)
    runs = {1: (1, 2), 3: (3, 5), 6: (6, 6), 7: (7, 8)}

    for base, (first, last) in runs.items():
        replace(root, kept)
        segment_path(shard, base).unlink()

        expected = ([number for number in range(1, 9) if not first <= number <= last], [(first, last)], 9, 0)

        assert await reopened(root.as_uri()) == expected


async def test_a_trimmed_stream_that_lost_its_next_segment_says_so_to_a_reader_from_the_start(root: Path, shard: Path) -> None:
    stream = FileStream(root.as_uri(), mode="write", segment_bytes=1)
    for number in range(1, 6):
        await stream.append(records(number, 1))
    await stream.trim(FIRST_SHARD, 2, NOON_MS + 1)
    await stream.close()
    segment_path(shard, 3).unlink()

    assert await reopened(root.as_uri()) == ([4, 5], [(3, 3)], 6, 0)


async def test_a_stream_that_lost_its_files_goes_on_above_the_ledger(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [4])
    shutil.rmtree(shard)

    stream = FileStream(root.as_uri(), mode="write", after={FIRST_SHARD: 4})
    [position] = await stream.append([record("5")])
    behind = await stream.read(FIRST_SHARD, 2, 10, 0)
    await stream.close()

    assert position.sequence_number == 5
    assert (behind.damaged, behind.sequence_numbers) == ((Damage(3, 4, "trimmed"),), [5])


@pytest.mark.parametrize("content", [None, b"", b"\0" * 1024, b"\xff" * 1024, b"HWMK" * 100, b"\0" * 512])
async def test_a_lost_or_spoilt_mark_is_rebuilt_from_the_segments(root: Path, shard: Path, content: bytes | None) -> None:
    await fill(root.as_uri(), [2, 3, 4], segment_bytes=150)
    (shard / "durable").unlink() if content is None else (shard / "durable").write_bytes(content)

    reader = FileStream(root.as_uri())
    unproven = await read_all(reader)
    found = await reopened(root.as_uri())
    proven = await read_all(reader)
    await reader.close()

    assert unproven == ([], [])
    assert found == (list(range(1, 10)), [], 10, 0)
    assert proven == (list(range(1, 10)), [])


async def test_a_mark_spoilt_at_any_byte_never_says_more_than_was_true(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [2])
    await fill(root.as_uri(), [1, 1])
    whole = (shard / "durable").read_bytes()
    places = [offset for offset, byte in enumerate(whole) if byte] + [20, 530]

    for offset in places:
        broken = bytearray(whole)
        broken[offset] ^= 0x41
        (shard / "durable").write_bytes(broken)
        reader = FileStream(root.as_uri())

        numbers, damaged = await read_all(reader)

        await reader.close()
        assert numbers in ([1, 2, 3], [1, 2, 3, 4]), offset
        assert damaged == []
        (shard / "durable").write_bytes(broken)
        assert await reopened(root.as_uri()) == ([1, 2, 3, 4], [], 5, 0)


async def test_a_stale_mark_does_not_take_the_stream_back(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [2])
    stale = (shard / "durable").read_bytes()
    await fill(root.as_uri(), [3, 3], segment_bytes=1)
    (shard / "durable").write_bytes(stale)

    assert await reopened(root.as_uri()) == (list(range(1, 9)), [], 9, 0)


async def test_the_position_that_was_consumed_proves_what_a_stale_mark_and_a_lost_tail_do_not(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [2])
    stale = (shard / "durable").read_bytes()
    await fill(root.as_uri(), [3])
    (shard / "durable").write_bytes(stale)
    segment_path(shard, 3).unlink()

    assert await reopened(root.as_uri(), after=4) == ([1, 2], [(3, 4)], 5, 0)


async def test_an_empty_segment_of_a_writer_that_died_at_once_is_removed(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [2])
    segment_path(shard, 3).write_bytes(b"HWSG\1")
    (shard / "00000000000000000003.tmp").write_bytes(b"half")

    found = await reopened(root.as_uri())

    assert found == ([1, 2], [], 3, 5)
    assert sorted(path.name for path in shard.iterdir()) == ["00000000000000000001.seg", "durable"]
    assert await fill(root.as_uri(), [1]) == 4


async def test_a_client_cannot_forge_a_blob_inside_a_record(root: Path, shard: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    await fill(foreign.as_uri(), [3, 1])
    forged = segment_path(foreign / FIRST_SHARD, 1).read_bytes()
    stream = FileStream(root.as_uri(), mode="write")
    for body in (b"1", forged, b"3"):
        await stream.append([record(body)])
    await stream.close()
    broken = bytearray(segment_path(shard, 1).read_bytes())
    broken[blob_offsets(shard, 1)[1] + 20] ^= 1
    segment_path(shard, 1).write_bytes(broken)

    stream = FileStream(root.as_uri())
    batch = await stream.read(FIRST_SHARD, 0, 10, 0)
    await stream.close()

    assert (batch.sequence_numbers, batch.damaged) == ([1, 3], (Damage(2, 2, "bad blob"),))


async def test_a_segment_of_a_newer_format_is_refused(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [1])
    content = segment_path(shard, 1).read_bytes()
    head = bytearray(content[: HEADER_BYTES - 8])
    head[4] = 2
    segment_path(shard, 1).write_bytes(with_checksum(bytes(head)) + content[HEADER_BYTES:])

    with pytest.raises(ProjectError, match="format 2"):
        FileStream(root.as_uri(), mode="write")


async def test_a_run_of_damage_at_the_end_is_reported_once_to_a_reader_that_follows(root: Path, shard: Path) -> None:
    await fill(root.as_uri(), [1, 1])
    content = bytearray(segment_path(shard, 1).read_bytes())
    content[-1] ^= 1
    segment_path(shard, 1).write_bytes(content)
    reader, writer = FileStream(root.as_uri()), FileStream(root.as_uri(), mode="write")

    first = await reader.read(FIRST_SHARD, 0, 10, 0)
    follow = asyncio.create_task(reader.read(FIRST_SHARD, first.upto, 10, 30))
    await writer.append(records(3, 1))
    second = await follow
    await reader.close()
    await writer.close()

    assert (first.sequence_numbers, first.damaged, first.upto) == ([1], (Damage(2, 2, "bad blob"),), 2)
    assert (second.sequence_numbers, second.damaged, second.upto) == ([3], (), 3)
