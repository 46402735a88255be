"""The tokens of GetOpenIdToken: they say to our own STS which identity holds them, and to nobody else."""

from __future__ import annotations

from collections.abc import Sequence

import jwt
import msgspec

from headwater.clock import Clock
from headwater.control.masterkey import KeyRing
from headwater.identity.errors import ExpiredToken, InvalidToken

ISSUER = "urn:headwater:cognito-identity"
LIFETIME_S = 600
_TOKEN_LIMIT = 16 * 1024
_jws = jwt.PyJWS()


class Holder(msgspec.Struct, frozen=True):
    """Who holds a token: `amr` begins with `authenticated` or `unauthenticated`."""

    sub: str
    aud: str
    amr: tuple[str, ...]

    @property
    def authenticated(self) -> bool:
        """Return whether the holder is signed in."""
        return self.amr[:1] == ("authenticated",)


class _Claims(Holder, frozen=True):
    exp: int


class OpenIdTokens:
    """Makes and reads JWTs that are signed with a key of this project's own (HS256: only we need to read them)."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self._ring, self._clock = ring, clock

    def make(self, identity_id: str, pool_id: str, amr: Sequence[str]) -> str:
        """Return a token that is good for ten minutes."""
        keys, now_s = self._ring.keys(), self._clock.now_ms() // 1000
        claims = {"iss": ISSUER, "sub": identity_id, "aud": pool_id, "amr": list(amr), "iat": now_s, "exp": now_s + LIFETIME_S}
        return jwt.encode(claims, keys.subkey(keys.current, "openid token"), "HS256", {"kid": keys.current})

    def read(self, token: str) -> Holder:
        """Return who holds the token; `InvalidToken`, or `ExpiredToken` for one that was good once."""
        if len(token) > _TOKEN_LIMIT:
            raise InvalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
        try:
            master_id = jwt.get_unverified_header(token).get("kid")
            keys = self._ring.holding(master_id) if isinstance(master_id, str) else None
            if keys is None:
                raise InvalidToken("No OpenIDConnect provider found in your account for the issuer of this token")
            claims = msgspec.json.decode(_jws.decode(token, keys.subkey(str(master_id), "openid token"), ["HS256"]), type=_Claims)
        except (jwt.PyJWTError, msgspec.MsgspecError):
            raise InvalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)") from None
        if self._clock.now_ms() >= claims.exp * 1000:
            raise ExpiredToken("Token expired: current date/time must be before the expiration date/time")
        return Holder(claims.sub, claims.aud, claims.amr)
