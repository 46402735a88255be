"""How much may come out of one record, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# What the worker holds at a time follows from these: all events of a record are stored in one transaction.
PARTS_LIMIT = 20_000
UNPACKED_LIMIT = 10 * 1024 * 1024
DEPTH_LIMIT = 3


class UnreadablePack(Exception):
    """No events can be taken from the bytes; the text says what they are."""


class PackedPart(NamedTuple):
    """One of the things packed together. *partition_key*: its own, where it has one. *why*: what it is, where it is known to be no JSON."""

    data: bytes
    partition_key: str | None = None
    why: str | None = None


class Budget:
    """What is left of the bounds of one record."""

    def __init__(self) -> None:
        self.parts_left, self.bytes_left = PARTS_LIMIT, UNPACKED_LIMIT

    def take(self, parts: Sequence[bytes]) -> None:
        """Count *parts*; `UnreadablePack` beyond the bound."""
        self.parts_left -= len(parts)
        if self.parts_left < 0:
            raise TooMuch(f"more than {PARTS_LIMIT:,} events, which is the most that one record may hold")

    def unpack(self, size: int) -> None:
        """Count *size* bytes that were unpacked; `UnreadablePack` beyond the bound."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise TooMuch(f"over {UNPACKED_LIMIT:,} bytes once it is unpacked, which is the most that one record may hold")


class TooMuch(UnreadablePack):
    """More than the bounds allow; nothing of the record is taken."""
