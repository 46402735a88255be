"""CAST and TRY_CAST with Athena's rules: how text is read, how numbers round, what becomes JSON."""

from __future__ import annotations

from headwater.dialect.errors import QueryFailed
from headwater.dialect.fromjson import json_sql
from headwater.dialect.quoting import literal
from headwater.dialect.scope import row_item
from headwater.dialect.types import INTEGERS, NUMBERS, ZONED, Type, field_names
from headwater.dialect.value import Value, fail, fill, let
from headwater.dialect.zones import engine_zone

_TEXT = ("varchar", "char")
_TIMES = ("date", "timestamp", ZONED)
_ALLOWED: dict[str, tuple[str, ...]] = {
    "boolean": ("boolean", *NUMBERS, *_TEXT, "json"),
    **dict.fromkeys(NUMBERS, ("boolean", *NUMBERS, *_TEXT, "json")),
    **dict.fromkeys(_TEXT, (
        "boolean", *NUMBERS, *_TEXT, "json", *_TIMES, "time", "varbinary", "uuid", "interval day to second",
        "interval year to month", "ipaddress",
    )),
    "varbinary": ("varbinary", *_TEXT, "uuid"),
    "date": (*_TEXT, *_TIMES, "json"),
    "timestamp": (*_TEXT, *_TIMES, "json"),
    ZONED: (*_TEXT, *_TIMES, "json"),
    "time": (*_TEXT, "time", "timestamp", ZONED),
    "json": ("boolean", *NUMBERS, *_TEXT, "date", "timestamp", "json", "array", "map", "row", "uuid"),
    "uuid": (*_TEXT, "uuid", "varbinary"),
    "ipaddress": (*_TEXT, "ipaddress"),
    "array": ("array", "json"),
    "map": ("map", "json"),
    "row": ("row", "json"),
    "interval day to second": ("interval day to second",),
    "interval year to month": ("interval year to month",),
}  # fmt: skip


def cast(value: Value, wanted: Type, where: str, *, trying: bool = False) -> Value:
    """Return *value* as *wanted*; raise `QueryFailed` where there is no such cast. *trying*: NULL where a value cannot be read."""
    given = value.type
    if given == wanted:
        return value._replace(constant=None)
    if given.name != "unknown" and given.name not in _ALLOWED.get(wanted.name, ()):
        raise QueryFailed("TYPE_MISMATCH", f"{where}Cannot cast {given} to {wanted}")
    sql = _sql(value, wanted, where)
    return Value(f"TRY({sql})" if trying else sql, wanted)


def assigned(value: Value, wanted: Type) -> Value:
    """Return *value* as a column of type *wanted* takes it: as `cast` does, but a text that is too long ends the statement."""
    given = value.type
    if wanted.name not in _TEXT or given.name not in _TEXT or not wanted.args or (given.args and given.args[0] <= wanted.args[0]):
        return cast(value, wanted, "")
    told = f"Cannot truncate non-space characters when casting from {given} to {wanted} on INSERT"
    inner = cast(Value("{0}", given), wanted, "").sql
    too_long = f"length(rtrim({{0}}, ' ')) > {wanted.args[0]}"
    return Value(fill(f"(CASE WHEN {too_long} THEN {fail('INVALID_CAST_ARGUMENT', told)} ELSE {inner} END)", [value.sql]), wanted)


def _sql(value: Value, wanted: Type, where: str) -> str:
    given = value.type
    plain = f"CAST({value.sql} AS {wanted.duckdb})"
    if given.name == "unknown":
        return plain
    match wanted.name:
        case "json":
            return value.sql if given.name == "json" else f"CAST(to_json({_json_ready(value)}) AS JSON)"
        case "varchar" | "char":
            return _limited(as_text(value), wanted)
        case "array" | "map" | "row" if given.name == wanted.name:
            return _nested(value, wanted, where)
        case "array" | "map" | "row":
            return json_sql(value.sql, wanted)
    if given.name == "json":
        return json_sql(value.sql, wanted)
    if wanted.name in INTEGERS:
        return _to_integer(value, wanted)
    if given.name in _TEXT:
        return _from_text(value, wanted)
    if wanted.name == "decimal" and given.name in ("real", "double"):
        return plain
    if given.name == ZONED and wanted.name in ("date", "timestamp", "time"):
        return _rounded(f"CAST({local(value)} AS {wanted.duckdb})", wanted, given)
    if wanted.name == ZONED and given.name in ("date", "timestamp") and wanted.zone != "UTC":
        return f"timezone({literal(engine_zone(wanted.zone))}, CAST({value.sql} AS TIMESTAMP))"
    if wanted.name in ("timestamp", ZONED):
        return _rounded(plain if given.duckdb != wanted.duckdb else value.sql, wanted, given)
    return plain


