"""Functions of arrays; places count from 1, and a place that is not there is an error unless element_at asks for it."""

from __future__ import annotations

from headwater.dialect.casts import as_text, cast
from headwater.dialect.errors import QueryFailed
from headwater.dialect.signatures import Bound, FunctionLibrary
from headwater.dialect.types import DATE, INTERVAL, Type, array, row
from headwater.dialect.value import Value, fail, fill, let


def subscript(value: Value, index: Value) -> str:
    """Return the element at a place; one that is not there ends the query."""
    kind = value.type.items[0]
    if isinstance(index.constant, int) and index.constant > 0:
        beyond = fail(
            "INVALID_FUNCTION_ARGUMENT",
            "Array subscript must be less than or equal to array length: ",
            kind,
            detail="{1} || ' > ' || len({0})",
        )
        return fill(f"(CASE WHEN {{1}} > len({{0}}) THEN {beyond} ELSE list_extract({{0}}, {{1}}) END)", [value.sql, index.sql])
    beyond = fail(
        "INVALID_FUNCTION_ARGUMENT", "Array subscript must be less than or equal to array length: ", kind, detail="{1} || ' > ' || len({0})"
    )
    zero = fail("INVALID_FUNCTION_ARGUMENT", "SQL array indices start at 1", kind)
    negative = fail("INVALID_FUNCTION_ARGUMENT", "Array subscript is negative: ", kind, detail="CAST({1} AS VARCHAR)")
    cases = f"WHEN {{1}} = 0 THEN {zero} WHEN {{1}} < 0 THEN {negative} WHEN {{1}} > len({{0}}) THEN {beyond}"
    return fill(f"(CASE {cases} ELSE list_extract({{0}}, {{1}}) END)", [value.sql, index.sql])


def _element_at(bound: Bound) -> str:
    zero = fail("INVALID_FUNCTION_ARGUMENT", "SQL array indices start at 1", bound.returns)
    return fill(f"(CASE WHEN {{1}} = 0 THEN {zero} ELSE list_extract({{0}}, {{1}}) END)", bound.pieces())


def _join(bound: Bound) -> str:
    kind = bound.arguments[0].type.items[0]
    text = as_text(Value('"$t"', kind))
    words = bound.pieces()[0] if text == '"$t"' else f'list_transform({bound.pieces()[0]}, lambda "$t": {text})'
    if len(bound.arguments) == 3:
        words = f'list_transform({words}, lambda "$n": coalesce("$n", {bound.pieces()[2]}))'
    return f"array_to_string({words}, {bound.pieces()[1]})"


def _concat(bound: Bound) -> str:
    return "(" + " || ".join(cast(argument, bound.returns, bound.where).sql for argument in bound.arguments) + ")"


def _zip(bound: Bound) -> Value:
    kinds = [argument.type.items[0] for argument in bound.arguments]
    names = [f"field{at}" for at in range(len(kinds))]
    longest = f"greatest({', '.join(f'len({piece})' for piece in bound.pieces())})" if len(kinds) > 1 else f"len({bound.pieces()[0]})"
    parts = ", ".join(f'"{name}" := list_extract({piece}, "$i")' for name, piece in zip(names, bound.pieces(), strict=True))
    nothing = " OR ".join(f"{piece} IS NULL" for piece in bound.pieces())
    sql = f'(CASE WHEN {nothing} THEN NULL ELSE list_transform(range(1, {longest} + 1), lambda "$i": struct_pack({parts})) END)'
    return Value(sql, array(row(*((None, kind) for kind in kinds))))


def _extreme(bound: Bound) -> str:
    function = bound.name.replace("array", "list")
    return fill(f'(CASE WHEN len(list_filter({{0}}, lambda "$n": "$n" IS NULL)) > 0 THEN NULL ELSE {function}({{0}}) END)', bound.pieces())


def _sequence(bound: Bound) -> str:
    first, last, *step = bound.arguments
    if first.type.name in ("date", "timestamp"):
        by = step[0].sql if step else "to_days(1)"
        if (step and step[0].type.name == INTERVAL.name) or first.type == DATE or step:
            made = f"generate_series(CAST({first.sql} AS TIMESTAMP), CAST({last.sql} AS TIMESTAMP), {by})"
            return f'list_transform({made}, lambda "$d": CAST("$d" AS DATE))' if first.type == DATE else made
        raise QueryFailed("FUNCTION_NOT_FOUND", f"{bound.where}sequence of timestamps needs a step")
    if step:
        return f"generate_series(CAST({first.sql} AS BIGINT), CAST({last.sql} AS BIGINT), {step[0].sql})"
    up, down = "generate_series(CAST({0} AS BIGINT), CAST({1} AS BIGINT))", "generate_series(CAST({0} AS BIGINT), CAST({1} AS BIGINT), -1)"
    return fill(f"(CASE WHEN {{0}} <= {{1}} THEN {up} ELSE {down} END)", bound.pieces())


