"""Documents of apps in the SQLite database of the control store."""

from __future__ import annotations

from headwater.clock import SystemClock
from headwater.control.database import ControlDatabase

# Beside the tables of the control store, whose format number counts for this one, too.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS app_documents (
    app_id TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (app_id, kind)
) STRICT, WITHOUT ROWID
"""


class SqliteDocuments:
    """Safe to share among threads."""

    def __init__(self, url: str) -> None:
        self._database = ControlDatabase(url, SystemClock())
        self._lock, self._connection = self._database.lock, self._database.connection
        try:
            self._connection.execute(_SCHEMA)
        except BaseException:
            self._database.close()
            raise

    def get(self, app_id: str, kind: str) -> bytes | None:
        """Return the document, or None."""
        with self._lock:
            row = self._connection.execute("SELECT body FROM app_documents WHERE app_id = ? AND kind = ?", (app_id, kind)).fetchone()
        return row[0] if row else None

    def all_of(self, kind: str) -> dict[str, bytes]:
        """Return the documents of that kind by app id."""
        with self._lock:
            return dict(self._connection.execute("SELECT app_id, body FROM app_documents WHERE kind = ?", (kind,)).fetchall())

    def put(self, app_id: str, kind: str, body: bytes) -> None:
        """Keep *body* in the place of what was there."""
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO app_documents VALUES (?, ?, ?)", (app_id, kind, body))

    def delete(self, app_id: str, kind: str) -> None:
        """Forget the document."""
        with self._lock:
            self._connection.execute("DELETE FROM app_documents WHERE app_id = ? AND kind = ?", (app_id, kind))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
