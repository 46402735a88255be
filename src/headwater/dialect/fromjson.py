"""JSON to values of other types, as CAST does it: members by name whatever their case, those that are missing NULL."""

from __future__ import annotations

from headwater.dialect.quoting import literal
from headwater.dialect.types import Type, field_names
from headwater.dialect.value import fail, let

_DOCUMENT, _ITEM, _MEMBER = 4, 5, 6


def json_sql(sql: str, wanted: Type) -> str:
    """Return the SQL of the JSON *sql* as a *wanted*; JSON's null is NULL, and what cannot be such a value ends the statement."""
    match wanted.name:
        case "json":
            return sql
        case "array":
            item = f'"${_ITEM}"'
            items = f"list_transform(CAST({_IT} AS JSON[]), lambda {item}: {json_sql(item, wanted.items[0])})"
            return _of_kinds(sql, {"ARRAY": items}, wanted)
        case "map":
            entry = f'"${_ITEM}"'
            key, value = f"CAST({entry}.key AS {wanted.items[0].duckdb})", json_sql(f"{entry}.value", wanted.items[1])
            made = f'lambda {entry}: struct_pack("key" := {key}, "value" := {value})'
            return _of_kinds(sql, {"OBJECT": f"map_from_entries(list_transform(map_entries({_MEMBERS}), {made}))"}, wanted)
        case "row":
            return _row(sql, wanted)
    return f"CAST(json_extract_string({sql}, '$') AS {wanted.duckdb})"


_IT = f'"${_DOCUMENT}"'
_MEMBERS = f"CAST({_IT} AS MAP(VARCHAR, JSON))"


def _row(sql: str, wanted: Type) -> str:
    """Return a row: of an object by the names of its members, of an array by their places."""
    names = field_names(wanted)
    told = [field or f"field{at}" for at, field in enumerate(wanted.fields)]
    members = [f"{name} := {json_sql(_member(field), kind)}" for name, field, kind in zip(names, told, wanted.items, strict=True)]
    places = [f"{name} := {json_sql(_place(at), kind)}" for at, (name, kind) in enumerate(zip(names, wanted.items, strict=True))]
    size = f"json_array_length({_IT}) <> {len(names)}"
    wrong = fail("INVALID_CAST_ARGUMENT", f"Cannot cast to {wanted}. The array has not {len(names)} elements", wanted)
    listed = f"CASE WHEN {size} THEN {wrong} ELSE struct_pack({', '.join(places)}) END"
    return _of_kinds(sql, {"OBJECT": f"struct_pack({', '.join(members)})", "ARRAY": listed}, wanted)


def _place(at: int) -> str:
    return f"json_extract({_IT}, '$[{at}]')"


def _member(name: str) -> str:
    # The name as it is written is looked up fast; only where there is none of it, all names are gone through.
    path = literal('$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"')
    entry = f'"${_MEMBER}"'
    found = f"list_filter(map_entries({_MEMBERS}), lambda {entry}: lower({entry}.key) = {literal(name.lower())})"
    return f"coalesce(json_extract({_IT}, {path}), list_extract({found}, -1).value)"


def _of_kinds(sql: str, made: dict[str, str], wanted: Type) -> str:
    """Return what is made of each kind of JSON value that will do; any other ends the statement."""
    cases = " ".join(f"WHEN '{kind}' THEN {text}" for kind, text in made.items())
    wrong = fail("INVALID_CAST_ARGUMENT", f"Cannot cast to {wanted}. Expected a JSON {' or '.join(made).lower()}, but got ", wanted,
                 detail=f"json_type({_IT})")  # fmt: skip
    text = f"CASE json_type({_IT}) {cases} WHEN 'NULL' THEN NULL ELSE CASE WHEN {_IT} IS NOT NULL THEN {wrong} END END"
    return let(_DOCUMENT, sql, text)
