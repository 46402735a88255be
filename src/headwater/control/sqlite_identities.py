"""Pools and identities in the SQLite database of the control store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from headwater.clock import Clock, SystemClock
from headwater.control.database import ControlDatabase
from headwater.control.identities import Identity, IdentityChange, Login, Pool
from headwater.errors import Conflict, NotFound

_TRUST_S = 0.25

# Beside the tables of the control store, whose format number counts for these, too.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity_pools (pool_id TEXT PRIMARY KEY, pool TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS identities (
    identity_id TEXT PRIMARY KEY, pool_id TEXT NOT NULL, created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL,
    merged_into TEXT, deleted INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS identities_of_pool ON identities (pool_id, identity_id);
CREATE TABLE IF NOT EXISTS logins (
    pool_id TEXT NOT NULL, provider TEXT NOT NULL, subject TEXT NOT NULL, identity_id TEXT NOT NULL,
    PRIMARY KEY (pool_id, provider, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS logins_of_identity ON logins (identity_id)
"""
_SELECT = "SELECT identity_id, pool_id, created_ms, modified_ms, merged_into, deleted FROM identities"


class SqliteIdentities:
    """Safe to share among threads; any process may open it."""

    def __init__(self, url: str, *, pools: Sequence[Pool] = (), clock: Clock | None = None) -> None:
        self._declared = {pool.pool_id: msgspec.structs.replace(pool, declared=True) for pool in pools}
        self._found: dict[str, Pool] | None = None
        self._database = ControlDatabase(url, clock or SystemClock())
        self._lock, self._connection = self._database.lock, self._database.connection
        try:
            with self._database.write() as cursor:
                for statement in _SCHEMA.split(";"):
                    cursor.execute(statement)
        except BaseException:
            self._database.close()
            raise

    def pools(self) -> list[Pool]:
        """Return all pools, sorted by id."""
        found = self._pools()
        return [found[pool_id] for pool_id in sorted(found)]

    def find_pool(self, pool_id: str) -> Pool | None:
        """Return the pool, or None."""
        return self._declared.get(pool_id) or self._pools().get(pool_id)

    def put_pool(self, pool: Pool) -> None:
        """Add or replace the pool."""
        self._refuse_declared(pool.pool_id)
        with self._database.write() as cursor:
            cursor.execute("INSERT OR REPLACE INTO identity_pools VALUES (?, ?)", (pool.pool_id, msgspec.json.encode(pool).decode()))

    def delete_pool(self, pool_id: str) -> Pool:
        """Forget the pool and return what it was."""
        self._refuse_declared(pool_id)
        with self._database.write() as cursor:
            row = cursor.execute("DELETE FROM identity_pools WHERE pool_id = ? RETURNING pool", (pool_id,)).fetchone()
        if row is None:
            raise NotFound("identity pool", pool_id)
        return msgspec.json.decode(row[0], type=Pool)

    def identity(self, identity_id: str) -> Identity | None:
        """Return the identity, or None."""
        with self._lock:
            row = self._connection.execute(f"{_SELECT} WHERE identity_id = ?", (identity_id,)).fetchone()
            return self._identity(row) if row else None

    def identity_of(self, pool_id: str, login: Login) -> str | None:
        """Return the identity that the login has in the pool, or None."""
        query = "SELECT identity_id FROM logins WHERE pool_id = ? AND provider = ? AND subject = ?"
        with self._lock:
            row = self._connection.execute(query, (pool_id, *login)).fetchone()
        return row[0] if row else None

    def identities(self, pool_id: str, after: str, limit: int) -> list[Identity]:
        """Return up to *limit* identities of the pool after *after*, sorted by id."""
        query = f"{_SELECT} WHERE pool_id = ? AND identity_id > ? ORDER BY identity_id LIMIT ?"
        with self._lock:
            return [self._identity(row) for row in self._connection.execute(query, (pool_id, after, limit)).fetchall()]

    def apply(self, changes: Sequence[IdentityChange]) -> None:
        """Make the changes in one transaction."""
        with self._database.write() as cursor:
            for change in changes:
                _apply(cursor, change)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _identity(self, row: tuple[str, str, int, int, str | None, int]) -> Identity:
        identity_id, pool_id, created_ms, modified_ms, merged_into, deleted = row
        query = "SELECT provider, subject FROM logins WHERE identity_id = ? ORDER BY 1, 2"
        logins = tuple(Login(*login) for login in self._connection.execute(query, (identity_id,)).fetchall())
        return Identity(identity_id, pool_id, created_ms, modified_ms, logins, merged_into, bool(deleted))

    def _pools(self) -> dict[str, Pool]:
        with self._lock:
            if self._database.changed() or self._found is None:
                rows = self._connection.execute("SELECT pool_id, pool FROM identity_pools").fetchall()
                self._found = {pool_id: msgspec.json.decode(pool, type=Pool) for pool_id, pool in rows} | self._declared
            return self._found

    def _refuse_declared(self, pool_id: str) -> None:
        if pool_id in self._declared:
            raise Conflict(f"identity pool {pool_id} is declared in headwater.toml; change it there")


def _apply(cursor: sqlite3.Cursor, change: IdentityChange) -> None:
    operation, identity_id, pool_id, at_ms, login, merged_into = change
    cursor.execute(
        "INSERT INTO identities VALUES (?1, ?2, ?3, ?3, NULL, 0)"
        " ON CONFLICT (identity_id) DO UPDATE SET modified_ms = max(modified_ms, excluded.modified_ms)",
        (identity_id, pool_id, at_ms),
    )
    if operation == "link":
        assert login is not None
        cursor.execute("INSERT OR REPLACE INTO logins VALUES (?, ?, ?, ?)", (pool_id, *login, identity_id))
    elif operation == "unlink":
        assert login is not None
        cursor.execute("DELETE FROM logins WHERE pool_id = ? AND provider = ? AND subject = ?", (pool_id, *login))
    elif operation == "merge":
        cursor.execute("UPDATE identities SET merged_into = ? WHERE identity_id = ?", (merged_into, identity_id))
    else:
        cursor.execute("UPDATE identities SET deleted = 1 WHERE identity_id = ?", (identity_id,))
