"""Identity pools that an API made, and which login has which identity; guests who never signed in are not in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, cast

import msgspec

from headwater.backend import find_backend

BACKENDS = {"sqlite": "headwater.control.sqlite_identities:SqliteIdentities"}


class Provider(msgspec.Struct, frozen=True, rename="pascal"):
    """A user pool and one of its clients, as a pool names them; field names are those of the wire."""

    provider_name: str
    client_id: str
    server_side_token_check: bool = False


class Pool(msgspec.Struct, frozen=True):
    """An identity pool. `roles` is kind (`authenticated`, `unauthenticated`) -> role ARN; one that is `declared` no API may change."""

    pool_id: str
    name: str
    allow_guests: bool
    allow_classic_flow: bool = False
    providers: tuple[Provider, ...] = ()
    open_id_connect_provider_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    roles: Mapping[str, str] = {}
    created_ms: int = 0
    declared: bool = False


class Login(NamedTuple):
    """A person as an issuer knows them: the issuer's name in `Logins`, and the `sub` of its tokens."""

    provider: str
    subject: str


class Identity(NamedTuple):
    """An identity that has, or once had, a login. `merged_into` is the identity that took this one's place."""

    identity_id: str
    pool_id: str
    created_ms: int
    modified_ms: int
    logins: tuple[Login, ...]
    merged_into: str | None = None
    deleted: bool = False


class IdentityChange(NamedTuple):
    """One thing that happened to an identity.

    link: *login* is its own from now on, whosesoever it was. unlink: *login* is nobody's. merge: *merged_into* took its place.
    delete: it may never be used again.
    """

    operation: Literal["link", "unlink", "merge", "delete"]
    identity_id: str
    pool_id: str
    at_ms: int
    login: Login | None = None
    merged_into: str | None = None


class Pools(Protocol):
    """The pools of the project, declared ones included."""

    def pools(self) -> list[Pool]:
        """Return all pools, sorted by id."""

    def find_pool(self, pool_id: str) -> Pool | None:
        """Return the pool, or None; a change made by another process is seen within a second."""

    def put_pool(self, pool: Pool) -> None:
        """Add the pool, or put it in place of the one with its id; `Conflict` if that is declared."""

    def delete_pool(self, pool_id: str) -> Pool:
        """Forget the pool and return what it was; its identities stay, without a use. `NotFound`, or `Conflict` if it is declared."""


class Identities(Protocol):
    """Who has signed in. Changes applied again, in their order from anywhere on, lead to the same state."""

    def identity(self, identity_id: str) -> Identity | None:
        """Return the identity, None for one that never signed in."""

    def identity_of(self, pool_id: str, login: Login) -> str | None:
        """Return the identity that the login has in the pool, or None."""

    def identities(self, pool_id: str, after: str, limit: int) -> list[Identity]:
        """Return up to *limit* identities of the pool whose ids come after *after*, sorted by id."""

    def apply(self, changes: Sequence[IdentityChange]) -> None:
        """Make the changes, all in one transaction that is durable on return."""


class IdentityStore(Pools, Identities, Protocol):
    """Pools and identities of one project."""

    def close(self) -> None:
        """Let go of the files."""


def open_identity_store(url: str, pools: Sequence[Pool] = (), **options: Any) -> IdentityStore:
    """Open the store in the control database at *url* (`sqlite:///file`); *pools* are those the settings declare."""
    return cast(IdentityStore, find_backend("control", BACKENDS, url)(url, pools=pools, **options))
