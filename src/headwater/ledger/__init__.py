"""One transaction per batch: how far a pipe came, the rows not yet in the lake, the fates, the keys of what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, cast

from headwater.backend import find_backend

BACKENDS = {"sqlite": "headwater.ledger.sqlite:SqliteLedger"}

FateName = Literal["delivered", "filtered", "duplicate", "dead-lettered", "expired", "damaged"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table as one Arrow IPC stream (schema included); `last_ms` is the newest `datetime` in it, epoch ms."""

    count: int
    arrow: bytes
    last_ms: int


@dataclass(frozen=True, slots=True)
class FateCount:
    """How many records of a batch met a fate at a target; *rule* names the filter or rule that decided, else ''."""

    target: str
    fate: FateName
    rule: str
    count: int


class LedgerBatch(NamedTuple):
    """All that came of the records (after, upto] of one shard.

    rows: table name -> rows. keys: minute of the client's timestamp (`Decoded.minutes`) -> 16-byte de-dup keys, joined.
    The counts of `fates` for one target add up to the records of the batch, damaged ones included.
    """

    pipe: str
    shard_id: str
    after: int
    upto: int
    rows: Mapping[str, Rows]
    fates: Sequence[FateCount]
    keys: Mapping[int, bytes]
    at_ms: int


class TailRows(NamedTuple):
    """Rows of one table from one batch, not yet folded; `pipe`, `shard_id` and `upto` say what that batch consumed."""

    batch: int
    table: str
    rows: Rows
    pipe: str
    shard_id: str
    upto: int


class Ledger(Protocol):
    """The lake target's memory. One process writes it; others may open it to read."""

    def commit(self, batch: LedgerBatch) -> int:
        """Write the whole batch in one durable transaction and return its number (ledger-wide, growing).

        Raises `LedgerError` and changes nothing if the shard's position is not `batch.after`.
        """

    def positions(self) -> dict[tuple[str, str], int]:
        """Return (pipe, shard id) -> the last sequence number consumed."""

    def tail(self, after: Mapping[str, int] | None = None, tables: Sequence[str] | None = None) -> list[TailRows]:
        """Return unfolded rows in batch order from ONE read transaction.

        *after*: table -> batch up to which the caller already has the rows. *tables*: only these.
        """

    def fold(self, table: str, upto_batch: int) -> None:
        """Forget the tail rows of *table* up to that batch: they are in the lake now. Doing it twice changes nothing."""

    def settled(self) -> dict[tuple[str, str], int]:
        """Return (pipe, shard id) -> the number up to which every row of every table is in the lake.

        The stream may be trimmed up to here and no further.
        """

    def close(self) -> None:
        """Let go of the files."""


class KeyLog(Protocol):
    """The de-duplication keys that batches wrote; kept by the same database as the ledger, in the same transactions."""

    def keys(self, minute: int) -> bytes:
        """Return all keys of that client-timestamp minute, joined, 16 bytes each, in any order."""

    def forget_keys(self, before_ms: int) -> int:
        """Drop keys that last arrived before *before_ms*; return how many."""


class FateTotal(NamedTuple):
    """How many records of a pipe met a fate at a target."""

    pipe: str
    target: str
    fate: str
    rule: str
    records: int


class Removal(NamedTuple):
    """Rows that a job took out of a table of the lake: its id, its kind (`DELETE`, `MERGE`), how many, and when (epoch ms)."""

    job: str
    table: str
    kind: str
    rows: int
    at_ms: int


class RemovalLog(Protocol):
    """What jobs removed: the rows of a table are those delivered less these."""

    def remove(self, removals: Sequence[Removal]) -> None:
        """Remember removals durably; one that is known by its job and table is not counted again."""

    def removals(self) -> list[Removal]:
        """Return all removals there ever were, oldest first."""


class FateLog(Protocol):
    """The counts of fates; kept by the same database as the ledger, in the same transactions."""

    def fate_counts(self, last_batches: int | None = None) -> list[FateTotal]:
        """Return the counts, summed over the last *last_batches* batches, or over all there ever were."""

    def forget(self, before_ms: int) -> int:
        """Sum up what is known of single batches committed before *before_ms*; totals stay exact. Return how many batches that were."""


def open_ledger(url: str, **options: Any) -> Ledger:
    """Open the ledger at *url* (`sqlite:///file`); `read_only=True` for a reader in another process."""
    return cast(Ledger, find_backend("ledger", BACKENDS, url)(url, **options))
