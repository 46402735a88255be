"""Aggregates as the Kinesis Producer Library makes them, for tests."""

from __future__ import annotations

import hashlib


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def aggregate(*records: bytes, keys: tuple[str, ...] = ("pk",)) -> bytes:
    """Return an aggregate in which record i has key i, or the last key there is."""
    last = len(keys) - 1
    message = b"".join(field(1, key.encode()) for key in keys)
    message += b"".join(field(3, b"\x08" + varint(min(i, last)) + field(3, record)) for i, record in enumerate(records))
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()
