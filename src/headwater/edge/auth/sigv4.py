"""AWS Signature Version 4: does a request prove that its sender holds the secret?"""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn, TypeVar
from urllib.parse import quote, unquote_to_bytes

from headwater.clock import Clock
from headwater.edge.auth.credentials import Credentials, invalid_token
from headwater.edge.http.request import Request
from headwater.edge.principal import Principal
from headwater.errors import Unauthenticated

_Name = TypeVar("_Name")
_Known = TypeVar("_Known")

ALGORITHM = b"AWS4-HMAC-SHA256"
BEACON_AGE_S = 300
OWN_SERVICE = "headwater"
HOST_PREFIXES = {"mobiletargeting": "pinpoint"}
_SINGLE = frozenset({b"host", b"date", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"})
_DUMMY_SECRET = "0" * 40  # for callers nobody knows: the same work, so that time tells nothing
_REMEMBERED = 4_096

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided."
    " Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)
_INNER_PAD, _OUTER_PAD = bytes(byte ^ 0x36 for byte in range(256)), bytes(byte ^ 0x5C for byte in range(256))
_SPACES = re.compile(rb"  +")
_SIGNATURE = re.compile(rb"[0-9a-f]{64}")
_HEADER_NAME = re.compile(rb"[a-z0-9!#$&'*+.^_`|~-]+")
_STAMP = re.compile(rb"\d{8}T\d{6}Z")
_PLAIN_PATH = re.compile(rb"[A-Za-z0-9_.~/-]*")
_QUERY_NAMES = (b"X-Amz-Algorithm", b"X-Amz-Credential", b"X-Amz-Signature", b"X-Amz-SignedHeaders", b"X-Amz-Date")
_NOT_IN_QUERY = "this operation takes no signature in the query string; sign it in the Authorization header"
_AMPLIFY_SAFE = "-_.~!'()*"


class Claim:
    """What an Authorization header says but for the signature itself, and what of the string to sign follows from that alone."""

    __slots__ = ("access_key_id", "complete", "date", "header_lines", "host_at", "region", "scope", "service", "signed", "signed_headers")

    def __init__(self, access_key_id: str, date: str, region: str, service: str, signed: tuple[bytes, ...]) -> None:
        self.access_key_id, self.date, self.region, self.service, self.signed = access_key_id, date, region, service, signed
        self.scope = f"{date}/{region}/{service}/aws4_request".encode()
        self.signed_headers = b";".join(signed)
        self.header_lines = b"".join(name + b":%s\n" for name in signed)
        self.host_at = signed.index(b"host")
        # sets of header names that were found to have all that is signed, and to leave no x-amz header unsigned
        self.complete: set[tuple[bytes, ...]] = set()


class SigningKey:
    """A derived key with both halves of its HMAC begun: signing then takes a third of the time of `hmac.digest`."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")  # RFC 2104; a derived key has 32 bytes
        self._inner = hashlib.sha256(block.translate(_INNER_PAD))
        self._outer = hashlib.sha256(block.translate(_OUTER_PAD))

    def sign(self, text: bytes) -> bytes:
        """Return the signature in lower-case hexadecimal."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.hexdigest().encode()


class Verifier:
    """Checks requests against one region. Nothing here logs or raises anything that was signed, or any secret."""

    def __init__(self, credentials: Credentials, *, region: str, clock: Clock, max_skew_s: int = 300) -> None:
        self._credentials, self._region, self._clock = credentials, region, clock
        self._max_skew_s = max_skew_s
        self._claims: dict[bytes, Claim] = {}
        self._signing_keys: dict[tuple[str, bytes], SigningKey] = {}
        self._paths: dict[bytes, Sequence[bytes]] = {}
        self._last_stamp: tuple[bytes, int] = (b"", 0)

    def verify(self, request: Request, service: str, forwarded_host: bytes | None = None, *, beacon: bool = False) -> Principal:
        """Return who sent the request; `Unauthenticated` carries the AWS type and text otherwise.

        *forwarded_host* is X-Forwarded-Host, given only when it comes from a trusted proxy.
        *beacon*: a signature in the query string will do.
        """
        headers, limit_s = request.headers, self._max_skew_s
        if b"authorization" not in headers and _is_signed(request.query):
            claim, signature, stamp, token, query = _parse_beacon(request.query)  # what is missing is said whatever is asked
            if not beacon:
                raise Unauthenticated("MissingAuthenticationTokenException", f"Missing Authentication Token: {_NOT_IN_QUERY}")
            limit_s = min(limit_s, BEACON_AGE_S)
        else:
            claim, signature = self._claim(request)
            token = headers.get(b"x-amz-security-token")
            given = headers.get(b"x-amz-date") or _date_header(headers.get(b"date"))
            stamp = given.strip() if given is not None else b""
            query = canonical_query(request.query) if request.query else b""
        if request.repeated and not request.repeated.isdisjoint(_SINGLE):
            raise _invalid_signature("Each of the headers that make up a signature must be there once.")
        principal = self._credentials.find(claim.access_key_id, token.strip().decode("latin-1") if token is not None else None)
        try:
            matches = self._matches(request, claim, query, stamp, signature, principal, forwarded_host)
        except Unauthenticated:
            if principal is None:
                raise invalid_token() from None
            raise
        if principal is None:
            raise invalid_token()
        # Our own API is in no region of AWS.
        if (claim.region != self._region and service != OWN_SERVICE) or claim.service != service:
            self._refuse_scope(claim, service)
        self._check_stamp(claim, stamp, limit_s)
        if not matches:
            raise _invalid_signature(_MISMATCH)
        return principal

    def _claim(self, request: Request) -> tuple[Claim, bytes]:
        given = request.headers.get(b"authorization")
        if given is None:
            raise Unauthenticated("MissingAuthenticationTokenException", "Missing Authentication Token")
        if b"X-Amz-Algorithm" in request.query:
            raise _invalid_signature("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
        if b"authorization" in request.repeated:
            raise Unauthenticated("IncompleteSignatureException", "There must be one Authorization header.")
        given = given.strip()
        # All requests of one client on one day differ in the signature only, which every SDK puts last.
        front, mark, signature = given.rpartition(b"Signature=")
        claim = self._claims.get(front)
        if claim is None:
            claim, signature = _parse_authorization(given)
            if mark and given.endswith(signature) and len(front) < 2_048:
                _remember(self._claims, front, claim)
        return claim, signature

    def _matches(
        self,
        request: Request,
        claim: Claim,
        query: bytes,
        stamp: bytes,
        signature: bytes,
        principal: Principal | None,
        forwarded_host: bytes | None,
    ) -> bool:
        headers = request.headers
        names = tuple(headers)
        if names not in claim.complete:
            _check_names(headers, claim)
            if len(claim.complete) < 64:
                claim.complete.add(names)
        # What counts is the body that came; a declared hash that differs (UNSIGNED-PAYLOAD is one) is refused.
        payload_hash = hashlib.sha256(request.body).hexdigest().encode()
        declared = headers.get(b"x-amz-content-sha256")
        if declared is not None and declared.strip() != payload_hash:
            return False
        key = self._signing_key(claim, principal)
        paths = self._paths.get(request.raw_path)
        if paths is None:
            paths = canonical_paths(request.raw_path)
            _remember(self._paths, request.raw_path, paths)
        values = [headers[name].strip() for name in claim.signed]
        hosts: Iterator[bytes] | None = None
        while True:
            lines = claim.header_lines % tuple(values)
            if b"  " in lines:
                lines = _SPACES.sub(b" ", lines)
            for path in paths:
                canonical = b"%s\n%s\n%s\n%s\n%s\n%s" % (request.method.encode(), path, query, lines, claim.signed_headers, payload_hash)
                digest = hashlib.sha256(canonical).hexdigest().encode()
                to_sign = b"%s\n%s\n%s\n%s" % (ALGORITHM, stamp, claim.scope, digest)
                if hmac.compare_digest(key.sign(to_sign), signature):
                    return True
            hosts = hosts or _other_hosts(claim, forwarded_host)
            host = next(hosts, None)
            if host is None:
                return False
            values[claim.host_at] = host

    def _signing_key(self, claim: Claim, principal: Principal | None) -> SigningKey:
        secret = principal.secret_access_key if principal is not None else _DUMMY_SECRET
        # The secret stands in the place of the key id: a key id whose secret changes must not find the old signing key.
        name = (secret, claim.scope)
        key = self._signing_keys.get(name)
        if key is None:
            derived = f"AWS4{secret}".encode()
            for part in (claim.date, claim.region, claim.service, "aws4_request"):
                derived = hmac.digest(derived, part.encode(), "sha256")
            key = SigningKey(derived)
            if principal is not None:
                _remember(self._signing_keys, name, key)
        return key

    def _refuse_scope(self, claim: Claim, service: str) -> NoReturn:
        wrong = []
        if claim.region != self._region and service != OWN_SERVICE:
            wrong.append(f"Credential should be scoped to a valid region: {self._region!r}, given {claim.region[:64]!r}.")
        if claim.service != service:
            wrong.append(f"Credential should be scoped to correct service: {service!r}, given {claim.service[:64]!r}.")
        raise _invalid_signature(" ".join(wrong))

    def _check_stamp(self, claim: Claim, stamp: bytes, limit_s: int) -> None:
        if self._last_stamp[0] != stamp:
            if not _STAMP.fullmatch(stamp):
                raise Unauthenticated(
                    "IncompleteSignatureException",
                    "Date must be in ISO-8601 'basic format', YYYYMMDDTHHMMSSZ, in header X-Amz-Date (or Date).",
                )
            self._last_stamp = (stamp, _epoch_s(stamp))
        if stamp[:8] != claim.date.encode("latin-1"):
            raise _invalid_signature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
        now_s, limit = self._clock.now_ms() // 1000, limit_s
        ahead_s = self._last_stamp[1] - now_s
        if not -limit <= ahead_s <= limit:
            text, now, minutes = stamp.decode(), _stamp(now_s), limit // 60
            if ahead_s < 0:
                raise _invalid_signature(f"Signature expired: {text} is now earlier than {_stamp(now_s - limit)} ({now} - {minutes} min.)")
            raise _invalid_signature(
                f"Signature not yet current: {text} is still later than {_stamp(now_s + limit)} ({now} + {minutes} min.)"
            )


def canonical_query(query: bytes) -> bytes:
    """Return the canonical form of a raw query string."""
    if not query:
        return b""
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs)).encode()


def canonical_paths(raw_path: bytes) -> Sequence[bytes]:
    """Return the forms a client may have signed: `!'()*` escaped, as botocore does, and as they are, as Amplify does."""
    if b"/." not in raw_path and b"//" not in raw_path:
        if _PLAIN_PATH.fullmatch(raw_path):
            return (raw_path,)
        path = raw_path
    else:
        path = _without_dots(raw_path)
    text = path.decode("latin-1")
    strict = quote(text.encode("latin-1"), safe="/-_.~").encode()
    loose = quote(text.encode("latin-1"), safe="/" + _AMPLIFY_SAFE).encode()
    return (strict,) if strict == loose else (strict, loose)


def _without_dots(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    tail = b"/" if kept and path.endswith(b"/") else b""  # SDKs put none after `/.` or `/..`
    return b"/" + b"/".join(kept) + tail


def _encoded(part: bytes) -> str:
    return quote(unquote_to_bytes(part), safe="-_.~")


def _is_signed(query: bytes) -> bool:
    """Tell whether any part of a signature stands in the query string."""
    return b"X-Amz-" in query and any(part.partition(b"=")[0] in _QUERY_NAMES for part in query.split(b"&"))


def _parse_beacon(query: bytes) -> tuple[Claim, bytes, bytes, bytes | None, bytes]:
    """Return claim, signature, date and token of a request that is signed in its query string, and the canonical form of the rest.

    Amplify v5 signs so when a page is left: only the host, and for no stated time. Whatever else is signed in a query string is refused.
    """
    pairs = [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in (part.partition(b"=") for part in query.split(b"&"))]
    parts = dict(pairs)
    if len(parts) != len(pairs):
        raise _invalid_signature("Each part of a signed query string must be there once.")
    if b"X-Amz-Expires" in parts:
        raise _invalid_signature("Requests that are signed for a stated time (X-Amz-Expires) are not accepted.")
    if missing := [name.decode() for name in _QUERY_NAMES if name not in parts]:
        sentences = " ".join(f"AWS query-string parameters must include '{name}'." for name in missing)
        raise Unauthenticated("IncompleteSignatureException", f"{sentences} Re-examine the query-string parameters.")
    if parts.get(b"X-Amz-Algorithm") != ALGORITHM:
        raise Unauthenticated("IncompleteSignatureException", "Unsupported AWS 'algorithm', expected 'AWS4-HMAC-SHA256'.")
    if parts[b"X-Amz-SignedHeaders"] != b"host" or not _SIGNATURE.fullmatch(parts[b"X-Amz-Signature"]):
        raise _invalid_signature(_MISMATCH)
    rest = b"&".join(part for part in query.split(b"&") if not part.startswith(b"X-Amz-Signature="))
    if b"X-Amz-Signature=" not in query or rest.count(b"&") != query.count(b"&") - 1:
        raise _invalid_signature(_MISMATCH)  # its name was written in another way
    claim = Claim(*_scope(parts[b"X-Amz-Credential"]), (b"host",))
    return claim, parts[b"X-Amz-Signature"], parts[b"X-Amz-Date"], parts.get(b"X-Amz-Security-Token"), canonical_query(rest)


def _scope(credential: bytes) -> tuple[str, str, str, str]:
    parts = credential.decode("latin-1").split("/")
    if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts):
        raise Unauthenticated(
            "IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term."
        )
    return parts[0], parts[1], parts[2], parts[3]


def _parse_authorization(value: bytes) -> tuple[Claim, bytes]:
    algorithm, _, rest = value.partition(b" ")
    if algorithm != ALGORITHM:
        raise Unauthenticated("IncompleteSignatureException", "Unsupported AWS 'algorithm', expected 'AWS4-HMAC-SHA256'.")
    parts: dict[bytes, bytes] = {}
    for part in rest.split(b","):
        name, equals, text = part.strip().partition(b"=")
        if not equals or name in parts:
            raise Unauthenticated("IncompleteSignatureException", "Authorization header parts are 'Name=value', each once.")
        parts[name] = text
    names = (b"Credential", b"Signature", b"SignedHeaders")
    if missing := [name.decode() for name in names if name not in parts]:
        sentences = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        raise Unauthenticated("IncompleteSignatureException", f"{sentences} Authorization={ALGORITHM.decode()}")
    scope = _scope(parts[b"Credential"])
    signed = tuple(parts[b"SignedHeaders"].split(b";"))
    if not all(map(_HEADER_NAME.fullmatch, signed)) or list(signed) != sorted(set(signed)) or b"host" not in signed:
        raise _invalid_signature("SignedHeaders must be sorted, lower-case, without repeats, and contain 'host'.")
    if not _SIGNATURE.fullmatch(parts[b"Signature"]):
        raise _invalid_signature(_MISMATCH)
    return Claim(*scope, signed), parts[b"Signature"]


def _check_names(headers: Mapping[bytes, bytes], claim: Claim) -> None:
    for name in headers:
        if name[:6] == b"x-amz-" and name not in claim.signed:
            raise _invalid_signature(f"There were headers present in the request which were not signed: {name[:64].decode('latin-1')}")
    if any(name not in headers for name in claim.signed):
        raise _invalid_signature("SignedHeaders names a header that the request does not have.")


def _other_hosts(claim: Claim, forwarded: bytes | None) -> Iterator[bytes]:
    """Yield the hosts a client may have signed besides the one received: a redirected app signs the one it believes to call."""
    if forwarded is not None:
        yield forwarded.strip()
    prefix = HOST_PREFIXES.get(claim.service, claim.service)
    suffix = "amazonaws.com.cn" if claim.region.startswith("cn-") else "amazonaws.com"
    yield f"{prefix}.{claim.region}.{suffix}".encode()


def _date_header(value: bytes | None) -> bytes | None:
    """Return a Date header, which may also be in HTTP's own form, as an x-amz-date."""
    if value is None or _STAMP.fullmatch(value):
        return value
    try:
        return datetime.strptime(value.decode("latin-1"), "%a, %d %b %Y %H:%M:%S GMT").strftime("%Y%m%dT%H%M%SZ").encode()  # noqa: DTZ007
    except ValueError:
        return None


def _epoch_s(stamp: bytes) -> int:
    try:
        return timegm(datetime.strptime(stamp.decode(), "%Y%m%dT%H%M%SZ").timetuple())  # noqa: DTZ007
    except ValueError:
        raise Unauthenticated("IncompleteSignatureException", "The date of the request is not a date.") from None


def _stamp(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y%m%dT%H%M%SZ")


def _invalid_signature(message: str) -> Unauthenticated:
    return Unauthenticated("InvalidSignatureException", message)


def _remember(known: dict[_Name, _Known], name: _Name, value: _Known) -> None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[name] = value
