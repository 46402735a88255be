"""Arithmetic and comparison with Athena's types: whole numbers divide to whole ones, decimals keep digits, times move by intervals."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

from headwater.dialect.casts import cast, local
from headwater.dialect.errors import QueryFailed
from headwater.dialect.literals import typed_literal
from headwater.dialect.quoting import literal
from headwater.dialect.types import (
    BOOLEAN,
    DATE,
    DAY_TIME,
    INTEGERS,
    INTERVAL,
    NUMBERS,
    VARBINARY,
    VARCHAR,
    YEAR_MONTH,
    ZONED,
    Type,
    array,
    as_decimal,
    common,
    decimal,
)  # fmt: skip
from headwater.dialect.value import Value, decimal_sql, fail, fill
from headwater.dialect.zones import engine_zone

# So many digits of a decimal number a double keeps apart from any other (DBL_DIG of C).
_DOUBLE_DIGITS = 15
_UNORDERED = ("map", "json")
_MOMENTS = ("date", "timestamp", ZONED, "time")
_INTERVALS = (DAY_TIME, YEAR_MONTH)


def arithmetic(operator: str, left: Value, right: Value, where: str) -> Value:
    """Return *left* operator *right*, for + - * / %; raise `QueryFailed` for types it does not take."""
    a, b = left.type, right.type
    if a.name == "unknown" and b.name == "unknown":
        return Value("NULL", a)
    if a.name == "unknown":
        left, a = Value(f"CAST(NULL AS {b.duckdb})", b), b
    if b.name == "unknown":
        right, b = Value(f"CAST(NULL AS {a.duckdb})", a), a
    if a.name in NUMBERS and b.name in NUMBERS:
        return _numbers(operator, left, right)
    if (found := _moments(operator, left, right, where)) is not None:
        return found
    raise QueryFailed("TYPE_MISMATCH", f"{where}Cannot apply operator: {a} {operator} {b}")


def _numbers(operator: str, left: Value, right: Value) -> Value:
    kind = common(left.type, right.type)
    assert kind is not None, "two numbers always have a common type"
    if kind.name == "decimal":
        return _decimals(operator, left, right)
    if operator == "/" and kind.name in INTEGERS:
        return Value(f"({left.sql} // {right.sql})", kind)
    given = {left.type.name, right.type.name}
    pieces = [f"CAST({side.sql} AS {kind.duckdb})" if "decimal" in given and side.type != kind else side.sql for side in (left, right)]
    if kind.name == "real" and given != {"real"}:
        pieces = [f"CAST({piece} AS FLOAT)" for piece in pieces]
    return Value(f"({pieces[0]} {operator} {pieces[1]})", kind)


def _decimals(operator: str, left: Value, right: Value) -> Value:
    (p1, s1), (p2, s2) = as_decimal(left.type).args, as_decimal(right.type).args
    a, b = decimal_sql(left), decimal_sql(right)
    scale = max(s1, s2)
    match operator:
        case "+" | "-":
            kind = decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)
            return Value(f"CAST((CAST({a} AS {kind.duckdb}) {operator} CAST({b} AS {kind.duckdb})) AS {kind.duckdb})", kind)
        case "*":
            kind = decimal(p1 + p2, s1 + s2)
            return Value(f"CAST(({a} * {b}) AS {kind.duckdb})", kind)
        case "/":
            kind = decimal(p1 + s2 + max(s2 - s1, 0), scale)
            return Value(_quotient(a, b, s1, s2, scale, kind), kind)
    kind = decimal(min(p2 - s2, p1 - s1) + scale, scale)
    wide = f"DECIMAL(38,{scale})"
    zero = fail("DIVISION_BY_ZERO", "Division by zero", kind)
    return Value(
        fill(f"(CASE WHEN {{1}} = 0 THEN {zero} ELSE CAST(CAST({{0}} AS {wide}) % CAST({{1}} AS {wide}) AS {kind.duckdb}) END)", [a, b]),
        kind,
    )


def _quotient(a: str, b: str, s1: int, s2: int, scale: int, kind: Type) -> str:
    """Return SQL that divides two decimals as whole numbers and rounds half away from zero."""
    zero = fail("DIVISION_BY_ZERO", "Division by zero", kind)
    # Both as whole numbers: a*10^s1 and b*10^s2. The result has `scale` digits, so the dividend is raised by scale + s2 - s1.
    dividend = (
        f"(CAST({{0}} * 1{'0' * s1} AS HUGEINT) * CAST(1{'0' * (scale + s2 - s1)} AS HUGEINT))"
        if s1
        else f"(CAST({{0}} AS HUGEINT) * CAST(1{'0' * (scale + s2)} AS HUGEINT))"
    )
    divisor = f"CAST({{1}} * 1{'0' * s2} AS HUGEINT)" if s2 else "CAST({1} AS HUGEINT)"
    return fill(f"(CASE WHEN {{1}} = 0 THEN {zero} ELSE {rounded_quotient(dividend, divisor, scale, kind)} END)", [a, b])


def rounded_quotient(dividend: str, divisor: str, scale: int, kind: Type) -> str:
    """Return SQL that divides two HUGEINTs, of which the first is raised by *scale* digits, to a decimal, rounded half away from zero."""
    rest = f"(abs({dividend} % {divisor}) * 2 >= abs({divisor}))"
    away = f"CASE WHEN ({dividend} < 0) = ({divisor} < 0) THEN 1 ELSE -1 END"
    rounded = f"({dividend} // {divisor} + CASE WHEN {rest} THEN {away} ELSE 0 END)"
    unit = f" * CAST(0.{'0' * (scale - 1)}1 AS DECIMAL({scale + 1},{scale}))" if scale else ""
    return f"CAST(CAST({rounded} AS DECIMAL(38,0)){unit} AS {kind.duckdb})"


def _moments(operator: str, left: Value, right: Value, where: str) -> Value | None:
    a, b = left.type, right.type
    if a.name in _INTERVALS and a == b and operator in "+-":
        return Value(f"({left.sql} {operator} {right.sql})", a)
    if a.name in _INTERVALS and b.name in NUMBERS and operator in "*/":
        return _scaled(operator, left, right)
    if b.name in _INTERVALS and a.name in NUMBERS and operator == "*":
        return _scaled(operator, right, left)
    if a.name in _INTERVALS and b.name in _MOMENTS and operator == "+":
        left, right, a, b = right, left, b, a
    if a.name in _MOMENTS and b.name in _INTERVALS and operator in "+-":
        return moved(left, f"{right.sql}", operator, where)
    if operator == "-" and a.name in _MOMENTS and b.name in _MOMENTS and common(a, b) is not None:
        if a.name == b.name == "date":
            return Value(f"to_days(CAST(({left.sql} - {right.sql}) AS INTEGER))", INTERVAL)
        return Value(f"({left.sql} - {right.sql})", INTERVAL)
    return None


def moved(moment: Value, interval: str, operator: str, where: str) -> Value:
    """Return a moment moved by an interval; days and months are those of its zone."""
    kind = moment.type
    if kind.name == "date":
        return Value(f"CAST(({moment.sql} {operator} {interval}) AS DATE)", DATE)
    if kind.name == ZONED and kind.zone != "UTC":
        return Value(f"timezone({literal(engine_zone(kind.zone))}, ({local(moment)} {operator} {interval}))", kind)
    return Value(f"({moment.sql} {operator} {interval})", kind)


def _scaled(operator: str, interval: Value, number: Value) -> Value:
    if interval.type.name == YEAR_MONTH:
        months = f"(date_part('year', {interval.sql}) * 12 + date_part('month', {interval.sql}))"
        return Value(f"to_months(CAST(trunc({months} {operator} {number.sql}) AS INTEGER))", interval.type)
    return Value(f"to_milliseconds(CAST(trunc(epoch_ms({interval.sql}) {operator} {number.sql}) AS BIGINT))", INTERVAL)


def negated(value: Value, where: str) -> Value:
    """Return -value."""
    if value.type.name in (*NUMBERS, *_INTERVALS, "unknown"):
        constant = -value.constant if isinstance(value.constant, int | float) else None
        return Value(f"(-{value.sql})", value.type, constant)
    raise QueryFailed("TYPE_MISMATCH", f"{where}Cannot negate {value.type}")


def comparison(operator: str, left: Value, right: Value, where: str) -> Value:
    """Return a comparison; raise `QueryFailed` where the two have no common type, or theirs has no such order."""
    left, right = beside(left, right.type), beside(right, left.type)
    kind = comparable(operator, left, right, where)
    a, b = aligned(left, kind), aligned(right, kind)
    return Value(f"({a} {operator} {b})", BOOLEAN)


def beside(value: Value, other: Type) -> Value:
    """Return *value* as it is compared with one of the type *other*: a literal of a double with a decimal as a decimal.

    As doubles they would be in the same order, for a double tells any two numbers of 15 digits apart; and the engine would not know what
    its statistics of the column say of a double.
    """
    if other.name != "decimal" or other.args[0] > _DOUBLE_DIGITS or not isinstance(value.constant, float) or not isfinite(value.constant):
        return value
    number = Decimal(repr(value.constant))
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or exponent >= 0 or max(len(digits), -exponent) > _DOUBLE_DIGITS:
        return value
    return typed_literal(f"{number:f}", other, "")._replace(constant=value.constant)


def comparable(operator: str, left: Value, right: Value, where: str) -> Type:
    """Return the type as which two values are compared."""
    kind = common(left.type, right.type)
    ordered = operator not in ("=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
    if kind is None or (ordered and kind.name in _UNORDERED):
        raise QueryFailed("TYPE_MISMATCH", f"{where}Cannot apply operator: {left.type} {operator} {right.type}")
    return kind


def aligned(value: Value, kind: Type) -> str:
    """Return the SQL of a value to compare as *kind*; plain values are left as they are, which the engine compares rightly."""
    if kind.name == "map":
        # The engine compares maps entry by entry, in the order they have.
        return f"list_sort(map_entries({cast(value, kind, '').sql}))"
    if value.type.duckdb == kind.duckdb:
        return value.sql
    if value.type.name == "decimal" and kind.name in ("double", "real"):
        return f"CAST({value.sql} AS {kind.duckdb})"
    if value.type.name in ("row", "array"):
        return cast(value, kind, "").sql
    return value.sql


def concatenation(left: Value, right: Value, where: str) -> Value:
    """Return left || right: of texts, of arrays, of an array and an element."""
    a, b = left.type, right.type
    texts = ("varchar", "char", "unknown")
    if a.name in texts and b.name in texts:
        return Value(f"({left.sql} || {right.sql})", VARCHAR)
    if a.name == b.name == "varbinary":
        return Value(f"({left.sql} || {right.sql})", VARBINARY)
    if a.name == "array" and (kind := common(a, b)) is not None and b.name in ("array", "unknown"):
        return Value(f"({cast(left, kind, where).sql} || {cast(right, kind, where).sql})", kind)
    if a.name == "array" and (item := common(a.items[0], b)) is not None:
        kind = array(item)
        return Value(f"({cast(left, kind, where).sql} || [{cast(right, item, where).sql}])", kind)
    if b.name == "array" and (item := common(b.items[0], a)) is not None:
        kind = array(item)
        return Value(f"([{cast(left, item, where).sql}] || {cast(right, kind, where).sql})", kind)
    raise QueryFailed("TYPE_MISMATCH", f"{where}Cannot apply operator: {a} || {b}")
