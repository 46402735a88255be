"""Power loss at any moment: what the file stream acknowledged, or showed to a reader, is there afterwards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.record import Record
from headwater.stream import FIRST_SHARD
from headwater.stream.file import FileStream
from tests.power.replay import Image, Trace, trace, verdicts

pytestmark = pytest.mark.external_service

WORKLOAD = str(Path(__file__).with_name("append_workload.py"))


@pytest.fixture
def run_workload(tmp_path: Path, require_tool: Callable[..., str]) -> Callable[[str], Trace]:
    def run(flaw: str = "") -> Trace:
        root = tmp_path / "project"
        root.mkdir()
        run = trace([sys.executable, WORKLOAD, str(root / "stream"), flaw], root, strace=require_tool("strace"))
        assert run.returncode == 0
        assert run.stdout.count("acked") > 100
        return run

    return run


async def read_everything(stream: FileStream) -> tuple[dict[int, str], list[object]]:
    found: dict[int, str] = {}
    damaged: list[object] = []
    after = 0
    while (batch := await stream.read(FIRST_SHARD, after, 1000, 0)).upto > after:
        found |= zip(batch.sequence_numbers, (item.body.decode() for item in batch.records), strict=True)
        damaged += batch.damaged
        after = batch.upto
    return found, damaged


async def verify(image: Image) -> None:
    """Start a reader, then a writer, on what the power cut left, and hold them to every promise that was made before it."""
    promised = [line.split() for line in image.acked]
    acked = {int(number): body for number, body in promised if number.isdecimal()}
    seen = max([int(body) for word, body in promised if word == "seen"], default=0)
    trimming = any(word == "trimmed" for word, _ in promised) or len(acked) > 12
    url = (image.path / "stream").as_uri()

    reader = FileStream(url)
    before, damaged_before = await read_everything(reader)
    await reader.close()
    # the ledger may have consumed what was seen, and its file may have survived better than the mark
    writer = FileStream(url, mode="write", after={FIRST_SHARD: seen})
    after, damaged = await read_everything(writer)
    oldest = (await writer.stat()).oldest
    [position] = await writer.append([Record(b"next", "c", 0)])
    last, _ = await read_everything(writer)
    await writer.close()

    assert (damaged_before, damaged) == ([], [])
    assert oldest <= 13 if trimming else oldest == 1
    assert before.items() <= after.items() | {(number, body) for number, body in before.items() if number < oldest}
    assert {number: body for number, body in acked.items() if number >= oldest}.items() <= after.items()
    assert max(after, default=0) >= seen
    assert list(after) == list(range(oldest, oldest + len(after)))
    assert position.sequence_number == oldest + len(after)
    assert last == {**after, position.sequence_number: "next"}


@pytest.mark.parametrize("fault", ["", "failed sync"])
def test_no_power_cut_takes_what_was_acknowledged_or_seen(run_workload: Callable[[str], Trace], fault: str) -> None:
    run = run_workload(fault)

    wrong = verdicts(run.images(20_261_123, 300), lambda image: asyncio.run(verify(image)))

    assert wrong == []


# What is seen too early is true a moment later: only a cut in that moment, one in thirty, shows it.
@pytest.mark.parametrize(("flaw", "cuts"), [("no data sync", 80), ("no folder sync", 80), ("seen too early", 500)])
def test_a_stream_that_leaves_a_promise_out_is_found_out(run_workload: Callable[[str], Trace], flaw: str, cuts: int) -> None:
    run = run_workload(flaw)

    wrong = verdicts(run.images(1, cuts), lambda image: asyncio.run(verify(image)))

    assert len(wrong) >= 3
