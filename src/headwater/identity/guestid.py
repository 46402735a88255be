"""Identity ids that say by themselves for which pool they were made, so that nobody needs to store guests."""

from __future__ import annotations

import hmac
import re
import secrets
import uuid

from headwater.control.masterkey import KeyRing

IDENTITY_ID = re.compile(r"[\w-]+:[0-9a-f-]+", re.ASCII)
ID_LIMIT = 55
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_MARK_BITS = 48
_RANDOM_BITS = 74  # with the mark, a version 4 UUID's 122


class GuestIds:
    """Makes ids `region:uuid4` of 74 random bits and a mark of 48 bits, a keyed hash of those and the pool.

    The mark keeps nothing secret: it tells an id that was made here from one that was not.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def make(self, pool_id: str) -> str:
        """Return a new id for the pool, in its region."""
        drawn = secrets.randbits(_RANDOM_BITS)
        bits = drawn << _MARK_BITS | self._mark(self._ring.keys().current, pool_id, drawn)
        high, low = bits >> 62, bits & (1 << 62) - 1
        number = (high >> 12) << 80 | 4 << 76 | (high & 0xFFF) << 64 | 0b10 << 62 | low
        return f"{pool_id.partition(':')[0]}:{uuid.UUID(int=number)}"

    def made_for(self, pool_id: str, identity_id: str) -> bool:
        """Return whether this project made the id for that pool, under whichever master key."""
        region, _, text = identity_id.partition(":")
        if region != pool_id.partition(":")[0] or not _UUID.fullmatch(text):
            return False
        number = int(text.replace("-", ""), 16)
        if number >> 76 & 0xF != 4 or number >> 62 & 0b11 != 0b10:
            return False
        bits = (number >> 80 << 12 | number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
        drawn, mark = bits >> _MARK_BITS, bits & (1 << _MARK_BITS) - 1
        return any(self._mark(master_id, pool_id, drawn) == mark for master_id in self._ring.keys().keys)

    def _mark(self, master_id: str, pool_id: str, drawn: int) -> int:
        key = self._ring.keys().subkey(master_id, "identity id")
        digest = hmac.digest(key, drawn.to_bytes(10, "big") + pool_id.encode(), "sha256")
        return int.from_bytes(digest[: _MARK_BITS // 8], "big")


def is_uuid(text: str) -> bool:
    """Return whether *text* is a UUID as AWS writes the part after the region."""
    return _UUID.fullmatch(text) is not None
