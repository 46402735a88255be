"""Shard iterators: a place in a shard, sealed so that nobody can make one up, and good for five minutes."""

from __future__ import annotations

import base64
import binascii
import secrets
from email.utils import formatdate

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from headwater.clock import Clock
from headwater.errors import BadRequest

LIFETIME_MS = 300_000
_NONCE_BYTES = 12


class ExpiredIterator(BadRequest):
    """The iterator was good once."""

    code = "ExpiredIteratorException"


class IteratorPlace(msgspec.Struct, frozen=True, array_like=True):
    """After which number of a shard to go on reading (decimal: MessagePack has no number of 128 bits), and when that was said."""

    stream_id: str
    shard_id: str
    after: str
    issued_ms: int


class Iterators:
    """Seals and opens iterators with *key* (32 bytes); those of another key are none."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._cipher, self._clock = AESGCM(key), clock

    def seal(self, stream_id: str, shard_id: str, after: int) -> str:
        """Return the iterator that stands after number *after* (0 = before the oldest record kept)."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        place = IteratorPlace(stream_id, shard_id, str(after), self._clock.now_ms())
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode(place), None)).decode()

    def open(self, iterator: str) -> IteratorPlace:
        """Return the place; `ExpiredIterator` for one that is too old, `BadRequest` for what is no iterator of ours."""
        try:
            sealed = base64.b64decode(iterator, validate=True)
            opened = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except (binascii.Error, InvalidTag, ValueError):
            raise BadRequest("Invalid ShardIterator.") from None
        place = msgspec.msgpack.decode(opened, type=IteratorPlace)
        now_ms = self._clock.now_ms()
        if now_ms - place.issued_ms > LIFETIME_MS:
            created, now = formatdate(place.issued_ms / 1000, usegmt=True), formatdate(now_ms / 1000, usegmt=True)
            raise ExpiredIterator(
                f"Iterator expired. The iterator was created at time {created} while right now it is {now}"
                f" which is further in the future than the tolerated delay of {LIFETIME_MS} milliseconds."
            )
        return place
