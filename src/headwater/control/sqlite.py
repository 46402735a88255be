"""Keys and apps in one SQLite database that every process of the project may open."""

from __future__ import annotations

import base64
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from headwater.clock import Clock, SystemClock
from headwater.control import PERMISSIONS, App, Key
from headwater.control.database import STORE, ControlDatabase
from headwater.control.masterkey import KeyRing
from headwater.errors import BadRequest, Conflict, NotFound, ProjectError
from headwater.sqlite import file_of

FORMAT = 1

_REMEMBERED = 10_000
_NAME_LIMIT = 256
_TAG_LIMIT = 50

_SCHEMA = """
CREATE TABLE keys (
    access_key_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, allow TEXT NOT NULL,
    master_id TEXT NOT NULL, created_ms INTEGER NOT NULL, revoked_ms INTEGER
) STRICT;
CREATE TABLE apps (app_id TEXT PRIMARY KEY, name TEXT NOT NULL, tags TEXT NOT NULL, created_ms INTEGER NOT NULL) STRICT;
"""


class SqliteControl:
    """Keys and apps in a database; safe to share among threads. The master keys lie beside it unless *master_key_file* says where."""

    def __init__(
        self, url: str, *, apps: Sequence[App] = (), master_key_file: str | Path | None = None, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._declared = {app.app_id: msgspec.structs.replace(app, declared=True) for app in apps}
        path = file_of(url, STORE)
        database = None
        try:
            self._masters = KeyRing(Path(master_key_file) if master_key_file else path.with_name("master-keys.json"), self._clock)
            database = self._database = ControlDatabase(url, self._clock)
            self._prepare()
        except BaseException as error:
            if database is not None:
                database.close()
            if getattr(error, "sqlite_errorname", None) in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
                raise ProjectError(
                    f"{path} is damaged: {error}; restore it, or move it away and make new keys: the old ones are lost"
                ) from error
            raise
        self._lock, self._connection = database.lock, database.connection
        self._found_keys: dict[str, Key | None] = {}
        self._found_apps: dict[str, App | None] = {}

    def create_key(self, name: str, allow: frozenset[str]) -> Key:
        """Return a new key with its secret."""
        _check_name("key", name)
        if not allow or not allow <= PERMISSIONS:
            raise BadRequest(f"a key may be allowed {', '.join(sorted(PERMISSIONS))}; given: {', '.join(sorted(allow)) or 'nothing'}")
        access_key_id = "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode()
        master_id, created_ms = self._masters.keys().current, self._clock.now_ms()
        with self._database.write() as cursor:
            try:
                cursor.execute(
                    "INSERT INTO keys VALUES (?, ?, ?, ?, ?, NULL)", (access_key_id, name, " ".join(sorted(allow)), master_id, created_ms)
                )
            except sqlite3.IntegrityError:
                taken = f"there is a key named {name!r} already, and revoked keys keep their names"
                raise Conflict(f"{taken}; take another name, such as {name}-2") from None
        return Key(access_key_id, self._masters.derive(master_id, access_key_id), name, allow, created_ms)

    def keys(self) -> list[Key]:
        """Return all keys without secrets, oldest first."""
        with self._lock:
            rows = self._connection.execute("SELECT * FROM keys ORDER BY created_ms, name").fetchall()
        return [_key(row, None) for row in rows]

    def find_key(self, access_key_id: str) -> Key | None:
        """Return the key with its secret, or None if it is unknown, revoked, or of a master key that was lost."""
        with self._lock:
            self._forget_if_changed()
            if access_key_id in self._found_keys:
                return self._found_keys[access_key_id]
            row = self._connection.execute("SELECT * FROM keys WHERE access_key_id = ? AND revoked_ms IS NULL", (access_key_id,)).fetchone()
            masters = self._masters.holding(row[3]) if row else None
            # A key of a master key that was lost cannot be verified: it is as good as unknown.
            key = _key(row, masters.derive(row[3], access_key_id)) if row and masters else None
            _remember(self._found_keys, access_key_id, key)
            return key

    def revoke_key(self, name: str) -> Key:
        """Refuse the key from now on."""
        with self._database.write() as cursor:
            found = cursor.execute(
                "SELECT access_key_id FROM keys WHERE name = ?1 OR access_key_id = ?1 ORDER BY name = ?1 DESC", (name,)
            ).fetchone()
            if found is None:
                raise NotFound("key", name)
            cursor.execute("UPDATE keys SET revoked_ms = ? WHERE access_key_id = ? AND revoked_ms IS NULL", (self._clock.now_ms(), *found))
            row = cursor.execute("SELECT * FROM keys WHERE access_key_id = ?", found).fetchone()
        return _key(row, None)

    def create_app(self, name: str, tags: Mapping[str, str]) -> App:
        """Return a new app with a fresh id."""
        _check_name("app", name)
        _check_tags(tags)
        app = App(secrets.token_hex(16), name, dict(tags), self._clock.now_ms())
        with self._database.write() as cursor:
            cursor.execute("INSERT INTO apps VALUES (?, ?, ?, ?)", (app.app_id, name, _tags_text(tags), app.created_ms))
        return app

    def apps(self) -> list[App]:
        """Return all apps, sorted by id."""
        with self._lock:
            rows = self._connection.execute("SELECT * FROM apps").fetchall()
        found = {row[0]: _app(row) for row in rows} | self._declared
        return [found[app_id] for app_id in sorted(found)]

    def find_app(self, app_id: str) -> App | None:
        """Return the app, or None."""
        if app_id in self._declared:
            return self._declared[app_id]
        with self._lock:
            self._forget_if_changed()
            if app_id in self._found_apps:
                return self._found_apps[app_id]
            row = self._connection.execute("SELECT * FROM apps WHERE app_id = ?", (app_id,)).fetchone()
            app = _app(row) if row else None
            _remember(self._found_apps, app_id, app)
            return app

    def delete_app(self, app_id: str) -> App:
        """Forget the app and return what it was."""
        self._refuse_declared(app_id)
        with self._database.write() as cursor:
            row = cursor.execute("DELETE FROM apps WHERE app_id = ? RETURNING *", (app_id,)).fetchone()
        if row is None:
            raise NotFound("app", app_id)
        return _app(row)

    def tag_app(self, app_id: str, tags: Mapping[str, str]) -> App:
        """Replace the tags of the app."""
        self._refuse_declared(app_id)
        _check_tags(tags)
        with self._database.write() as cursor:
            row = cursor.execute("UPDATE apps SET tags = ? WHERE app_id = ? RETURNING *", (_tags_text(tags), app_id)).fetchone()
        if row is None:
            raise NotFound("app", app_id)
        return _app(row)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _prepare(self) -> None:
        with self._database.write() as cursor:
            [found] = cursor.execute("PRAGMA user_version").fetchone()
            if found > FORMAT:
                raise ProjectError(f"{self._database.path} has format {found}; this Headwater reads up to {FORMAT}: use a newer one")
            if found == 0:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    cursor.execute(statement)
                cursor.execute(f"PRAGMA user_version = {FORMAT}")

    def _forget_if_changed(self) -> None:
        if self._database.changed():
            self._found_keys.clear()
            self._found_apps.clear()

    def _refuse_declared(self, app_id: str) -> None:
        if app_id in self._declared:
            raise Conflict(f"app {app_id!r} is declared in headwater.toml; change it there")


def _key(row: tuple[Any, ...], secret: str | None) -> Key:
    access_key_id, name, allow, _master_id, created_ms, revoked_ms = row
    return Key(access_key_id, secret, name, frozenset(allow.split()), created_ms, revoked_ms)


def _app(row: tuple[Any, ...]) -> App:
    app_id, name, tags, created_ms = row
    return App(app_id, name, msgspec.json.decode(tags, type=dict[str, str]), created_ms)


def _tags_text(tags: Mapping[str, str]) -> str:
    return msgspec.json.encode(dict(tags)).decode()


def _check_name(kind: str, name: str) -> None:
    if not 0 < len(name) <= _NAME_LIMIT or not name.isprintable():
        raise BadRequest(f"{kind} names have 1 to {_NAME_LIMIT} printable characters, given: {len(name)}")


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > _TAG_LIMIT or any(not 0 < len(key) <= 128 or len(value) > _NAME_LIMIT for key, value in tags.items()):
        raise BadRequest(f"there may be {_TAG_LIMIT} tags, with keys of 1 to 128 and values of up to {_NAME_LIMIT} characters")


def _remember(found: dict[str, Any], name: str, value: object) -> None:
    if len(found) >= _REMEMBERED:  # a flood of made-up names must not fill the memory
        found.clear()
    found[name] = value
