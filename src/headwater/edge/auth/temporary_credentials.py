"""Credentials that were lent to identities, found by their session token, beside the long-lived keys."""

from __future__ import annotations

from collections import OrderedDict

from headwater.clock import Clock
from headwater.edge.auth.credentials import Credentials
from headwater.edge.principal import Principal
from headwater.identity import Roles, Seal, assumed_role_arn
from headwater.identity.errors import NoRole, UnknownPool
from headwater.identity.seal import expired

DEFAULT_SESSION = "CognitoIdentityCredentials"
# How long a change of a pool's roles may stay without effect on credentials that are in use.
_TRUST_S = 10.0
_REMEMBERED = 20_000


class LentCredentials:
    """Asks *keys* for what comes without a session token, and opens the tokens of the others."""

    def __init__(self, keys: Credentials, seal: Seal, roles: Roles, clock: Clock, *, account_id: str) -> None:
        self._keys, self._seal, self._roles, self._clock, self._account_id = keys, seal, roles, clock, account_id
        self._known: OrderedDict[tuple[str, str], tuple[Principal, int, float]] = OrderedDict()

    def find(self, access_key_id: str, session_token: str | None) -> Principal | None:
        """Return the principal of a key, or of an identity that borrowed."""
        if session_token is None:
            return self._keys.find(access_key_id, None)
        name = (access_key_id, session_token)
        known = self._known.get(name)
        if known is not None:
            principal, expires_s, until = known
            if self._clock.now_ms() >= expires_s * 1000:
                raise expired()
            if self._clock.monotonic() < until:
                return principal
        return self._open(name)

    def _open(self, name: tuple[str, str]) -> Principal | None:
        opened = self._seal.open(*name)
        if opened is None:
            return None
        grant = opened.grant
        try:
            role = self._roles.find(grant.pool_id, authenticated=grant.authenticated)
        except (UnknownPool, NoRole):
            return None
        principal = Principal(
            assumed_role_arn(self._account_id, role.name, grant.session or DEFAULT_SESSION),
            opened.secret_access_key,
            role.actions,
            grant.app_id,
            grant.identity_id,
            grant.pool_id,
            role.streams,
        )
        self._known[name] = (principal, opened.expires_s, self._clock.monotonic() + _TRUST_S)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return principal
