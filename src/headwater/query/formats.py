"""Results as a table for people, and as JSON, CSV or Parquet for programs, written while they are read."""

from __future__ import annotations

import base64
import io
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import IO, Any, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headwater.errors import HeadwaterError, QueryError
from headwater.query.reading import Reading

ERROR = b"headwater.error"
"""Under which an Arrow stream says, as a JSON list of code and message, why it breaks off."""

FORMATS = ("table", "json", "csv", "parquet", "arrow")

_encode = msgspec.json.Encoder().encode
# Letters of these Unicode categories move the cursor, change the direction of text or do not show at all.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def write(result: Reading, form: str, out: IO[bytes], *, width: int = 120, max_rows: int = 1000) -> int:
    """Write *result* to *out* and return how many rows; memory stays flat whatever the size, in every format.

    json: a list of objects, one a line; times ISO 8601 (UTC with Z), decimals with digits after the point as text, other numbers
    as numbers (NaN and infinities null), binary as base64. csv: RFC 4180, UTF-8, null as nothing and the empty text as "", values
    as in json. parquet: zstd. table: at most *max_rows* rows within *width* columns, control characters shown as escapes.
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
            return _write_table(result, out, width, max_rows)
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


def _write_table(result: Reading, out: IO[bytes], width: int, max_rows: int) -> int:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for field in result.schema:
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        table.add_column(Text(visible(field.name)), justify="right" if numeric else "left", overflow="fold")
    rows = (row for batch in _plain_rows(result) for row in batch)
    shown = 0
    for row in islice(rows, max_rows):
        table.add_row(*(Text("NULL", style="dim") if value is None else Text(visible(_text(value))) for value in row))
        shown += 1
    more = next(rows, None) is not None
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, legacy_windows=False, emoji=False, markup=False, highlight=False)
    if len(result.schema):
        console.print(table)
    console.print(f"the first {shown:,} rows; there are more" if more else f"{shown:,} row{'' if shown == 1 else 's'}")
    result.close()
    out.write(text.getvalue().encode())
    return shown


def visible(text: str) -> str:
    """Return *text* with every character that does not show, or would steer a terminal, written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if unicodedata.category(letter) not in _INVISIBLE else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def _plain_rows(result: Reading) -> Iterator[list[tuple[Any, ...]]]:
    changes = [_json_value(field.type) for field in result.schema]
    for batch in result.batches():
        try:
            columns = [column.to_pylist() for column in batch.columns]
        except (ValueError, OverflowError) as error:
            raise QueryError(f"a value cannot be written as text: {error}; CAST it to VARCHAR in the query") from error
        for at, change in enumerate(changes):
            if change is not None:
                columns[at] = [None if value is None else change(value) for value in columns[at]]
        yield list(zip(*columns, strict=True))


def _json_value(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """Return what makes a value of that Arrow type one that JSON has; None where it is one already."""
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return None
    return _plain


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
