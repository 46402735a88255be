"""Typed literals: DATE '2026-11-23', TIMESTAMP with or without a zone, INTERVAL, DECIMAL, JSON, and texts with escapes: U&'...'."""

from __future__ import annotations

import re

from sqlglot import exp

from headwater.dialect.casts import cast
from headwater.dialect.errors import QueryFailed
from headwater.dialect.quoting import literal
from headwater.dialect.types import DATE, INTERVAL, MONTHS, MOST_DIGITS, ZONED, Type, decimal
from headwater.dialect.value import Value, text_value
from headwater.dialect.zones import engine_zone, zone_name

_MOMENT = re.compile(
    r"\s*(\d{4,}-\d{1,2}-\d{1,2})(?:[ T](\d{1,2}:\d{2}(?::\d{2}(?:\.(\d+))?)?))?\s*([A-Za-z][\w/+-]*|[+-]\d{2}:?\d{2})?\s*"
)
_UNITS_MS = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000}
_MAKERS = {"day": "to_days", "hour": "to_hours", "minute": "to_minutes", "second": "to_seconds"}
_SPANS = {
    ("day", "hour"): r"(\d+) (\d+)",
    ("day", "minute"): r"(\d+) (\d+):(\d+)",
    ("day", "second"): r"(\d+) (\d+):(\d+):(\d+(?:\.\d+)?)",
    ("hour", "minute"): r"(\d+):(\d+)",
    ("hour", "second"): r"(\d+):(\d+):(\d+(?:\.\d+)?)",
    ("minute", "second"): r"(\d+):(\d+(?:\.\d+)?)",
}


def typed_literal(text: str, kind: Type, where: str) -> Value:
    """Return the value of a literal with its type before it."""
    match kind.name:
        case "date":
            if not re.fullmatch(r"\s*\d{4,}-\d{1,2}-\d{1,2}\s*", text):
                raise QueryFailed("INVALID_LITERAL", f"{where}'{text}' is not a valid DATE literal")
            return Value(f"DATE {literal(text.strip())}", DATE)
        case "timestamp" | "timestamp with time zone":
            return moment(text, where)
        case "time":
            digits = re.fullmatch(r"\d{1,2}:\d{2}(?::\d{2}(?:\.(\d+))?)?", text.strip())
            if digits is None:
                raise QueryFailed("INVALID_LITERAL", f"{where}'{text}' is not a valid TIME literal")
            return Value(f"TIME {literal(text.strip())}", Type("time", (len(digits[1] or ""),)))
        case "decimal":
            digits = re.fullmatch(r"\s*([+-]?)(\d*)(?:\.(\d*))?\s*", text)
            if digits is None or not (digits[2] or digits[3]):
                raise QueryFailed("INVALID_LITERAL", f"{where}'{text}' is not a valid DECIMAL literal")
            scale = len(digits[3] or "")
            precision = max(len(digits[2].lstrip("0")) + scale, 1)
            if precision > MOST_DIGITS:
                raise QueryFailed("INVALID_LITERAL", f"{where}'{text}' is not a valid DECIMAL literal: more than {MOST_DIGITS} digits")
            found = decimal(precision, scale)
            return Value(f"CAST({literal(text.strip())} AS {found.duckdb})", found)
        case "json":
            return Value(f"CAST({literal(text)} AS JSON)", kind)
    return cast(text_value(text), kind, where)


def moment(text: str, where: str) -> Value:
    """Return the value of a TIMESTAMP literal; its digits of a second are its precision, a zone makes it an instant."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise QueryFailed("INVALID_LITERAL", f"{where}'{text}' is not a valid TIMESTAMP literal")
    precision = len(found[3] or "")
    clock = f"{found[1]} {found[2] or '00:00:00'}"
    if found[4] is None:
        return Value(f"TIMESTAMP {literal(clock)}", Type("timestamp", (precision,)))
    zone = zone_name(found[4], where)
    kind = Type(ZONED, (precision,), zone=zone)
    if zone == "UTC":
        return Value(f"TIMESTAMPTZ {literal(clock + '+00')}", kind)
    return Value(f"timezone({literal(engine_zone(zone))}, TIMESTAMP {literal(clock)})", kind)


def interval(text: str, unit: str, until: str | None, where: str) -> Value:
    """Return the value of an INTERVAL literal; raise `QueryFailed` for one that cannot be read."""
    unit, until = unit.lower().removesuffix("s"), until.lower() if until else None
    sign = -1 if text.strip().startswith("-") else 1
    digits = text.strip().lstrip("+-").strip()
    try:
        if unit in ("year", "month"):
            if until == "month":
                years, months = digits.split("-")
                return Value(f"to_months({sign * (int(years) * 12 + int(months))})", MONTHS)
            return Value(f"to_months({sign * int(digits) * (12 if unit == 'year' else 1)})", MONTHS)
        if unit == "week":
            return Value(f"to_days({sign * int(digits) * 7})", INTERVAL)
        if until is None:
            if digits.isdigit():
                return Value(f"{_MAKERS[unit]}({sign * int(digits)})", INTERVAL)
            if unit != "second":
                raise ValueError(text)
            return Value(f"to_milliseconds({sign * round(float(digits) * 1000)})", INTERVAL)
        found = re.fullmatch(_SPANS[unit, until], digits)
        if found is None:
            raise ValueError(text)
        units = list(_UNITS_MS)[list(_UNITS_MS).index(unit) :]
        total = sum(round(float(part) * _UNITS_MS[name]) for part, name in zip(found.groups(), units, strict=False))
        return Value(f"to_milliseconds({sign * total})", INTERVAL)
    except (ValueError, KeyError) as error:
        told = f"{unit.upper()}{' TO ' + until.upper() if until else ''}"
        raise QueryFailed("INVALID_LITERAL", f"{where}'{text}' is not a valid INTERVAL literal: {told}") from error


def unicode_text(node: exp.UnicodeString) -> str:
    """Return the text of a literal U&'...', its escapes resolved."""
    mark = node.args.get("escape")
    escape = mark.name if isinstance(mark, exp.Expr) else "\\"
    text, found, at = node.name, "", 0
    while at < len(text):
        if text[at] != escape:
            found, at = found + text[at], at + 1
        elif text[at + 1 : at + 2] == escape:
            found, at = found + escape, at + 2
        else:
            size = 6 if text[at + 1 : at + 2] == "+" else 4
            start = at + (2 if size == 6 else 1)
            try:
                letter = chr(int(text[start : start + size], 16))
                letter.encode()
                found += letter
            except ValueError as error:
                raise QueryFailed("INVALID_LITERAL", f"Invalid escaped character in a U& literal: {text[at : start + size]}") from error
            at = start + size
    return found
