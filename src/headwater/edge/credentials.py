"""Who a request claims to be from, and what they may do."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qs

import msgspec

from headwater.control import Keys
from headwater.errors import AccessDenied, Unauthenticated

# What asks only who the caller is needs a signature and no permission, as at AWS.
EVERYBODY_MAY = frozenset({"sts:GetCallerIdentity"})


class Rights(msgspec.Struct, frozen=True):
    """What a key was made to allow, and *all_of*: what each permission that a key can have allows (`admin` allows everything)."""

    allow: tuple[str, ...]
    all_of: Mapping[str, frozenset[str]]

    def lacking(self, action: str) -> str:
        """Return what the key allows, what it would have to allow for *action*, and how to make such a key."""
        needed = [name for name, actions in self.all_of.items() if action in actions]
        told = " or ".join(f"`{name}`" for name in (*needed, "admin"))
        has = " and ".join(f"`{name}`" for name in self.allow) or "nothing"
        return f"the key allows {has}, and this takes {told}: headwater keys create NAME --allow {needed[0] if needed else 'admin'}"


class Principal(msgspec.Struct, frozen=True):
    """A caller whose secret we know (empty: one who signs nothing). `actions`, `app_id`, `streams` None = every action, app, stream.

    `identity_id` and `identity_pool_id` are set where the credentials were lent to an identity of a pool.
    """

    name: str
    secret_access_key: str
    actions: frozenset[str] | None
    app_id: str | None = None
    identity_id: str | None = None
    identity_pool_id: str | None = None
    streams: frozenset[str] | None = None
    rights: Rights | None = None

    def may(self, action: str, app_id: str | None) -> bool:
        """Return whether this principal may do *action* (`mobiletargeting:PutEvents`) on that app, None = on what is no one app's.

        For a stream this is the first of two questions; `may_stream` is the other.
        """
        if self.actions is None or action in self.actions:
            return self.app_id in (None, app_id) or (app_id is None and action.startswith("kinesis:"))
        return action in EVERYBODY_MAY and bool(self.secret_access_key)

    def may_stream(self, action: str, name: str) -> bool:
        """Return whether this principal may do *action* (`kinesis:PutRecords`) with the stream of that name."""
        return self.may(action, None) and (self.streams is None or name in self.streams)

    def __repr__(self) -> str:  # a secret must not reach a log
        return f"Principal(name={self.name!r})"


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


def denied(principal: Principal, action: str, resource: str) -> AccessDenied:
    """Return the error for a caller who may not do *action*; the holder of a key is told which right it lacks."""
    why = "" if principal.rights is None else f" because {principal.rights.lacking(action)}"
    return AccessDenied(f"User: {principal.name} is not authorized to perform: {action} on resource: {resource}{why}")


def invalid_token() -> Unauthenticated:
    """Return the error for a key or token nobody knows."""
    return Unauthenticated("UnrecognizedClientException", "The security token included in the request is invalid.")
