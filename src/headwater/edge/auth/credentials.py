"""What a request carries as proof of who it is from: keys of the control store, and write keys."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qs

import msgspec

from headwater.control import Keys
from headwater.edge.principal import Principal, Rights
from headwater.errors import Unauthenticated


class Credentials(Protocol):
    """Where principals are looked up."""

    def find(self, access_key_id: str, session_token: str | None) -> Principal | None:
        """Return the principal, None if the key is unknown or the token does not belong to it.

        Raises `Unauthenticated` with code ExpiredTokenException for a token that was good once.
        """


class KeyCredentials:
    """The long-lived keys of the control store, which come without a session token."""

    def __init__(self, keys: Keys, actions: Mapping[str, frozenset[str]]) -> None:
        """*actions*: permission (`send`) -> the actions it allows; `admin` allows everything."""
        self._keys, self._actions = keys, actions
        self._principals: dict[str, tuple[object, Principal]] = {}

    def find(self, access_key_id: str, session_token: str | None) -> Principal | None:
        """Return the principal of the key."""
        key = self._keys.find_key(access_key_id) if session_token is None else None
        if key is None:
            return None
        kept = self._principals.get(access_key_id)
        if kept is not None and kept[0] is key:
            return kept[1]
        assert key.secret_access_key is not None
        actions = None if "admin" in key.allow else frozenset().union(*(self._actions.get(allowed, frozenset()) for allowed in key.allow))
        principal = Principal(key.name, key.secret_access_key, actions, rights=Rights(tuple(sorted(key.allow)), self._actions))
        if len(self._principals) >= 10_000:
            self._principals.clear()
        self._principals[access_key_id] = (key, principal)
        return principal


class WriteKeys:
    """Public keys that stand in web pages: they come as the user of Basic auth or as `?key=`, and nothing is signed with them."""

    def __init__(self, keys: Mapping[str, str], actions: frozenset[str]) -> None:
        """*keys*: write key -> app id; *actions*: what all of them allow on their app, and nowhere else."""
        self._principals = {
            key: Principal(f"write key of app {app_id}", "", actions, app_id, streams=frozenset()) for key, app_id in keys.items() if key
        }

    def find(self, authorization: bytes | None, query: bytes, body: bytes = b"") -> Principal | None:
        """Return the principal of the key that a request carries, None if it carries none; `Unauthenticated` for one nobody knows.

        *body*: JSON that may have the key as its `writeKey`, where the caller wants that looked at.
        """
        if authorization is not None:
            if authorization[:6].lower() != b"basic ":
                return None
            try:
                key = base64.b64decode(authorization[6:].strip(), validate=True).partition(b":")[0].decode()
            except (binascii.Error, ValueError):
                raise invalid_token() from None
        elif b"key=" in query and b"X-Amz-" not in query:
            found = parse_qs(query.decode("latin-1")).get("key")
            if found is None:
                return None
            key = found[0]
        elif (written := _written_key(body)) is not None:
            key = written
        else:
            return None
        principal = self._principals.get(key)
        if principal is None:
            raise invalid_token()
        return principal


class _Keyed(msgspec.Struct, rename="camel"):
    write_key: str | None = None


def _written_key(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Keyed).write_key if body else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def invalid_token() -> Unauthenticated:
    """Return the error for a key or token nobody knows."""
    return Unauthenticated("UnrecognizedClientException", "The security token included in the request is invalid.")
