"""Iceberg's types as Arrow's."""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa

from headwater.errors import QueryError

_ARROW: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "timestamp_ns": pa.timestamp("ns"),
    "string": pa.string(),
    "uuid": pa.string(),
    "binary": pa.binary(),
}

_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_FIXED = re.compile(r"fixed[\[(]\s*(\d+)\s*[\])]")
_MEMBER = re.compile(r"(?:\d+:\s*)?(.+?):\s*(?:required|optional)\s+(.+?)(?:\s+\(.*\))?$", re.DOTALL)


@lru_cache(4096)
def arrow_type(iceberg: str) -> pa.DataType:
    """Return the Arrow type that holds an Iceberg type given as text (a UUID as text); raise `QueryError` for one we cannot read."""
    text = iceberg.strip()
    if text in _ARROW:
        return _ARROW[text]
    if decimal := _DECIMAL.fullmatch(text):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    if _FIXED.fullmatch(text):
        return pa.binary()
    kind, parts = _nested(text)
    if kind == "list":
        return pa.list_(arrow_type(parts[0]))
    if kind == "map":
        return pa.map_(arrow_type(parts[0]), arrow_type(parts[1]))
    return pa.struct([pa.field(name, arrow_type(kind)) for name, kind in _members(parts)])


def _nested(text: str) -> tuple[str, list[str]]:
    for kind, count in (("list", 1), ("map", 2), ("struct", None)):
        if text.startswith(kind + "<") and text.endswith(">"):
            parts = _split(text[len(kind) + 1 : -1])
            if count is None or len(parts) == count:
                return kind, parts
    raise QueryError(f"a column has the Iceberg type {text!r}, which cannot be read here")


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "<([") - (letter in ">)]")
        if letter == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    return parts


def _members(parts: list[str]) -> list[tuple[str, str]]:
    found = []
    for part in parts:
        member = _MEMBER.fullmatch(part)
        if member is None:
            raise QueryError(f"a column has a struct member {part!r}, which cannot be read here")
        found.append((member[1], member[2]))
    return found
