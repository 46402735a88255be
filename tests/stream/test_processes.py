"""Other processes: a writer that is killed under the reader's eyes, a disk that fails, a disk that is full."""

from __future__ import annotations

import asyncio
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headwater.errors import Unavailable
from headwater.stream import FIRST_SHARD
from headwater.stream.file import FileStream
from headwater.stream.segment import list_bases, segment_path
from tests.stream.numbered import NOON_MS, fill, read_all, record, records
from tests.tools import cannot_run

APPENDER = str(Path(__file__).with_name("appender.py"))


def acknowledged(lines: str) -> dict[int, str]:
    """Return number -> body of all complete "acked" lines."""
    found: dict[int, str] = {}
    for line in lines.splitlines(keepends=True):
        if line.startswith("acked ") and line.endswith("\n"):
            _, number, body = line.split()
            assert int(number) not in found
            found[int(number)] = body
    return found


async def contents(url: str, mode: str = "read") -> dict[int, str]:
    """Return number -> body of all there is, which must be without damage or gaps."""
    stream = FileStream(url, mode=mode)  # type: ignore[arg-type]
    found: dict[int, str] = {}
    while (batch := await stream.read(FIRST_SHARD, max(found, default=0), 1000, 0)).records:
        assert batch.damaged == ()
        found |= {number: item.body.decode() for number, item in zip(batch.sequence_numbers, batch.records, strict=True)}
    await stream.close()
    assert list(found) == list(range(1, len(found) + 1))
    return found


def append_under_strace(strace: str, url: str, path: Path, log: Path, fault: str) -> subprocess.CompletedProcess[str]:
    """Append in eight steps while the kernel gives the syncs of *path* a *fault*; *log* gets the calls that came to it."""
    traced = [strace, "-f", "-y", "-o", str(log), "-P", str(path), "-e", "trace=fdatasync", "-e", f"inject=fdatasync:{fault}"]
    command = [*traced, sys.executable, APPENDER, url, "a", "1", "100000", "8"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_a_writer_killed_at_any_moment_loses_nothing_it_acknowledged_or_a_reader_saw(url: str) -> None:
    moments = random.Random(7)
    acked: dict[int, str] = {}
    seen: dict[int, str] = {}
    reader = FileStream(url)

    async def follow() -> None:
        while True:
            batch = await reader.read(FIRST_SHARD, max(seen, default=0), moments.choice((1, 10, 1000)), 60)
            assert batch.damaged == ()
            seen.update(zip(batch.sequence_numbers, (item.body.decode() for item in batch.records), strict=True))

    following = asyncio.create_task(follow())
    for start in range(6):
        process = await asyncio.create_subprocess_exec(sys.executable, APPENDER, url, str(start), "8", "20000", stdout=subprocess.PIPE)
        assert process.stdout is not None
        lines = await process.stdout.readline()
        killer = asyncio.get_running_loop().call_later(moments.uniform(0, 0.25), process.kill)
        lines += await process.stdout.read()
        await process.wait()
        killer.cancel()
        acked |= acknowledged(lines.decode())

        found = await contents(url)

        assert acked.items() <= found.items()
        assert seen.items() <= found.items()
    following.cancel()
    await reader.close()

    assert acked.items() <= (await contents(url, "write")).items()
    assert len(acked) > 500
    assert len(seen) > 500


@pytest.mark.external_service
@pytest.mark.parametrize("when", [1, 2, 5])
async def test_a_sync_that_the_disk_fails_is_never_believed(
    url: str, shard: Path, tmp_path: Path, when: int, require_tool: Callable[..., str]
) -> None:
    path, log = segment_path(shard, 1), tmp_path / "log"

    run = append_under_strace(require_tool("strace"), url, path, log, f"error=EIO:when={when}")

    assert run.returncode == 0
    acked = acknowledged(run.stdout)
    assert run.stdout.count("refused") == 1
    assert len(acked) == sum(1 + step % 3 for step in range(8) if step != when - 1)
    found = await contents(url)
    assert found == acked
    first_lost = sum(1 + step % 3 for step in range(when - 1)) + 1
    assert list_bases(shard) == ([1] if when == 1 else [1, first_lost])
    # on the file that failed there was no further sync (the first one's name was taken by a new file)
    assert log.read_text().count("fdatasync(") == (when if when > 1 else 8)


@pytest.mark.external_service
async def test_a_blob_whose_sync_failed_is_written_anew_by_the_next_start(url: str, shard: Path, require_tool: Callable[..., str]) -> None:
    run = append_under_strace(require_tool("strace"), url, segment_path(shard, 1), Path("/dev/null"), "signal=KILL:error=EIO:when=3")

    acked = acknowledged(run.stdout)
    assert (run.returncode != 0, len(acked)) == (True, 3)
    assert await contents(url) == acked
    found = await contents(url, "write")
    assert list(found.items())[:3] == list(acked.items())
    assert (len(found), list_bases(shard)) == (6, [1, 4])


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))


