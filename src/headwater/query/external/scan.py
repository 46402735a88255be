"""Files of an external table as one SELECT: every column in its declared type, every partition key as a column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from headwater.catalog.formats import Format
from headwater.catalog.shapes import Table
from headwater.query.columns import literal, quote
from headwater.query.dialect.errors import QueryFailed
from headwater.query.dialect.types import Type, parse_type
from headwater.query.external.json import value_sql
from headwater.query.external.number import integer_sql
from headwater.query.relation import file_literal

# Bytes that no text has: what is to be no separator, and no null, is one of these.
_NEVER, _NEVER_EITHER = "\x1e\x1d\x1e", "\x1d\x1e\x1d"
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([0-7]{3})|(.))", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}


class Member(NamedTuple):
    """A file, the values of its partition in the order of the keys (None = NULL), and how it is compressed: `none`, `gzip` or `zstd`."""

    path: str
    values: tuple[str | None, ...]
    compression: str = "none"


def scan_sql(table: Table, form: Format, members: Sequence[Member]) -> str:
    """Return a SELECT of all rows of *members*: the table's columns, then its partition keys."""
    columns = [(column.name, parse_type(column.type)) for column in table.storage_descriptor.columns]
    keys = [(key.name, parse_type(key.type)) for key in table.partition_keys]
    if not members:
        empty = ", ".join(f"CAST(NULL AS {kind.duckdb}) AS {quote(name)}" for name, kind in (*columns, *keys))
        return f"SELECT {empty} WHERE false"
    parts = []
    for compression in sorted({member.compression for member in members}):
        some = [member for member in members if member.compression == compression]
        # A copy of a file has another name, by which nobody could tell that it is compressed.
        packed = "" if form == "parquet" else f", compression = {literal(compression)}"
        values, source = _READERS[form](table, columns, f"[{', '.join(file_literal(member.path) for member in some)}]{packed}")
        told = [f"{value} AS {quote(name)}" for (name, _), value in zip(columns, values, strict=True)]
        told += [f"{_key_sql([m.values[at] for m in some], kind)} AS {quote(name)}" for at, (name, kind) in enumerate(keys)]
        parts.append(f"SELECT {', '.join(told)} FROM {source}")
    return " UNION ALL ".join(parts)


def _key_sql(values: Sequence[str | None], kind: Type) -> str:
    texts = ["NULL" if value is None else literal(value) for value in values]
    if len(set(texts)) == 1:
        return f"CAST({texts[0]} AS {kind.duckdb})"
    # One constant list, whose element is looked up by the file's number.
    return f"list_extract(CAST([{', '.join(texts)}] AS {kind.duckdb}[]), CAST(file_index AS BIGINT) + 1)"


def _parquet(table: Table, columns: Sequence[tuple[str, Type]], files: str) -> tuple[list[str], str]:
    schema = ", ".join(
        f"{literal(name)}: {{name: {literal(name)}, type: {literal(kind.duckdb)}, default_value: NULL}}" for name, kind in columns
    )
    return [quote(name) for name, _ in columns], f"read_parquet({files}, schema = MAP {{{schema}}}, hive_partitioning = false)"


def _text(table: Table, columns: Sequence[tuple[str, Type]], files: str) -> tuple[list[str], str]:
    """Hive's plain text has no quotes: a line is cut at every delimiter, too few parts are NULL, too many are nothing."""
    given = table.storage_descriptor.serde_info.parameters
    delimiter, escape = _char(given.get("field.delim") or given.get("serialization.format") or "\1"), given.get("escape.delim") or None
    null = given.get("serialization.null.format", "\\N")
    lines = _lines(table, files)
    if escape is None:
        parts = f"(SELECT string_split(line, {literal(delimiter)}) AS parts, file_index FROM {lines})"
    else:
        pattern = _parts_pattern(delimiter, _char(escape))
        parts = f"(SELECT regexp_extract_all({literal(delimiter)} || line, {literal(pattern)}, 1) AS parts, file_index FROM {lines})"
    values = []
    for at, (_, kind) in enumerate(columns, 1):
        value = f"nullif(parts[{at}], {literal(null)})"
        if escape is not None:
            value = f"regexp_replace({value}, {literal(re.escape(_char(escape)) + '(.)')}, '\\1', 'gs')"
        values.append(_plain(value, kind, strict=False))
    return values, parts


