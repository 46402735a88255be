"""Functions of dates, times and intervals; an instant is taken apart in its own zone."""

from __future__ import annotations

from collections.abc import Callable

from headwater.dialect.casts import cast, local
from headwater.dialect.errors import QueryFailed
from headwater.dialect.formats import joda_format, mysql_format
from headwater.dialect.operators import moved
from headwater.dialect.quoting import literal
from headwater.dialect.signatures import Bound, FunctionLibrary
from headwater.dialect.types import BIGINT, DATE, TIMESTAMP, TIMESTAMPTZ, ZONED, Type
from headwater.dialect.value import Value, fail, fill
from headwater.dialect.zones import engine_zone, zone_name

UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
# What each field of EXTRACT is called by the engine.
PARTS = {
    "year": "year", "quarter": "quarter", "month": "month", "week": "week", "day": "day", "day_of_month": "day", "day_of_week": "isodow",
    "dow": "isodow", "day_of_year": "dayofyear", "doy": "dayofyear", "year_of_week": "isoyear", "yow": "isoyear", "hour": "hour",
    "minute": "minute", "second": "second",
}  # fmt: skip


def clock(value: Value) -> str:
    """Return a moment for functions that take it apart; UTC is the engine's own zone, so an instant in UTC stays as it is."""
    return local(value) if value.type.name == ZONED and value.type.zone != "UTC" else value.sql


def part(value: Value, name: str, where: str) -> Value:
    """Return a field of a date, a time or an interval; raise `QueryFailed` for one it has not."""
    name = name.lower()
    kind = value.type.name
    if kind == "varchar" or name not in (*PARTS, "millisecond", "timezone_hour", "timezone_minute"):
        raise QueryFailed("TYPE_MISMATCH", f"{where}Cannot extract {name} from {value.type}")
    if name == "millisecond":
        return Value(f"CAST(date_part('millisecond', {clock(value)}) % 1000 AS BIGINT)", BIGINT)
    if name.startswith("timezone"):
        offset = f"date_diff('minute', CAST(timezone('UTC', {value.sql}) AS TIMESTAMP), {local(value)})"
        return Value(f"({offset} // 60)" if name == "timezone_hour" else f"({offset} % 60)", BIGINT)
    if kind.startswith("interval") and name in ("day", "hour", "minute", "second"):
        size = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000}[name]
        over = {"day": 10**9, "hour": 24, "minute": 60, "second": 60}[name]
        return Value(f"(epoch_ms({value.sql}) // {size} % {over})", BIGINT)
    if kind == "time" and name not in ("hour", "minute", "second"):
        raise QueryFailed("TYPE_MISMATCH", f"{where}Cannot extract {name} from {value.type}")
    return Value(f"{PARTS[name]}({clock(value)})", BIGINT)


def _part(name: str) -> Callable[[Bound], Value]:
    return lambda bound: part(bound.arguments[0], name, bound.where)


def _unit(bound: Bound) -> str:
    unit = bound.text(0).lower()
    if unit not in UNITS:
        raise QueryFailed(
            "INVALID_FUNCTION_ARGUMENT",
            f"{bound.where}'{bound.text(0)}' is not a valid {'DATE' if bound.arguments[-1].type == DATE else 'Timestamp'} field",
        )
    return unit


def _trunc(bound: Bound) -> str:
    unit, value = _unit(bound), bound.arguments[1]
    if value.type == DATE:
        return f"CAST(date_trunc('{unit}', {value.sql}) AS DATE)"
    cut = f"date_trunc('{unit}', {clock(value)})"
    return _back(cut, value.type)


def _back(sql: str, kind: Type) -> str:
    """Return the instant that a wall clock of *kind*'s zone tells."""
    return f"timezone({literal(engine_zone(kind.zone))}, {sql})" if kind.name == ZONED and kind.zone != "UTC" else sql


def _add(bound: Bound) -> Value:
    unit, (_, count, value) = _unit(bound), bound.arguments
    made = (
        f"to_months(CAST({count.sql} * 3 AS INTEGER))"
        if unit == "quarter"
        else f"to_{unit}s(CAST({count.sql} AS {'BIGINT' if unit in UNITS[:4] else 'INTEGER'}))"
    )
    found = moved(value, made, "+", bound.where)
    return (
        found._replace(type=found.type._replace(args=(max(found.type.args[0], 3),))) if unit == "millisecond" and found.type.args else found
    )


