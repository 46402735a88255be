"""What those who borrow credentials may do with them: exact lists, nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headwater.control.identities import Pool, Pools
from headwater.identity.errors import NoRole, UnknownPool

GUEST_ACTIONS = frozenset({"mobiletargeting:PutEvents", "mobiletargeting:UpdateEndpoint"})
STREAM_ACTIONS = frozenset({"kinesis:PutRecord", "kinesis:PutRecords"})
AUTHENTICATED, UNAUTHENTICATED = "authenticated", "unauthenticated"
APP_TAG = "headwater:app-id"


class PoolRole(msgspec.Struct, frozen=True):
    """*actions* on the app *app_id*, and putting records on *streams*."""

    arn: str
    app_id: str
    actions: frozenset[str] = GUEST_ACTIONS
    streams: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Return the role's name without path and account."""
        return self.arn.rpartition("/")[2]


class Grants(msgspec.Struct, frozen=True):
    """What the settings add to a role of the declared pool."""

    actions: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()


class Roles:
    """The two roles of each pool. A pool may name its app in the tag `headwater:app-id`; else it is *app_id*."""

    def __init__(self, pools: Pools, app_id: str, grants: Mapping[str, Grants]) -> None:
        """*grants*: kind (`authenticated`, `unauthenticated`) -> what the declared pool's role has besides."""
        self._pools, self._app_id, self._grants = pools, app_id, grants

    def of(self, pool: Pool, *, authenticated: bool) -> PoolRole:
        """Return the role that identities of the pool have; `NoRole` if it has none for this kind."""
        kind = AUTHENTICATED if authenticated else UNAUTHENTICATED
        arn = pool.roles.get(kind)
        if arn is None:
            raise NoRole
        grants = self._grants.get(kind, Grants()) if pool.declared else Grants()
        actions = GUEST_ACTIONS | grants.actions | (STREAM_ACTIONS if grants.streams else frozenset())
        return PoolRole(arn, pool.tags.get(APP_TAG, self._app_id), actions, grants.streams)

    def find(self, pool_id: str, *, authenticated: bool) -> PoolRole:
        """Return the same by the pool's id; `UnknownPool` if there is none."""
        pool = self._pools.find_pool(pool_id)
        if pool is None:
            raise UnknownPool(pool_id)
        return self.of(pool, authenticated=authenticated)


def assumed_role_arn(account_id: str, role_name: str, session: str) -> str:
    """Return the name of somebody who borrowed credentials."""
    return f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session}"