def _match(bound: Bound) -> str:
    """Return any_match, all_match or none_match, with NULL for what is not known."""
    decisive = "true" if bound.name != "all_match" else "false"
    when, otherwise = ("true", "false") if bound.name == "any_match" else ("false", "true")
    seen = f'coalesce(list_position("$9", {decisive}), 0) > 0'
    unknown = 'len(list_filter("$9", lambda "$n": "$n" IS NULL)) > 0'
    body = f'CASE WHEN "$9" IS NULL THEN NULL WHEN {seen} THEN {when} WHEN {unknown} THEN NULL ELSE {otherwise} END'
    return let(9, f"list_transform({bound.pieces()[0]}, {bound.pieces()[1]})", body)


def _slice(bound: Bound) -> str:
    wrong = fail("INVALID_FUNCTION_ARGUMENT", "SQL array indices start at 1", bound.returns)
    start = "CASE WHEN {1} < 0 THEN len({0}) + {1} + 1 ELSE {1} END"
    empty = "{2} = 0 OR -{1} > len({0})"
    return fill(
        f"(CASE WHEN {{1}} = 0 THEN {wrong} WHEN {empty} THEN [] ELSE list_slice({{0}}, {start}, {start} + {{2}} - 1) END)", bound.pieces()
    )


def _reduce(bound: Bound) -> str:
    values, start, step, finish = bound.arguments
    state = cast(start, bound.variables["S"], bound.where).sql
    return f"list_extract(list_transform([list_reduce({values.sql}, {step.sql}, {state})], {finish.sql}), 1)"


def _repeat(bound: Bound) -> str:
    return f'list_transform(range(CAST({bound.pieces()[1]} AS BIGINT)), lambda "$r": {bound.pieces()[0]})'


def _ngrams(bound: Bound) -> str:
    parts = 'list_slice({0}, "$i", "$i" + {1} - 1)'
    return fill(
        f'(CASE WHEN len({{0}}) <= {{1}} THEN [{{0}}] ELSE list_transform(range(1, len({{0}}) - {{1}} + 2), lambda "$i": {parts}) END)',
        bound.pieces(),
    )


_DISTINCT = 'list_filter(%s, lambda "$e", "$i": list_position(%s, "$e") = "$i")'


def _distinct(sql: str) -> str:
    return let(9, sql, _DISTINCT % ('"$9"', '"$9"'))


def _set(bound: Bound) -> str:
    a, b = (cast(argument, bound.returns, bound.where).sql for argument in bound.arguments)
    if bound.name == "array_union":
        return _distinct(f"({a} || {b})")
    wanted = ">" if bound.name == "array_intersect" else "="
    return _distinct(
        fill(
            f"(CASE WHEN {{1}} IS NULL THEN NULL ELSE list_filter({{0}}, lambda "
            f'"$f": coalesce(list_position({{1}}, "$f"), 0) {wanted} 0) END)',
            [a, b],
        )
    )


def _overlap(bound: Bound) -> str:
    common = 'len(list_filter({0}, lambda "$f": list_position({1}, "$f") > 0)) > 0'
    unknown = 'len(list_filter({0} || {1}, lambda "$f": "$f" IS NULL)) > 0'
    known = 'len(list_filter({0}, lambda "$f": "$f" IS NOT NULL AND list_position({1}, "$f") > 0)) > 0'
    return fill(
        f"(CASE WHEN {{0}} IS NULL OR {{1}} IS NULL THEN NULL WHEN {known} THEN true WHEN {unknown} THEN NULL ELSE {common} END)",
        bound.pieces(),
    )


def _type_of_element(bound: Bound) -> Type:
    return bound.arguments[0].type.items[0]


