"""A record is at fault only where the process died at it and at nothing else; what fails without a death is no death."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from headwater.attempt import Attempts
from headwater.clock import ManualClock
from headwater.errors import Unavailable
from headwater.ledger import LedgerBatch
from headwater.ledger.sqlite import SqliteLedger
from headwater.model import Window, load_models
from headwater.pipe import Pipe
from headwater.record import Record
from headwater.stream import FIRST_SHARD, Batch
from headwater.stream.memory import MemoryStream
from headwater.target.lake import Caution, LakeTarget, SeenKeys
from headwater.target.lake.caution import MOST_DEATHS
from headwater.trial import Trial
from tests.target.lake.trials import open_unless_deadly

ARRIVAL = 1_790_000_000_000
BODY = b'{"event_type":"Seen","event_timestamp":%d,"application":{"app_id":"a"},"client":{"client_id":"c"},"session":{"session_id":"s"}}'


class Processes:
    """Processes that work on the stream one after another, each beginning with what the one before left behind."""

    def __init__(self, folder: Path) -> None:
        (folder / "events.py").write_text("from headwater import Event\n\n\nclass Other(Event):\n    x: int\n")
        self.path, self.events = folder / "attempt", folder / "events.py"
        self.trial = Trial("tests.target.lake.trials:harmless")

    def next(self) -> Caution:
        return Caution(Attempts(self.path), self.trial, Window(), 60)

    def dies(self, after: int, most: int) -> tuple[int, dict[int, str]]:
        """Begin a batch of what the next process would take, and end it there; return the batch's size and the records at fault."""
        caution = self.next()
        taken = caution.cut(batch(after, most), after)
        return len(taken.records), caution.begin(taken, after)


def batch(after: int, size: int) -> Batch:
    numbers = list(range(after + 1, after + size + 1))
    return Batch(FIRST_SHARD, [Record(BODY % ARRIVAL, "c", ARRIVAL) for _ in numbers], numbers, (), after + size)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.trial.close()


def test_a_batch_at_which_every_process_dies_shrinks_to_one_record_which_is_at_fault_once_it_was_alone(processes: Processes) -> None:
    tried = [processes.dies(100, 16) for _ in range(8)]

    assert [size for size, _ in tried[:6]] == [16, 16, 8, 4, 2, 1]
    # The last of two is as likely at fault as the first, so it takes a death of the first alone.
    assert [found for _, found in tried[:6]] == [{}] * 6
    assert tried[6][0] == 1
    assert "not in a trial" in tried[6][1][0]


def test_a_lone_record_is_not_at_fault_for_deaths_that_somebody_else_caused(processes: Processes) -> None:
    tried = [processes.dies(7, 1) for _ in range(MOST_DEATHS + 2)]

    assert [found for _, found in tried[:-1]] == [{}] * (MOST_DEATHS + 1)
    assert list(tried[-1][1]) == [0]


def test_what_was_stored_before_the_next_death_is_not_counted(processes: Processes) -> None:
    for _ in range(MOST_DEATHS):
        processes.dies(7, 1)
    survivor = processes.next()
    survivor.begin(batch(7, 1), 7)
    survivor.end()

    assert processes.dies(7, 1) == (1, {})
    assert processes.dies(8, 10) == (10, {})


