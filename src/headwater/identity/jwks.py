"""The public keys of an issuer, by key id: read from a file or an address, kept, and read again when a new key id turns up."""

from __future__ import annotations

import asyncio
import logging
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from headwater.clock import Clock
from headwater.identity.errors import IssuerUnreachable

_log = logging.getLogger(__name__)

REFETCH_S = 60.0
STALE_S = 3_600.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DOCUMENT_LIMIT = 256 * 1024
_TIMEOUT_S = 5.0
_SMALLEST_RSA_BITS = 2_048

PublicKey = RSAPublicKey | EllipticCurvePublicKey


class _Jwks(msgspec.Struct):
    keys: list[dict[str, Any]]


class _Configuration(msgspec.Struct):
    issuer: str
    jwks_uri: str


class IssuerKeys:
    """One issuer's signing keys. It is asked at most once a minute, whatever tokens name."""

    def __init__(self, issuer: str, source: str | Path | None, clock: Clock) -> None:
        """*source*: an address or a file; None = where the issuer's openid-configuration says."""
        self._issuer, self._source, self._clock = issuer, source, clock
        self._keys: dict[tuple[str, str], PublicKey] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def find(self, key_id: str, algorithm: str) -> PublicKey | None:
        """Return the key for `RS256` or `ES256`, None if the issuer has none of that id; `IssuerUnreachable` if it cannot be asked."""
        found = self._keys.get((key_id, algorithm))
        if found is not None and self._age() < STALE_S:
            return found
        async with self._reading:  # whoever comes while the keys are read waits for them
            if self._age() >= (REFETCH_S if (key_id, algorithm) not in self._keys else STALE_S):
                self._read_at = self._clock.monotonic()
                await self._read()
        if not self._keys:
            raise IssuerUnreachable(f"the keys of {self._issuer} cannot be read; try again in a minute")
        return self._keys.get((key_id, algorithm))

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at

    async def _read(self) -> None:
        try:
            self._keys = _public_keys(await asyncio.to_thread(self._fetch))
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            _log.warning("the keys of issuer %s cannot be read: %s", self._issuer, error)

    def _fetch(self) -> bytes:
        if isinstance(self._source, Path):
            return self._source.read_bytes()
        if self._source is not None:
            return _get(self._source)
        said = msgspec.json.decode(_get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"), type=_Configuration)
        if said.issuer != self._issuer:
            raise ValueError(f"its openid-configuration is that of {said.issuer!r}")
        return _get(said.jwks_uri)


def _public_keys(document: bytes) -> dict[tuple[str, str], PublicKey]:
    """Return (key id, algorithm) -> key for each key that is meant for signatures and strong enough; others are passed over."""
    found: dict[tuple[str, str], PublicKey] = {}
    for entry in msgspec.json.decode(document, type=_Jwks).keys:
        key_id = entry.get("kid")
        if not isinstance(key_id, str) or entry.get("use", "sig") != "sig" or entry.get("kty") not in ("RSA", "EC"):
            continue
        operations = entry.get("key_ops", ["verify"])
        if not isinstance(operations, list) or "verify" not in operations:
            continue
        try:
            key: Any = jwt.PyJWK.from_dict(entry).key
        except (jwt.PyJWTError, ValueError) as error:
            _log.warning("key %r of an issuer is not usable: %s", key_id, error)
            continue
        algorithm = _algorithm(key)
        if algorithm is not None and entry.get("alg", algorithm) == algorithm:
            found[key_id, algorithm] = key
    return found


def _algorithm(key: object) -> str | None:
    if isinstance(key, RSAPublicKey) and key.key_size >= _SMALLEST_RSA_BITS:
        return "RS256"
    return "ES256" if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None  # who answers for an issuer is what settings say


_opener = urllib.request.build_opener(_NoRedirect)


def _get(url: str) -> bytes:
    address = urlsplit(url)
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in LOOPBACK):
        raise ValueError(f"keys are read over https, or over http from this machine; given: {url[:200]!r}")
    request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310  (checked above)
    with _opener.open(request, timeout=_TIMEOUT_S) as answer:
        document: bytes = answer.read(_DOCUMENT_LIMIT + 1)
    if len(document) > _DOCUMENT_LIMIT:
        raise ValueError(f"{url} answers more than {_DOCUMENT_LIMIT:,} bytes")
    return document
