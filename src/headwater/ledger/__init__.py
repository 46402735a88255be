"""One transaction per batch: how far a pipe came, the rows not yet in the lake, the fates, the keys of what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, cast

from headwater.backend import find_backend

SUBMODULES = ("packing",)
"""What other rooms may import from beside this module, which would load more than they need."""

BACKENDS = {"sqlite": "headwater.ledger.sqlite:SqliteLedger"}

LAKE = "lake"
"""The pipe that feeds the tables of events; the ledger holds its only position."""

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


class Backlog(NamedTuple):
    """What the tail holds of one table; `oldest_ms` is when its first batch was committed, `last_batch` its newest."""

    table: str
    rows: int
    size: int
    oldest_ms: int
    last_batch: int


class Tail(Protocol):
    """The rows that are in no file yet."""

    def tail(
        self,
        after: Mapping[str, int] | None = None,
        tables: Sequence[str] | None = None,
        limit_rows: int | None = None,
        limit_bytes: int | None = None,
    ) -> list[TailRows]:
        """Return unfolded rows in batch order from ONE read transaction.

        *after*: table -> batch up to which the caller already has the rows. *tables*: only these. Each table stops at the first batch
        that reaches *limit_rows*, or *limit_bytes* of Arrow, so that a backlog is taken in pieces: of one batch at least.
        """

    def backlog(self) -> list[Backlog]:
        """Return what the tail holds of each table, without reading the rows."""

    def fold(self, table: str, upto_batch: int, state: str | None = None) -> None:
        """Forget the tail rows of *table* up to that batch: they are in the lake now. Doing it twice changes nothing.

        *state*: the table's state that has them, to remember as `TableLog.note_tables` does.
        """

    def withdraw(self, part: TailRows, kept: Rows, letters: Mapping[str, Rows], fates: Sequence[FateCount], at_ms: int) -> None:
        """Leave only the rows *kept* of what the tail has of a table from a batch, in one transaction with what became of the others.

        *letters* and *fates* are a batch of their own, of no records, where the pipe stands now. Nothing happens to rows that are
        folded already.
        """

    def settled(self, folding: tuple[str, int] | None = None) -> dict[tuple[str, str], int]:
        """Return (pipe, shard id) -> the number up to which every row of every table is in the lake.

        The stream may be trimmed up to here and no further. *folding* (table, batch): answer as if that fold had been done already.
        """


class Ledger(Tail, Protocol):
    """The lake target's memory. One process writes it; others may open it to read."""

    def commit(self, batch: LedgerBatch) -> int:
        """Write the whole batch in one durable transaction and return its number (ledger-wide, growing).

        Raises `LedgerError` and changes nothing if the shard's position is not `batch.after`.
        """

    def positions(self) -> dict[tuple[str, str], int]:
        """Return (pipe, shard id) -> the last sequence number consumed."""

    def close(self) -> None:
        """Let go of the files."""


class SeedableLedger(Protocol):
    """A ledger that can continue where another one ended."""

    def last_batch(self) -> int:
        """Return the highest number a batch ever had here, 0 if there was none."""

    def positions(self) -> dict[tuple[str, str], int]:
        """Return (pipe, shard id) -> the last sequence number consumed."""

    def seed(self, first_batch: int, positions: Mapping[tuple[str, str], int]) -> None:
        """Continue where a lost ledger ended: number batches from *first_batch* and start no lower than *positions*.

        Raises `LedgerError` and changes nothing if a batch here already has that number or a higher one.
        """


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


class Account(NamedTuple):
    """Fates and positions of one moment: for each pipe and target the counts add up to the records up to its positions."""

    positions: dict[tuple[str, str], int]
    fates: list[FateTotal]


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


class TableLog(Protocol):
    """Which tables there are in the lake, as a second witness beside the catalog: what it knows of is never taken for left over."""

    def note_tables(self, states: Mapping[str, str | None]) -> None:
        """Remember the newest state of tables, by the name of its metadata file; None = what lies in its folders may be deleted.

        That is said before a table is dropped, and before the first file is written of one that is not there yet.
        """

    def noted_tables(self) -> dict[str, str | None]:
        """Return what was remembered."""

    def forget_tables(self, names: Iterable[str]) -> None:
        """Forget tables of which nothing is left."""


class FateLog(Protocol):
    """The counts of fates; kept by the same database as the ledger, in the same transactions."""

    def fate_counts(self, last_batches: int | None = None) -> list[FateTotal]:
        """Return the counts, summed over the last *last_batches* batches, or over all there ever were."""

    def account(self) -> Account:
        """Return all fates and the positions they account for, from one read transaction."""

    def forget(self, before_ms: int) -> int:
        """Sum up what is known of single batches committed before *before_ms*; totals stay exact. Return how many batches that were."""


class LedgerDatabase(Ledger, SeedableLedger, KeyLog, FateLog, RemovalLog, TableLog, Protocol):
    """All that one database keeps in the same transactions; who needs a part of it asks for that part."""


def open_ledger(url: str, **options: Any) -> LedgerDatabase:
    """Open the ledger at *url* (`sqlite:///file`); `read_only=True` for a reader in another process."""
    return cast(LedgerDatabase, find_backend("ledger", BACKENDS, url)(url, **options))
