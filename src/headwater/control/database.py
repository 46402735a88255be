"""The SQLite database of the control store: one connection a store, shared by threads, beside those of other processes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from headwater.clock import Clock
from headwater.sqlite import connect, file_of, transaction

STORE = "a control store"

# How old what a store remembers may get before SQLite is asked whether another connection changed the file:
# a revocation must arrive within a second.
_TRUST_S = 0.25


class ControlDatabase:
    """An open database. Whoever reads holds `lock` meanwhile; whoever writes does so in `write`."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Open `sqlite:///file`, which is created; `SettingsError` for any other URL."""
        self.path = file_of(url, STORE)
        self.lock = threading.RLock()
        self._clock = clock
        self._checked_at, self._version = float("-inf"), -1
        self.connection = connect(self.path)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Cursor]:
        """Do all that is done with the cursor in one durable transaction."""
        with self.lock:
            with transaction(self.connection):
                yield self.connection.cursor()
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