async def test_a_write_that_stops_half_way_is_refused_and_the_next_goes_to_a_new_segment(url: str, shard: Path) -> None:
    command = [sys.executable, APPENDER, url, "a", "1", "100000", "100"]

    run = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=limit_file_size)

    acked = acknowledged(run.stdout)
    assert run.stdout.count("refused") >= 2
    assert len(list_bases(shard)) == run.stdout.count("refused") + 1
    assert await contents(url) == acked
    assert await contents(url, "write") == acked


@pytest.fixture
def small_disk(tmp_path: Path, require_tool: Callable[..., str]) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [require_tool("mount"), "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        cannot_run(f"a small disk can be mounted by root only: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.external_service
async def test_a_full_disk_refuses_leaves_no_litter_and_takes_more_once_trimmed(small_disk: Path) -> None:
    root = small_disk / "stream"
    stream = FileStream(root.as_uri(), mode="write", segment_bytes=20_000)
    taken, refused = 0, 0
    while refused < 5:
        try:
            await stream.append([record(b"%d " % (taken + 1) + b" " * 3000)])
            taken += 1
        except Unavailable:
            refused += 1
    files = {path.name for path in (root / FIRST_SHARD).iterdir()}

    assert await read_all(stream) == (list(range(1, taken + 1)), [])
    assert all(path.stat().st_size > 100 for path in (root / FIRST_SHARD).glob("*.seg"))
    with pytest.raises(Unavailable):
        await stream.append([record(b" " * 30_000)])
    assert {path.name for path in (root / FIRST_SHARD).iterdir()} == files
    await stream.trim(FIRST_SHARD, taken // 2, NOON_MS + 1)
    [position] = await stream.append([record(str(taken + 1))])
    await stream.close()

    assert position.sequence_number == taken + 1
    reader = FileStream(root.as_uri())
    numbers, damaged = await read_all(reader)
    await reader.close()
    assert (numbers[-1], damaged) == (taken + 1, [])


@pytest.mark.external_service
async def test_a_start_on_a_full_disk_lets_others_read_and_settles_the_tail_once_there_is_room(small_disk: Path) -> None:
    root = small_disk / "stream"
    shard = root / FIRST_SHARD
    await fill(root.as_uri(), [500])
    mark = (shard / "durable").read_bytes()
    await fill(root.as_uri(), [1000, 500])
    (shard / "durable").write_bytes(mark)
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
        while True:
            ballast.write(bytes(4096))

    stream = FileStream(root.as_uri(), mode="write")
    with pytest.raises(Unavailable, match="too full"):
        await stream.append(records(2001, 1))
    meanwhile = await read_all(stream)
    trimmed = await stream.trim(FIRST_SHARD, 500, NOON_MS + 1)
    (small_disk / "ballast").unlink()
    [position] = await stream.append(records(2001, 1))
    afterwards = await read_all(stream, after=500)
    await stream.close()

    assert meanwhile == (list(range(1, 501)), [])
    assert trimmed > 0
    assert position.sequence_number == 2001
    assert afterwards == (list(range(501, 2002)), [])
