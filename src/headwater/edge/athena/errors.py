"""How Athena says that something went wrong."""

from __future__ import annotations

import msgspec

from headwater.edge.wire.failures import Failure, status_of
from headwater.edge.wire.shape import Violations
from headwater.errors import HeadwaterError, QueryError, Unauthenticated
from headwater.executions import InvalidRequest, ResourceMissing, TooManyQueries

_CODES = {
    "BadRequestException": "InvalidRequestException",
    "ForbiddenException": "AccessDeniedException",
    "NotFoundException": "ResourceNotFoundException",
    "InternalServerErrorException": "InternalServerException",
    "PayloadTooLargeException": "InvalidRequestException",
}
_OF_RANGE = "Member must have value"


class AthenaDialect:
    """JSON 1.1 with `Message`, and Athena's own code twice beside it."""

    def failure(self, error: HeadwaterError, request_id: str) -> Failure:
        """Return what is answered for *error*."""
        code = _CODES.get(error.code, error.code)
        status = 400 if status_of(error) < 500 or isinstance(error, QueryError) else 500
        body: dict[str, str] = {"__type": code}
        athena_code = getattr(error, "athena_code", None)
        if isinstance(error, Unauthenticated):
            body["message"] = str(error)
            return Failure(status, code, msgspec.json.encode(body), b"application/x-amz-json-1.1")
        if athena_code is not None:
            body |= {"AthenaErrorCode": athena_code, "ErrorCode": athena_code}
        if isinstance(error, TooManyQueries):
            body["Reason"] = error.reason
        if isinstance(error, ResourceMissing):
            body["ResourceName"] = error.name
        body["Message"] = str(error)
        return Failure(status, code, msgspec.json.encode(body), b"application/x-amz-json-1.1")


ATHENA = AthenaDialect()


def invalid(error: Violations) -> InvalidRequest:
    """Return what Athena says of values that it does not take: it does not repeat them."""
    told = Violations([each if each.value == "null" else each._replace(value="") for each in error.found])
    if all(_OF_RANGE in each.constraint for each in error.found):
        return InvalidRequest(str(told))
    return InvalidRequest(str(told), None)
