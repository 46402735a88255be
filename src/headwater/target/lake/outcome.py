"""What a batch leaves beside its events' rows: dead letters, one row per duplicate or damaged record, and the counts of fates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import pyarrow as pa
import xxhash

from headwater.ledger import FateCount
from headwater.model import DeadLetter, Decoded, Fate, RecordIdentity, fates_table, letters_table
from headwater.stream import Batch
from headwater.target.lake.slices import Slice

LETTERS, FATES = "dead_letter_log", "fates"
# A damaged stretch has a row for each record up to this many; its full length is in the counts in any case.
MOST_DAMAGED_ROWS = 10_000


def letter_rows(pipe: str, part: Slice, decoded: Decoded, rejected: Sequence[int], now_ms: int) -> pa.Table:
    """Return rows for `dead_letter_log`: one open letter for each rejected record, with its raw bytes.

    A record's letter id follows from where it lies, so a batch that is done again after a crash writes the same letters.
    """
    batch, parts = part.batch, part.parts
    return letters_table(
        DeadLetter(
            letter_id=decoded.letter_ids.get(i) or _letter_id(pipe, batch.shard_id, batch.sequence_numbers[i], parts.get(i)),
            status="open",
            changed_at_ms=now_ms,
            pipe=pipe,
            shard_id=batch.shard_id,
            sequence_number=batch.sequence_numbers[i],
            identity=decoded.identity(i),
            letter=decoded.letters[i],
            body=batch.records[i].body,
        )
        for i in rejected
    )


def fate_rows(pipe: str, target: str, batch: Batch, decoded: Decoded, duplicates: Collection[int], now_ms: int) -> pa.Table:
    """Return rows for `fates`: the duplicates, and the records that can no longer be read (of which only the place is known)."""

    def rows() -> Iterator[Fate]:
        for i in sorted(duplicates):
            yield Fate("duplicate", "", pipe, target, batch.shard_id, batch.sequence_numbers[i], decoded.identity(i))
        for damage in batch.damaged:
            for number in range(damage.first, min(damage.last, damage.first + MOST_DAMAGED_ROWS - 1) + 1):
                unknown = RecordIdentity(f"{batch.shard_id}:{number}", None, None, None, None, None, now_ms, now_ms)
                yield Fate("damaged", damage.reason, pipe, target, batch.shard_id, number, unknown)

    return fates_table(rows())


def count_fates(target: str, batch: Batch, decoded: Decoded, duplicates: Collection[int], rejected: Sequence[int]) -> list[FateCount]:
    """Return the counts of a batch; they add up to its records, the damaged ones included."""
    damaged = Counter[str]()
    for damage in batch.damaged:
        damaged[damage.reason] += damage.last - damage.first + 1
    reasons = Counter(decoded.letters[i].reason for i in rejected)
    counts = [
        FateCount(target, "delivered", "", len(batch.records) - len(duplicates) - len(rejected)),
        FateCount(target, "duplicate", "", len(duplicates)),
        *(FateCount(target, "dead-lettered", reason, count) for reason, count in sorted(reasons.items())),
        *(FateCount(target, "damaged", reason, count) for reason, count in sorted(damaged.items())),
    ]
    return [count for count in counts if count.count]


def without_stored(rows: pa.Table, numbers: Sequence[int], stored_upto: int) -> pa.Table:
    """Return *rows* less those whose record number (`numbers[i]` for row i) is in the lake already."""
    if not numbers or numbers[0] > stored_upto:
        return rows
    return rows.take(pa.array([i for i, number in enumerate(numbers) if number > stored_upto], pa.int64())).combine_chunks()


def stored_of(stored: Mapping[str, Mapping[str, int]], table: str, pipe: str, shard_id: str) -> int:
    """Return the number up to which rows of *table* from that shard are in the lake already, 0 if nothing is known."""
    return stored.get(table, {}).get(f"{pipe}/{shard_id}", 0)


def _letter_id(pipe: str, shard_id: str, sequence_number: int, part: int | None) -> str:
    place = f"{pipe}/{shard_id}/{sequence_number}" if part is None else f"{pipe}/{shard_id}/{sequence_number}/{part}"
    return xxhash.xxh3_128_hexdigest(place.encode())
