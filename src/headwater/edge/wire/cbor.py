"""CBOR as AWS's JSON-like services speak it (RFC 8949): what the SDK for Java sends to Kinesis, and what it reads.

A time is tag 1 with epoch *milliseconds*, where the RFC has seconds: AWS's SDKs write and read it so.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

_DEPTH_LIMIT = 16
_EPOCH_TIME = 1
_BREAK = 0xFF
_INDEFINITE = 31
_BYTES, _TEXT = 2, 3


class Moment(float):
    """A time to be written, in epoch seconds, as JSON spells it."""

    __slots__ = ()

    @classmethod
    def of_ms(cls, epoch_ms: int) -> Moment:
        """Return the time of so many milliseconds."""
        return cls(epoch_ms / 1000)


def decode(data: bytes) -> Any:
    """Return the one value in *data*: maps with text keys, lists, text, bytes, numbers, booleans, None, and epoch seconds for times.

    Raises `ValueError` for anything else.
    """
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise ValueError("there are bytes after the value")
    return value


def encode(value: Any) -> bytes:
    """Return the bytes of a value of the kinds that `decode` returns, or of a `Moment`."""
    into = bytearray()
    _write(value, into)
    return bytes(into)


class _Break(Exception):
    """The end of an item of indefinite length."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def _item(self, depth: int) -> Any:
        if depth > _DEPTH_LIMIT:
            raise ValueError(f"values lie more than {_DEPTH_LIMIT} deep in each other")
        [first] = self._take(1)
        if first == _BREAK:
            raise _Break
        kind, info = first >> 5, first & 31
        if kind == 7:
            return self._simple(info)
        length = None if info == _INDEFINITE else self._argument(info)
        if kind in (_BYTES, _TEXT):
            raw = self._take(length) if length is not None else self._chunks(kind)
            return raw if kind == _BYTES else raw.decode()
        if kind == 4:
            return self._several(length, lambda: self._item(depth + 1))
        if kind == 5:
            return dict(self._several(length, lambda: (self._key(depth), self.value(depth))))
        if length is None:
            raise ValueError("a number has a length")
        if kind == 6:
            tagged = self.value(depth)
            return _moment(tagged) if length == _EPOCH_TIME else tagged
        return length if kind == 0 else -1 - length

    def value(self, depth: int) -> Any:
        try:
            return self._item(depth + 1)
        except _Break:
            raise ValueError("an end where a value must be") from None

    def _key(self, depth: int) -> str:
        key = self._item(depth + 1)
        if not isinstance(key, str):
            raise ValueError("the keys of a map must be text")
        return key

    def _several(self, length: int | None, one: Callable[[], Any]) -> list[Any]:
        items: list[Any] = []
        try:
            while length is None or len(items) < length:
                items.append(one())
        except _Break:
            if length is not None:
                raise ValueError("an end before all items came") from None
        return items

    def _chunks(self, kind: int) -> bytes:
        chunks = []
        while (head := self._take(1)[0]) != _BREAK:
            if head >> 5 != kind or head & 31 == _INDEFINITE:
                raise ValueError("the chunks of a text must be texts, and those of bytes bytes")
            chunks.append(self._take(self._argument(head & 31)))
        return b"".join(chunks)

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise ValueError("a length of no known form")
        return int.from_bytes(self._take(1 << (info - 24)))

    def _simple(self, info: int) -> Any:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info in _FLOATS:
            form = _FLOATS[info]
            [number] = form.unpack(self._take(form.size))
            if not math.isfinite(number):
                raise ValueError("a number must be finite")
            return number
        raise ValueError("a simple value nobody has a meaning for")

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._data):
            raise ValueError("the end comes too early")
        taken, self.at = self._data[self.at : end], end
        return taken


_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}


def _moment(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= 1 << 63:
        raise ValueError("a time must be a number")
    return value / 1000 if isinstance(value, int) else value


def _write(value: Any, into: bytearray) -> None:
    if isinstance(value, str):
        text = value.encode()
        _head(_TEXT, len(text), into)
        into += text
    elif isinstance(value, bytes):
        _head(_BYTES, len(value), into)
        into += value
    elif isinstance(value, dict):
        _head(5, len(value), into)
        for name, item in value.items():
            _write(name, into)
            _write(item, into)
    elif isinstance(value, list | tuple):
        _head(4, len(value), into)
        for item in value:
            _write(item, into)
    elif value is None or isinstance(value, bool):
        into.append({False: 0xF4, True: 0xF5, None: 0xF6}[value])
    elif isinstance(value, Moment):
        _head(6, _EPOCH_TIME, into)
        _write(round(value * 1000), into)
    elif isinstance(value, int):
        _head(0, value, into) if value >= 0 else _head(1, -1 - value, into)
    elif isinstance(value, float):
        into += b"\xfb" + struct.pack(">d", value)
    else:
        raise TypeError(f"CBOR has no form for {type(value).__name__}")


def _head(kind: int, argument: int, into: bytearray) -> None:
    if argument < 24:
        into.append(kind << 5 | argument)
        return
    size = next(size for size in (1, 2, 4, 8) if argument < 1 << 8 * size)
    into.append(kind << 5 | 24 + size.bit_length() - 1)
    into += argument.to_bytes(size)
