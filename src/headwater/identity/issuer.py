"""Who a person is, by the id token of an OpenID Connect issuer that the settings name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jwt
import msgspec

from headwater.clock import Clock
from headwater.control.identities import Login, Pool
from headwater.identity.errors import InvalidParameter, NotAuthorized
from headwater.identity.jwks import IssuerKeys

TOKEN_LIMIT = 16 * 1024
LEEWAY_S = 60
_SUBJECT_LIMIT = 255
_NO_TOKEN = "Invalid login token. Not a valid OpenId Connect identity token."  # noqa: S105

_jws = jwt.PyJWS()


class Issuer(msgspec.Struct, frozen=True):
    """An issuer of the settings: its exact `iss`, the clients whose tokens count, and where its keys are (None: it says so itself)."""

    issuer: str
    client_ids: frozenset[str]
    jwks: str | Path | None = None
    es256: bool = False

    @property
    def provider(self) -> str:
        """Return the name it has in `Logins`."""
        return self.issuer.partition("://")[2]


class Issuers:
    """Checks id tokens. A token's own `jku`, `x5u` or `jwk` never says which key it is checked with."""

    def __init__(self, issuers: Iterable[Issuer], clock: Clock) -> None:
        self._clock = clock
        self._issuers = {issuer.provider: (issuer, IssuerKeys(issuer.issuer, issuer.jwks, clock)) for issuer in issuers}

    def providers(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(self._issuers)

    async def logins(self, pool: Pool, tokens: Mapping[str, str]) -> list[Login]:
        """Return who the *tokens* (provider -> id token) prove their holder to be in that pool, by provider.

        `NotAuthorized` says what is wrong with a token; `InvalidParameter` for SAML, which is not spoken here.
        """
        return [await self._login(pool, provider, tokens[provider]) for provider in sorted(tokens)]

    async def _login(self, pool: Pool, provider: str, token: str) -> Login:
        if provider.startswith("arn:") or ":saml-provider/" in provider:
            raise InvalidParameter("SAML providers are not supported; sign in through an OpenID Connect issuer")
        issuer, keys = self._issuers.get(provider, (None, None))
        clients = _clients(pool, provider, issuer) if issuer is not None else None
        if issuer is None or keys is None or clients is None:
            raise NotAuthorized("Token is not from a supported provider of this identity pool.")
        claims = await self._verified(issuer, keys, token)
        self._judge(issuer, clients, claims)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LIMIT or not subject.isprintable():
            raise NotAuthorized(_NO_TOKEN)
        return Login(provider, subject)

    async def _verified(self, issuer: Issuer, keys: IssuerKeys, token: str) -> dict[str, Any]:
        if len(token) > TOKEN_LIMIT or not token.isascii() or token.count(".") != 2:
            raise NotAuthorized(_NO_TOKEN)
        try:
            head = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise NotAuthorized(_NO_TOKEN) from None
        algorithm, key_id = head.get("alg"), head.get("kid")
        allowed = ("RS256", "ES256") if issuer.es256 else ("RS256",)
        # A nested token (cty) or extensions we do not know (crit) would change what the signature means.
        unread = "crit" in head or "cty" in head or head.get("b64", True) is not True
        if not isinstance(algorithm, str) or algorithm not in allowed or not isinstance(key_id, str) or unread:
            raise NotAuthorized(_NO_TOKEN)
        key = await keys.find(key_id, algorithm)
        if key is None:
            raise NotAuthorized("Invalid login token. Can't find public key for the token's key id.")
        try:
            claims = msgspec.json.decode(_jws.decode(token, key, [algorithm]))
        except jwt.PyJWTError:
            raise NotAuthorized("Invalid login token. Couldn't verify signed token.") from None
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise NotAuthorized(_NO_TOKEN) from None
        if not isinstance(claims, dict):
            raise NotAuthorized(_NO_TOKEN)
        return claims

    def _judge(self, issuer: Issuer, clients: frozenset[str], claims: dict[str, Any]) -> None:
        if claims.get("iss") != issuer.issuer:
            raise NotAuthorized("Invalid login token. Issuer doesn't match providerName")
        audience = claims.get("aud")
        named = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
        # A token for several audiences is ours only if we are the one it was made for.
        party = claims.get("azp") if len(named) > 1 else named[0] if named else None
        if not isinstance(party, str) or party not in clients or party not in named:
            raise NotAuthorized("Invalid login token. Incorrect token audience.")
        if claims.get("token_use", "id") != "id":
            raise NotAuthorized(_NO_TOKEN)
        now_s = self._clock.now_ms() / 1000
        ends, made, begins = (_seconds(claims.get(name)) for name in ("exp", "iat", "nbf"))
        if ends is None or made is None or ("nbf" in claims and begins is None):
            raise NotAuthorized(_NO_TOKEN)
        if now_s > ends + LEEWAY_S:
            raise NotAuthorized(f"Invalid login token. Token expired: {int(now_s)} >= {int(ends)}")
        if max(made, begins if begins is not None else made) > now_s + LEEWAY_S:
            raise NotAuthorized("Invalid login token. Token is not valid yet.")


def _clients(pool: Pool, provider: str, issuer: Issuer) -> frozenset[str] | None:
    """Return the clients whose tokens the pool takes, None if it does not know the provider."""
    if pool.declared:
        return issuer.client_ids
    if any(arn.partition(":oidc-provider/")[2] == provider for arn in pool.open_id_connect_provider_arns):
        return issuer.client_ids
    named = frozenset(entry.client_id for entry in pool.providers if entry.provider_name == provider)
    return named & issuer.client_ids or None


def _seconds(claim: object) -> float | None:
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not abs(claim) < 1e15:
        return None
    return float(claim)