def local(value: Value) -> str:
    """Return the SQL of a moment as the wall clock of its zone tells it, a TIMESTAMP."""
    if value.type.name == "date":
        return f"CAST({value.sql} AS TIMESTAMP)"
    return value.sql if value.type.name != ZONED else f"timezone({literal(engine_zone(value.type.zone))}, {value.sql})"


def as_text(value: Value) -> str:
    """Return the SQL of *value* as its text in Athena."""
    sql = value.sql
    match value.type.name:
        case "varchar" | "char" | "ipaddress":
            return sql
        case "double" | "real":
            return double_text(sql)
        case "json":
            return f"json_extract_string({sql}, '$')"
        case "timestamp":
            return moment_text(sql, value.type.args[0])
        case "timestamp with time zone":
            return f"({moment_text(local(value), value.type.args[0])} || {literal(' ' + value.type.zone)})"
        case "varbinary":
            return f"decode({sql})"
        case "time":
            return f"strftime(CAST(DATE '2000-01-01' + {sql} AS TIMESTAMP), '%H:%M:%S.%g')"
        case "interval day to second":
            return day_time_text(sql)
        case "interval year to month":
            years, months = f"date_part('year', {sql})", f"date_part('month', {sql})"
            return f"(CASE WHEN {years} < 0 OR {months} < 0 THEN '-' ELSE '' END || abs({years}) || '-' || abs({months}))"
    return f"CAST({sql} AS VARCHAR)"


def moment_text(sql: str, precision: int) -> str:
    """Return the SQL of a timestamp's text with so many digits of a second."""
    whole = f"strftime({sql}, '%Y-%m-%d %H:%M:%S')"
    if precision == 0:
        return whole
    return (
        f"({whole} || '.' || left(strftime({sql}, '%f'), "
        f"{min(precision, 6)}){' || ' + literal('0' * (precision - 6)) if precision > 6 else ''})"
    )


def double_text(sql: str) -> str:
    """Return the SQL of a number's text as CAST writes it: one digit, the others, the exponent, `1.25E2`."""
    whole, digits = "split_part(split_part(\"$7\", 'e', 1), '.', 1)", "split_part(split_part(\"$7\", 'e', 1), '.', 2)"
    exponent = "coalesce(CAST(nullif(split_part(\"$7\", 'e', 2), '') AS INTEGER), 0)"
    place = (
        f"CASE WHEN {whole} <> '0' THEN {exponent} + length({whole}) - 1 ELSE "
        f"{exponent} - length({digits}) + length(ltrim({digits}, '0')) - 1 END"
    )
    rest = 'CASE WHEN length("$8") > 1 THEN substr("$8", 2) ELSE \'0\' END'
    mantissa = let(8, f"trim({whole} || {digits}, '0')", f"(left(\"$8\", 1) || '.' || {rest})")
    # The engine's text has the shortest digits that read back as the same number; only their form differs.
    written = let(7, "CAST(abs({0}) AS VARCHAR)", f"({mantissa} || 'E' || CAST({place} AS VARCHAR))")
    return fill(
        "(CASE WHEN isnan({0}) THEN 'NaN' WHEN isinf({0}) THEN CASE WHEN {0} > 0 THEN 'Infinity' ELSE '-Infinity' END"
        " WHEN {0} = 0 THEN replace(CAST({0} AS VARCHAR), '0.0', '0E0')"
        f" WHEN {{0}} < 0 THEN '-' || {written} ELSE {written} END)",
        [sql],
    )


def day_time_text(sql: str) -> str:
    """Return the SQL of the text of an interval of days to milliseconds, `2 03:04:05.000`."""
    template = (
        "(CASE WHEN {0} < 0 THEN '-' ELSE '' END || CAST(abs({0}) // 86400000 AS VARCHAR) || ' ' ||"
        " lpad(CAST(abs({0}) // 3600000 % 24 AS VARCHAR), 2, '0') || ':' || lpad(CAST(abs({0}) // 60000 % 60 AS VARCHAR), 2, '0') || ':' ||"
        " lpad(CAST(abs({0}) // 1000 % 60 AS VARCHAR), 2, '0') || '.' || lpad(CAST(abs({0}) % 1000 AS VARCHAR), 3, '0'))"
    )
    return fill(template, [f"epoch_ms({sql})"])


