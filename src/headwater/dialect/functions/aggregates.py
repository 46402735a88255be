"""Aggregates. In a template {d} is DISTINCT, {o} the ORDER BY within the brackets, {w} FILTER and OVER: each as written, or nothing."""

from __future__ import annotations

from headwater.dialect.errors import NotSupported
from headwater.dialect.functions.maps import grouped
from headwater.dialect.operators import rounded_quotient
from headwater.dialect.signatures import Bound, FunctionLibrary
from headwater.dialect.types import BIGINT, DOUBLE, INTEGERS, Type, array, decimal
from headwater.dialect.value import Value, let


def _sum(bound: Bound) -> Value:
    [value] = bound.arguments
    if value.type.name in (*INTEGERS, "unknown"):
        return Value("CAST(sum({d}{0}){w} AS BIGINT)", BIGINT)
    if value.type.name == "decimal":
        kind = decimal(38, value.type.args[1])
        return Value(f"CAST(sum({{d}}{{0}}){{w}} AS {kind.duckdb})", kind)
    if value.type.name.startswith("interval"):
        return Value("to_milliseconds(CAST(sum({d}epoch_ms({0})){w} AS BIGINT))", value.type)
    return Value(f"CAST(sum({{d}}{{0}}){{w}} AS {value.type.duckdb})", value.type)


def _avg(bound: Bound) -> Value:
    [value] = bound.arguments
    if value.type.name == "decimal":
        return Value(_mean(value.type), value.type)
    if value.type.name == "real":
        return Value("CAST(avg({d}{0}){w} AS FLOAT)", value.type)
    return Value("avg({d}{0}){w}", DOUBLE)


def _mean(kind: Type) -> str:
    """Return the mean of decimals: whole numbers are divided, for a double has not all digits of a sum."""
    scale = kind.args[1]
    total = f"CAST(CAST(sum({{d}}{{0}}){{w}} AS DECIMAL(38,{scale})) * 1{'0' * scale} AS HUGEINT)"
    count = "CAST(count({d}{0}){w} AS HUGEINT)"
    return rounded_quotient(total, count, scale, kind)


def _percentile(bound: Bound) -> Value:
    value, share = bound.arguments
    several = share.type.name == "array"
    if share.constant is None and not several:
        raise NotSupported(f"{bound.where}the percentile must be a literal here, or an array of them")
    kind = array(value.type) if several else value.type
    return Value(f"CAST(approx_quantile({{0}}, CAST({{1}} AS FLOAT{'[]' if several else ''})){{w}} AS {kind.duckdb})", kind)


def _histogram(bound: Bound) -> str:
    return f"CAST(histogram({{0}}){{w}} AS {bound.returns.duckdb})"


def _listagg(bound: Bound) -> str:
    return "string_agg({d}{0}, {1}{o}){w}" if len(bound.arguments) == 2 else "string_agg({d}{0}, ''{o}){w}"


_PAIRS = 'list({d}struct_pack("key" := {0}, "value" := {1}){o}){w}'
_KEYS = 'list_transform("$9", lambda "$k": struct_extract("$k", \'key\'))'
# The quick way where no key comes twice or is NULL; else the first value of each key.
_MAP_AGG = let(
    9, _PAIRS,
    f"CASE WHEN \"$9\" IS NULL THEN NULL WHEN len(list_distinct({_KEYS})) = len(\"$9\") THEN map_from_entries(\"$9\") ELSE"
    f" map_from_entries(list_filter(\"$9\", lambda \"$e\", \"$i\": struct_extract(\"$e\", 'key') IS NOT NULL"
    f" AND list_position({_KEYS}, struct_extract(\"$e\", 'key')) = \"$i\")) END",
)  # fmt: skip
_MAP_UNION = let(
    9, "flatten(list(map_entries({0}){o}){w})",
    f"CASE WHEN \"$9\" IS NULL THEN NULL ELSE map_from_entries(list_filter(\"$9\", lambda \"$e\", \"$i\":"
    f" list_position({_KEYS}, struct_extract(\"$e\", 'key')) = \"$i\")) END",
)  # fmt: skip
_MULTIMAP = grouped('list_filter(list({d}struct_pack(k := {0}, v := {1}){o}){w}, lambda "$n": struct_extract("$n", \'k\') IS NOT NULL)')


