"""Making and changing identity pools, as an administrator or Terraform does; what headwater.toml declares is not changed here."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence

import msgspec

from headwater.clock import Clock
from headwater.control import Apps
from headwater.control.identities import Pool, Pools, Provider
from headwater.control.tags import check_tags
from headwater.errors import Conflict
from headwater.identity.errors import InvalidParameter, LoginConflict, UnknownPool
from headwater.identity.role import APP_TAG, AUTHENTICATED, UNAUTHENTICATED

_NAME = re.compile(r"[\w\s+=,.@-]{1,128}")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_OIDC_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:oidc-provider/\S{1,512}", re.ASCII)
_TAGS_LIMIT = 50


class PoolWish(msgspec.Struct, rename="pascal"):
    """What CreateIdentityPool and UpdateIdentityPool say of a pool."""

    identity_pool_name: str
    allow_unauthenticated_identities: bool
    allow_classic_flow: bool | None = None
    supported_login_providers: dict[str, str] | None = None
    developer_provider_name: str | None = None
    open_id_connect_provider_arns: list[str] | None = msgspec.field(name="OpenIdConnectProviderARNs", default=None)
    cognito_identity_providers: list[Provider] | None = None
    saml_provider_arns: list[str] | None = msgspec.field(name="SamlProviderARNs", default=None)
    identity_pool_tags: dict[str, str] | None = None


class PoolAdmin:
    """Pools of one region. Errors are those of Cognito."""

    def __init__(self, pools: Pools, apps: Apps, *, region: str, clock: Clock) -> None:
        self._pools, self._apps, self._region, self._clock = pools, apps, region, clock

    def pool(self, pool_id: str) -> Pool:
        """Return the pool; `UnknownPool` if there is none."""
        pool = self._pools.find_pool(pool_id)
        if pool is None:
            raise UnknownPool(pool_id)
        return pool

    def pools(self, after: str, limit: int) -> list[Pool]:
        """Return up to *limit* pools whose ids come after *after*, sorted by id."""
        return [pool for pool in self._pools.pools() if pool.pool_id > after][:limit]

    def create(self, wish: PoolWish) -> Pool:
        """Return a new pool; it has no roles yet, so nobody gets credentials from it."""
        made = Pool(f"{self._region}:{uuid.uuid4()}", "", allow_guests=False, created_ms=self._clock.now_ms())
        return self._put(self._as_wished(made, wish))

    def update(self, pool_id: str, wish: PoolWish) -> Pool:
        """Make the pool as wished; what the wish does not name is emptied, but for the tags and the roles."""
        pool = self.pool(pool_id)
        if wish.identity_pool_tags is None:
            wish.identity_pool_tags = dict(pool.tags)
        return self._put(self._as_wished(pool, wish))

    def delete(self, pool_id: str) -> None:
        """Forget the pool; its identities are of no more use."""
        try:
            self._pools.delete_pool(self.pool(pool_id).pool_id)
        except Conflict as error:
            raise LoginConflict(str(error)) from None

    def set_roles(self, pool_id: str, roles: Mapping[str, str], mappings: Mapping[str, object]) -> None:
        """Say which roles signed-in users and guests have."""
        pool = self.pool(pool_id)
        if mappings:
            raise InvalidParameter("RoleMappings are not supported; each pool has one role for guests and one for signed-in users")
        for kind, arn in roles.items():
            if kind not in (AUTHENTICATED, UNAUTHENTICATED) or not _ROLE_ARN.fullmatch(arn):
                raise InvalidParameter(f"Roles has {AUTHENTICATED} and {UNAUTHENTICATED}, each an arn:aws:iam::…:role/…")
        self._put(msgspec.structs.replace(pool, roles=dict(roles)))

    def set_tags(self, pool_id: str, tags: Mapping[str, str]) -> None:
        """Replace all tags of the pool."""
        pool = self.pool(pool_id)
        self._check_tags(tags)
        self._put(msgspec.structs.replace(pool, tags=dict(tags)))

    def _check_tags(self, tags: Mapping[str, str]) -> None:
        if len(tags) > _TAGS_LIMIT or any(not 0 < len(key) <= 128 or len(value) > 256 for key, value in tags.items()):
            raise InvalidParameter(f"there may be {_TAGS_LIMIT} tags, with keys of 1 to 128 and values of up to 256 characters")
        check_tags(tags)
        if APP_TAG in tags and self._apps.find_app(tags[APP_TAG]) is None:
            raise InvalidParameter(f"the tag {APP_TAG} must name an app of this project")

    def _put(self, pool: Pool) -> Pool:
        try:
            self._pools.put_pool(pool)
        except Conflict as error:
            raise LoginConflict(str(error)) from None
        return pool

    def _as_wished(self, pool: Pool, wish: PoolWish) -> Pool:
        if not _NAME.fullmatch(wish.identity_pool_name):
            raise InvalidParameter("IdentityPoolName has 1 to 128 letters, digits, spaces and + = , . @ -")
        if wish.saml_provider_arns:
            raise InvalidParameter("SAML providers are not supported; sign in through an OpenID Connect issuer")
        if wish.supported_login_providers or wish.developer_provider_name:
            raise InvalidParameter("only OpenID Connect issuers are supported: CognitoIdentityProviders and OpenIdConnectProviderARNs")
        arns: Sequence[str] = wish.open_id_connect_provider_arns or ()
        if not all(map(_OIDC_ARN.fullmatch, arns)):
            raise InvalidParameter("each of OpenIdConnectProviderARNs is an arn:aws:iam::…:oidc-provider/…")
        tags = wish.identity_pool_tags or {}
        self._check_tags(tags)
        return msgspec.structs.replace(
            pool,
            name=wish.identity_pool_name,
            allow_guests=wish.allow_unauthenticated_identities,
            allow_classic_flow=bool(wish.allow_classic_flow),
            providers=tuple(wish.cognito_identity_providers or ()),
            open_id_connect_provider_arns=tuple(arns),
            tags=tags,
        )