def _parts_pattern(delimiter: str, escape: str) -> str:
    cut, escape = re.escape(delimiter), re.escape(escape)
    return f"(?s){cut}((?:{escape}.|[^{escape}{cut}])*)"


def _lines(table: Table, files: str) -> str:
    return (
        f"read_csv({files}, columns = {{'line': 'VARCHAR'}}, delim = {literal(_NEVER)}, quote = '', escape = '', header = false,"
        f" auto_detect = false, strict_mode = false, nullstr = {literal(_NEVER_EITHER)}, skip = {_skipped(table)})"
    )


def _csv(table: Table, columns: Sequence[tuple[str, Type]], files: str) -> tuple[list[str], str]:
    given = {key.lower(): value for key, value in table.storage_descriptor.serde_info.parameters.items()}
    delimiter, quoting = _char(given.get("separatorchar", ",")), _char(given.get("quotechar", '"'))
    escape = _char(given.get("escapechar", "\\\\"))
    names = [f"c{at}" for at in range(len(columns))]
    shape = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    source = (
        f"read_csv({files}, columns = {{{shape}}}, delim = {literal(delimiter)}, quote = {literal(quoting)}, escape = {literal(escape)},"
        f" header = false, auto_detect = false, null_padding = true, strict_mode = false, nullstr = {literal(_NEVER_EITHER)},"
        f" skip = {_skipped(table)})"
    )
    return [_plain(name, kind, strict=True) for name, (_, kind) in zip(names, columns, strict=True)], source


def _json(table: Table, columns: Sequence[tuple[str, Type]], files: str) -> tuple[list[str], str]:
    given = {key.lower(): value for key, value in table.storage_descriptor.serde_info.parameters.items()}
    lenient = given.get("ignore.malformed.json", "").lower() == "true"
    source = f"read_json_objects({files}, format = 'newline_delimited', ignore_errors = {str(lenient).lower()})"
    members = [given.get(f"mapping.{name}", name) for name, _ in columns]
    values = [value_sql("json", [member], kind, strict=not lenient) for member, (_, kind) in zip(members, columns, strict=True)]
    return values, source


_READERS = {"parquet": _parquet, "text": _text, "csv": _csv, "json": _json}


def _plain(value: str, kind: Type, *, strict: bool) -> str:
    """Return a text as a value of a plain type: where it is none, that is NULL, or if *strict* an error."""
    cast = "CAST" if strict else "TRY_CAST"
    match kind.name:
        case "varchar" | "char":
            return value
        case "varbinary":
            return f"encode({value})"
        case "boolean":
            return f"CASE lower({value}) WHEN 'true' THEN true WHEN 'false' THEN false END"
        case "date" if strict:  # OpenCSVSerde counts days from 1970
            counted, written = f"DATE '1970-01-01' + CAST({value} AS INTEGER)", f"CAST(nullif({value}, '') AS DATE)"
            return f"CASE WHEN regexp_full_match({value}, '-?\\d+') THEN {counted} ELSE {written} END"
        case "timestamp" if strict:  # and milliseconds
            counted, written = f"make_timestamp(CAST({value} AS BIGINT) * 1000)", f"CAST(nullif({value}, '') AS TIMESTAMP)"
            return f"CASE WHEN regexp_full_match({value}, '-?\\d+') THEN {counted} ELSE {written} END"
        case "tinyint" | "smallint" | "integer" | "bigint":
            return integer_sql(value, kind, strict=strict)
        case "array" | "map" | "row":
            raise QueryFailed("NOT_SUPPORTED", f"a column of type {kind} cannot be read from delimited text: use JSON or Parquet")
    return f"{cast}(nullif({value}, '') AS {kind.duckdb})"


def _skipped(table: Table) -> int:
    text = table.parameters.get("skip.header.line.count", "0").strip()
    return int(text) if text.isdigit() else 0


def _char(text: str) -> str:
    """Return a separator as it is meant: `\\t`, `\\001`, `\\u0001`, or itself; a number is a character's."""
    if (text.isdigit() and len(text) > 1) or text == "1":
        return chr(int(text))
    return _ESCAPED.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else chr(int(found[2], 8)) if found[2] else _ESCAPES.get(found[3], found[3]), text
    )
