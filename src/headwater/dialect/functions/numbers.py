"""Functions of numbers."""

from __future__ import annotations

from headwater.dialect.errors import QueryFailed
from headwater.dialect.operators import arithmetic
from headwater.dialect.signatures import Bound, FunctionLibrary
from headwater.dialect.types import DOUBLE, INTEGERS, Type, decimal
from headwater.dialect.value import Value, fail, fill


def _ceiling(bound: Bound) -> str | Value:
    return _to_whole(bound, "ceil")


def _floor(bound: Bound) -> str | Value:
    return _to_whole(bound, "floor")


def _to_whole(bound: Bound, function: str) -> str | Value:
    [value] = bound.arguments
    if value.type.name in INTEGERS:
        return value
    if value.type.name == "decimal":
        precision, scale = value.type.args
        kind = decimal(precision - scale + min(scale, 1), 0)
        return Value(f"CAST({function}({value.sql}) AS {kind.duckdb})", kind)
    return Value(f"{function}({value.sql})", value.type)


def _round(bound: Bound) -> str | Value:
    value, *digits = bound.arguments
    places = digits[0].sql if digits else "0"
    if value.type.name in INTEGERS:
        # Digits before the point can be rounded, too: round(1234, -2).
        return value if not digits else Value(f"CAST(round({value.sql}, {places}) AS {value.type.duckdb})", value.type)
    if value.type.name == "decimal":
        precision, scale = value.type.args
        kind = decimal(precision + 1, scale) if digits else decimal(precision - scale + min(scale, 1), 0)
        return Value(f"CAST(round({value.sql}{', ' + places if digits else ''}) AS {kind.duckdb})", kind)
    return Value(f"round({value.sql}{', ' + places if digits else ''})", value.type)


def _truncate(bound: Bound) -> str | Value:
    value, *digits = bound.arguments
    if not digits:
        return Value(f"trunc({value.sql})", value.type) if value.type.name not in INTEGERS else value
    return Value(
        fill(f"CAST(trunc({{0}} * pow(10, {{1}})) / pow(10, {{1}}) AS {value.type.duckdb})", [value.sql, digits[0].sql]), value.type
    )


def _modulo(bound: Bound) -> Value:
    left, right = bound.arguments
    return arithmetic("%", left, right, bound.where)


def _sign(bound: Bound) -> Value:
    [value] = bound.arguments
    kind = decimal(1, 0) if value.type.name == "decimal" else value.type
    return Value(f"CAST(sign({value.sql}) AS {kind.duckdb})", kind)


def _extreme(bound: Bound) -> str:
    # NULL if any argument is; the engine's own looks at those that are not.
    function = bound.name
    anything = " OR ".join(f"{{{at}}} IS NULL" for at in range(len(bound.arguments)))
    given = ", ".join(f"{{{at}}}" for at in range(len(bound.arguments)))
    return fill(f"(CASE WHEN {anything} THEN NULL ELSE {function}({given}) END)", bound.pieces())


def _width_bucket(bound: Bound) -> str:
    flipped = "CAST(floor(({1} - {0}) / ({1} - {2}) * {3}) AS BIGINT) + 1"
    straight = "CAST(floor(({0} - {1}) / ({2} - {1}) * {3}) AS BIGINT) + 1"
    inside = f"CASE WHEN {{1}} < {{2}} THEN {straight} ELSE {flipped} END"
    below = "({1} < {2} AND {0} < {1}) OR ({1} > {2} AND {0} > {1})"
    above = "({1} < {2} AND {0} >= {2}) OR ({1} > {2} AND {0} <= {2})"
    wrong = fail("INVALID_FUNCTION_ARGUMENT", "bucketCount must be greater than 0", Type("bigint"))
    return fill(f"(CASE WHEN {{3}} < 1 THEN {wrong} WHEN {below} THEN 0 WHEN {above} THEN {{3}} + 1 ELSE {inside} END)", bound.pieces())


def _from_base(bound: Bound) -> str:
    digits = "split(lower({0}), '')"
    value = (
        f"list_reduce(list_transform({digits}, lambda \"$d\": CAST(strpos('0123456789abcdefghijklmnopqrstuvwxyz', "
        f'"$d") - 1 AS BIGINT)), lambda "$s", "$d": "$s" * {{1}} + "$d")'
    )
    return fill(value, bound.pieces())


def _random(bound: Bound) -> str | Value:
    if not bound.arguments:
        return Value("random()", DOUBLE)
    low = "0" if len(bound.arguments) == 1 else bound.pieces()[0]
    high = bound.pieces()[-1]
    return f"CAST({low} + floor(random() * ({high} - {low})) AS {bound.returns.duckdb})"


def _log(bound: Bound) -> str:
    base, number = bound.pieces()
    return f"({_safe_log(number)} / ln({base}))"


def _safe_log(number: str) -> str:
    return fill("(CASE WHEN {0} = 0 THEN CAST('-Infinity' AS DOUBLE) WHEN {0} < 0 THEN CAST('NaN' AS DOUBLE) ELSE ln({0}) END)", [number])


