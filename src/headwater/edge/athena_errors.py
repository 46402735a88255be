"""How Athena says that something went wrong."""

from __future__ import annotations

import re

import msgspec

from headwater.edge.dialect import Failure, status_of
from headwater.errors import HeadwaterError, QueryError, Unauthenticated
from headwater.query.executions import InvalidRequest, ResourceMissing, TooManyQueries

_CODES = {
    "BadRequestException": "InvalidRequestException",
    "ForbiddenException": "AccessDeniedException",
    "NotFoundException": "ResourceNotFoundException",
    "InternalServerErrorException": "InternalServerException",
    "PayloadTooLargeException": "InvalidRequestException",
}
_LENGTH = re.compile(r"Expected `(?:str|array)` of length (>=|<=) (\d+)")
_RANGE = re.compile(r"Expected `int` (>=|<=) (\d+)")
_PATTERN = re.compile(r"Expected `str` matching regex '(.*)'")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_WHERE = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_SIDE = {">=": "greater than or equal to", "<=": "less than or equal to"}


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


def invalid(error: msgspec.ValidationError) -> InvalidRequest:
    """Return what Athena says of a request that has not the shape of its operation."""
    text = str(error)
    where = _WHERE.search(text)
    member = _member(where[1].removeprefix(".")) if where else ""
    if missing := _MISSING.match(text):
        member = f"{member}.{_member(missing[1])}" if member else _member(missing[1])
        return _violated(f"Value null at '{member}'", "Member must not be null")
    if length := _LENGTH.match(text):
        return _violated(f"Value at '{member}'", f"Member must have length {_SIDE[length[1]]} {length[2]}")
    if pattern := _PATTERN.match(text):
        return _violated(f"Value at '{member}'", f"Member must satisfy regular expression pattern: {pattern[1].strip('^$')}")
    if bounds := _RANGE.match(text):
        return InvalidRequest(_said(f"Value at '{member}'", f"Member must have value {_SIDE[bounds[1]]} {bounds[2]}"))
    return InvalidRequest(text)


def _violated(value: str, constraint: str) -> InvalidRequest:
    return InvalidRequest(_said(value, constraint), None)


def _said(value: str, constraint: str) -> str:
    return f"1 validation error detected: {value} failed to satisfy constraint: {constraint}"


def _member(path: str) -> str:
    return ".".join(part[:1].lower() + part[1:] for part in path.split("."))
