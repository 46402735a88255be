"""Small state any process may change in a short transaction: the keys callers sign with, and the apps they write to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, cast

import msgspec

from headwater.backend import find_backend

SUBMODULES = ("documents", "identities", "masterkey", "signer", "tags")
"""What other rooms may import from beside this module, which would load more than they need."""

BACKENDS = {"sqlite": "headwater.control.sqlite:SqliteControl"}

Permission = Literal["send", "query", "admin"]
PERMISSIONS: frozenset[str] = frozenset({"send", "query", "admin"})


class Key(msgspec.Struct, frozen=True):
    """A long-lived key of AWS's shape. `secret_access_key` is None wherever keys are only listed; times are epoch ms."""

    access_key_id: str
    secret_access_key: str | None
    name: str
    allow: frozenset[str]
    created_ms: int
    revoked_ms: int | None = None

    def __repr__(self) -> str:  # a secret must not reach a log by way of a traceback or a debug line
        return f"Key(access_key_id={self.access_key_id!r}, name={self.name!r}, allow={sorted(self.allow)})"


class App(msgspec.Struct, frozen=True):
    """An app that events belong to; one that is `declared` (in headwater.toml) cannot be changed through an API."""

    app_id: str
    name: str
    tags: Mapping[str, str] = {}
    created_ms: int = 0
    declared: bool = False


class Keys(Protocol):
    """Who may call. Secrets are derived from a master key when they are needed and are stored nowhere."""

    def create_key(self, name: str, allow: frozenset[str]) -> Key:
        """Return a new key with its secret; `Conflict` if a key of that name was ever made, `BadRequest` for a wrong name or permission."""

    def keys(self) -> list[Key]:
        """Return all keys, revoked ones included and without secrets, oldest first."""

    def find_key(self, access_key_id: str) -> Key | None:
        """Return the key with its secret, or None if it is unknown or revoked; a change elsewhere is seen within a second."""

    def revoke_key(self, name: str) -> Key:
        """Refuse the key from now on; doing it twice keeps the first time. `NotFound` if there is none of that name."""


class Apps(Protocol):
    """The apps of the project, declared ones included."""

    def create_app(self, name: str, tags: Mapping[str, str]) -> App:
        """Return a new app with a fresh id. Names need not be unique. `BadRequest` for an empty name or wrong tags."""

    def apps(self) -> list[App]:
        """Return all apps, sorted by id."""

    def find_app(self, app_id: str) -> App | None:
        """Return the app, or None; a change made by another process is seen within a second."""

    def delete_app(self, app_id: str) -> App:
        """Forget the app and return what it was; its events stay. `NotFound`, or `Conflict` if it is declared."""

    def tag_app(self, app_id: str, tags: Mapping[str, str]) -> App:
        """Replace the tags of the app. `NotFound`, or `Conflict` if it is declared."""


class Control(Keys, Apps, Protocol):
    """Keys and apps of one project."""

    def close(self) -> None:
        """Let go of the files."""


def open_control(url: str, apps: Sequence[App] = (), **options: Any) -> Control:
    """Open the control store at *url* (`sqlite:///file`), made if it is missing; *apps* are those the settings declare."""
    return cast(Control, find_backend("control", BACKENDS, url)(url, apps=apps, **options))