def _top(bound: Bound) -> Value:
    """Return max or min with a count, or max_by or min_by with one."""
    return Value(
        f"{bound.name}({', '.join(f'{{{at}}}' for at in range(len(bound.arguments)))}){{w}}", Type("array", items=(bound.variables["T"],))
    )


# The engine corrects for the bias of a sample, Athena does not.
_SKEW = "skewness({0}){w} * (count({0}){w} - 2) / sqrt(count({0}){w} * (count({0}){w} - 1))"

AGGREGATES = FunctionLibrary()
AGGREGATES.add("aggregate", {
    "count() -> bigint": "count(*){w}",
    "count(T) -> bigint": "count({d}{0}){w}",
    "count_if(boolean) -> bigint": "CAST(count_if({d}{0}){w} AS BIGINT)",
    "sum(N) -> N": _sum,
    "sum(interval day to second) -> interval day to second": _sum,
    "avg(N) -> double": _avg,
    "min(T) -> T": "min({0}){w}",
    "max(T) -> T": "max({0}){w}",
    "min|max(T, bigint) -> array(T)": _top,
    "max_by(T, U) -> T": "arg_max_null({0}, {1}){w}",
    "min_by(T, U) -> T": "arg_min_null({0}, {1}){w}",
    "max_by|min_by(T, U, bigint) -> array(T)": _top,
    "arbitrary|any_value(T) -> T": "any_value({0}){w}",
    "array_agg(T) -> array(T)": "list({d}{0}{o}){w}",
    "map_agg(K, V) -> map(K,V)": _MAP_AGG,
    "multimap_agg(K, V) -> map(K,array(V))": _MULTIMAP,
    "map_union(map(K,V)) -> map(K,V)": _MAP_UNION,
    "histogram(T) -> map(T,bigint)": _histogram,
    "listagg(varchar) -> varchar": _listagg,
    "listagg(varchar, varchar) -> varchar": _listagg,
    "bool_and|every(boolean) -> boolean": "bool_and({d}{0}){w}",
    "bool_or(boolean) -> boolean": "bool_or({d}{0}){w}",
    "approx_distinct(T) -> bigint": "approx_count_distinct({0}){w}",
    "approx_distinct(T, double) -> bigint": "approx_count_distinct({0}){w}",
    "approx_percentile(N, double) -> N": _percentile,
    "approx_percentile(N, array(double)) -> array(N)": _percentile,
    "geometric_mean(double) -> double": "geometric_mean({d}{0}){w}",
    "stddev|stddev_samp(double) -> double": "stddev_samp({d}{0}){w}",
    "stddev_pop(double) -> double": "stddev_pop({d}{0}){w}",
    "variance|var_samp(double) -> double": "var_samp({d}{0}){w}",
    "var_pop(double) -> double": "var_pop({d}{0}){w}",
    "covar_pop(double, double) -> double": "covar_pop({0}, {1}){w}",
    "covar_samp(double, double) -> double": "covar_samp({0}, {1}){w}",
    "corr(double, double) -> double": "corr({0}, {1}){w}",
    "regr_slope(double, double) -> double": "regr_slope({0}, {1}){w}",
    "regr_intercept(double, double) -> double": "regr_intercept({0}, {1}){w}",
    "skewness(double) -> double": "(" + _SKEW + ")",
    "kurtosis(double) -> double": "kurtosis({0}){w}",
    "bitwise_and_agg(bigint) -> bigint": "bit_and(CAST({0} AS BIGINT)){w}",
    "bitwise_or_agg(bigint) -> bigint": "bit_or(CAST({0} AS BIGINT)){w}",
    "bitwise_xor_agg(bigint) -> bigint": "bit_xor(CAST({0} AS BIGINT)){w}",
})  # fmt: skip
AGGREGATES.refuse({
    "approx_most_frequent": "histogram", "approx_set": "approx_distinct", "merge": "approx_distinct", "empty_approx_set": "approx_distinct",
    "numeric_histogram": "width_bucket with GROUP BY", "qdigest_agg": "approx_percentile", "tdigest_agg": "approx_percentile",
    "value_at_quantile": "approx_percentile", "values_at_quantiles": "approx_percentile", "checksum": "count and sum",
    "reduce_agg": "reduce over array_agg", "entropy": "sum with ln", "make_set_digest": "approx_distinct", "learn_classifier": "plain SQL",
    "learn_regressor": "regr_slope", "classify": "plain SQL", "regress": "regr_slope",
})  # fmt: skip