@pytest.mark.parametrize("died_after", [0, 2])
def test_a_packed_record_that_ends_the_process_that_takes_it_apart_is_one_letter(
    tmp_path: Path, processes: Processes, died_after: int
) -> None:
    stream, ledger = MemoryStream(), SqliteLedger(f"sqlite:///{tmp_path}/ledger.db")
    body = BODY % ARRIVAL
    three = b"\n".join([body] * 3)
    asyncio.run(stream.append([Record(each, "c", ARRIVAL) for each in (three, three, b"deadly", three, body)]))
    models = load_models(processes.events)
    trial = Trial("headwater.target.lake.judging:trial", str(processes.events), "tests.target.lake.trials:open_unless_deadly")
    if died_after:  # that process stored the first slice and died at the next one
        first = Pipe(
            "lake", stream, LakeTarget("lake", ledger, models, SeenKeys(ledger), Window(), ManualClock(ARRIVAL), 2, open_unless_deadly), 2
        )
        asyncio.run(first.step(0))
    Attempts(processes.path).begin(FIRST_SHARD, died_after, 5)
    caution = Caution(Attempts(processes.path), trial, Window(), 60)
    try:
        seen, clock = SeenKeys(ledger), ManualClock(ARRIVAL)
        target = LakeTarget("lake", ledger, models, seen, Window(), clock, 5, open_unless_deadly, caution=caution)
        pipe = Pipe("lake", stream, target, 5)
        while asyncio.run(pipe.step(0)):
            pass
    finally:
        caution.close()

    # Nothing gives the lines ids of their own here, so that two of each three are duplicates of the first.
    assert {fate.fate: fate.records for fate in ledger.fate_counts()} == {"delivered": 4, "duplicate": 6, "dead-lettered": 1}
    [letters] = [pa.ipc.open_stream(part.rows.arrow).read_all() for part in ledger.tail() if part.table == "dead_letter_log"]
    assert "ended the process (SIGKILL)" in str(letters.to_pylist())
    assert Attempts(processes.path).left is None
    ledger.close()


class FullLedger(SqliteLedger):
    """A ledger whose disk is full for the next commits."""

    full = 0

    def commit(self, batch: LedgerBatch) -> int:
        if self.full:
            self.full -= 1
            raise Unavailable("no space left on device")
        return super().commit(batch)


def test_a_batch_that_cannot_be_stored_was_no_death_however_often_it_fails(tmp_path: Path, processes: Processes) -> None:
    stream, ledger = MemoryStream(), FullLedger(f"sqlite:///{tmp_path}/ledger.db")
    asyncio.run(stream.append([Record(BODY % ARRIVAL, "c", ARRIVAL)]))
    models = load_models(processes.events)
    # Each process meets the full disk and is stopped; the last finds room.
    for full in [1] * (MOST_DEATHS + 2) + [0]:
        ledger.full = full
        caution = processes.next()
        target = LakeTarget("lake", ledger, models, SeenKeys(ledger), Window(), ManualClock(ARRIVAL), caution=caution)
        pipe = Pipe("lake", stream, target)
        if full:
            with pytest.raises(Unavailable):
                asyncio.run(pipe.step(0))
        else:
            asyncio.run(pipe.step(0))

    assert [(fate.fate, fate.records) for fate in ledger.fate_counts()] == [("delivered", 1)]
    assert Attempts(processes.path).left is None
    ledger.close()


def test_a_record_that_cannot_be_taken_apart_is_one_letter_and_the_others_are_rows(tmp_path: Path, processes: Processes) -> None:
    def opened(record: Record, shard_id: str, number: int) -> list[Record]:
        if number == 2:
            raise RuntimeError("taken apart by mistake")
        return [record]

    stream, ledger = MemoryStream(), SqliteLedger(f"sqlite:///{tmp_path}/ledger.db")
    asyncio.run(stream.append([Record(BODY % ARRIVAL, "c", ARRIVAL)] * 3))
    models = load_models(processes.events)
    target = LakeTarget("lake", ledger, models, SeenKeys(ledger), Window(), ManualClock(ARRIVAL), open_record=opened)
    pipe = Pipe("lake", stream, target)
    asyncio.run(pipe.step(0))

    assert {fate.fate: fate.records for fate in ledger.fate_counts()} == {"delivered": 2, "dead-lettered": 1}
    [letters] = [pa.ipc.open_stream(part.rows.arrow).read_all() for part in ledger.tail() if part.table == "dead_letter_log"]
    assert letters.num_rows == 1
    assert "taken apart by mistake" in str(letters.to_pylist()[0])
    ledger.close()


def test_a_full_disk_fails_a_note_and_forgets_none_that_was_made_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Attempts(tmp_path / "attempt").begin("shard", 0, 7)
    attempts = Attempts(tmp_path / "attempt")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        with pytest.raises(Unavailable, match=r"cannot note .*attempt: .*No space left"):
            attempts.begin("shard", 0, 7)
        attempts.end()

    assert attempts.left == ("shard", 0, 7, 0)
    attempts.begin("shard", 0, 7)
    assert Attempts(tmp_path / "attempt").left == ("shard", 0, 7, 1)
    attempts.end()
    assert Attempts(tmp_path / "attempt").left is None