def _no_domain(bound: Bound) -> str:
    """Return a function of DOUBLE that is NaN (or -Infinity at 0) where it has no value, instead of an error."""
    function = bound.name
    zero = "WHEN {0} = 0 THEN CAST('-Infinity' AS DOUBLE) " if function.startswith(("ln", "log")) else ""
    return fill(f"(CASE {zero}WHEN {{0}} < 0 THEN CAST('NaN' AS DOUBLE) ELSE {function}({{0}}) END)", bound.pieces())


def _arc(bound: Bound) -> str:
    return fill(f"(CASE WHEN abs({{0}}) > 1 THEN CAST('NaN' AS DOUBLE) ELSE {bound.name}({{0}}) END)", bound.pieces())


def _to_base(bound: Bound) -> str:
    base = bound.number(1)
    if not 2 <= base <= 36:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{bound.where}Radix must be between 2 and 36")
    return f"to_base({bound.pieces()[0]}, {base})" if base != 16 else f"lower(to_base({bound.pieces()[0]}, 16))"


NUMBERS = FunctionLibrary()
NUMBERS.add("scalar", {
    "abs(N) -> N": "abs({0})",
    "ceil|ceiling(N) -> N": _ceiling,
    "floor(N) -> N": _floor,
    "round(N) -> N": _round,
    "round(N, integer) -> N": _round,
    "truncate(N) -> N": _truncate,
    "truncate(N, integer) -> N": _truncate,
    "mod(N, N) -> N": _modulo,
    "sign(N) -> N": _sign,
    "pow|power(double, double) -> double": "power({0}, {1})",
    "sqrt(double) -> double": _no_domain,
    # The engine's root of a cube may be off by the last digit.
    "cbrt(double) -> double": "(CASE WHEN power(round(cbrt({0})), 3) = {0} THEN round(cbrt({0})) ELSE cbrt({0}) END)",
    "exp(double) -> double": "exp({0})",
    "ln(double) -> double": _no_domain,
    "log2(double) -> double": _no_domain,
    "log10(double) -> double": _no_domain,
    "log(double, double) -> double": _log,
    "sin(double) -> double": "sin({0})",
    "cos(double) -> double": "cos({0})",
    "tan(double) -> double": "tan({0})",
    "asin(double) -> double": _arc,
    "acos(double) -> double": _arc,
    "atan(double) -> double": "atan({0})",
    "atan2(double, double) -> double": "atan2({0}, {1})",
    "sinh(double) -> double": "sinh({0})",
    "cosh(double) -> double": "cosh({0})",
    "tanh(double) -> double": "tanh({0})",
    "degrees(double) -> double": "degrees({0})",
    "radians(double) -> double": "radians({0})",
    "pi() -> double": "pi()",
    "e() -> double": "exp(1e0)",
    "nan() -> double": "CAST('NaN' AS DOUBLE)",
    "infinity() -> double": "CAST('Infinity' AS DOUBLE)",
    "is_nan(double) -> boolean": "isnan({0})",
    "is_finite(double) -> boolean": "isfinite({0})",
    "is_infinite(double) -> boolean": "isinf({0})",
    "random|rand() -> double": _random,
    "random|rand(I) -> I": _random,
    "random|rand(I, I) -> I": _random,
    "greatest(T, T...) -> T": _extreme,
    "least(T, T...) -> T": _extreme,
    "width_bucket(double, double, double, bigint) -> bigint": _width_bucket,
    "width_bucket(double, array(double)) -> bigint": "len(list_filter({1}, lambda \"$b\": \"$b\" <= {0}))",
    "from_base(varchar, bigint) -> bigint": _from_base,
    "to_base(bigint, integer) -> varchar": _to_base,
    "bitwise_and(bigint, bigint) -> bigint": "({0} & {1})",
    "bitwise_or(bigint, bigint) -> bigint": "({0} | {1})",
    "bitwise_xor(bigint, bigint) -> bigint": "xor(CAST({0} AS BIGINT), CAST({1} AS BIGINT))",
    "bitwise_not(bigint) -> bigint": "(~CAST({0} AS BIGINT))",
    "bitwise_left_shift(bigint, bigint) -> bigint": "(CAST({0} AS BIGINT) << {1})",
    "bitwise_right_shift_arithmetic(bigint, bigint) -> bigint": "(CAST({0} AS BIGINT) >> {1})",
    "bit_count(bigint, bigint) -> bigint": "CAST(bit_count(CAST({0} AS BIGINT)) AS BIGINT)",
})  # fmt: skip
NUMBERS.refuse({
    "bitwise_right_shift": "bitwise_right_shift_arithmetic", "beta_cdf": "a table of values", "normal_cdf": "a table of values",
    "inverse_normal_cdf": "a table of values", "inverse_beta_cdf": "a table of values", "cosine_similarity": "reduce over two maps",
    "wilson_interval_lower": "its formula with sqrt", "wilson_interval_upper": "its formula with sqrt", "random_string": "uuid",
})  # fmt: skip
