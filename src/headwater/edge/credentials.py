"""Who a request claims to be from, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from headwater.control import Keys
from headwater.errors import Unauthenticated


class Principal(msgspec.Struct, frozen=True):
    """A caller whose secret we know. `actions` None = every action; `app_id` None = every app.

    `identity_id` and `identity_pool_id` are set where the credentials were lent to an identity of a pool.
    """

    name: str
    secret_access_key: str
    actions: frozenset[str] | None
    app_id: str | None = None
    identity_id: str | None = None
    identity_pool_id: str | None = None

    def may(self, action: str, app_id: str | None) -> bool:
        """Return whether this principal may do *action* (`mobiletargeting:PutEvents`) on that app."""
        return (self.actions is None or action in self.actions) and self.app_id in (None, app_id)

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
        principal = Principal(key.name, key.secret_access_key, actions)
        if len(self._principals) >= 10_000:
            self._principals.clear()
        self._principals[access_key_id] = (key, principal)
        return principal


def invalid_token() -> Unauthenticated:
    """Return the error for a key or token nobody knows."""
    return Unauthenticated("UnrecognizedClientException", "The security token included in the request is invalid.")
