"""Power loss at any moment from `headwater init` on: keys, endpoint profiles and acknowledged events are there when it starts again."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import headwater
from headwater.pipeline.collector import build_collector
from headwater.places import open_project_control
from headwater.process.worker import WorkerRole
from headwater.settings import load_settings
from tests.power.project_workload import APP
from tests.power.replay import Image, Trace, trace, verdicts

pytestmark = pytest.mark.external_service

TABLES = ("sign_up_events", "other_events", "dead_letters")


@pytest.fixture
def run(require_tool: Callable[..., str]) -> Iterator[tuple[Trace, Path]]:
    """The run and the folder it ran in, where each image must lie, too: Iceberg's files name each other by absolute path."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=place if place.is_dir() else None, prefix="power-project-") as folder:
        root = Path(folder) / "root"
        root.mkdir()
        run = trace([sys.executable, "-m", "tests.power.project_workload", str(root)], root, strace=require_tool("strace"))
        assert run.returncode == 0
        assert run.stdout.count("acked event ") == 39
        yield run, root


async def verify(image: Image) -> None:
    """Start collector and worker on what the power cut left, and hold them to every promise that was made before it."""
    said = [line.split(" ") for line in image.acked]
    folder = image.path / "piano"
    settings = load_settings(folder)

    control = open_project_control(folder)
    secrets = {key_id: key.secret_access_key for _, key_id, _ in of(said, "key") if (key := control.find_key(key_id)) is not None}
    control.close()
    collector = await build_collector(settings, folder, lambda: (True, {}))
    addresses = {p.endpoint_id: json.loads(p.body)["Address"] for n in range(4) if (p := collector.endpoints.get(APP, f"device-{n}"))}
    await collector.stream.close()
    collector.endpoints.close()
    collector.control.close()
    worker = WorkerRole(settings, folder)
    parts = await worker.open()
    while await parts.pipe.step(wait_s=0):
        pass
    rows = found(folder)
    await asyncio.to_thread(parts.maintenance.fold_all)
    positions = parts.ledger.positions()
    worker.close()
    folded = found(folder)

    assert secrets == {key_id: secret for _, key_id, secret in of(said, "key")}
    for _, endpoint_id, address in of(said, "endpoint"):
        sent = [text for _, device, text in of(said, "endpoint-sent") if device == endpoint_id]
        assert addresses[endpoint_id] in sent[sent.index(address) :]
    assert {event_id for _, event_id in of(said, "event")} <= rows.keys()
    assert set(rows.values()) <= {1}
    assert folded == rows
    # each PutEvents is three events and one change of an endpoint
    assert positions.get(("lake", "shardId-000000000000"), 0) * 3 == len(rows) * 4


def of(said: list[list[str]], what: str) -> list[list[str]]:
    return [words for words in said if words[0] == what]


def found(folder: Path) -> Counter[str]:
    with headwater.open(folder) as lake:
        return Counter(event_id for (event_id,) in lake.sql(" UNION ALL ".join(f"SELECT event_id FROM {table}" for table in TABLES)).rows())


def test_no_power_cut_takes_a_key_a_profile_or_an_event(run: tuple[Trace, Path]) -> None:
    made = 0

    def verify_project(image: Image) -> None:
        nonlocal made
        if "made" in image.acked:
            made += 1
            asyncio.run(verify(image))

    wrong = verdicts(run[0].images(20_261_126, 60, at=run[1]), verify_project, Exception)

    assert wrong == []
    assert made > 30
