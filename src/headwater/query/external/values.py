"""Text -> values of plain types, as the readers of lines take them."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.dialect.errors import QueryFailed
from headwater.dialect.quoting import literal
from headwater.dialect.types import INTEGERS, Type
from headwater.query.external.number import integer_sql


def plain_sql(text: str, kind: Type, *, strict: bool, formats: Sequence[str] = ()) -> str:
    """Return the *text* of an expression as a *kind*: '' is NULL, and so is what is none, or that is an error if *strict*.

    *formats* are patterns of strptime that timestamps may have; they come before the usual ones.
    """
    match kind.name:
        case "varchar" | "char":
            return text
        case "varbinary":
            return f"encode({text})"
        case "boolean":
            return f"CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END"
        case "array" | "map" | "row":
            raise QueryFailed("NOT_SUPPORTED", f"a column of type {kind} cannot be read from delimited text: use JSON or Parquet")
        case "timestamp":
            return _or_error(text, by_formats(text, formats, f"TRY_CAST({text} AS TIMESTAMP)"), kind, strict=strict)
    if kind.name in INTEGERS:
        return integer_sql(text, kind, strict=strict)
    return _or_error(text, f"TRY_CAST({text} AS {kind.duckdb})", kind, strict=strict)


def counted_sql(text: str, kind: Type, *, strict: bool, formats: Sequence[str] = ()) -> str:
    """As `plain_sql` for what OpenCSVSerde reads: dates may be days since 1970, timestamps milliseconds."""
    counts = {
        "date": f"TRY_CAST('1970-01-01'::DATE + TRY_CAST({text} AS INTEGER) AS DATE)",
        "timestamp": f"make_timestamp(TRY_CAST({text} AS BIGINT) * 1000)",
    }
    if kind.name not in counts:
        return plain_sql(text, kind, strict=strict, formats=formats)
    counted = f"CASE WHEN regexp_full_match({text}, '-?\\d+') THEN {counts[kind.name]} END"
    written = by_formats(text, formats, f"TRY_CAST({text} AS {kind.duckdb})")
    return _or_error(text, f"coalesce({counted}, {written})", kind, strict=strict)


def moment_sql(text: str, formats: Sequence[str], *, strict: bool, kind: Type) -> str:
    """Return the *text* of an expression as a timestamp in UTC, as OpenX JSON writes them.

    ISO 8601 with an offset or `Z`, or without; seconds since 1970 with a point in them; whole numbers of 13 signs and more are
    milliseconds, shorter ones seconds.
    """
    zoned = f"CAST(TRY_CAST(upper({text}) AS TIMESTAMP WITH TIME ZONE) AS TIMESTAMP)"
    number = (
        f"CASE WHEN contains({text}, '.') THEN make_timestamp(CAST(trunc(TRY_CAST({text} AS DECIMAL(38, 9)) * 1000) AS BIGINT) * 1000)"
        f" WHEN length({text}) >= 13 THEN make_timestamp(TRY_CAST({text} AS BIGINT) * 1000)"
        f" ELSE make_timestamp(TRY_CAST({text} AS BIGINT) * 1000000) END"
    )
    usual = f"CASE WHEN regexp_full_match({text}, '[-+]?\\d+(\\.\\d*)?') THEN {number} ELSE {zoned} END"
    return _or_error(text, by_formats(text, formats, usual), kind, strict=strict)


def by_formats(text: str, formats: Sequence[str], usual: str) -> str:
    """Return the *text* of an expression as a timestamp by the first of *formats* that it has, else as *usual* says."""
    tried = [f"CAST(try_strptime({text}, {literal(each)}) AS TIMESTAMP)" for each in formats]
    return f"coalesce({', '.join([*tried, usual])})" if tried else usual


def _or_error(text: str, value: str, kind: Type, *, strict: bool) -> str:
    bad = f"error('HIVE_BAD_DATA: Error parsing field value ''' || {text} || ''' as {kind}')" if strict else "NULL"
    return f"CASE WHEN {text} <> '' THEN coalesce({value}, {bad}) END"
