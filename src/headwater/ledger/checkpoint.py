"""The checkpoint of a ledger's log: SQLite's own would run inside a commit, and somebody would wait for it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

_PAUSE_S = 0.25
_LONG_LOG_BYTES = 4 << 20
_log = logging.getLogger(__name__)


class Checkpoint:
    """Copies the log into the database from a thread of its own, so that commits hardly wait for it.

    It takes the lock *writing* for the last pages of a long log.
    """

    def __init__(self, path: Path, writing: threading.Lock) -> None:
        self._path, self._writing = path, writing
        self._wal = path.with_name(path.name + "-wal")
        self._wanted, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-checkpoint", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Note that the log has grown."""
        self._wanted.set()

    def stop(self) -> None:
        """Finish the checkpoint that runs, and end the thread."""
        self._stopped.set()
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        sql = sqlite3.connect(self._path, isolation_level=None)
        try:
            # One sync of the database for all commits of a pause, not one for each.
            while self._wanted.wait() and not self._stopped.wait(_PAUSE_S):
                self._wanted.clear()
                if self._stopped.is_set():  # `stop` may have spoken between the two lines above, and its word is cleared now
                    break
                try:
                    self._copy(sql)
                except (sqlite3.Error, OSError) as error:
                    # Nothing is lost, the log only grows meanwhile; but somebody should know.
                    _log.warning("ledger checkpoint failed: %s", error)
        finally:
            sql.close()

    def _copy(self, sql: sqlite3.Connection) -> None:
        # PASSIVE never blocks a writer. But the log starts over only when a checkpoint reached its end, and busy writers move the
        # end meanwhile: so when it is long, most is copied beside them and only the last few pages while they wait.
        sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        if self._wal.stat().st_size > _LONG_LOG_BYTES:
            with self._writing:
                sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
