"""Random histories with a crash between any two steps of pipe, ledger and fold: every record has exactly one fate."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headwater
from headwater.pipeline.worker import WorkerParts, build_worker
from headwater.places import resolve
from headwater.process.move import move_project
from headwater.process.project import make_project
from headwater.record import Record
from headwater.settings import Settings, load_settings
from headwater.stream import open_stream

STEPS = ("read", "decoded", "built", "committed", "written", "settled", "indexed", "forgotten")
APP = "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504"


class Crash(BaseException):
    """Nothing catches it, as nothing catches a kill."""


class Crasher:
    """Stops the run at a step with some chance; counts at which steps it did."""

    def __init__(self, chance: random.Random, share: float) -> None:
        self.chance, self.share, self.at = chance, share, Counter[str]()

    def __call__(self, step: str) -> None:
        if self.chance.random() < self.share:
            self.at[step] += 1
            raise Crash(step)


class History:
    """What was put on the stream, and what must become of it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.expected: Counter[tuple[str, str]] = Counter()
        self.duplicates = 0
        self.said: list[tuple[Record, str, str]] = []

    def record(self) -> Record:
        if self.said and self.chance.random() < 0.15:
            old, _, _ = self.chance.choice(self.said)
            self.duplicates += 1
            return Record(old.body, old.partition_key, int(time.time() * 1000))
        event_id = f"e{len(self.said)}"
        kind = self.chance.choice(["SignUpEvent", "SignUpEvent", "PracticeEvent", "Nobody/Modelled", "wrong", "clock"])
        now_ms = int(time.time() * 1000)
        stamp = now_ms - self.chance.randrange(3 * 86_400_000) if kind != "clock" else now_ms - 40 * 86_400_000
        body: dict[str, Any] = {
            "event_type": kind if kind not in ("wrong", "clock") else "SignUpEvent",
            "event_timestamp": stamp, "arrival_timestamp": now_ms, "event_version": "3.1",
            "application": {"app_id": APP}, "client": {"client_id": f"c{len(self.said) % 7}"},
            "session": {"session_id": "s"}, "attributes": {}, "metrics": {}, "endpoint": {},
            "headwater": {"v": 1, "event_id": event_id, "door": "test", "trace_id": ""},
        }  # fmt: skip
        if kind == "PracticeEvent":
            body["attributes"] = {"piece_id": "ode-to-joy"}
            body["metrics"] = {"level": 1, "accuracy": 0.5, "tempo": 80, "duration_s": 12.5}
        elif kind != "Nobody/Modelled":
            body["attributes"] = {"email": "not an address" if kind == "wrong" else "ada@example.org"}
        table = {"SignUpEvent": "sign_up_events", "PracticeEvent": "practice_events", "Nobody/Modelled": "other_events"}
        self.expected[event_id, table.get(kind, "dead_letters")] += 1
        record = Record(json.dumps(body).encode(), "p", now_ms)
        self.said.append((record, event_id, kind))
        return record


def project(folder: Path) -> tuple[Path, Settings]:
    made = make_project(folder / "piano", "piano", APP, None, "us-east-1", "000000000000")
    return made.folder, load_settings(made.folder)


def found(folder: Path) -> Counter[tuple[str, str]]:
    tables = ("sign_up_events", "practice_events", "other_events", "dead_letters")
    with headwater.open(folder) as lake:
        query = " UNION ALL ".join(f"SELECT event_id, '{table}' FROM {table}" for table in tables)
        return Counter((event_id, table) for event_id, table in lake.sql(query).rows())


def fates(folder: Path) -> Counter[str]:
    with headwater.open(folder) as lake:
        return Counter(dict(lake.sql("SELECT fate, sum(records)::BIGINT FROM fate_counts WHERE pipe = 'lake' GROUP BY fate").rows()))


async def append(settings: Settings, folder: Path, records: list[Record]) -> None:
    stream = open_stream(resolve(settings.stream.url, folder), mode="write", segment_bytes=65_536)
    await stream.append(records)
    await stream.close()


async def drain(parts: WorkerParts, fold: bool) -> None:
    while await parts.pipe.step(wait_s=0):
        pass
    if fold:
        await asyncio.to_thread(parts.maintenance.fold_all)


