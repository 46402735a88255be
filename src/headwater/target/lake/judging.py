"""What a batch becomes before it is written down; where that fails, or ends the process, the record at fault becomes a dead letter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import msgspec

from headwater.ledger.packing import packed
from headwater.model import Letter, Models, Window, load_models
from headwater.record import Record
from headwater.stream import Batch
from headwater.target.lake.letters import failed
from headwater.target.lake.outcome import letter_rows
from headwater.target.lake.slices import OpenRecord, Slice, slices
from headwater.trial import Work, culprits

# More are looked for once these have their letters.
MOST_AT_ONCE = 200

# Of packed records: what a trial judges at a time.
_EVENTS_AT_ONCE = 5_000


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


def trial(events: str, opener: str) -> Callable[[bytes], Work]:
    """Return what makes the work of a trial of a batch for the classes in the file *events*.

    *opener* names, as `module:function`, what takes packed records apart.
    """
    models, (module, _, name) = load_models(Path(events)), opener.partition(":")
    open_record: OpenRecord = getattr(import_module(module), name)

    def prepare(request: bytes) -> Work:
        records, numbers, shard_id, window = msgspec.msgpack.decode(request, type=_Request)

        def work(start: int, end: int) -> None:
            some = Batch(shard_id, records[start:end], list(map(int, numbers[start:end])), (), int(numbers[-1]))
            for part in slices(some, 0, _EVENTS_AT_ONCE, open_record):
                _judge(models, part.batch, range(len(part.batch.records)), window)

        return len(records), work

    return prepare


def request_for(batch: Batch, window: Window) -> bytes:
    """Return what a trial is asked."""
    return msgspec.msgpack.encode(_Request(list(batch.records), list(map(str, batch.sequence_numbers)), batch.shard_id, window))


def _judge(models: Models, batch: Batch, indices: Sequence[int], window: Window) -> None:
    """Do with some records of a batch all that is done before it is written down."""
    records, numbers = [batch.records[index] for index in indices], [batch.sequence_numbers[index] for index in indices]
    part = Slice(batch._replace(records=records, sequence_numbers=numbers), 0, {})
    decoded = models.decode(records, batch.shard_id, numbers, window)
    packed_rows = [packed(table) for table in decoded.tables().values()]
    if decoded.letters:
        packed_rows.append(packed(letter_rows("trial", part, decoded, list(decoded.letters), 0)))
    assert sum(rows.count for rows in packed_rows) == len(decoded.keys) == len(decoded.minutes)
