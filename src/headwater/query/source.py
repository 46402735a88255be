"""What a question needs of the lake and of the ledger: the files of a table, and the rows that are in no file yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import pyarrow as pa

from headwater.lake import TablePlan
from headwater.lake.index import Past
from headwater.ledger import TailRows


class Planner(Protocol):
    """Which files a table is made of now; one of another database than ours is named `database.table`.

    Calls come from several threads; a later plan is never older than an earlier one.
    """

    def tables(self) -> list[str]:
        """Return the names of the tables, sorted."""

    def plan(self, table: str, first_day: int | None = None, last_day: int | None = None) -> TablePlan:
        """Return the newest snapshot, with only files whose day lies within the bounds; raise `NotFound` for no such table."""

    def plan_past(self, table: str, state: Past, first_day: int | None = None, last_day: int | None = None) -> TablePlan:
        """Return what `plan` would have said when the table was in that *state*; raise `NotFound` where no such snapshot is kept."""

    def about(self, table: str, kind: str) -> pa.Table:
        """Return the "history", "snapshots", "files", "partitions" or "properties" of a table; raise `NotFound`."""

    def close(self) -> None:
        """Let go of the files."""


class TailSource(Protocol):
    """The part of a ledger that a reader needs."""

    def tail(self, after: Mapping[str, int] | None = None, tables: Sequence[str] | None = None) -> list[TailRows]:
        """Return unfolded rows in batch order from ONE read transaction."""

    def close(self) -> None:
        """Let go of the files."""


class TableStats(NamedTuple):
    """A table as it stands: its rows, files and their bytes, how many rows are in no file yet, its newest `datetime` in epoch ms."""

    name: str
    rows: int
    files: int
    bytes: int
    tail_rows: int
    last_event_ms: int | None
