"""What there is to see of identity pools: their roles, and who signed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headwater.control.identities import IdentityStore
from headwater.errors import NotFound
from headwater.identity import AUTHENTICATED, UNAUTHENTICATED
from headwater.places import open_project_identities
from headwater.settings import load_settings


def list_pools(project: Path) -> list[dict[str, Any]]:
    """Return one row per pool."""
    store = open_project_identities(project)
    try:
        return [
            {
                "identity_pool_id": pool.pool_id,
                "name": pool.name,
                "guests": "yes" if pool.allow_guests else "no",
                "issuers": ", ".join([*(entry.provider_name for entry in pool.providers), *pool.open_id_connect_provider_arns]),
                "guest_role": pool.roles.get(UNAUTHENTICATED),
                "user_role": pool.roles.get(AUTHENTICATED),
                "declared": "yes" if pool.declared else "no",
            }
            for pool in store.pools()
        ]
    finally:
        store.close()


def list_logins(project: Path, pool_id: str | None, count: int) -> list[dict[str, Any]]:
    """Return one row per identity of the pool (None: the one of headwater.toml) that ever signed in; `NotFound` for an unknown pool."""
    settings = load_settings(project)
    store = open_project_identities(project, settings)
    try:
        return _logins(store, pool_id or settings.app.identity_pool_id, count)
    finally:
        store.close()


def _logins(store: IdentityStore, pool_id: str, count: int) -> list[dict[str, Any]]:
    if store.find_pool(pool_id) is None:
        raise NotFound("identity pool", pool_id)
    return [
        {
            "identity_id": found.identity_id,
            "logins": ", ".join(f"{login.provider} {login.subject}" for login in found.logins),
            "merged_into": found.merged_into,
            "deleted": "yes" if found.deleted else "no",
            "created_ms": found.created_ms,
        }
        for found in store.identities(pool_id, "", count)
    ]