def _limited(text: str, wanted: Type) -> str:
    if not wanted.args:
        return text
    if wanted.name == "char":
        return f"rpad({text}, {wanted.args[0]}, ' ')"
    return f"left({text}, {wanted.args[0]})"


def _to_integer(value: Value, wanted: Type) -> str:
    given = value.type.name
    if given in ("real", "double"):
        # Half away from zero; the engine alone would round half to even.
        return f"CAST(round({value.sql}) AS {wanted.duckdb})"
    if given in _TEXT:
        template = "CASE WHEN NOT regexp_full_match(trim({0}), '[+-]?[0-9]+') THEN " + bad_cast("{0}", wanted)
        return fill(f"({template} ELSE CAST({{0}} AS {wanted.duckdb}) END)", [value.sql])
    return f"CAST({value.sql} AS {wanted.duckdb})"


def bad_cast(sql: str, wanted: Type) -> str:
    """Return SQL that says a text cannot be read as a type."""
    kind = "INT" if wanted.name == "integer" else wanted.name.upper()
    return fail("INVALID_CAST_ARGUMENT", "Cannot cast '", wanted, detail=f"{sql} || {literal(chr(39) + ' to ' + kind)}")


def _from_text(value: Value, wanted: Type) -> str:
    sql = f"trim({value.sql})"
    match wanted.name:
        case "boolean":
            template = (
                "(CASE WHEN lower({0}) IN ('t', 'true', '1') THEN true WHEN lower({0}) "
                "IN ('f', 'false', '0') THEN false WHEN {0} IS NULL THEN NULL"
            )
            return fill(f"{template} ELSE {bad_cast('{0}', wanted)} END)", [value.sql])
        case "real" | "double":
            return f"CAST({sql} AS {wanted.duckdb})"
        case "date":
            # A moment is no date here: '2020-01-01 10:00:00' is refused.
            template = "(CASE WHEN length({0}) > 10 THEN " + bad_cast("{0}", wanted) + " ELSE CAST({0} AS DATE) END)"
            return fill(template, [sql])
        case "timestamp":
            return _rounded(f"CAST({sql} AS TIMESTAMP)", wanted, wanted._replace(args=(6,)))
        case "timestamp with time zone":
            return f"CAST({sql} AS TIMESTAMPTZ)"
        case "varbinary":
            return f"encode({value.sql})"
    return f"CAST({sql} AS {wanted.duckdb})"


def _json_ready(value: Value) -> str:
    """Return a value whose JSON is what Athena makes of it: times as their text."""
    if value.type.name in ("timestamp", ZONED, "varbinary"):
        return as_text(value)
    return value.sql


def _rounded(sql: str, wanted: Type, given: Type) -> str:
    """Return a moment rounded half up to the digits of a second that its type keeps."""
    had, keeps = (given.args or (0,))[0], (wanted.args or (3,))[0]
    if had <= keeps or keeps >= 6 or wanted.name not in ("timestamp", ZONED):
        return sql
    step = 10 ** (6 - keeps)
    make = "make_timestamptz" if wanted.name == ZONED else "make_timestamp"
    return f"{make}((epoch_us({sql}) + {step // 2}) // {step} * {step})"


def _nested(value: Value, wanted: Type, where: str) -> str:
    given = value.type
    if wanted.name == "array":
        inner = cast(Value('"$c"', given.items[0]), wanted.items[0], where)
        return value.sql if inner.sql == '"$c"' else f'list_transform({value.sql}, lambda "$c": {inner.sql})'
    if wanted.name == "map":
        entry = Value('"$c"', Type("row", items=given.items, fields=("key", "value")))
        key, item = (cast(row_item(entry, at), wanted.items[at], where).sql for at in (0, 1))
        made = f'struct_pack("key" := {key}, "value" := {item})'
        return f'map_from_entries(list_transform(map_entries({value.sql}), lambda "$c": {made}))'
    if len(given.items) != len(wanted.items):
        raise QueryFailed("TYPE_MISMATCH", f"{where}Cannot cast {given} to {wanted}")
    # By place, whatever the fields are called; the engine alone would go by name.
    one = value._replace(sql='"$r"')
    parts = [
        f"{name} := {cast(row_item(one, at), kind, where).sql}"
        for at, (kind, name) in enumerate(zip(wanted.items, field_names(wanted), strict=True))
    ]
    # Written once: a row within a row within a row would be written eight times.
    return (
        f'list_extract(list_transform([{value.sql}], lambda "$r": CASE WHEN "$r" IS NOT NULL THEN struct_pack({", ".join(parts)}) END), 1)'
    )
