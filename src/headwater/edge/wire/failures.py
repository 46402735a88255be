"""How a service says that something went wrong: status, body and the names of its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from xml.sax.saxutils import escape

import msgspec

from headwater.errors import (
    AccessDenied,
    BadRequest,
    Conflict,
    HeadwaterError,
    NotFound,
    PayloadTooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)

_encode = msgspec.json.encode


class MethodNotAllowed(BadRequest):
    """The path exists, with other methods."""

    code = "MethodNotAllowedException"


class UnsupportedMedia(BadRequest):
    """The body comes in an encoding that is not taken."""

    code = "UnsupportedMediaTypeException"


# The first class in an error's own order of resolution decides.
_STATUS: dict[type, int] = {
    PayloadTooLarge: 413,
    MethodNotAllowed: 405,
    UnsupportedMedia: 415,
    BadRequest: 400,
    AccessDenied: 403,
    Unauthenticated: 403,
    NotFound: 404,
    Conflict: 409,
    TooManyRequests: 429,
    Unavailable: 500,
    HeadwaterError: 500,
}


def status_of(error: HeadwaterError) -> int:
    """Return the HTTP status that fits the kind of error."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


class Failure(msgspec.Struct, frozen=True):
    """What is answered: `code` stands in `x-amzn-errortype`, too."""

    status: int
    code: str
    body: bytes
    content_type: bytes


class Dialect(Protocol):
    """One way of saying it."""

    def failure(self, error: HeadwaterError, request_id: str) -> Failure:
        """Return what is answered for *error*."""


class RestJson:
    """Pinpoint's: the status tells, and the body has Message and RequestID.

    Who asks too often is told 500, too: Amplify for Flutter drops its events on 429, and to all others the two are one.
    """

    def failure(self, error: HeadwaterError, request_id: str) -> Failure:
        """Return what is answered for *error*."""
        body = _encode({"Message": str(error), "RequestID": request_id})
        if isinstance(error, TooManyRequests):
            return Failure(500, HeadwaterError.code, body, b"application/json")
        return Failure(status_of(error), error.code, body, b"application/json")


class Json11:
    """JSON 1.1: the caller's mistakes are all 400, `__type` tells. *codes* are the service's names for errors of other rooms."""

    def __init__(self, codes: Mapping[str, str]) -> None:
        self._codes = codes

    def failure(self, error: HeadwaterError, request_id: str) -> Failure:
        """Return what is answered for *error*."""
        code, status = self._codes.get(error.code, error.code), status_of(error)
        known_elsewhere = status in (413, 415) and code == error.code
        if status < 500 and not known_elsewhere:
            status = 400
        return Failure(status, code, _encode({"__type": code, "message": str(error)}), b"application/x-amz-json-1.1")


class QueryXml:
    """The query protocol: an ErrorResponse in the name space *xmlns*."""

    def __init__(self, xmlns: str, codes: Mapping[str, str]) -> None:
        self._xmlns, self._codes = xmlns, codes

    def failure(self, error: HeadwaterError, request_id: str) -> Failure:
        """Return what is answered for *error*."""
        code, status = self._codes.get(error.code, error.code), status_of(error)
        status = 400 if status == 429 else status
        kind = "Sender" if status < 500 else "Receiver"
        body = (
            f'<ErrorResponse xmlns="{self._xmlns}"><Error><Type>{kind}</Type><Code>{xml_text(code)}</Code>'
            f"<Message>{xml_text(str(error))}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return Failure(status, code, body.encode(), b"text/xml")


class CodeAndMessage:
    """What libraries of the Segment API show people: 401 for a key nobody knows, and a body with `code` and `message`."""

    def failure(self, error: HeadwaterError, request_id: str) -> Failure:
        """Return what is answered for *error*."""
        status = 401 if isinstance(error, Unauthenticated) else status_of(error)
        body = _encode({"success": False, "code": error.code, "message": str(error), "requestId": request_id})
        return Failure(status, error.code, body, b"application/json")


def xml_text(text: str) -> str:
    """Return *text* as XML can hold it: what XML has no way to write becomes `?`."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))


REST_JSON = RestJson()
JSON_11 = Json11({})
SEGMENT = CodeAndMessage()
COGNITO = Json11(
    {
        "BadRequestException": "InvalidParameterException",
        "ForbiddenException": "AccessDeniedException",
        "NotFoundException": "ResourceNotFoundException",
        "ConflictException": "ResourceConflictException",
        "InternalServerErrorException": "InternalErrorException",
    }
)
STS_XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/"
STS = QueryXml(
    STS_XMLNS,
    {
        "BadRequestException": "ValidationError",
        "ForbiddenException": "AccessDenied",
        "UnknownOperationException": "InvalidAction",
        "ResourceNotFoundException": "ValidationError",
        "InvalidParameterException": "ValidationError",
        "MissingAuthenticationTokenException": "MissingAuthenticationToken",
        "IncompleteSignatureException": "IncompleteSignature",
        "InvalidSignatureException": "SignatureDoesNotMatch",
        "UnrecognizedClientException": "InvalidClientTokenId",
        "InternalServerErrorException": "InternalFailure",
        "TooManyRequestsException": "Throttling",
    },
)
