"""A batch is stored in slices of events, each record whole."""

from __future__ import annotations

from headwater.record import Record
from headwater.stream import FIRST_SHARD, Batch, Damage
from headwater.target.lake.slices import slices


def batch(*sizes: int, damaged: tuple[Damage, ...] = (), upto: int | None = None) -> Batch:
    """Return a batch in which record i, of number 10 * i, holds `sizes[i - 1]` events."""
    records = [Record(b"%d" % size, "k", 0) for size in sizes]
    numbers = [10 * number for number in range(1, len(sizes) + 1)]
    return Batch(FIRST_SHARD, records, numbers, damaged, numbers[-1] if upto is None else upto)


def opened(record: Record, shard_id: str, number: int) -> list[Record]:
    count = int(record.body)
    return [record] if count == 1 else [Record(b"%d/%d" % (number, part), "k", 0) for part in range(count)]


def test_records_of_one_event_are_one_slice_as_they_are() -> None:
    given = batch(1, 1, 1)

    [made] = slices(given, 0, 3, opened)

    assert made.batch == given
    assert (made.after, made.parts) == (0, {})


def test_a_slice_ends_with_the_record_that_fills_it() -> None:
    made = list(slices(batch(2, 1, 5, 1), 0, 3, opened))

    assert [(part.after, part.batch.upto, part.batch.sequence_numbers) for part in made] == [
        (0, 20, [10, 10, 20]),
        (20, 30, [30] * 5),
        (30, 40, [40]),
    ]
    assert [part.parts for part in made] == [{0: 0, 1: 1}, {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}, {}]


def test_damage_is_in_the_slice_that_passes_it_and_in_no_other() -> None:
    first, between, last = Damage(1, 9, "x"), Damage(21, 29, "x"), Damage(31, 38, "x")

    made = list(slices(batch(3, 3, 3, damaged=(first, between, last), upto=38), 0, 3, opened))

    assert [(part.batch.damaged, part.batch.upto) for part in made] == [((first,), 10), ((), 20), ((between, last), 38)]


def test_a_batch_of_damage_alone_is_one_slice() -> None:
    lost = Damage(1, 5, "x")

    [made] = slices(Batch(FIRST_SHARD, [], [], (lost,), 5), 0, 3, opened)

    assert (made.batch.damaged, made.batch.upto, made.after) == ((lost,), 5, 0)
