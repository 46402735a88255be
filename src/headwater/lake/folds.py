"""What a fold asks of a ledger, and what it says it did."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from headwater.ledger import RemovalLog, TableLog, Tail


class FoldLedger(Tail, RemovalLog, TableLog, Protocol):
    """What the lake's writer needs of a ledger: the rows it moves, a place to note those it took out, and which tables there are."""


class FoldResult(NamedTuple):
    """What one fold did: batches up to `folded` of `table` are in the lake now; it took that many seconds."""

    table: str
    rows: int
    files: int
    size: int
    folded: int
    seconds: float


class UpkeepDone(NamedTuple):
    """What one `maintain` did; `failures` are tables that could not be served now and will be tried again, and why."""

    folds: list[FoldResult]
    expired_snapshots: int
    deleted_files: int
    failures: dict[str, Exception]
