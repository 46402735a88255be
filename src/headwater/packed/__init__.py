"""Records that hold more than one JSON object: what producers pack together, taken apart within bounds.

`take_apart` is a function of the bytes alone, so a record that is read again comes apart in the same way.
"""

from __future__ import annotations

from headwater.packed import kpl
from headwater.packed.gzipped import unzip
from headwater.packed.json_texts import split
from headwater.packed.kind import kind_of
from headwater.packed.limits import DEPTH_LIMIT, PARTS_LIMIT, UNPACKED_LIMIT, Budget, PackedPart, TooMuch, UnreadablePack

__all__ = ["DEPTH_LIMIT", "PARTS_LIMIT", "UNPACKED_LIMIT", "PackedPart", "UnreadablePack", "take_apart"]

TAKEN = "one JSON object, several one after another or in an array, gzip of these, or an aggregate of the Kinesis Producer Library"
_GZIP = b"\x1f\x8b"


def take_apart(data: bytes) -> list[PackedPart]:
    """Return what *data* holds, in order, at least one part of which is a JSON object; `UnreadablePack` says what the bytes are instead.

    Bounds: `PARTS_LIMIT` parts, `UNPACKED_LIMIT` bytes in all, packed within one another `DEPTH_LIMIT` deep.
    """
    return _take_apart(data, Budget(), 0)


def _take_apart(data: bytes, budget: Budget, depth: int) -> list[PackedPart]:
    aggregate, zipped = kpl.is_aggregate(data), data.startswith(_GZIP)
    if (aggregate or zipped) and depth == DEPTH_LIMIT:
        raise UnreadablePack(f"packed within itself more than {DEPTH_LIMIT} times")
    if zipped:
        content = unzip(data, budget)
        try:
            return _take_apart(content, budget, depth + 1)
        except TooMuch:
            raise
        except UnreadablePack as error:
            raise UnreadablePack(f"gzip of {error}") from None
    if not aggregate:
        texts = split(data, budget.parts_left)
        if not texts:
            raise UnreadablePack(f"{kind_of(data)}; what is taken is {TAKEN}")
        budget.take(texts)
        return [PackedPart(text) for text in texts]
    parts: list[PackedPart] = []
    readable = False
    for key, content in kpl.contents(data):
        try:
            inner = _take_apart(content, budget, depth + 1)
            readable = True
        except TooMuch:
            raise
        except UnreadablePack as error:
            budget.take([content])
            inner = [PackedPart(content, None, str(error))]
        parts += [PackedPart(part.data, part.partition_key or key, part.why) for part in inner]
    if not readable:
        inside = f"of {parts[0].why}" if parts else "without any record"
        raise UnreadablePack(f"an aggregate of the Kinesis Producer Library {inside}")
    return parts
