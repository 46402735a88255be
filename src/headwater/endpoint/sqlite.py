"""Endpoint profiles in SQLite: changes wait in memory and are written in one transaction with the stream position, off the ack path."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from headwater.endpoint import Profile, ProfileChange
from headwater.errors import ProjectError, Unavailable
from headwater.sqlite import connect, file_of, prepare, transaction

FORMAT = 1

_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE endpoints (
    app_id TEXT NOT NULL, endpoint_id TEXT NOT NULL, user_id TEXT, body BLOB NOT NULL, PRIMARY KEY (app_id, endpoint_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX endpoints_of_user ON endpoints (app_id, user_id) WHERE user_id IS NOT NULL;
CREATE TABLE applied (shard_id TEXT PRIMARY KEY, sequence_number TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
_COLUMNS = "app_id, endpoint_id, user_id, body"
_Waiting = dict[tuple[str, str], Profile | None]


class SqliteEndpoints:
    """`Endpoints` on `sqlite:///file`. Methods may be called from any thread.

    Memory holds the last *cache_size* profiles and what is not yet written, at most *backlog_limit* changes.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        flush_interval_s: float = 0.15,
        cache_size: int = 16_384,
        backlog_limit: int = 100_000,
    ) -> None:
        self._path = file_of(url, "an endpoint store")
        self._read_only = read_only
        self._flush_interval_s, self._cache_size, self._backlog_limit = flush_interval_s, cache_size, backlog_limit
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._cache: OrderedDict[tuple[str, str], Profile] = OrderedDict()
        self._waiting: _Waiting = {}
        self._being_written: _Waiting = {}
        self._flushes = 0
        self._last_ticket = 0
        self._announced: dict[int, dict[str, int]] = {}
        self._stop, self._wake = threading.Event(), threading.Event()
        self._reader: sqlite3.Connection | None = None
        if read_only:
            return
        # Profiles and position move together in one transaction and the stream is durable before either:
        # losing the last transactions to a power cut costs reading a little more of the stream, nothing else.
        lost = "move it away, it is made again from the lake and the stream"
        self._writer = connect(self._path, synchronous="NORMAL", lost=lost)
        try:
            prepare(self._writer, self._path, _SCHEMA, FORMAT, lost)
            self._written = {shard: int(number) for shard, number in self._writer.execute("SELECT * FROM applied")}
        except BaseException:
            self._writer.close()
            raise
        self._seen = dict(self._written)
        self._flushing = threading.Lock()
        self._thread = threading.Thread(target=self._flush_now_and_then, name="endpoints", daemon=True)
        self._thread.start()

    def get(self, app_id: str, endpoint_id: str) -> Profile | None:
        """Return the current profile, or None."""
        key = (app_id, endpoint_id)
        while True:
            with self._lock:
                found = self._cache.get(key)
                if found is not None:
                    self._cache.move_to_end(key)
                    return found
                for waiting in (self._waiting, self._being_written):
                    if key in waiting:
                        return waiting[key]
                flushes = self._flushes
            rows = self._read(f"SELECT {_COLUMNS} FROM endpoints WHERE app_id = ? AND endpoint_id = ?", key)
            if not rows or self._read_only:
                return rows[0] if rows else None
            with self._lock:
                # Another thread may have changed the endpoint, and even written the change, since we looked into the file.
                if flushes == self._flushes and key not in self._waiting:
                    self._remember(rows[0])
                    return rows[0]

    def of_user(self, app_id: str, user_id: str) -> list[Profile]:
        """Return the profiles of the user, sorted by endpoint id."""
        with self._lock:
            unwritten = {**self._being_written, **self._waiting}
        rows = self._read(f"SELECT {_COLUMNS} FROM endpoints WHERE app_id = ? AND user_id = ?", (app_id, user_id))
        found = {profile.endpoint_id: profile for profile in rows}
        for (changed_app, endpoint_id), profile in unwritten.items():
            if changed_app == app_id:
                found.pop(endpoint_id, None)
                if profile is not None and profile.user_id == user_id:
                    found[endpoint_id] = profile
        return [found[endpoint_id] for endpoint_id in sorted(found)]

    def profiles(self) -> Iterator[Profile]:
        """Yield every profile that is on disk, from one snapshot of the file."""
        connection = self._open_reader()
        if connection is None:
            return
        try:
            for row in connection.execute(f"SELECT {_COLUMNS} FROM endpoints"):
                yield Profile(*row)
        finally:
            connection.close()

    def begin(self) -> int:
        """Announce an append."""
        self._refuse_read_only()
        with self._lock:
            if len(self._waiting) + len(self._being_written) > self._backlog_limit:
                raise Unavailable("endpoint changes wait to be written to disk and no more fit in memory")
            self._last_ticket += 1
            # Everything appended from now on lies behind what was seen up to now; `_seen` is replaced, never changed.
            self._announced[self._last_ticket] = self._seen
            return self._last_ticket

    def apply(self, ticket: int, upto: Mapping[str, int], changes: Sequence[ProfileChange]) -> None:
        """Make changes visible, and let the position pass them."""
        with self._lock:
            del self._announced[ticket]
            for shard, number in upto.items():
                if number > self._seen.get(shard, 0):
                    self._seen = {**self._seen, shard: number}
            for app_id, endpoint_id, profile in changes:
                key = (app_id, endpoint_id)
                self._waiting[key] = profile
                if profile is None:
                    self._cache.pop(key, None)
                else:
                    self._remember(profile)
        if changes:
            self._wake.set()

    def abandon(self, ticket: int) -> None:
        """Forget an announced append."""
        with self._lock:
            del self._announced[ticket]

    def applied(self) -> dict[str, int]:
        """Return the positions on disk."""
        self._refuse_read_only()
        return dict(self._written)

    def flush(self) -> None:
        """Write what was applied and the position that goes with it, in one transaction."""
        with self._flushing:
            with self._lock:
                self._being_written, self._waiting = self._waiting, {}
                self._flushes += 1
                # Tickets grow and what they saw only grows: the oldest one holds the position back the most.
                oldest = next(iter(self._announced.values()), self._seen)
                upto = {shard: min(number, oldest.get(shard, 0)) for shard, number in self._seen.items()}
            moved = [(shard, str(number)) for shard, number in upto.items() if number > self._written.get(shard, 0)]
            if not self._being_written and not moved:
                return
            try:
                self._write(moved)
            except BaseException:
                with self._lock:
                    self._being_written, self._waiting = {}, {**self._being_written, **self._waiting}
                raise
            with self._lock:
                self._being_written = {}
            self._written = {**self._written, **{shard: int(number) for shard, number in moved}}

    def close(self) -> None:
        """Write what was applied, and let go of the file."""
        if not self._read_only:
            self._stop.set()
            self._wake.set()
            self._thread.join()
            try:
                self.flush()
            finally:
                self._writer.close()
        with self._reading:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _flush_now_and_then(self) -> None:
        while not self._stop.is_set():
            # A position that moved without a change of a profile only saves reading at the next start: no hurry.
            self._wake.wait(timeout=max(5.0, self._flush_interval_s))
            self._wake.clear()
            self._stop.wait(self._flush_interval_s)
            try:
                self.flush()
            except (sqlite3.Error, Unavailable) as error:
                _log.error("endpoint profiles could not be written; they are kept in memory and in the stream, and tried again: %s", error)
                self._stop.wait(1.0)
                self._wake.set()

    def _write(self, moved: list[tuple[str, str]]) -> None:
        changed = [profile for profile in self._being_written.values() if profile is not None]
        deleted = [key for key, profile in self._being_written.items() if profile is None]
        with transaction(self._writer) as sql:
            sql.executemany(
                "INSERT INTO endpoints VALUES (?, ?, ?, ?)"
                " ON CONFLICT (app_id, endpoint_id) DO UPDATE SET user_id = excluded.user_id, body = excluded.body",
                [(p.app_id, p.endpoint_id, p.user_id, p.body) for p in changed],
            )
            sql.executemany("DELETE FROM endpoints WHERE app_id = ? AND endpoint_id = ?", deleted)
            sql.executemany(
                "INSERT INTO applied VALUES (?, ?) ON CONFLICT (shard_id) DO UPDATE SET sequence_number = excluded.sequence_number", moved
            )

    def _read(self, sql: str, values: tuple[str, ...]) -> list[Profile]:
        with self._reading:
            if self._reader is None:
                self._reader = self._open_reader()
            if self._reader is None:
                return []
            return [Profile(*row) for row in self._reader.execute(sql, values)]

    def _open_reader(self) -> sqlite3.Connection | None:
        """Return a connection, or None as long as the collector has not made the file."""
        if not self._path.exists():
            return None
        connection = connect(self._path, read_only=True)
        [found] = connection.execute("PRAGMA user_version").fetchone()
        if found == FORMAT:
            return connection
        connection.close()
        if found > FORMAT:
            raise ProjectError(f"{self._path} has format {found}; this Headwater reads format {FORMAT}")
        return None

    def _remember(self, profile: Profile) -> None:
        key = (profile.app_id, profile.endpoint_id)
        self._cache[key] = profile
        self._cache.move_to_end(key)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise Unavailable("this endpoint store was opened to be read")
