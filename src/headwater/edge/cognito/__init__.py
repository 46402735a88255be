"""Cognito's identity operations: identities for whoever asks, and pools for administrators."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from headwater.control.identities import Identity, Pool
from headwater.edge.http.ratelimit import TokenBuckets, network_of
from headwater.edge.http.request import Request
from headwater.edge.wire.failures import COGNITO
from headwater.edge.wire.routing import Route
from headwater.edge.wire.service import JsonOperation, JsonService, Output
from headwater.errors import HeadwaterError, TooManyRequests
from headwater.identity import IdentityPools
from headwater.identity.admin import PoolAdmin, PoolWish
from headwater.identity.errors import InvalidParameter, UnknownIdentity
from headwater.identity.guestid import ID_LIMIT, IDENTITY_ID

SERVICE = "AWSCognitoIdentityService"
BODY_LIMIT = 256 * 1024

_Id = Annotated[str, Meta(min_length=1, max_length=ID_LIMIT, pattern=f"^{IDENTITY_ID.pattern}$")]
_Count = Annotated[int, Meta(ge=1, le=60)]
_Logins = dict[str, str] | None


class _Input(msgspec.Struct, rename="pascal"):
    """A request; members that a newer SDK adds are ignored, as everywhere at AWS."""


class GetIdInput(_Input):
    """Who asks for an identity."""

    identity_pool_id: _Id
    logins: _Logins = None


class IdentityInput(_Input):
    """An identity, and the tokens that prove it."""

    identity_id: _Id
    logins: _Logins = None
    custom_role_arn: str | None = None


class UnlinkInput(_Input):
    """Which logins are to go, and the tokens that prove the identity."""

    identity_id: _Id
    logins: dict[str, str]
    logins_to_remove: list[str]


class PoolInput(_Input):
    """A pool by its id."""

    identity_pool_id: _Id


class UpdatePoolInput(PoolWish, kw_only=True):
    """What a pool is to become."""

    identity_pool_id: _Id


class PoolPageInput(_Input):
    """A page of a list."""

    max_results: _Count
    next_token: str | None = None


class ListIdentitiesInput(_Input):
    """A page of the identities of a pool."""

    identity_pool_id: _Id
    max_results: _Count
    next_token: str | None = None
    hide_disabled: bool = False


class DeleteIdentitiesInput(_Input):
    """Identities that are to go."""

    identity_ids_to_delete: Annotated[list[_Id], Meta(min_length=1, max_length=60)]


class SetRolesInput(_Input):
    """The roles of a pool."""

    identity_pool_id: _Id
    roles: dict[str, str]
    role_mappings: dict[str, Any] | None = None


class TagsInput(_Input):
    """A pool by its ARN, tags to set, and keys of tags to take away."""

    resource_arn: str
    tags: dict[str, str] = {}
    tag_keys: list[str] = []


class CognitoIdentity:
    """The operations, each about one call of the room `identity`."""

    def __init__(self, identities: IdentityPools, admin: PoolAdmin, limits: TokenBuckets, *, region: str, account_id: str) -> None:
        """*limits*: how often one address may ask without a signature."""
        self._identities, self._admin, self._limits = identities, admin, limits
        self._arn = f"arn:aws:cognito-identity:{region}:{account_id}:identitypool/*"

    def routes(self) -> list[Route]:
        """Return the table. What proves its caller by a token in the body, or lends to guests, is not signed: no client signs it."""
        operations = {
            "GetId": JsonOperation(GetIdInput, self.get_id, unsigned=True),
            "GetCredentialsForIdentity": JsonOperation(IdentityInput, self.get_credentials_for_identity, unsigned=True),
            "GetOpenIdToken": JsonOperation(IdentityInput, self.get_open_id_token, unsigned=True),
            "UnlinkIdentity": JsonOperation(UnlinkInput, self.unlink_identity, unsigned=True),
            "CreateIdentityPool": JsonOperation(PoolWish, self.create_identity_pool),
            "DeleteIdentities": JsonOperation(DeleteIdentitiesInput, self.delete_identities),
            "DeleteIdentityPool": JsonOperation(PoolInput, self.delete_identity_pool),
            "DescribeIdentity": JsonOperation(IdentityInput, self.describe_identity),
            "DescribeIdentityPool": JsonOperation(PoolInput, self.describe_identity_pool),
            "GetIdentityPoolRoles": JsonOperation(PoolInput, self.get_identity_pool_roles),
            "ListIdentities": JsonOperation(ListIdentitiesInput, self.list_identities),
            "ListIdentityPools": JsonOperation(PoolPageInput, self.list_identity_pools),
            "ListTagsForResource": JsonOperation(TagsInput, self.list_tags_for_resource),
            "SetIdentityPoolRoles": JsonOperation(SetRolesInput, self.set_identity_pool_roles),
            "TagResource": JsonOperation(TagsInput, self.tag_resource),
            "UntagResource": JsonOperation(TagsInput, self.untag_resource),
            "UpdateIdentityPool": JsonOperation(UpdatePoolInput, self.update_identity_pool),
        }
        return JsonService(SERVICE, "cognito-identity", COGNITO, operations, resource=self._arn, body_limit=BODY_LIMIT).routes()

    async def get_id(self, asked: GetIdInput, request: Request) -> Output:
        """Return an identity id."""
        self._limit(request, asked.identity_pool_id)
        return {"IdentityId": await self._identities.get_id(asked.identity_pool_id, asked.logins or {}, request.trace_id)}

    async def get_credentials_for_identity(self, asked: IdentityInput, request: Request) -> Output:
        """Lend credentials."""
        self._limit(request, self._pool_of(asked.identity_id))
        identity_id, lent = await self._identities.get_credentials(
            asked.identity_id, asked.logins or {}, request.trace_id, asked.custom_role_arn
        )
        credentials = {
            "AccessKeyId": lent.access_key_id,
            "SecretKey": lent.secret_access_key,
            "SessionToken": lent.session_token,
            "Expiration": lent.expires_s,
        }
        return {"IdentityId": identity_id, "Credentials": credentials}

    async def get_open_id_token(self, asked: IdentityInput, request: Request) -> Output:
        """Return a token for AssumeRoleWithWebIdentity."""
        self._limit(request, self._pool_of(asked.identity_id))
        identity_id, token = await self._identities.get_open_id_token(asked.identity_id, asked.logins or {}, request.trace_id)
        return {"IdentityId": identity_id, "Token": token}

    async def unlink_identity(self, asked: UnlinkInput, request: Request) -> None:
        """Take logins from an identity."""
        self._limit(request, self._pool_of(asked.identity_id))
        await self._identities.unlink(asked.identity_id, asked.logins, asked.logins_to_remove, request.trace_id)

    async def describe_identity(self, asked: IdentityInput, request: Request) -> Output:
        """Return an identity's logins; a guest has none, and no dates, for guests are not stored."""
        stored = self._identities.known(asked.identity_id).stored
        return {"IdentityId": asked.identity_id, "Logins": []} if stored is None else _described(stored)

    async def list_identities(self, asked: ListIdentitiesInput, request: Request) -> Output:
        """Return a page of the identities that ever signed in."""
        pool_id = self._admin.pool(asked.identity_pool_id).pool_id
        found = self._identities.signed_in(pool_id, asked.next_token or "", asked.max_results + 1)
        shown, more = found[: asked.max_results], len(found) > asked.max_results
        kept = [identity for identity in shown if not (asked.hide_disabled and (identity.deleted or identity.merged_into is not None))]
        response: dict[str, Any] = {"IdentityPoolId": pool_id, "Identities": [_described(identity) for identity in kept]}
        return response | ({"NextToken": shown[-1].identity_id} if more else {})

    async def delete_identities(self, asked: DeleteIdentitiesInput, request: Request) -> Output:
        """Delete identities; an id that could not be used anyway needs no deleting."""
        failed = []
        for identity_id in asked.identity_ids_to_delete:
            try:
                await self._identities.delete(identity_id, request.trace_id)
            except UnknownIdentity:
                continue
            except HeadwaterError:
                failed.append({"IdentityId": identity_id, "ErrorCode": "InternalServerError"})
        return {"UnprocessedIdentityIds": failed}

    async def create_identity_pool(self, asked: PoolWish, request: Request) -> Output:
        """Make a pool."""
        return _pool(self._admin.create(asked))

    async def update_identity_pool(self, asked: UpdatePoolInput, request: Request) -> Output:
        """Make a pool as wished."""
        return _pool(self._admin.update(asked.identity_pool_id, asked))

    async def describe_identity_pool(self, asked: PoolInput, request: Request) -> Output:
        """Return a pool."""
        return _pool(self._admin.pool(asked.identity_pool_id))

    async def delete_identity_pool(self, asked: PoolInput, request: Request) -> None:
        """Forget a pool."""
        self._admin.delete(asked.identity_pool_id)

    async def list_identity_pools(self, asked: PoolPageInput, request: Request) -> Output:
        """Return a page of the pools."""
        found = self._admin.pools(asked.next_token or "", asked.max_results + 1)
        shown = found[: asked.max_results]
        response: dict[str, Any] = {
            "IdentityPools": [{"IdentityPoolId": pool.pool_id, "IdentityPoolName": pool.name} for pool in shown],
        }
        return response | ({"NextToken": shown[-1].pool_id} if len(found) > len(shown) else {})

    async def get_identity_pool_roles(self, asked: PoolInput, request: Request) -> Output:
        """Return the roles of a pool."""
        pool = self._admin.pool(asked.identity_pool_id)
        return {"IdentityPoolId": pool.pool_id, "Roles": dict(pool.roles)}

    async def set_identity_pool_roles(self, asked: SetRolesInput, request: Request) -> None:
        """Say which roles a pool has."""
        self._admin.set_roles(asked.identity_pool_id, asked.roles, asked.role_mappings or {})

    async def list_tags_for_resource(self, asked: TagsInput, request: Request) -> Output:
        """Return the tags of a pool."""
        return {"Tags": dict(self._tagged(asked).tags)}

    async def tag_resource(self, asked: TagsInput, request: Request) -> Output:
        """Set tags of a pool; others stay."""
        pool = self._tagged(asked)
        self._admin.set_tags(pool.pool_id, {**pool.tags, **asked.tags})
        return {}

    async def untag_resource(self, asked: TagsInput, request: Request) -> Output:
        """Take tags from a pool."""
        pool = self._tagged(asked)
        self._admin.set_tags(pool.pool_id, {key: value for key, value in pool.tags.items() if key not in asked.tag_keys})
        return {}

    def _tagged(self, asked: TagsInput) -> Pool:
        front = self._arn.removesuffix("*")
        if not asked.resource_arn.startswith(front):
            raise InvalidParameter(f"ResourceArn must be {front} and the id of a pool")
        return self._admin.pool(asked.resource_arn.removeprefix(front))

    def _pool_of(self, identity_id: str) -> str:
        try:
            return self._identities.known(identity_id).pool.pool_id
        except UnknownIdentity:
            return ""  # those who try ids share one bucket, too

    def _limit(self, request: Request, pool_id: str) -> None:
        if not self._limits.take((network_of(request.address), pool_id)):
            raise TooManyRequests


def _described(identity: Identity) -> dict[str, Any]:
    return {
        "IdentityId": identity.identity_id,
        "Logins": [login.provider for login in identity.logins],
        "CreationDate": identity.created_ms / 1000,
        "LastModifiedDate": identity.modified_ms / 1000,
    }


def _pool(pool: Pool) -> dict[str, Any]:
    response: dict[str, Any] = {
        "IdentityPoolId": pool.pool_id,
        "IdentityPoolName": pool.name,
        "AllowUnauthenticatedIdentities": pool.allow_guests,
        "AllowClassicFlow": pool.allow_classic_flow,
        "IdentityPoolTags": dict(pool.tags),
    }
    if pool.providers:
        response["CognitoIdentityProviders"] = pool.providers
    if pool.open_id_connect_provider_arns:
        response["OpenIdConnectProviderARNs"] = pool.open_id_connect_provider_arns
    return response
