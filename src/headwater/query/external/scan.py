"""Files of an external table as one SELECT: every column in its declared type, every partition key as a column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headwater.catalog.formats import Format
from headwater.catalog.shapes import Table
from headwater.dialect.quoting import literal, quote
from headwater.dialect.types import Type, parse_type
from headwater.query.external.csv import fields_sql, value_sql
from headwater.query.external.json import object_sql, rules_of
from headwater.query.external.parquet import Differing
from headwater.query.external.parquet import value_sql as parquet_sql
from headwater.query.external.properties import Properties, csv_escape, text_signs
from headwater.query.external.values import counted_sql, plain_sql
from headwater.query.relation import file_literal

# Bytes that no text has: what is to be no separator is this.
_NEVER = "\x1e\x1d\x1e"


class Member(NamedTuple):
    """A file, and what all its rows have in the columns beside its own (None = NULL).

    how: of a Parquet file the columns that it has in another type, or not at all; of others how they are compressed:
    `none`, `gzip` or `zstd`.
    """

    path: str
    values: tuple[str | None, ...]
    how: Differing | str


def scan_sql(table: Table, form: Format, members: Sequence[Member], keys: Sequence[tuple[str, Type]]) -> str:
    """Return a SELECT of all rows of *members*: the table's columns, then its partition *keys* and whatever else a file's rows share."""
    columns = [(column.name, parse_type(column.type)) for column in table.storage_descriptor.columns]
    if not members:
        empty = ", ".join(f"CAST(NULL AS {kind.duckdb}) AS {quote(name)}" for name, kind in (*columns, *keys))
        return f"SELECT {empty} WHERE false"
    parts = []
    for how in dict.fromkeys(member.how for member in members):
        some = [member for member in members if member.how == how]
        files = f"[{', '.join(file_literal(member.path) for member in some)}]"
        if isinstance(how, str):
            # A copy of a file has another name, by which nobody could tell that it is compressed.
            values, source = _READERS[form](table, columns, f"{files}, compression = {literal(how)}")
        else:
            values, source = _parquet(columns, files, dict(how))
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


def _parquet(columns: Sequence[tuple[str, Type]], files: str, differing: Mapping[str, str]) -> tuple[list[str], str]:
    values = [parquet_sql(name, differing[name], kind) if name in differing else quote(name) for name, kind in columns]
    told = [value for value in values if value is not None]
    if len(told) == len(values):
        # Read as they are, files tell how many rows and which values they have: without that joins come in a bad order.
        return told, f"read_parquet({files}, hive_partitioning = false)"
    kinds = [
        differing[name] or kind.duckdb if value and name in differing else kind.duckdb
        for (name, kind), value in zip(columns, values, strict=True)
    ]
    schema = ", ".join(
        f"{literal(name)}: {{name: {literal(name)}, type: {literal(read)}, default_value: NULL}}"
        for (name, _), read in zip(columns, kinds, strict=True)
    )
    source = f"read_parquet({files}, schema = MAP {{{schema}}}, hive_partitioning = false)"
    return [value or quote(name) for (name, _), value in zip(columns, values, strict=True)], source


def _text(table: Table, columns: Sequence[tuple[str, Type]], files: str) -> tuple[list[str], str]:
    """Hive's plain text has no quotes: a line is cut at every delimiter, too few parts are NULL, too many are nothing."""
    given = Properties(table)
    delimiter, escape, null = text_signs(given)
    cut = f"string_split(line, {literal(delimiter)})"
    if escape:
        cut = f"regexp_extract_all({literal(delimiter)} || line, {literal(_parts_pattern(delimiter, escape))}, 1)"
    last = len(columns) if given.flag("serialization.last.column.takes.rest") else 0
    values = []
    for at, (_, kind) in enumerate(columns, 1):
        part = f"parts[{at}]"
        if at == last:
            part = f"CASE WHEN len(parts) >= {at} THEN array_to_string(parts[{at}:], {literal(delimiter)}) END"
        value = f"nullif({part}, {literal(null)})"
        if escape:
            value = f"regexp_replace({value}, {literal(re.escape(escape) + '(.)')}, '\\1', 'gs')"
        values.append(plain_sql(value, kind, strict=False, formats=given.timestamp_formats))
    return values, f"(SELECT {cut} AS parts, file_index FROM {_lines(given, files)})"


def _parts_pattern(delimiter: str, escape: str) -> str:
    cut, escape = re.escape(delimiter), re.escape(escape)
    return f"(?s){cut}((?:{escape}.|[^{escape}{cut}])*)"


def _lines(given: Properties, files: str) -> str:
    """Return a relation with the column `line`: every line of *files*, empty ones too, but for those that are skipped."""
    # With an empty text for NULL the engine keeps empty lines of a file with one column, which it would pass over.
    read = (
        f"read_csv({files}, columns = {{'line': 'VARCHAR'}}, delim = {literal(_NEVER)}, quote = '', escape = '', header = false,"
        f" auto_detect = false, strict_mode = false, nullstr = '', skip = {given.skipped})"
    )
    return f"(SELECT coalesce(line, '') AS line, file_index FROM {read})"


def _csv(table: Table, columns: Sequence[tuple[str, Type]], files: str) -> tuple[list[str], str]:
    given = Properties(table)
    separator, quoting, escape = given.sign("separatorchar", ","), given.sign("quotechar", '"'), csv_escape(given)
    values = []
    for at, (_, kind) in enumerate(columns, 1):
        value = value_sql(f"parts[{at}]", separator, quoting, escape, first=at == 1)
        values.append(counted_sql(value, kind, strict=not given.lenient, formats=given.timestamp_formats))
    return values, f"(SELECT {fields_sql('line', separator, quoting, escape)} AS parts, file_index FROM {_lines(given, files)})"


def _json(table: Table, columns: Sequence[tuple[str, Type]], files: str) -> tuple[list[str], str]:
    given = Properties(table)
    rules, found = rules_of(given), object_sql("line", skip_malformed=given.flag("ignore.malformed.json"))
    values = [rules.member("json", name, kind) for name, kind in columns]
    return values, f"(SELECT {found} AS json, file_index FROM {_lines(given, files)})"


_READERS = {"text": _text, "csv": _csv, "json": _json}
