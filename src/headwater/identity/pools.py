"""Identities of the pools: who asks gets an identity, keeps it, and borrows credentials for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from headwater.clock import Clock
from headwater.control.identities import Identity, IdentityChange, IdentityStore, Login, Pool
from headwater.identity.errors import InvalidParameter, LoginConflict, NotAuthorized, RoleDenied, UnknownIdentity, UnknownPool
from headwater.identity.guestid import ID_LIMIT, IDENTITY_ID, GuestIds, is_uuid
from headwater.identity.issuer import Issuers
from headwater.identity.openid import Holder, OpenIdTokens
from headwater.identity.role import AUTHENTICATED, UNAUTHENTICATED, Roles
from headwater.identity.seal import Grant, Lent, Seal

LOGINS_LIMIT = 10


class IdentityEvents(Protocol):
    """Where identity changes are written down."""

    async def append(self, changes: Sequence[IdentityChange], trace_id: str) -> None:
        """Put the changes on the stream and then into the store; both are durable on return."""


class Known(NamedTuple):
    """An identity that may be used: its pool, and what is stored of it (None: it never signed in)."""

    pool: Pool
    stored: Identity | None


class IdentityPools:
    """Cognito's identities, one instance per stream and event loop. Tokens are checked before anything is looked up or changed.

    *adopting*: the pool that takes over identity ids of its region that nobody here made, None = no pool does.
    """

    def __init__(
        self,
        store: IdentityStore,
        log: IdentityEvents,
        *,
        guests: GuestIds,
        issuers: Issuers,
        roles: Roles,
        seal: Seal,
        tokens: OpenIdTokens,
        clock: Clock,
        adopting: str | None = None,
        lifetime_s: int = 3_600,
    ) -> None:
        self._store, self._log = store, log
        self._guests, self._issuers, self._roles, self._seal, self._tokens = guests, issuers, roles, seal, tokens
        self._clock, self._adopting, self._lifetime_s = clock, adopting, lifetime_s
        self._linking = asyncio.Lock()

    async def get_id(self, pool_id: str, logins: Mapping[str, str], trace_id: str) -> str:
        """Return the identity of those logins in the pool, a new one if they have none; without logins a new guest's."""
        _check_id(pool_id, "identityPoolId")
        pool = self._store.find_pool(pool_id)
        if pool is None:
            raise UnknownPool(pool_id)
        if not logins:
            self._refuse_guest(pool)
            return self._guests.make(pool_id)
        return await self._sign_in(pool, None, await self._check(pool, logins), trace_id)

    async def get_credentials(
        self, identity_id: str, logins: Mapping[str, str], trace_id: str, custom_role_arn: str | None = None
    ) -> tuple[str, Lent]:
        """Return credentials, and the identity they are for: with logins it may be another than was asked for."""
        identity_id, pool, proven = await self._use(identity_id, logins, trace_id)
        role = self._roles.of(pool, authenticated=bool(proven))
        if custom_role_arn not in (None, role.arn):
            raise InvalidParameter(f"CustomRoleArn must be the role of the pool, {role.arn}")
        return identity_id, self._seal.lend(Grant(identity_id, pool.pool_id, bool(proven), role.app_id), self._lifetime_s)

    async def get_open_id_token(self, identity_id: str, logins: Mapping[str, str], trace_id: str) -> tuple[str, str]:
        """Return a token for STS, and the identity it is for."""
        pool = self.known(self._followed(identity_id, logins)).pool
        if not pool.allow_classic_flow:
            raise InvalidParameter("Basic (classic) flow is not enabled, please use enhanced flow.")
        identity_id, pool, proven = await self._use(identity_id, logins, trace_id)
        amr = [AUTHENTICATED, *(login.provider for login in proven)] if proven else [UNAUTHENTICATED]
        return identity_id, self._tokens.make(identity_id, pool.pool_id, amr)

    def assume_role(self, role_arn: str, session: str, token: str, lifetime_s: int | None) -> tuple[Holder, Lent]:
        """Return who holds the token, and credentials of that role; `RoleDenied` if the pool gives the holder another."""
        holder = self._tokens.read(token)
        try:
            pool = self.known(holder.sub).pool
        except UnknownIdentity:
            raise RoleDenied from None
        role = self._roles.of(pool, authenticated=holder.authenticated)
        if pool.pool_id != holder.aud or role.arn != role_arn or not pool.allow_classic_flow:
            raise RoleDenied
        grant = Grant(holder.sub, pool.pool_id, holder.authenticated, role.app_id, session)
        return holder, self._seal.lend(grant, lifetime_s or self._lifetime_s)

    async def unlink(self, identity_id: str, logins: Mapping[str, str], providers: Sequence[str], trace_id: str) -> None:
        """Take the logins of those providers from the identity; *logins* must prove one that it has."""
        known = self.known(identity_id)
        proven = await self._check(known.pool, logins)
        async with self._linking:
            stored = self.known(identity_id).stored
            held = stored.logins if stored is not None else ()
            if not any(login in held for login in proven):
                raise _mismatch()
            gone = [login for login in held if login.provider in providers]
            changes = [IdentityChange("unlink", identity_id, known.pool.pool_id, self._clock.now_ms(), login) for login in gone]
            if changes:
                await self._log.append(changes, trace_id)

    async def delete(self, identity_id: str, trace_id: str) -> None:
        """Make the identity useless and its logins free; `UnknownIdentity` if it could not be used anyway."""
        async with self._linking:
            pool, stored = self.known(identity_id)
            now_ms, held = self._clock.now_ms(), stored.logins if stored is not None else ()
            changes = [IdentityChange("unlink", identity_id, pool.pool_id, now_ms, login) for login in held]
            await self._log.append([*changes, IdentityChange("delete", identity_id, pool.pool_id, now_ms)], trace_id)

    def signed_in(self, pool_id: str, after: str, limit: int) -> list[Identity]:
        """Return up to *limit* identities of the pool that ever signed in, those after the id *after*, sorted by id."""
        return self._store.identities(pool_id, after, limit)

    def known(self, identity_id: str) -> Known:
        """Return what there is to know of an identity that may be used; `UnknownIdentity` for any other."""
        _check_id(identity_id, "identityId")
        stored = self._store.identity(identity_id)
        if stored is not None:
            pool = self._store.find_pool(stored.pool_id)
            if pool is None or stored.deleted or stored.merged_into is not None:
                raise UnknownIdentity(identity_id)
            return Known(pool, stored)
        for pool in self._store.pools():
            if self._guests.made_for(pool.pool_id, identity_id):
                return Known(pool, None)
        region, _, text = identity_id.partition(":")
        adopting = self._store.find_pool(self._adopting) if self._adopting is not None else None
        if adopting is None or adopting.pool_id.partition(":")[0] != region or not is_uuid(text):
            raise UnknownIdentity(identity_id)
        return Known(adopting, None)

    async def _use(self, identity_id: str, logins: Mapping[str, str], trace_id: str) -> tuple[str, Pool, list[Login]]:
        """Return the identity that is really used, its pool, and the logins that were proven (none: a guest)."""
        identity_id = self._followed(identity_id, logins)
        pool, stored = self.known(identity_id)
        if not logins:
            if stored is not None:
                raise NotAuthorized(f"Access to Identity '{identity_id}' is forbidden.")
            self._refuse_guest(pool)
            return identity_id, pool, []
        proven = await self._check(pool, logins)
        return await self._sign_in(pool, identity_id, proven, trace_id), pool, proven

    def _followed(self, identity_id: str, logins: Mapping[str, str]) -> str:
        """Return the identity that took this one's place, for who may prove to be its owner: a lost answer is asked for again."""
        stored = self._store.identity(identity_id) if logins else None
        return identity_id if stored is None or stored.merged_into is None else stored.merged_into

    async def _check(self, pool: Pool, logins: Mapping[str, str]) -> list[Login]:
        if len(logins) > LOGINS_LIMIT:
            raise InvalidParameter(f"there may be {LOGINS_LIMIT} logins")
        return await self._issuers.logins(pool, logins)

    async def _sign_in(self, pool: Pool, identity_id: str | None, logins: list[Login], trace_id: str) -> str:
        """Return the identity of the logins; what is not linked yet is linked to it, and a guest's identity gives way to it."""
        if identity_id is not None and all(self._store.identity_of(pool.pool_id, login) == identity_id for login in logins):
            return identity_id
        async with self._linking:
            owners = {login: self._store.identity_of(pool.pool_id, login) for login in logins}
            named = {owner for owner in owners.values() if owner is not None}
            if len(named) > 1:
                raise LoginConflict("Logins belong to different identities.")
            owner = next(iter(named), None)
            changes: list[IdentityChange] = []
            now_ms = self._clock.now_ms()
            if identity_id is not None and identity_id != owner:
                if self.known(identity_id).stored is not None:
                    raise _mismatch()  # it is, or was, somebody's: knowing its id does not make it another's
                if owner is not None:
                    changes.append(IdentityChange("merge", identity_id, pool.pool_id, now_ms, merged_into=owner))
            target = owner or identity_id or self._guests.make(pool.pool_id)
            missing = [login for login, has in owners.items() if has is None]
            changes += [IdentityChange("link", target, pool.pool_id, now_ms, login) for login in missing]
            if changes:
                await self._log.append(changes, trace_id)
            return target

    def _refuse_guest(self, pool: Pool) -> None:
        if not pool.allow_guests:
            raise NotAuthorized("Unauthenticated access is not supported for this identity pool.")


def _mismatch() -> NotAuthorized:
    return NotAuthorized("Logins don't match. Please include at least one valid login for this identity or identity pool.")


def _check_id(given: str, name: str) -> None:
    if len(given) > ID_LIMIT or not IDENTITY_ID.fullmatch(given):
        raise InvalidParameter(f"{name} must have 1 to {ID_LIMIT} characters and be like region:uuid")
