"""Credentials that are lent: who holds them stands sealed in the session token, so that no table of them is needed."""

from __future__ import annotations

import base64
import binascii
import secrets
import struct
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from headwater.clock import Clock
from headwater.control.masterkey import KeyRing
from headwater.errors import Unauthenticated

# Session token, in base64: format (1 byte), master key id (4), nonce (12), and sealed, with the first five as associated data, the grant.
_FORMAT = 1
_HEAD = struct.Struct("!B4s")
_NONCE_BYTES = 12
_TOKEN_LIMIT = 2_048
ACCESS_KEY_PREFIX = "ASIA"


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """Whom credentials were lent to: an identity of a pool, signed in or a guest, for one app. `session` is empty but for STS."""

    identity_id: str
    pool_id: str
    authenticated: bool
    app_id: str
    session: str = ""


class Lent(NamedTuple):
    """Credentials of AWS's shape; they end at `expires_s`, epoch seconds."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_s: int

    def __repr__(self) -> str:  # a secret must not reach a log
        return f"Lent(access_key_id={self.access_key_id!r})"


class Opened(NamedTuple):
    """What a session token held, and the secret that goes with it."""

    grant: Grant
    secret_access_key: str
    expires_s: int

    def __repr__(self) -> str:
        return f"Opened(grant={self.grant!r})"


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    access_key_id: str
    expires_s: int
    grant: Grant


class Seal:
    """Lends credentials under the current master key, and knows those of every master key that is still in the file."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self._ring, self._clock = ring, clock
        self._ciphers: dict[str, AESGCM] = {}

    def lend(self, grant: Grant, lifetime_s: int) -> Lent:
        """Return fresh credentials that are good for *lifetime_s* seconds."""
        keys = self._ring.keys()
        master_id = keys.current
        access_key_id = ACCESS_KEY_PREFIX + base64.b32encode(secrets.token_bytes(10)).decode()
        expires_s = self._clock.now_ms() // 1000 + lifetime_s
        head, nonce = _HEAD.pack(_FORMAT, bytes.fromhex(master_id)), secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher(master_id).encrypt(nonce, msgspec.msgpack.encode(_Sealed(access_key_id, expires_s, grant)), head)
        token = base64.b64encode(head + nonce + sealed).decode()
        return Lent(access_key_id, keys.derive(master_id, access_key_id), token, expires_s)

    def open(self, access_key_id: str, session_token: str) -> Opened | None:
        """Return what the token holds, None if it is not ours or not that key's.

        Raises `Unauthenticated` with code ExpiredTokenException for a token that was good once.
        """
        if len(session_token) > _TOKEN_LIMIT:
            return None
        try:
            token = base64.b64decode(session_token, validate=True)
            number, master = _HEAD.unpack_from(token)
        except (binascii.Error, ValueError, struct.error):
            return None
        master_id = master.hex()
        keys = self._ring.holding(master_id)
        if number != _FORMAT or keys is None:
            return None
        nonce, sealed = token[_HEAD.size : _HEAD.size + _NONCE_BYTES], token[_HEAD.size + _NONCE_BYTES :]
        try:
            found = msgspec.msgpack.decode(self._cipher(master_id).decrypt(nonce, sealed, token[: _HEAD.size]), type=_Sealed)
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            return None
        if found.access_key_id != access_key_id:
            return None
        if self._clock.now_ms() >= found.expires_s * 1000:
            raise expired()
        return Opened(found.grant, keys.derive(master_id, access_key_id), found.expires_s)

    def _cipher(self, master_id: str) -> AESGCM:
        cipher = self._ciphers.get(master_id)
        if cipher is None:
            cipher = self._ciphers[master_id] = AESGCM(self._ring.keys().subkey(master_id, "session token"))
        return cipher


def expired() -> Unauthenticated:
    """Return the error for credentials that were good once."""
    return Unauthenticated("ExpiredTokenException", "The security token included in the request is expired")
