"""Functions of maps."""

from __future__ import annotations

from headwater.dialect.casts import as_text
from headwater.dialect.scope import row_item
from headwater.dialect.signatures import Bound, FunctionLibrary
from headwater.dialect.types import Type
from headwater.dialect.value import Value, fail, fill, let


def subscript(value: Value, key: Value) -> str:
    """Return the value of a key; one that is not there ends the query."""
    kind = value.type.items[1]
    missing = fail("INVALID_FUNCTION_ARGUMENT", "Key not present in map: ", kind, detail=as_text(Value("{1}", key.type)))
    there = "{0} IS NULL OR {1} IS NULL OR map_contains({0}, {1})"
    return fill(f"(CASE WHEN {there} THEN map_extract_value({{0}}, {{1}}) ELSE {missing} END)", [value.sql, key.sql])


def _map(bound: Bound) -> str:
    if not bound.arguments:
        return "MAP {}"
    return unique_keys("map({0}, {1})", bound.pieces(), bound.returns, keys="{0}")


def unique_keys(made: str, pieces: list[str], kind: Type, *, keys: str) -> str:
    """Return a map, or the error Athena gives for a key that comes twice."""
    twice = fail("INVALID_FUNCTION_ARGUMENT", "Duplicate map keys are not allowed", kind)
    return fill(f"(CASE WHEN len(list_distinct({keys})) < len({keys}) THEN {twice} ELSE {made} END)", pieces)


def _pair(kind: Type, key: str, value: str) -> str:
    """Return SQL that makes of each two-field row of type *kind*, called "$e", one with other names."""
    first, second = (row_item(Value('"$e"', kind), at).sql for at in (0, 1))
    return f'lambda "$e": struct_pack({key} := {first}, {value} := {second})'


def _from_entries(bound: Bound) -> str:
    pair = _pair(bound.arguments[0].type.items[0], '"key"', '"value"')
    entries = f"list_transform({bound.pieces()[0]}, {pair})"
    keys = 'list_transform({0}, lambda "$k": struct_extract("$k", \'key\'))'
    return unique_keys("map_from_entries({0})", [entries], bound.returns, keys=keys)


def _concat(bound: Bound) -> str:
    return f"map_concat({', '.join(bound.pieces())})"


def _over_entries(bound: Bound) -> str:
    """Return transform_keys or transform_values: the lambda's result takes the place of one side of each entry."""
    pairs = let(9, "map_entries({0})", 'list_zip(list_transform("$9", {1}), "$9")')
    new, old = 'struct_extract("$e", 1)', "struct_extract(struct_extract(\"$e\", 2), '%s')"
    key, value = (new, old % "value") if bound.name == "transform_keys" else (old % "key", new)
    made = f'map_from_entries(list_transform({pairs}, lambda "$e": struct_pack("key" := {key}, "value" := {value})))'
    return fill(f"(CASE WHEN {{0}} IS NULL THEN NULL ELSE {made} END)", bound.pieces())


def _zip_with(bound: Bound) -> str:
    keys = "list_distinct(map_keys({0}) || map_keys({1}))"
    both = 'struct_pack("key" := "$k", "value" := map_extract_value({0}, "$k"), "other" := map_extract_value({1}, "$k"))'
    entries = f'list_transform({keys}, lambda "$k": {both})'
    made = let(9, entries, 'map(list_transform("$9", lambda "$e": struct_extract("$e", \'key\')), list_transform("$9", {2}))')
    return fill(f"(CASE WHEN {{0}} IS NULL OR {{1}} IS NULL THEN NULL ELSE {made} END)", bound.pieces())


def _split_to_map(bound: Bound) -> str:
    bad = fail(
        "INVALID_FUNCTION_ARGUMENT", "Key-value delimiter must appear exactly once in each entry. Bad input: ", bound.returns, detail="{0}"
    )
    body = (
        f'CASE WHEN len(list_filter("$9", lambda "$e": len(split("$e", {{2}})) <> 2)) > 0 THEN {bad}'
        ' ELSE map(list_transform("$9", lambda "$e": split_part("$e", {2}, '
        '1)), list_transform("$9", lambda "$e": split_part("$e", {2}, 2))) END'
    )
    return fill("(CASE WHEN {0} = '' THEN MAP {} ELSE " + let(9, "split({0}, {1})", body) + " END)", bound.pieces())


