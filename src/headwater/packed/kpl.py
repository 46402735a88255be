"""Aggregates of the Kinesis Producer Library: a magic number, an `AggregatedRecord` in protobuf, and its MD5.

https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from headwater.packed.limits import UnreadablePack
from headwater.packed.protobuf import Malformed, fields

_MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16
_KEY_TABLE, _RECORDS = 1, 3  # of an AggregatedRecord
_KEY_INDEX, _DATA = 1, 3  # of a Record


def is_aggregate(data: bytes) -> bool:
    """Tell whether *data* says that it is one."""
    return data.startswith(_MAGIC)


def contents(data: bytes) -> Iterator[tuple[str | None, bytes]]:
    """Yield partition key and data of each record in the aggregate; `UnreadablePack` if its MD5 or its protobuf is wrong."""
    message, digest = data[len(_MAGIC) : -_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if len(data) < len(_MAGIC) + _DIGEST_BYTES or hashlib.md5(message, usedforsecurity=False).digest() != digest:
        raise UnreadablePack("an aggregate of the Kinesis Producer Library whose checksum (MD5) is wrong: it was cut or changed")
    try:
        keys = [value for number, value in fields(message) if number == _KEY_TABLE and isinstance(value, bytes)]
        for number, value in fields(message):
            if number == _RECORDS and isinstance(value, bytes):
                yield _record(value, keys)
    except Malformed as error:
        raise UnreadablePack(f"an aggregate of the Kinesis Producer Library that is not what its format says ({error})") from None


def _record(message: bytes, keys: list[bytes]) -> tuple[str | None, bytes]:
    said = dict(fields(message))
    index, data = said.get(_KEY_INDEX, 0), said.get(_DATA, b"")
    if not isinstance(index, int) or not isinstance(data, bytes):
        raise Malformed("a record has a field of another type")
    return (keys[index].decode("utf-8", "replace") if index < len(keys) else None), data