def _diff(bound: Bound) -> str:
    # Whole units that have passed, not borders crossed.
    unit, (_, first, last) = _unit(bound), bound.arguments
    size = {"millisecond": 1_000, "second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000}
    if first.type == DATE == last.type:
        return f"date_sub('{unit}', {first.sql}, {last.sql})"
    if unit in size:
        return f"((epoch_us({last.sql}) - epoch_us({first.sql})) // {size[unit]})"
    return f"date_sub('{unit}', {local(first)}, {local(last)})"


def _date_format(bound: Bound) -> str:
    return f"strftime({clock(bound.arguments[0])}, {literal(mysql_format(bound.text(1), bound.where))})"


def _date_parse(bound: Bound) -> str:
    return _parsed(bound, mysql_format(bound.text(1), bound.where), "TIMESTAMP")


def _format_datetime(bound: Bound) -> str:
    return f"strftime({clock(bound.arguments[0])}, {literal(joda_format(bound.text(1), bound.where))})"


def _parse_datetime(bound: Bound) -> str:
    form = joda_format(bound.text(1), bound.where, parsing=True)
    return _parsed(bound, form, "TIMESTAMPTZ")


def _parsed(bound: Bound, form: str, kind: str) -> str:
    wrong = fail("INVALID_FUNCTION_ARGUMENT", 'Invalid format: "', TIMESTAMP if kind == "TIMESTAMP" else TIMESTAMPTZ, detail="{0} || '\"'")
    read = "try_strptime({0}, {1})"
    # What the pattern does not name is of 1970, not of 1900.
    base = "" if any(mark in form for mark in ("%Y", "%y", "%G")) else " + to_years(70)"
    made = f"CAST({read}{base} AS {kind})"
    return fill(f"(CASE WHEN {{0}} IS NOT NULL AND {read} IS NULL THEN {wrong} ELSE {made} END)", [bound.pieces()[0], literal(form)])


def _from_iso_timestamp(bound: Bound) -> str:
    wrong = fail("INVALID_FUNCTION_ARGUMENT", 'Invalid format: "', TIMESTAMPTZ, detail="{0} || '\"'")
    return fill(
        f"(CASE WHEN {{0}} IS NOT NULL AND (TRY_CAST({{0}} AS TIMESTAMPTZ) IS NULL OR regexp_matches({{0}}, '^[0-9-]* ')) THEN {wrong}"
        " ELSE date_trunc('millisecond', CAST({0} AS TIMESTAMPTZ)) END)",
        bound.pieces(),
    )


def _from_iso_date(bound: Bound) -> str:
    wrong = fail("INVALID_FUNCTION_ARGUMENT", 'Invalid format: "', DATE, detail="{0} || '\"'")
    week = "make_date(CAST(left({0}, 4) AS BIGINT), 1, 4)"
    monday = (
        f"date_trunc('week', {week}) + to_days(CAST((CAST(substr({{0}}, 7, 2) AS INTEGER) "
        f"- 1) * 7 + coalesce(TRY_CAST(substr({{0}}, 10, 1) AS INTEGER), 1) - 1 AS INTEGER))"
    )
    return fill(
        f"(CASE WHEN regexp_full_match({{0}}, '[0-9]+-W[0-9][0-9](-[0-9])?') THEN CAST({monday} AS DATE)"
        f" WHEN TRY_CAST({{0}} AS DATE) IS NULL AND {{0}} IS NOT NULL THEN {wrong} ELSE CAST({{0}} AS DATE) END)",
        bound.pieces(),
    )


def _to_iso(bound: Bound) -> str:
    [value] = bound.arguments
    if value.type == DATE:
        return f"strftime({value.sql}, '%Y-%m-%d')"
    digits = value.type.args[0]
    whole = f"strftime({local(value)}, '%Y-%m-%dT%H:%M:%S')"
    fraction = f" || '.' || left(strftime({local(value)}, '%f'), {digits})" if digits else ""
    zone = "" if value.type.name != ZONED else " || " + _offset(value)
    return f"({whole}{fraction}{zone})"


def _offset(value: Value) -> str:
    if value.type.zone == "UTC":
        return "'Z'"
    if value.type.zone[0] in "+-":
        return literal(value.type.zone)
    minutes = f"date_diff('minute', timezone('UTC', {value.sql}), {local(value)})"
    return fill(
        "(CASE WHEN {0} < 0 THEN '-' ELSE '+' END || lpad(CAST(abs({0}) // 60 AS "
        "VARCHAR), 2, '0') || ':' || lpad(CAST(abs({0}) % 60 AS VARCHAR), 2, '0'))",
        [minutes],
    )


def _from_unixtime(bound: Bound) -> Value:
    sql = f"make_timestamptz(CAST(round({bound.pieces()[0]} * 1000) AS BIGINT) * 1000)"
    if len(bound.arguments) == 1:
        return Value(sql, TIMESTAMPTZ)
    return Value(sql, TIMESTAMPTZ._replace(zone=zone_name(bound.text(1), bound.where)))


def _at_timezone(bound: Bound) -> Value:
    return at_zone(bound.arguments[0], bound.text(1), bound.where)


def at_zone(value: Value, zone: str, where: str) -> Value:
    """Return a moment told in another zone; one without a zone is taken to be in UTC."""
    kind = Type(ZONED, value.type.args or (0,), zone=zone_name(zone, where))
    return Value(value.sql if value.type.name == ZONED else f"CAST({value.sql} AS TIMESTAMPTZ)", kind)


def _with_timezone(bound: Bound) -> Value:
    value, zone = bound.arguments[0], zone_name(bound.text(1), bound.where)
    return Value(f"timezone({literal(engine_zone(zone))}, {local(value)})", Type(ZONED, value.type.args, zone=zone))


def _date(bound: Bound) -> Value:
    return cast(bound.arguments[0], DATE, bound.where)


def _last_day(bound: Bound) -> str:
    return f"last_day({clock(bound.arguments[0])})"


def _parse_duration(bound: Bound) -> str:
    number, unit = "CAST(regexp_extract({0}, '([0-9.]+)', 1) AS DOUBLE)", "regexp_extract({0}, '([a-z]+)', 1)"
    factor = f"CASE {unit} WHEN 'ms' THEN 1 WHEN 's' THEN 1000 WHEN 'm' THEN 60000 WHEN 'h' THEN 3600000 WHEN 'd' THEN 86400000 END"
    return fill(f"to_milliseconds(CAST(round({number} * {factor}) AS BIGINT))", bound.pieces())


NOW = "date_trunc('millisecond', now())"

MOMENTS = FunctionLibrary()
MOMENTS.add("scalar", {
    "now() -> timestamp(3) with time zone": NOW,
    "current_timezone() -> varchar": "'UTC'",
    "date(varchar) -> date": _date,
    "date(M) -> date": _date,
    "date_trunc(varchar, M) -> M": _trunc,
    "date_add(varchar, bigint, M) -> M": _add,
    "date_diff(varchar, M, M) -> bigint": _diff,
    "date_format(M, varchar) -> varchar": _date_format,
    "date_parse(varchar, varchar) -> timestamp(3)": _date_parse,
    "format_datetime(M, varchar) -> varchar": _format_datetime,
    "parse_datetime(varchar, varchar) -> timestamp(3) with time zone": _parse_datetime,
    "from_iso8601_timestamp(varchar) -> timestamp(3) with time zone": _from_iso_timestamp,
    "from_iso8601_timestamp_nanos(varchar) -> timestamp(6) with time zone": "CAST({0} AS TIMESTAMPTZ)",
    "from_iso8601_date(varchar) -> date": _from_iso_date,
    "to_iso8601(M) -> varchar": _to_iso,
    "from_unixtime(double) -> timestamp(3) with time zone": _from_unixtime,
    "from_unixtime(double, varchar) -> timestamp(3) with time zone": _from_unixtime,
    "from_unixtime_nanos(bigint) -> timestamp(6) with time zone": "make_timestamptz({0} // 1000)",
    "to_unixtime(M) -> double": "(epoch_us({0}) / 1e6)",
    "at_timezone(W, varchar) -> timestamp(3) with time zone": _at_timezone,
    "with_timezone(timestamp, varchar) -> timestamp(3) with time zone": _with_timezone,
    "timezone(timestamp(3) with time zone) -> varchar": lambda bound: literal(bound.arguments[0].type.zone),
    "last_day_of_month(M) -> date": _last_day,
    "to_milliseconds(interval day to second) -> bigint": "epoch_ms({0})",
    "parse_duration(varchar) -> interval day to second": _parse_duration,
    **{f"{name}(T) -> bigint": _part(field) for name, field in {
        **{name: name for name in ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond", "timezone_hour",
        "timezone_minute")},
        **{name: name for name in ("day_of_month", "day_of_week", "dow", "day_of_year", "doy", "year_of_week", "yow")},
        "week_of_year": "week",
    }.items()},
})  # fmt: skip
MOMENTS.refuse({"human_readable_seconds": "format"})