def _split_to_multimap(bound: Bound) -> str:
    parts = 'list_transform(split({0}, {1}), lambda "$e": struct_pack(k := split_part("$e", {2}, 1), v := split_part("$e", {2}, 2)))'
    return fill(grouped(parts), bound.pieces())


def grouped(entries: str) -> str:
    """Return a map from each `k` of a list of entries to the list of its `v`, in their order."""
    keys = 'list_transform("$9", lambda "$e": struct_extract("$e", \'k\'))'
    unique = "list_distinct(" + keys + ")"
    values = 'list_transform(list_filter("$9", lambda "$f": struct_extract("$f", \'k\') = "$u"), lambda "$g": struct_extract("$g", \'v\'))'
    return let(9, entries, f'(CASE WHEN "$9" IS NULL THEN NULL ELSE map({unique}, list_transform({unique}, lambda "$u": {values})) END)')


def _multimap_from_entries(bound: Bound) -> str:
    pair = _pair(bound.arguments[0].type.items[0], "k", "v")
    return grouped(f"list_transform({bound.pieces()[0]}, {pair})")


MAPS = FunctionLibrary()
MAPS.add("scalar", {
    "map() -> map(unknown, unknown)": _map,
    "map(array(K), array(V)) -> map(K,V)": _map,
    "element_at(map(K,V), K) -> V": "map_extract_value({0}, {1})",
    "map_keys(map(K,V)) -> array(K)": "map_keys({0})",
    "map_values(map(K,V)) -> array(V)": "map_values({0})",
    "map_concat(map(K,V), map(K,V)...) -> map(K,V)": _concat,
    "map_filter(map(K,V), entry(K,V,boolean)) -> map(K,V)": "map_from_entries(list_filter(map_entries({0}), {1}))",
    "transform_keys(map(K,V), entry(K,V,U)) -> map(U,V)": _over_entries,
    "transform_values(map(K,V), entry(K,V,U)) -> map(K,U)": _over_entries,
    "map_zip_with(map(K,V), map(K,U), entry(K,V,U,S)) -> map(K,S)": _zip_with,
    "split_to_map(varchar, varchar, varchar) -> map(varchar, varchar)": _split_to_map,
    "split_to_multimap(varchar, varchar, varchar) -> map(varchar, array(varchar))": _split_to_multimap,
})  # fmt: skip


def _row_pattern(bound: Bound) -> Type:
    return bound.arguments[0].type.items[0]


def entries_type(kind: Type) -> Type:
    """Return the type of a map's entries, rows without names."""
    return Type("array", items=(Type("row", items=kind.items, fields=(None, None)),))


def _entries(bound: Bound) -> Value:
    pair = "struct_pack(field0 := struct_extract(\"$e\", 'key'), field1 := struct_extract(\"$e\", 'value'))"
    return Value(f'list_transform(map_entries({bound.pieces()[0]}), lambda "$e": {pair})', entries_type(bound.arguments[0].type))


def _map_from_entries(bound: Bound) -> Value:
    kind = Type("map", items=_row_pattern(bound).items)
    return Value(_from_entries(bound._replace(returns=kind)), kind)


def _multimap(bound: Bound) -> Value:
    key, item = _row_pattern(bound).items
    return Value(_multimap_from_entries(bound), Type("map", items=(key, Type("array", items=(item,)))))


MAPS.add("scalar", {
    "map_entries(map(K,V)) -> array(T)": _entries,
    "map_from_entries(array(T)) -> map(K,V)": _map_from_entries,
    "multimap_from_entries(array(T)) -> map(K,V)": _multimap,
})  # fmt: skip
