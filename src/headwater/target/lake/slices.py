"""A batch of records in slices of events: packed records are taken apart, and never more is held than one transaction may carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from headwater.model import Letter
from headwater.record import Record
from headwater.stream import Batch, Damage
from headwater.target.lake.letters import failed

BYTES_LIMIT = 32 * 1024 * 1024

OpenRecord = Callable[[Record, str, int], list[Record]]
"""Returns the events in a record, given its shard and number; the record itself where it is one event."""


class Slice(NamedTuple):
    """What one transaction stores. *batch*: events in the place of records, so several may have one number, up to all of a packed record.

    after: where the slice before ended. parts: index of an event -> which part of its packed record it is. unopened: index of a record
    that stands as it is, because it cannot be taken apart -> its letter.
    """

    batch: Batch
    after: int
    parts: dict[int, int]
    unopened: Mapping[int, Letter] = {}


def slices(batch: Batch, after: int, most: int, open_record: OpenRecord, known: Mapping[int, Letter] | None = None) -> Iterator[Slice]:
    """Cut the batch after the record that brings it to *most* events or `BYTES_LIMIT`; a record is in one slice whole.

    *known*: index of a record -> its letter, where it is known beforehand that it cannot be taken apart.
    """
    made, size, known = _Open(), 0, known or {}
    for index, (number, record) in enumerate(zip(batch.sequence_numbers, batch.records, strict=True)):
        if made.events and (len(made.events) >= most or size >= BYTES_LIMIT):
            yield made.close(batch, after, made.numbers[-1])
            after, made, size = made.numbers[-1], _Open(), 0
        events, letter = [record], known.get(index)
        if letter is None:
            try:
                events = open_record(record, batch.shard_id, number)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is of this record, and the others go on
                letter = failed(error)
        if letter is not None:
            made.unopened[len(made.events)] = letter
        if events[0] is record:  # nearly all are one event: what is done for each of them is done as often as there are events
            made.events.append(record)
            made.numbers.append(number)
            size += len(record.body)
            continue
        made.parts.update((len(made.events) + part, part) for part in range(len(events)))
        size += sum(len(event.body) for event in events)
        made.events += events
        made.numbers += [number] * len(events)
    yield made.close(batch, after, batch.upto)


class _Open:
    """A slice that is being filled."""

    def __init__(self) -> None:
        self.events: list[Record] = []
        self.numbers: list[int] = []
        self.parts: dict[int, int] = {}
        self.unopened: dict[int, Letter] = {}

    def close(self, batch: Batch, after: int, upto: int) -> Slice:
        damaged: tuple[Damage, ...] = tuple(damage for damage in batch.damaged if after < damage.first <= upto)
        return Slice(Batch(batch.shard_id, self.events, self.numbers, damaged, upto), after, self.parts, self.unopened)
