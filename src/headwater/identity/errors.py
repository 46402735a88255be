"""What can be wrong with an identity, a login or a role; `code` and text are those of Cognito and STS, on which clients rely."""

from __future__ import annotations

from headwater.errors import AccessDenied, BadRequest, Conflict, NotFound


class InvalidParameter(BadRequest):
    """The request is wrong in itself."""

    code = "InvalidParameterException"


class UnknownIdentity(NotFound):
    """There is no such identity; old clients ask for a new one when they read exactly this text."""

    code = "ResourceNotFoundException"

    def __init__(self, identity_id: str) -> None:
        super().__init__("identity", identity_id)
        self.args = (f"Identity '{identity_id}' not found.",)


class UnknownPool(NotFound):
    """There is no such identity pool."""

    code = "ResourceNotFoundException"

    def __init__(self, pool_id: str) -> None:
        super().__init__("identity pool", pool_id)
        self.args = (f"IdentityPool '{pool_id}' not found.",)


class NotAuthorized(AccessDenied):
    """The login tokens do not give a right to this."""

    code = "NotAuthorizedException"


class LoginConflict(Conflict):
    """The logins belong to different identities, or the pool is declared where no API may change it."""

    code = "ResourceConflictException"


class NoRole(BadRequest):
    """The pool has no role for this kind of identity."""

    code = "InvalidIdentityPoolConfigurationException"

    def __init__(self) -> None:
        super().__init__("Invalid identity pool configuration. Check assigned IAM roles for this pool.")


class IssuerUnreachable(BadRequest):
    """The keys of an issuer cannot be read."""

    code = "ExternalServiceException"


class InvalidToken(BadRequest):
    """A token for STS that we did not make, or that was changed."""

    code = "InvalidIdentityToken"


class ExpiredToken(BadRequest):
    """A token for STS that was good once."""

    code = "ExpiredTokenException"


class RoleDenied(AccessDenied):
    """The role is not the one that the token's holder may assume."""

    code = "AccessDenied"

    def __init__(self) -> None:
        super().__init__("Not authorized to perform sts:AssumeRoleWithWebIdentity")
