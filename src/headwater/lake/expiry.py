"""What goes: old snapshots, files that no kept snapshot names, and files of tables that are no more."""

from __future__ import annotations

import logging

from pyiceberg.table import Table
from pyiceberg.table.update.snapshot import ExpireSnapshots

from headwater.clock import Clock
from headwater.lake.folds import FoldLedger
from headwater.lake.index import LakeIndex
from headwater.lake.leftovers import sweep_leftovers
from headwater.lake.snapshots import Keep, expired
from headwater.lake.sweep import Sweeper
from headwater.lake.table import LakeTable
from headwater.lake.transaction import SteadyTransaction
from headwater.store import Store, join_url

_log = logging.getLogger(__name__)


class Expiry:
    """Says what is old, and takes it away; its lake holds the lock. *grace_ms*: how long a file stays that nothing names any more."""

    def __init__(self, ledger: FoldLedger, index: LakeIndex, store: Store, root: str, database: str, clock: Clock, grace_ms: int) -> None:
        self._ledger, self._index, self._store, self._clock = ledger, index, store, clock
        self._root, self._database, self._grace_ms = root, database, grace_ms
        self._pinned: dict[int, int] = {}
        self._next_leftovers_ms = 0
        self._told: set[str] = set()

    def pin(self, snapshot_id: int, for_s: float) -> None:
        """Let no snapshot of that id expire for so long, as far as this process goes."""
        now_ms = self._clock.now_ms()
        self._pinned = {each: until_ms for each, until_ms in self._pinned.items() if until_ms > now_ms}
        self._pinned[snapshot_id] = now_ms + round(for_s * 1_000)

    def old(self, table: Table, keep: Keep | None = None) -> list[int]:
        """Return the ids of the snapshots that may go; *keep* says which are not old, instead of the usual ones."""
        now_ms = self._clock.now_ms()
        old = expired([(s.snapshot_id, s.timestamp_ms) for s in table.metadata.snapshots], now_ms, keep)
        # A head of a branch and what a tag names do not expire, however old: asked to, PyIceberg refuses the whole commit.
        named = {table.metadata.current_snapshot_id, *(ref.snapshot_id for ref in table.metadata.refs.values())}
        return [each for each in old if each not in named and self._pinned.get(each, 0) <= now_ms]

    def expire(self, table: LakeTable, keep: Keep | None) -> int:
        """Expire what is old; return how many snapshots that was."""
        if old := self.old(table.loaded, keep):
            ExpireSnapshots(SteadyTransaction(table.loaded, autocommit=True)).by_ids(old).commit()
        return len(old)

    def sweep(self, table: LakeTable, data_folder: str, *, search: bool) -> int:
        """Delete files no kept snapshot has named for the grace time; return how many.

        *search* the folders for them; without, only those that were found before are deleted.
        """
        if table.sweeper is None:
            folders = join_url(self._root, "metadata", *table.names), data_folder
            table.sweeper = Sweeper(self._index, table.name, self._store, folders, self._grace_ms)
        return len(table.sweeper.sweep(table.loaded, self._clock.now_ms(), search=search and not table.writers))

    def untidy(self) -> set[str]:
        """Return the tables of which files are known whose grace time is over."""
        return {*self._index.garbage(self._clock.now_ms() - self._grace_ms)}

    def dropped(self) -> None:
        """Look for files of tables that are no more at the next sweep."""
        self._next_leftovers_ms = 0

    def sweep_leftovers(self, writing: set[str]) -> None:
        """Delete files of tables that are no more, the grace time after they were found; looks for them at most that often."""
        if (now_ms := self._clock.now_ms()) < self._next_leftovers_ms:
            return
        known = {*self._index.tables(), *writing}
        noted = self._ledger.noted_tables()
        gone = {table for table, state in noted.items() if state is None} - known
        left = sweep_leftovers(self._index, self._store, self._root, self._database, gone, now_ms, self._grace_ms)
        self._ledger.forget_tables(gone - left)
        if unknown := sorted(left - gone - known - self._told):
            self._told.update(unknown)
            _log.warning(
                "the lake has files of tables that the catalog does not know and nothing says were dropped; they stay: %s", unknown
            )
        # What was found just now may go when this is over.
        self._next_leftovers_ms = now_ms + self._grace_ms + 1
