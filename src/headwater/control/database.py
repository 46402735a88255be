"""The SQLite database of the control store: one connection a store, shared by threads, beside those of other processes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headwater.clock import Clock
from headwater.errors import SettingsError
from headwater.integrity import check_pages

# How old what a store remembers may get before SQLite is asked whether another connection changed the file:
# a revocation must arrive within a second.
_TRUST_S = 0.25


class Database:
    """An open database. Whoever reads holds `lock` meanwhile; whoever writes does so in `write`."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Open `sqlite:///file`, which is created; `SettingsError` for any other URL."""
        self.path = sqlite_path(url)
        self.lock = threading.RLock()
        self._clock = clock
        self._checked_at, self._version = float("-inf"), -1
        self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
            check_pages(self.connection, self.path)
        except BaseException:
            self.connection.close()
            raise

    @contextmanager
    def write(self) -> Iterator[sqlite3.Cursor]:
        """Do all that is done with the cursor in one durable transaction."""
        with self.lock:
            cursor = self.connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")  # take the write lock at once: a later upgrade cannot wait for another writer
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")
            self._checked_at, self._version = float("-inf"), -1  # our own commits do not move data_version

    def changed(self) -> bool:
        """Return whether anybody may have written since this was asked last; others' writes are seen a quarter of a second late."""
        now = self._clock.monotonic()
        if now - self._checked_at < _TRUST_S:
            return False
        [version] = self.connection.execute("PRAGMA data_version").fetchone()
        changed: bool = version != self._version
        self._checked_at, self._version = now, version
        return changed

    def close(self) -> None:
        """Let go of the file."""
        with self.lock:
            self.connection.close()


def sqlite_path(url: str) -> Path:
    """Return the file that `sqlite:///file` names; `SettingsError` for anything else."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise SettingsError(f"a control store is named sqlite:///file, given: {url!r}")
    return Path(url.removeprefix(prefix))
