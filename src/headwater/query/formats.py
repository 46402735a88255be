"""Results as a table for people, and as JSON, CSV or Parquet for programs, written while they are read."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.errors import HeadwaterError, QueryError
from headwater.query.reading import Reading
from headwater.query.text_table import ShownColumn, table_lines, time_text

ERROR = b"headwater.error"
"""Under which an Arrow stream says, as a JSON list of code and message, why it breaks off."""

FORMATS = ("table", "json", "csv", "parquet", "arrow")

_encode = msgspec.json.Encoder().encode


def write(result: Reading, form: str, out: IO[bytes], *, width: int | None = None, styled: bool = False) -> int:
    """Write *result* to *out* and return how many rows; memory stays flat whatever the size, in every format.

    json: a list of objects, one a line; times ISO 8601 (UTC with Z), decimals with digits after the point as text, other numbers
    as numbers (NaN and infinities null), binary as base64. csv: RFC 4180, UTF-8, null as nothing and the empty text as "", values
    as in json. parquet: zstd. table: for people, with control characters as escapes and binary that is text as text; whole, or, with the
    *width* of a terminal, what can be read there (`table_lines`). *styled*: with bold and dim.
    """
    match form:
        case "json":
            return _write_json(result, out)
        case "csv":
            return _write_csv(result, out)
        case "parquet":
            return _write_parquet(result, out)
        case "arrow":
            return _write_arrow(result, out)
        case "table":
            return _write_table(result, out, width, styled)
    raise QueryError(f"there is no format {form!r}; there are: {', '.join(FORMATS)}")


def _write_json(result: Reading, out: IO[bytes]) -> int:
    names = [_encode(name) for name in _unique(result.schema.names)]
    count = 0
    out.write(b"[")
    for rows in _plain_rows(result):
        lines = [b"{" + b",".join([name + b":" + _encode(value) for name, value in zip(names, row, strict=True)]) + b"}" for row in rows]
        out.write((b",\n" if count else b"\n") + b",\n".join(lines))
        count += len(lines)
    out.write(b"\n]\n" if count else b"]\n")
    return count


def _write_csv(result: Reading, out: IO[bytes]) -> int:
    out.write(",".join(_csv_cell(name) for name in result.schema.names).encode() + b"\r\n")
    count = 0
    for rows in _plain_rows(result):
        lines = [",".join(["" if value is None else _csv_cell(_text(value)) for value in row]) for row in rows]
        # A line of one null would be an empty line, which readers skip.
        lines = [line or '""' for line in lines] if len(result.schema) == 1 else lines
        out.write("".join([line + "\r\n" for line in lines]).encode())
        count += len(lines)
    return count


def _write_parquet(result: Reading, out: IO[bytes]) -> int:
    schema = pa.schema([field.with_name(name) for field, name in zip(result.schema, _unique(result.schema.names), strict=True)])
    count = 0
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in result.batches():
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            count += batch.num_rows
    return count


def _write_arrow(result: Reading, out: IO[bytes]) -> int:
    writer = pa.ipc.new_stream(cast("io.IOBase", out), result.schema)
    count = 0
    try:
        for batch in result.batches():
            writer.write_batch(batch)
            count += batch.num_rows
    except HeadwaterError as error:
        # Not closed, the stream has no mark of its end: nobody takes a part of the rows for all of them.
        writer.write_batch(pa.RecordBatch.from_pylist([], result.schema), custom_metadata={ERROR: _encode([error.code, str(error)])})
        raise
    writer.close()
    return count


def _write_table(result: Reading, out: IO[bytes], width: int | None, styled: bool) -> int:
    columns = [ShownColumn(field.name, _is_number(field.type)) for field in result.schema]
    count = 0

    def rows() -> Iterator[list[str | None]]:
        nonlocal count
        for batch in _plain_rows(result, _for_people):
            for row in batch:
                count += 1
                yield [None if value is None else _text(value) for value in row]

    for line in table_lines(columns, rows(), width, styled=styled):
        out.write(f"{line}\n".encode())
    result.close()
    return count


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _plain_rows(result: Reading, plain: Callable[[Any], Any] | None = None) -> Iterator[list[tuple[Any, ...]]]:
    changes = [_json_value(field.type, plain or _plain) for field in result.schema]
    for batch in result.batches():
        try:
            columns = [_values(column) for column in batch.columns]
        except (ValueError, OverflowError) as error:
            raise QueryError(f"a value cannot be written as text: {error}; CAST it to VARCHAR in the query") from error
        for at, change in enumerate(changes):
            if change is not None:
                columns[at] = [None if value is None else change(value) for value in columns[at]]
        yield list(zip(*columns, strict=True))


def _values(column: pa.Array[Any]) -> list[Any]:
    """Return the values for Python; moments outside its years 1 to 9999, which SQL can make, as text."""
    try:
        return column.to_pylist()
    except (ValueError, OverflowError):
        if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
            raise
        zone, local = "", column
        if pa.types.is_timestamp(column.type) and column.type.tz is not None:
            zone, local = "Z", column.cast(pa.timestamp(column.type.unit))
        texts = local.cast(pa.string()).to_pylist()
        if any(text is not None and text.startswith("<") for text in texts):  # infinity
            raise
        return [None if text is None else text.replace(" ", "T") + zone for text in texts]


def _json_value(kind: pa.DataType, plain: Callable[[Any], Any]) -> Callable[[Any], Any] | None:
    """Return what makes a value of that Arrow type one that JSON has; None where it is one already."""
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return None
    return plain


def _for_people(value: Any) -> Any:
    """Return a value as a table shows it: a moment with a space in it and no zeros at its end, binary as text where it is text."""
    match value:
        case datetime():
            return time_text(value)
        case float() if value - value != 0:
            return str(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return _plain(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat().removesuffix("+00:00") + ("Z" if value.tzinfo is not None else "")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else str(value)
        case float():
            return value if value - value == 0 else None
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
            return {key if isinstance(key, str) else _text(_plain(key)): _plain(item) for key, item in value}
        case list() | tuple():
            return [_plain(item) for item in value]
        case None | bool() | int() | str():
            return value
    return str(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _csv_cell(text: str) -> str:
    if text == "" or any(letter in text for letter in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _unique(names: list[str]) -> list[str]:
    """Return *names* with a number behind each that was there before."""
    given: dict[str, None] = {}
    for name in names:
        number, candidate = 1, name
        while candidate in given:
            candidate, number = f"{name}_{number}", number + 1
        given[candidate] = None
    return list(given)
