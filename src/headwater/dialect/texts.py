"""Values as texts, column by column, exactly as Athena's results have them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow as _pyarrow
import pyarrow.compute as _compute

from headwater.dialect.types import ZONED, Type, parse_type

# The stubs know fewer ways to call these than there are.
pa: Any = _pyarrow
pc: Any = _compute
Column: TypeAlias = Any
"""An Arrow array of any type, whole or in chunks."""

_DAY_MS = 86_400_000


def athena_text(column: Column, kind: str, zone: str = "UTC") -> Column:
    """Return the texts of a column of the Athena type *kind*, NULL for NULL; *zone* is in which its instants are told."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    found = parse_type(kind)
    return _texts(whole, found._replace(zone=zone) if found.name == ZONED else found)


def _texts(column: Column, kind: Type) -> Column:
    match kind.name:
        case "double" | "real":
            return _floats(column)
        case "decimal":
            return _decimals(column)
        case "timestamp" | "timestamp with time zone":
            return _moments(column, kind)
        case "time":
            return _times(column, kind)
        case "varbinary":
            return pa.array([None if value is None else value.hex(" ") for value in column.to_pylist()], pa.string())
        case "interval day to second":
            return pa.array([_day_time(value) for value in column.to_pylist()], pa.string())
        case "interval year to month":
            return pa.array([_months(value) for value in column.to_pylist()], pa.string())
        case "uuid":
            return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
        case "array":
            return _arrays(column, kind)
        case "map":
            return _maps(column, kind)
        case "row":
            return _rows(column, kind)
    if isinstance(column.type, pa.ExtensionType):
        column = column.storage
    return pc.cast(column, pa.string())


def _floats(column: Column) -> Column:
    texts = pc.cast(column, pa.string())
    size = pc.abs(column)
    # In this range both write plain digits; elsewhere, and that is rare, Java's form is made value by value.
    plain = pc.and_(pc.greater_equal(size, 1e-3), pc.less(size, 1e7))
    dotted = pc.if_else(pc.match_substring(texts, "."), texts, pc.binary_join_element_wise(texts, ".0", ""))
    if pc.all(pc.fill_null(plain, True)).as_py() is not False:
        return dotted
    return pa.array(
        [
            None if value is None else text if is_plain else java_float(value, shortest)
            for value, text, is_plain, shortest in zip(
                column.to_pylist(), dotted.to_pylist(), plain.to_pylist(), texts.to_pylist(), strict=True
            )
        ],
        pa.string(),
    )


def java_float(value: float, shortest: str) -> str:
    """Return a number in Java's form; *shortest* has the digits that identify it."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = Decimal(shortest).as_tuple()
    if not any(digits):
        return "-0.0" if str(value).startswith("-") else "0.0"
    if not isinstance(exponent, int):
        raise ValueError(shortest)
    text = "".join(map(str, digits))
    power = len(text) - 1 + exponent
    text = text.rstrip("0")
    return f"{'-' * sign}{text[0]}.{text[1:] or '0'}E{power}"


def _decimals(column: Column) -> Column:
    texts = pc.cast(column, pa.string())
    if not pc.any(pc.fill_null(pc.match_substring(texts, "E"), False)).as_py():
        return texts
    return pa.array([None if value is None else format(value, "f") for value in column.to_pylist()], pa.string())


def _moments(column: Column, kind: Type) -> Column:
    digits = max(kind.args[0], 3)
    if kind.name == ZONED:
        column = pc.local_timestamp(pc.cast(column, pa.timestamp("us", kind.zone)))
    texts = pc.cast(pc.cast(column, pa.timestamp("ms" if digits == 3 else "us"), safe=False), pa.string())
    if digits in (4, 5):
        texts = pc.utf8_slice_codeunits(texts, 0, digits - 6)
    elif digits > 6:
        texts = pc.binary_join_element_wise(texts, "0" * (digits - 6), "")
    return pc.binary_join_element_wise(texts, kind.zone, " ") if kind.name == ZONED else texts


def _times(column: Column, kind: Type) -> Column:
    digits = max(kind.args[0] if kind.args else 3, 3)
    if digits == 3:
        return pc.cast(pc.cast(column, pa.time32("ms"), safe=False), pa.string())
    return pc.utf8_slice_codeunits(pc.cast(column, pa.string()), 0, 9 + min(digits, 6))


def _day_time(value: Any) -> str | None:
    if value is None:
        return None
    total = round(value.days * _DAY_MS + value.nanoseconds / 1_000_000)
    sign, total = ("-" if total < 0 else ""), abs(total)
    days, rest = divmod(total, _DAY_MS)
    return f"{sign}{days} {rest // 3_600_000:02d}:{rest // 60_000 % 60:02d}:{rest // 1000 % 60:02d}.{rest % 1000:03d}"


def _months(value: Any) -> str | None:
    if value is None:
        return None
    return f"{'-' if value.months < 0 else ''}{abs(value.months) // 12}-{abs(value.months) % 12}"


def _joined(texts: Column, offsets: Column, valid: Column, opening: str, closing: str) -> Column:
    """Return the members of each list, put together within brackets; NULL where the list is."""
    inside = pc.binary_join(pa.ListArray.from_arrays(offsets, pc.fill_null(texts, "null")), ", ")
    whole = pc.binary_join_element_wise(opening, inside, closing, "")
    return pc.if_else(valid, whole, pa.scalar(None, pa.string()))


def _lists(column: Column) -> tuple[Column, Column]:
    """Return the offsets of each list within its flattened members, and whether it is there."""
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    ends = pc.cumulative_sum(pc.cast(lengths, pa.int32()))
    return pa.concat_arrays([pa.array([0], pa.int32()), ends]), pc.is_valid(column)


def _arrays(column: Column, kind: Type) -> Column:
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    offsets, valid = _lists(column)
    return _joined(_texts(column.flatten(), kind.items[0]), offsets, valid, "[", "]")


def _maps(column: Column, kind: Type) -> Column:
    entries = column.cast(pa.list_(pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])))
    offsets, valid = _lists(entries)
    members = entries.flatten()
    keys, values = members.field("key"), members.field("value")
    if len(keys):
        # Keys ascend within each map.
        owners = pc.list_parent_indices(entries)
        sortable = keys if not pa.types.is_nested(keys.type) else _texts(keys, kind.items[0])
        order = pc.sort_indices(pa.table({"owner": owners, "key": sortable}), sort_keys=[("owner", "ascending"), ("key", "ascending")])
        keys, values = keys.take(order), values.take(order)
    pairs = pc.binary_join_element_wise(_texts(keys, kind.items[0]), pc.fill_null(_texts(values, kind.items[1]), "null"), "=")
    return _joined(pairs, offsets, valid, "{", "}")


def _rows(column: Column, kind: Type) -> Column:
    parts: list[Any] = []
    for at, (name, item) in enumerate(zip(kind.fields, kind.items, strict=True)):
        text = pc.fill_null(_texts(column.field(at), item), "null")
        parts.append(pc.binary_join_element_wise(name or f"field{at}", text, "="))
    inside = pc.binary_join_element_wise(*parts, ", ")
    whole = pc.binary_join_element_wise("{", inside, "}", "")
    return pc.if_else(pc.is_valid(column), whole, pa.scalar(None, pa.string()))