def _contains(bound: Bound) -> str:
    kind = _type_of_element(bound)
    wanted = cast(bound.arguments[1], kind, bound.where).sql if kind.name == "row" else bound.pieces()[1]
    found = "coalesce(list_position({0}, {1}), 0) > 0"
    unknown = 'len(list_filter({0}, lambda "$n": "$n" IS NULL)) > 0'
    return fill(
        f"(CASE WHEN {{0}} IS NULL OR {{1}} IS NULL THEN NULL WHEN {found} THEN true WHEN {unknown} THEN NULL ELSE false END)",
        [bound.pieces()[0], wanted],
    )


ARRAYS = FunctionLibrary()
ARRAYS.add("scalar", {
    "cardinality(array(T)) -> bigint": "CAST(len({0}) AS BIGINT)",
    "cardinality(map(K,V)) -> bigint": "CAST(cardinality({0}) AS BIGINT)",
    "element_at(array(T), bigint) -> T": _element_at,
    "array_first(array(T)) -> T": "list_extract({0}, 1)",
    "array_last(array(T)) -> T": "list_extract({0}, -1)",
    "contains(array(T), T) -> boolean": _contains,
    "array_position(array(T), T) -> bigint": "(CASE WHEN {1} IS NULL THEN NULL ELSE CAST(coalesce(list_position({0}, "
                                             "{1}), CASE WHEN {0} IS NULL THEN NULL ELSE 0 END) AS BIGINT) END)",
    "array_distinct(array(T)) -> array(T)": lambda bound: _distinct(bound.pieces()[0]),
    "array_join(array(T), varchar) -> varchar": _join,
    "array_join(array(T), varchar, varchar) -> varchar": _join,
    "array_max(array(T)) -> T": _extreme,
    "array_min(array(T)) -> T": _extreme,
    "array_sort(array(T)) -> array(T)": "list_sort({0}, 'ASC', 'NULLS LAST')",
    "array_remove(array(T), T) -> array(T)": "list_filter({0}, lambda \"$f\": \"$f\" IS NULL OR \"$f\" <> {1})",
    "array_union|array_intersect|array_except(array(T), array(T)) -> array(T)": _set,
    "arrays_overlap(array(T), array(T)) -> boolean": _overlap,
    "concat(array(T), array(T)...) -> array(T)": _concat,
    "flatten(array(array(T))) -> array(T)": "flatten({0})",
    "reverse(array(T)) -> array(T)": "list_reverse({0})",
    "slice(array(T), bigint, bigint) -> array(T)": _slice,
    "trim_array(array(T), bigint) -> array(T)": "list_slice({0}, 1, len({0}) - {1})",
    "repeat(T, bigint) -> array(T)": _repeat,
    "sequence(bigint, bigint) -> array(bigint)": _sequence,
    "sequence(bigint, bigint, bigint) -> array(bigint)": _sequence,
    "sequence(date, date) -> array(date)": _sequence,
    "sequence(date, date, interval day to second) -> array(date)": _sequence,
    "sequence(date, date, interval year to month) -> array(date)": _sequence,
    "sequence(timestamp, timestamp, interval day to second) -> array(timestamp)": _sequence,
    "sequence(timestamp, timestamp, interval year to month) -> array(timestamp)": _sequence,
    "shuffle(array(T)) -> array(T)": "list_transform(list_sort(list_transform({0}, lambda \"$s\": struct_pack(r "
                                     ":= random(), v := \"$s\"))), lambda \"$s\": struct_extract(\"$s\", 'v'))",
    "ngrams(array(varchar), bigint) -> array(array(varchar))": _ngrams,
    "zip(array(T), array(U)) -> array(T)": _zip,
    "zip(array(T), array(U), array(V)) -> array(T)": _zip,
    "zip_with(array(T), array(U), pair(T,U,V)) -> array(V)": "list_transform(list_zip({0}, {1}), {2})",
    "transform(array(T), function(T,U)) -> array(U)": "list_transform({0}, {1})",
    "filter(array(T), function(T,boolean)) -> array(T)": "list_filter({0}, {1})",
    "reduce(array(T), S, function(S,T,S), function(S,U)) -> U": _reduce,
    "any_match|all_match|none_match(array(T), function(T,boolean)) -> boolean": _match,
})  # fmt: skip
ARRAYS.refuse({
    "combinations": "CROSS JOIN UNNEST of "
                    "the array with itself", "array_histogram": "histogram over UNNEST", "dot_product": "reduce over zip_with",
    "euclidean_distance": "reduce over zip_with",
})  # fmt: skip
