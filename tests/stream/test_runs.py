"""Records that share their ends: kept once on disk, and the same as any others for whoever reads them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headwater.record import Record, Run, Runs
from headwater.stream import FIRST_SHARD, open_stream
from headwater.stream.file import FileStream
from tests.stream.numbered import NOON_MS

TAIL = b"t" * 10_000
RUNS = [Run("k1", NOON_MS, TAIL, [b"a", b"b"]), Run("k2", NOON_MS + 5, b"", [b"c"])]
RECORDS = [Record(b"a" + TAIL, "k1", NOON_MS), Record(b"b" + TAIL, "k1", NOON_MS), Record(b"c", "k2", NOON_MS + 5)]


def test_runs_are_the_sequence_of_their_records() -> None:
    runs = Runs(RUNS)

    assert list(runs) == RECORDS
    assert (len(runs), runs[1], runs[1:]) == (3, RECORDS[1], RECORDS[1:])
    assert [run.size() for run in RUNS] == [20_002, 1]


@pytest.mark.parametrize("scheme", ["memory:", "file"])
async def test_runs_are_read_as_plain_records(root: Path, scheme: str) -> None:
    stream = open_stream("memory:" if scheme == "memory:" else root.as_uri(), mode="write")

    positions = await stream.append(Runs(RUNS))
    read = await stream.read(FIRST_SHARD, 0, 10, 0)
    from_the_middle = await stream.read(FIRST_SHARD, 1, 1, 0)
    await stream.close()

    assert [position.sequence_number for position in positions] == read.sequence_numbers == [1, 2, 3]
    assert read.records == RECORDS
    assert from_the_middle.records == RECORDS[1:2]


async def test_runs_and_plain_records_of_one_commit_keep_their_order(root: Path) -> None:
    stream = FileStream(root.as_uri(), mode="write")

    positions = await asyncio.gather(stream.append(Runs(RUNS)), stream.append(RECORDS[:1]), stream.append(Runs(RUNS)))
    read = await stream.read(FIRST_SHARD, 0, 10, 0)
    await stream.close()

    assert [[position.sequence_number for position in each] for each in positions] == [[1, 2, 3], [4], [5, 6, 7]]
    assert read.records == [*RECORDS, RECORDS[0], *RECORDS]


async def test_what_records_share_is_stored_once(root: Path) -> None:
    stream = FileStream(root.as_uri(), mode="write")

    await asyncio.gather(*(stream.append(Runs([Run("k", NOON_MS, TAIL, [b"%d" % number for number in range(100)])])) for _ in range(3)))
    stat = await stream.stat()
    at = await stream.position_at(FIRST_SHARD, NOON_MS + 1)
    await stream.close()

    assert stat.bytes < 4 * len(TAIL)
    assert at == 300


async def test_appends_that_come_together_share_one_commit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FileStream(root.as_uri(), mode="write")
    assert stream._writer is not None
    commits: list[int] = []
    append = stream._commits._append

    def counted(records: Runs) -> int:
        commits.append(len(records))
        return append(records)

    monkeypatch.setattr(stream._commits, "_append", counted)

    await asyncio.gather(*(stream.append([RECORDS[2]]) for _ in range(50)))
    await stream.close()

    assert commits == [50]
