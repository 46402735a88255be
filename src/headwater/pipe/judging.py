"""What a batch becomes before it is written down; where that fails, or ends the process, the record at fault becomes a dead letter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from headwater.ledger.packing import packed
from headwater.model import Letter, Models, Window, load_models
from headwater.model.letter import shorten
from headwater.pipe.outcome import letter_rows
from headwater.pipe.slices import Slice
from headwater.record import Record
from headwater.stream import Batch
from headwater.trial import Work, culprits

# More are looked for once these have their letters.
MOST_AT_ONCE = 200


class _Request(NamedTuple):
    records: list[Record]
    sequence_numbers: list[str]
    shard_id: str
    window: Window


def faulty(models: Models, batch: Batch, window: Window, known: Mapping[int, Letter]) -> dict[int, Letter]:
    """Return number -> letter for the records at which judging them alone raises; those *known* are left out."""
    others = [index for index in range(len(batch.records)) if index not in known]

    def failure(start: int, end: int) -> Exception | None:
        try:
            _judge(models, batch, others[start:end], window)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is of these records
            return error
        return None

    return {others[at]: failed(error) for at, error in culprits(len(others), failure, MOST_AT_ONCE).items()}


def failed(error: Exception) -> Letter:
    """Return the letter for a record at which judging it raised what no verdict is."""
    said = shorten(f"{type(error).__name__}: {error}")
    return Letter("judge", None, None, None, f"judging it failed: {said}; the rest of its batch went on")


def ended(how: str) -> Letter:
    """Return the letter for a record that ended the process that judged it."""
    message = f"judging it ended the process ({how}); the rest of its batch went on"
    return Letter("judge", None, None, None, message)


def trial(events: str) -> Callable[[bytes], Work]:
    """Return what makes the work of a trial of a batch for the classes in the file *events*."""
    models = load_models(Path(events))

    def prepare(request: bytes) -> Work:
        records, numbers, shard_id, window = msgspec.msgpack.decode(request, type=_Request)

        batch = Batch(shard_id, records, list(map(int, numbers)), (), int(numbers[-1]))
        work = partial(_judge_range, models, batch, window)
        return len(records), work

    return prepare


def request_for(batch: Batch, window: Window) -> bytes:
    """Return what a trial is asked."""
    return msgspec.msgpack.encode(_Request(list(batch.records), list(map(str, batch.sequence_numbers)), batch.shard_id, window))


def _judge_range(models: Models, batch: Batch, window: Window, start: int, end: int) -> None:
    _judge(models, batch, range(start, end), window)


def _judge(models: Models, batch: Batch, indices: Sequence[int], window: Window) -> None:
    """Do with some records of a batch all that is done before it is written down."""
    records, numbers = [batch.records[index] for index in indices], [batch.sequence_numbers[index] for index in indices]
    part = Slice(batch._replace(records=records, sequence_numbers=numbers), 0, {})
    decoded = models.decode(records, batch.shard_id, numbers, window)
    packed_rows = [packed(table) for table in decoded.tables().values()]
    if decoded.letters:
        packed_rows.append(packed(letter_rows("trial", part, decoded, list(decoded.letters), 0)))
    assert sum(rows.count for rows in packed_rows) == len(decoded.keys) == len(decoded.minutes)
