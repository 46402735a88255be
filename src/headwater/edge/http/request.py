"""One HTTP request as it was received: raw target, raw header list, whole body."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from headwater.edge.principal import Principal
from headwater.errors import BadRequest, Unauthenticated

Header = tuple[bytes, bytes]
_NONE: frozenset[bytes] = frozenset()


class Request(msgspec.Struct):
    """A request whose signature may still be unchecked.

    `headers`: lower-case name -> value as it came, repeats joined with commas and named in `repeated`.
    `segments`: the parts of the raw path that the route names with braces. `address`: where it came from, empty if nobody knows.
    """

    method: str
    raw_path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    request_id: str
    segments: tuple[bytes, ...] = ()
    repeated: frozenset[bytes] = frozenset()
    principal: Principal | None = None
    address: str = ""
    traceparent: str = ""

    @property
    def trace_id(self) -> str:
        """What records carry so that they can be followed: the span of a traced request, else the request's id."""
        return self.traceparent or self.request_id

    def text(self, name: bytes, limit: int = 256) -> str:
        """Return the header as text of at most *limit* characters, empty if it is missing."""
        return self.headers.get(name, b"").strip()[:limit].decode("latin-1")

    def segment(self, index: int) -> str:
        """Return a path segment, percent-decoded; `BadRequest` if that is not UTF-8."""
        segment = self.segments[index]
        try:
            return (unquote_to_bytes(segment) if b"%" in segment else segment).decode()
        except UnicodeDecodeError:
            raise BadRequest("a path segment is not UTF-8 once it is percent-decoded") from None

    def form(self) -> dict[str, str]:
        """Return the body as a form of the query protocol; `BadRequest` if it is none, or names something twice."""
        try:
            pairs = parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=64, errors="strict")
        except ValueError:
            raise BadRequest("the body must be a form: Action=…&Version=…&…") from None
        named = dict(pairs)
        if len(named) != len(pairs):
            raise BadRequest("each parameter may be given once")
        return named

    def caller(self) -> Principal:
        """Return who was verified; only routes without a signature have nobody."""
        if self.principal is None:
            raise Unauthenticated("MissingAuthenticationTokenException", "Missing Authentication Token")
        return self.principal


def joined_headers(headers: list[Header]) -> tuple[dict[bytes, bytes], frozenset[bytes]]:
    """Return the headers by name, repeats joined with commas in the order they came, and the names that were repeated."""
    values = dict(headers)
    if len(values) == len(headers):
        return values, _NONE
    values, repeated = {}, set()
    for name, value in headers:
        if name in values:
            repeated.add(name)
            values[name] += b"," + value.strip()
        else:
            values[name] = value.strip()
    return values, frozenset(repeated)


class BodyStream(Protocol):
    """A body that is not all there yet."""

    def parts(self) -> AsyncIterator[bytes]:
        """Yield what there is, as it comes; raises an error of ours where it breaks off."""

    def close(self) -> None:
        """Want no more of it; called once in every case."""


class Answer(msgspec.Struct):
    """Status and JSON body; `headers` come in addition to those every answer has. With a *stream*, that is the body."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = ()
    content_type: bytes = b"application/json"
    stream: BodyStream | None = None
