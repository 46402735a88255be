"""What a fold asks of a ledger, and what it says it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from headwater.ledger import Removal, TailRows


class Waiting(Protocol):
    """What a ledger says of one table's tail; `oldest_ms` is when its first batch was committed."""

    @property
    def table(self) -> str:
        """Its name."""

    @property
    def rows(self) -> int:
        """How many rows wait."""

    @property
    def oldest_ms(self) -> int:
        """When its first batch was committed, epoch ms."""


class FoldLedger(Protocol):
    """What a fold needs of a ledger; the promises are those of `headwater.ledger.Ledger`."""

    def tail(
        self, after: Mapping[str, int] | None = None, tables: Sequence[str] | None = None, limit_rows: int | None = None
    ) -> list[TailRows]:
        """Return unfolded rows in batch order, each table up to the first batch that reaches *limit_rows*."""

    def backlog(self) -> Sequence[Waiting]:
        """Return what waits of each table, without the rows."""

    def fold(self, table: str, upto_batch: int) -> None:
        """Forget the tail rows of *table* up to that batch."""

    def settled(self, folding: tuple[str, int] | None = None) -> dict[tuple[str, str], int]:
        """Return how far all tables are in the lake, as if *folding* (table, batch) had been done already."""

    def remove(self, removals: Sequence[Removal]) -> None:
        """Remember what jobs took out of tables, each job once."""


class FoldResult(NamedTuple):
    """What one fold did: batches up to `folded` of `table` are in the lake now; it took that many seconds."""

    table: str
    rows: int
    files: int
    size: int
    folded: int
    seconds: float


class Upkeep(NamedTuple):
    """What one `maintain` did; `failures` are tables that could not be served now and will be tried again, and why."""

    folds: list[FoldResult]
    expired_snapshots: int
    deleted_files: int
    failures: dict[str, Exception]
