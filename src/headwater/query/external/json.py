"""JSON text -> values of declared types, where names have any case, as Hive's readers take them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from headwater.query.columns import literal, quote
from headwater.query.dialect.types import INTEGERS, Type
from headwater.query.external.number import integer_sql


def value_sql(source: str, path: Sequence[str], kind: Type, *, strict: bool, depth: int = 0) -> str:
    """Return what is found in the JSON *source* along the member names of *path*, as a *kind*; NULL where it is missing.

    What cannot be read as that is an error if *strict*, else NULL. *depth* keeps the names of nested parts apart.
    """
    for name in path:
        source = _member(source, name, depth)
    match kind.name:
        case "row":
            fields = ", ".join(
                f"{quote(name or f'field{at}')} := {value_sql(source, [name or f'field{at}'], item, strict=strict, depth=depth)}"
                for at, (name, item) in enumerate(zip(kind.fields, kind.items, strict=True))
            )
            return f"CASE WHEN json_type({source}) = 'OBJECT' THEN struct_pack({fields}) END"
        case "array":
            one = f"i{depth}"
            inner = value_sql(one, [], kind.items[0], strict=strict, depth=depth + 1)
            items = f"CASE WHEN json_type({source}) = 'ARRAY' THEN CAST({source} AS JSON[]) END"
            return f"list_transform({items}, lambda {one}: {inner})"
        case "map":
            one = f"i{depth}"
            inner = value_sql(f"{one}.value", [], kind.items[1], strict=strict, depth=depth + 1)
            pairs = f"list_transform(map_entries({_members(source)}), lambda {one}: {{'k': CAST({one}.key AS {kind.items[0].duckdb}),"
            return f"CASE WHEN json_type({source}) = 'OBJECT' THEN map_from_entries({pairs} 'v': {inner}}})) END"
    if kind.name in INTEGERS:
        return integer_sql(f"json_extract_string({source}, '$')", kind, strict=strict)
    change = "json_transform_strict" if strict else "json_transform"
    return f"{change}({source}, {literal(json.dumps(kind.duckdb))})"


def _member(source: str, name: str, depth: int) -> str:
    one = f"m{depth}"
    found = f"list_filter(map_entries({_members(source)}), lambda {one}: lower({one}.key) = {literal(name.lower())})"
    return f"{found}[-1].value"


def _members(source: str) -> str:
    return f"CASE WHEN json_type({source}) = 'OBJECT' THEN CAST({source} AS MAP(VARCHAR, JSON)) END"
