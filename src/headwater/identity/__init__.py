"""Who sends: guests and people who signed in, and the credentials that are lent to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from headwater.clock import Clock, SystemClock
from headwater.control import Apps
from headwater.control.identities import Identity, IdentityChange, IdentityStore, Login, Pool, Provider
from headwater.control.masterkey import KeyRing
from headwater.identity.admin import PoolAdmin
from headwater.identity.guestid import GuestIds
from headwater.identity.issuer import Issuer, Issuers
from headwater.identity.openid import OpenIdTokens
from headwater.identity.pools import IdentityEvents, IdentityPools
from headwater.identity.role import AUTHENTICATED, GUEST_ACTIONS, UNAUTHENTICATED, Grants, PoolRole, Roles, assumed_role_arn
from headwater.identity.seal import ACCESS_KEY_PREFIX, Grant, Lent, Opened, Seal

__all__ = [
    "ACCESS_KEY_PREFIX",
    "AUTHENTICATED",
    "GUEST_ACTIONS",
    "UNAUTHENTICATED",
    "Grant",
    "Grants",
    "GuestIds",
    "Identity",
    "IdentityChange",
    "IdentityEvents",
    "IdentityPools",
    "IdentityRoom",
    "IdentityStore",
    "Issuer",
    "Issuers",
    "Lent",
    "Login",
    "OpenIdTokens",
    "Opened",
    "Pool",
    "PoolRole",
    "Provider",
    "Roles",
    "Seal",
    "assumed_role_arn",
    "open_identity_room",
]

SUBMODULES = ("admin", "errors", "guestid", "seal")
"""What other rooms may import from beside this module, which would load more than they need."""


class IdentityRoom(NamedTuple):
    """The room, as a door needs it; `rate_per_s` and `rate_burst` are for callers who need not sign."""

    pools: IdentityPools
    admin: PoolAdmin
    seal: Seal
    roles: Roles
    rate_per_s: float = 20.0
    rate_burst: int = 1_000


def open_identity_room(
    store: IdentityStore,
    log: IdentityEvents,
    apps: Apps,
    issuers: Iterable[Issuer],
    *,
    master_key_file: Path,
    pool_id: str,
    app_id: str,
    adopt: bool = True,
    grants: Mapping[str, Grants] | None = None,
    lifetime_s: int = 3_600,
    rate_per_s: float = 20.0,
    rate_burst: int = 1_000,
    clock: Clock | None = None,
) -> IdentityRoom:
    """Put the room together. *pool_id*: the declared pool, which adopts unknown ids if *adopt*; *app_id*: the app its identities may use.

    *grants*: kind of identity -> what the settings add to its role. The files and *store* stay the caller's to close.
    """
    clock = clock or SystemClock()
    ring = KeyRing(master_key_file, clock)
    roles, seal = Roles(store, app_id, grants or {}), Seal(ring, clock)
    pools = IdentityPools(
        store,
        log,
        guests=GuestIds(ring),
        issuers=Issuers(issuers, clock),
        roles=roles,
        seal=seal,
        tokens=OpenIdTokens(ring, clock),
        clock=clock,
        adopting=pool_id if adopt else None,
        lifetime_s=lifetime_s,
    )
    admin = PoolAdmin(store, apps, region=pool_id.partition(":")[0], clock=clock)
    return IdentityRoom(pools, admin, seal, roles, rate_per_s, rate_burst)
