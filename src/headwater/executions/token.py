"""Tokens that say where a list goes on; each is good for the list that gave it and for no other."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

import msgspec

from headwater.executions.errors import InvalidRequest

_MAC_BYTES = 16


class Tokens:
    """Makes and reads them; *key* must stay the same for tokens to outlive a restart."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, of: str, position: Sequence[str | int]) -> str:
        """Return the token for *position* in the list called *of*."""
        content = msgspec.json.encode(position)
        return base64.urlsafe_b64encode(self._mac(of, content) + content).decode()

    def open(self, of: str, token: str) -> list[str | int]:
        """Return the position; `InvalidRequest` for a token that this list never gave."""
        try:
            raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _invalid() from None
        mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(of, content)):
            raise _invalid()
        return msgspec.json.decode(content, type=list[str | int])

    def _mac(self, of: str, content: bytes) -> bytes:
        return hmac.digest(self._key, of.encode() + b"\0" + content, "sha256")[:_MAC_BYTES]


def _invalid() -> InvalidRequest:
    return InvalidRequest("The pagination token is not valid.")