async def run_history(folder: Path, settings: Settings, seed: int, rounds: int, between: Callable[[str], None], history: History) -> None:
    chance = random.Random(seed)
    parts: WorkerParts | None = None
    for _ in range(rounds):
        await append(settings, folder, [history.record() for _ in range(chance.randrange(1, 60))])
        try:
            parts = parts or build_worker(settings, folder, between)
            await drain(parts, fold=chance.random() < 0.5)
        except Crash:
            if parts is not None:
                parts.ledger.close()
            parts = None
    last = build_worker(settings, folder)
    await drain(last, fold=False)
    last.ledger.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_record_has_one_fate_wherever_it_crashed(tmp_path: Path, seed: int) -> None:
    folder, settings = project(tmp_path)
    history = History(random.Random(seed))
    crasher = Crasher(random.Random(seed + 1), share=0.06)

    await run_history(folder, settings, seed, 40, crasher, history)

    assert crasher.at.total() > 8, crasher.at
    assert found(folder) == history.expected
    counts = fates(folder)
    assert counts["duplicate"] == history.duplicates
    assert counts.total() == len(history.said) + history.duplicates


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_each_step_is_mended_at_the_next_start(tmp_path: Path, step: str) -> None:
    folder, settings = project(tmp_path)
    history = History(random.Random(5))
    met = Counter[str]()

    def once(at: str) -> None:
        met[at] += 1
        if at == step and met[at] == 1:
            raise Crash(at)

    await append(settings, folder, [history.record() for _ in range(120)])
    with pytest.raises(Crash):
        await drain(build_worker(settings, folder, once), fold=True)
    parts = build_worker(settings, folder)
    await drain(parts, fold=True)
    parts.ledger.close()

    assert found(folder) == history.expected


@pytest.mark.parametrize("when", ["before the fold", "after the fold", "between two folds"])
async def test_a_lost_ledger_is_rebuilt_and_nothing_is_lost_or_twice(tmp_path: Path, when: str) -> None:
    folder, settings = project(tmp_path)
    history = History(random.Random(7))
    parts = build_worker(settings, folder)
    await append(settings, folder, [history.record() for _ in range(150)])
    await drain(parts, fold=when != "before the fold")
    if when == "between two folds":
        await append(settings, folder, [history.record() for _ in range(90)])
        await drain(parts, fold=False)
        parts.lake.fold("sign_up_events")  # now this table is ahead of the others
    parts.ledger.close()
    for path in (folder / "data").glob("ledger.db*"):
        path.unlink()

    parts = await reopened(settings, folder)
    await append(settings, folder, [history.record() for _ in range(60)])
    await drain(parts, fold=False)
    parts.ledger.close()

    assert found(folder) == history.expected


async def reopened(settings: Settings, folder: Path) -> WorkerParts:
    from headwater.process.worker import WorkerRole

    return await WorkerRole(settings, folder).open()


async def test_a_model_changed_between_crash_and_restart_loses_no_row(tmp_path: Path) -> None:
    folder, settings = project(tmp_path)
    history = History(random.Random(9))
    await append(settings, folder, [history.record() for _ in range(150)])
    parts = build_worker(settings, folder)
    await drain(parts, fold=False)
    parts.ledger.close()  # as a crash would: rows of the old model wait in the ledger

    events = folder / "events.py"
    head = "class SignUpEvent(Event):"
    events.write_text(events.read_text().replace(head, f"{head}\n    invited_by: str | None = None"))
    await append(settings, folder, [history.record() for _ in range(150)])
    parts = build_worker(settings, folder)
    await drain(parts, fold=True)
    parts.ledger.close()

    assert found(folder) == history.expected
    with headwater.open(folder) as lake:
        assert lake.sql("SELECT count(*) FROM sign_up_events WHERE invited_by IS NULL").rows()[0][0] > 0


async def test_an_incompatible_model_is_refused_at_start_and_its_events_wait(tmp_path: Path) -> None:
    folder, settings = project(tmp_path)
    history = History(random.Random(11))
    parts = build_worker(settings, folder)
    await append(settings, folder, [history.record() for _ in range(50)])
    events = folder / "events.py"
    right = events.read_text()
    events.write_text(right.replace("tempo: float", "tempo: str"))
    assert events.read_text() != right
    parts.ledger.close()

    with pytest.raises(headwater.errors.ModelError, match="tempo"):
        build_worker(settings, folder)
    events.write_text(right)
    parts = build_worker(settings, folder)
    await drain(parts, fold=False)
    parts.ledger.close()

    assert found(folder) == history.expected


async def test_a_damaged_stretch_of_the_stream_is_counted_and_all_else_survives(tmp_path: Path) -> None:
    folder, settings = project(tmp_path)
    history = History(random.Random(13))
    for _ in range(3):
        await append(settings, folder, [history.record() for _ in range(20)])
    segments = sorted((folder / "data/stream/app").glob("*/*.seg"))
    damaged = bytearray(segments[1].read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    segments[1].chmod(0o644)
    segments[1].write_bytes(damaged)

    parts = build_worker(settings, folder)
    await drain(parts, fold=False)
    parts.ledger.close()

    counts = fates(folder)
    assert counts["damaged"] == 20
    assert counts.total() == 60
    with headwater.open(folder) as lake:
        places = lake.sql("SELECT sequence_number::INT FROM fates WHERE fate = 'damaged' ORDER BY 1").rows()
    assert [number for (number,) in places] == list(range(21, 41))


def test_a_copy_of_a_project_is_a_project_once_it_is_moved(tmp_path: Path) -> None:
    folder, settings = project(tmp_path)
    build_worker(settings, folder).ledger.close()

    shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("run"))
    move_project(tmp_path / "copy")

    with headwater.open(tmp_path / "copy") as lake:
        assert lake.sql("SELECT count(*) FROM sign_up_events").rows() == [(0,)]
