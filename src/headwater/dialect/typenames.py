"""Athena's names for types: of the engine's, and as ColumnInfo tells them with precision and scale."""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa

from headwater.dialect.types import UNBOUNDED, parse_type

_DUCKDB = {
    "BOOLEAN": "boolean", "TINYINT": "tinyint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint",
    "HUGEINT": "decimal(38,0)",
    "UTINYINT": "smallint", "USMALLINT": "integer", "UINTEGER": "bigint", "UBIGINT": "decimal(20,0)", "FLOAT": "real", "DOUBLE": "double",
    "VARCHAR": "varchar", "BLOB": "varbinary", "DATE": "date", "TIME": "time(6)", "TIMESTAMP": "timestamp(6)",
    "TIMESTAMP_S": "timestamp(0)",
    "TIMESTAMP_MS": "timestamp(3)", "TIMESTAMP_NS": "timestamp(9)", "TIMESTAMP WITH TIME ZONE": "timestamp(6) with time zone",
    "INTERVAL": "interval day to second", "UUID": "uuid", "JSON": "json", '"NULL"': "unknown",
}  # fmt: skip
_WHOLE = {"boolean": 0, "tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "real": 17, "double": 17, "varbinary": 1_073_741_824}
_UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


class ColumnType(NamedTuple):
    """A type as ColumnInfo tells it: its name without arguments, precision, scale, and whether case matters."""

    name: str
    precision: int
    scale: int
    case_sensitive: bool


def column_type(kind: str) -> ColumnType:
    """Return how ColumnInfo tells a type given in full, like `decimal(10,2)`."""
    if kind == "string":
        return ColumnType("string", 0, 0, True)
    found = parse_type(kind)
    if found.name == "decimal":
        return ColumnType("decimal", found.args[0], found.args[1], False)
    if found.name in ("varchar", "char"):
        return ColumnType(found.name, found.args[0] if found.args else UNBOUNDED, 0, True)
    if found.name.startswith(("time", "timestamp")):
        return ColumnType(found.name, 3, 0, False)
    return ColumnType("float" if found.name == "real" else found.name, _WHOLE.get(found.name, 0), 0, False)


def athena_type(kind: str | pa.DataType) -> str:
    """Return Athena's full name of a type of the engine's (`BIGINT`, `VARCHAR[]`) or of Arrow's."""
    return _of_arrow(kind) if isinstance(kind, pa.DataType) else _of_duckdb(kind.strip())


def _of_arrow(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_map(kind):
        return f"map({_of_arrow(kind.key_type)}, {_of_arrow(kind.item_type)})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"array({_of_arrow(kind.value_type)})"
    if pa.types.is_struct(kind):
        return f"row({', '.join(f'{field.name} {_of_arrow(field.type)}' for field in kind)})"
    if pa.types.is_timestamp(kind):
        return f"timestamp({_UNITS[kind.unit]}){' with time zone' if kind.tz else ''}"
    if pa.types.is_time(kind):
        return f"time({_UNITS[kind.unit]})"
    for check, name in (
        (pa.types.is_null, "unknown"), (pa.types.is_boolean, "boolean"), (pa.types.is_int8, "tinyint"), (pa.types.is_int16, "smallint"),
        (pa.types.is_int32, "integer"), (pa.types.is_int64, "bigint"), (pa.types.is_float32, "real"), (pa.types.is_float64, "double"),
        (pa.types.is_date, "date"), (pa.types.is_interval, "interval day to second"),
    ):  # fmt: skip
        if check(kind):
            return name
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "varbinary"
    return {"arrow.uuid": "uuid", "extension<arrow.uuid>": "uuid"}.get(str(kind), "varchar")


def _of_duckdb(kind: str) -> str:
    if kind.endswith("]"):
        return f"array({_of_duckdb(kind[: kind.rindex('[')])})"
    if kind.startswith("DECIMAL("):
        return kind.lower()
    head, _, inside = kind.partition("(")
    if head == "MAP":
        return f"map({', '.join(map(_of_duckdb, _parts(inside[:-1])))})"
    if head == "STRUCT":
        fields = [re.match(r'("(?:[^"]|"")*"|\S+)\s+(.*)', part, re.DOTALL) for part in _parts(inside[:-1])]
        return f"row({', '.join(f'{field[1]} {_of_duckdb(field[2])}' for field in fields if field)})"
    return _DUCKDB.get(kind, "varchar")


def _parts(text: str) -> list[str]:
    parts, depth, start, quoted = [], 0, 0, False
    for at, letter in enumerate(text):
        quoted ^= letter == '"'
        if not quoted:
            depth += (letter in "([") - (letter in ")]")
            if letter == "," and depth == 0:
                parts.append(text[start:at].strip())
                start = at + 1
    return [*parts, text[start:].strip()]
