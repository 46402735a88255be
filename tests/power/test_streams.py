"""Power loss at any moment: a stream that was made is there with its state and records, a deleted one stays deleted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from headwater.stream import FIRST_SHARD
from headwater.stream.memory import MemoryStream
from headwater.stream.streams import Streams
from tests.power.replay import Image, Trace, trace, verdicts

pytestmark = pytest.mark.external_service

WORKLOAD = str(Path(__file__).with_name("streams_workload.py"))
WRONG = (KeyError, msgspec.DecodeError)


@pytest.fixture
def run_workload(tmp_path: Path, require_tool: Callable[..., str]) -> Callable[[str], Trace]:
    def run(flaw: str = "") -> Trace:
        root = tmp_path / "project"
        root.mkdir()
        run = trace([sys.executable, WORKLOAD, str(root / "streams"), flaw], root, strace=require_tool("strace"))
        assert run.returncode == 0
        assert run.stdout.count("acked") > 30
        return run

    return run


async def verify(image: Image) -> None:
    """Open what the power cut left, and hold it to every promise that was made before it."""
    said = [line.split() for line in image.acked]
    made = {words[1] for words in said if words[0] == "made"}
    may_be_gone = {words[1] for words in said if words[0] == "deleting"}
    deleted = {words[1] for words in said if words[0] == "deleted"}
    tagged = max((int(words[1]) for words in said if words[0] == "tagged"), default=None)

    streams = Streams(image.path / "streams", MemoryStream(), "app")
    found = set(streams.names())
    hours = {name: streams.get(name).state.retention_hours for name in found}
    bodies = {name: [r.body for r in (await streams.get(name).read(FIRST_SHARD, 0, 100, 0)).records] for name in found}
    await streams.create("next", mode="ON_DEMAND", max_record_kib=1024, tags={})
    tags = streams.app.state.tags
    await streams.close()
    left = [path for path in (image.path / "streams").iterdir() if path.is_dir() and not (path / "stream.json").exists()]

    assert made - may_be_gone <= found, "a stream is missing"
    assert not deleted & found, "a deleted stream is back"
    assert tagged is None or int(tags.get("round", -1)) >= tagged, "tags are lost"
    for words in said:
        if words[0] == "changed":
            assert hours[words[1]] >= float(words[2]), "a change is lost"
        if words[0] == "put" and words[1] in found:
            assert words[2].encode() in bodies[words[1]], "a record is lost"
    assert not left, "what was left half made or half deleted is still there"


def test_no_power_cut_takes_a_stream_or_brings_one_back(run_workload: Callable[[str], Trace]) -> None:
    run = run_workload("")

    wrong = verdicts(run.images(20_261_123, 150), lambda image: asyncio.run(verify(image)), *WRONG)

    assert wrong == []


@pytest.mark.parametrize("flaw", ["no folder sync", "no state sync"])
def test_a_set_of_streams_that_leaves_a_promise_out_is_found_out(run_workload: Callable[[str], Trace], flaw: str) -> None:
    run = run_workload(flaw)

    wrong = verdicts(run.images(1, 60), lambda image: asyncio.run(verify(image)), *WRONG)

    assert len(wrong) >= 3
