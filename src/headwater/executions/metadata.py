"""The `.metadata` object beside a result: protobuf, as Athena's drivers read it."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.executions.execution import ResultColumn

_UNKNOWN_NULLABLE = 3


def encode(query_id: str, columns: Sequence[ResultColumn], *, update_type: str | None = None, update_count: int | None = None) -> bytes:
    """Return the bytes of the object."""
    parts = [_text(1, query_id)]
    if update_type is not None:
        parts.append(_text(2, update_type))
    if update_count is not None:
        parts.append(_number(3, update_count))
    parts += [_field(4, _column(each)) for each in columns]
    return b"".join(parts)


def _column(column: ResultColumn) -> bytes:
    return b"".join(
        (
            _text(1, "hive"),
            _text(4, column.name),
            _text(5, column.name),
            _text(6, column.type),
            _number(7, column.precision),
            _number(8, column.scale),
            _number(9, _UNKNOWN_NULLABLE),
            _number(10, int(column.case_sensitive)),
        )
    )


def _text(tag: int, text: str) -> bytes:
    return _field(tag, text.encode())


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag << 3 | 2]) + _varint(len(content)) + content


def _number(tag: int, value: int) -> bytes:
    return bytes([tag << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
