"""Rows as plain files in folders `key=value/`, as Hive, Athena and others read them: for external tables and UNLOAD."""

from __future__ import annotations

import base64
import gzip
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc
import pyarrow.parquet as pq

from headwater.catalog.folders import NULL_VALUE, escaped
from headwater.errors import Refused
from headwater.jobs.tables import FileForm
from headwater.store import SCHEME, Stores

MOST_PARTITIONS = 100
_FILE_BYTES = 256 << 20
_GROUP_BYTES = 32 << 20
_PENDING_BYTES = 96 << 20
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


class HiveWritten(NamedTuple):
    """What was written: URLs of the files, rows in them, and the values of each partition that has any."""

    files: list[str]
    rows: int
    partitions: list[list[str]]


class LineForm(NamedTuple):
    """How values are put into lines, so that the readers of a table find them again.

    delimiter: between the values of a line of text. escape: before a delimiter, or itself, that is part of a value; '' for none.
    null: what stands for NULL. header: whether the first line names the columns. members: the names of columns in a line of JSON, where
    they are others.
    """

    delimiter: str
    escape: str
    null: str
    header: bool
    members: Mapping[str, str]

    def cell(self, value: Any) -> str:
        """Return a value as it stands in a line of text; `Refused` for one that could not be told from another."""
        if value is None:
            if self.delimiter in self.null:
                raise Refused(
                    "NOT_SUPPORTED", f"NULL cannot be written in this TEXTFILE: {self.null!r}, which stands for it, has the delimiter in it"
                )
            return self.null
        text = _word(value)
        if "\n" in text or "\r" in text:
            raise Refused("NOT_SUPPORTED", "a line of TEXTFILE cannot have a value with a line break in it; use PARQUET or JSON")
        if self.escape:
            text = text.replace(self.escape, self.escape * 2).replace(self.delimiter, self.escape + self.delimiter)
        elif self.delimiter in text:
            raise Refused(
                "NOT_SUPPORTED", "a line of TEXTFILE cannot have a value with the field delimiter in it; use ESCAPED BY, PARQUET or JSON"
            )
        if text == self.null:
            raise Refused("NOT_SUPPORTED", f"the value {text!r} is what stands for NULL in this TEXTFILE; use PARQUET or JSON")
        return text


class HiveFiles:
    """Files of a form, named by *name* so that writing the same rows again writes the same files."""

    def __init__(self, stores: Stores, form: FileForm, name: str, scratch: Path, *, empty: bool = False) -> None:
        """*empty*: whether nothing may be there yet. Raises `Refused`."""
        compression = form.compression
        if form.format not in _WRITERS:
            raise Refused("NOT_SUPPORTED", f"{form.format.upper()} cannot be written here; there are: PARQUET, ORC, JSON, TEXTFILE")
        self._make, allowed = _WRITERS[form.format]
        if compression is not None and compression not in allowed:
            there = ", ".join(allowed)
            raise Refused("NOT_SUPPORTED", f"{form.format.upper()} is not compressed by {compression} here; there are: {there}")
        self._compression = compression or allowed[0]
        self._base, self._name, self._scratch = form.location.rstrip("/") + "/", name, scratch
        self._stores, self._template = stores, form.template
        self._places = {tuple(values): place.rstrip("/") + "/" for values, place in form.places}
        self._keys = form.partitioned_by
        self._lines = LineForm(form.delimiter, form.escape, form.null, form.header, form.members)
        self._suffix = _SUFFIXES.get((form.format, self._compression), "")
        # What a first try of the same statement left is its own.
        if empty and any(f"/{name}_" not in each.url for each in stores.find(self._base).list(self._base)):
            raise Refused("HIVE_PATH_ALREADY_EXISTS", f"Target directory for table already exists: {form.location}")
        self._open: dict[tuple[str, ...], _File] = {}
        self._parts: dict[tuple[str, ...], int] = {}
        self._whole: dict[str, Path] = {}
        self._rows = 0

    def write(self, rows: pa.Table) -> None:
        """Take more rows. Raises `Refused` for a value that the format has no words for, and for too many partitions."""
        self._rows += len(rows)
        for values, part in self._split(_without_zones(rows)):
            if values not in self._open:
                if values not in self._parts and len(self._parts) >= MOST_PARTITIONS:
                    raise Refused(
                        "HIVE_TOO_MANY_OPEN_PARTITIONS", f"Exceeded limit of {MOST_PARTITIONS} open writers for partitions/buckets"
                    )
                self._parts.setdefault(values, 0)
                self._open[values] = _File(self._scratch, part.schema, self._make(self._compression, self._lines))
            file = self._open[values]
            file.add(part)
            if file.size >= _FILE_BYTES:
                self._close(values)
        while sum(file.pending for file in self._open.values()) > _PENDING_BYTES:
            max(self._open.values(), key=lambda file: file.pending).flush()

    def finish(self) -> HiveWritten:
        """Return what there is now, each file whole."""
        for values in list(self._open):
            self._close(values)
        # Only now does anything appear: rows that cannot be written leave no part of the others.
        for url, path in self._whole.items():
            self._stores.find(url).write(url, path)
        return HiveWritten(list(self._whole), self._rows, [list(values) for values in self._parts] if self._keys else [])

    def discard(self) -> None:
        """Leave nothing of it."""
        for file in self._open.values():
            file.discard()
        for path in self._whole.values():
            path.unlink(missing_ok=True)
        for url in self._whole:
            self._stores.find(url).delete([url])

    def _split(self, rows: pa.Table) -> Sequence[tuple[tuple[str, ...], pa.Table]]:
        if not self._keys:
            return [((), rows)]
        names = [_texts(rows.column(key)).dictionary_encode() for key in self._keys]
        found: list[tuple[tuple[str, ...], pa.Table]] = []
        data = rows.drop_columns(self._keys)
        combined = pa.table({f"k{at}": texts for at, texts in enumerate(names)})
        for values in combined.group_by(combined.column_names).aggregate([]).to_pylist():
            chosen: Any = None
            for at, texts in enumerate(names):
                same = pc.equal(texts.cast(pa.string()), values[f"k{at}"])
                chosen = same if chosen is None else pc.and_(chosen, same)
            found.append((tuple(values.values()), data.filter(chosen)))
        return found

    def _close(self, values: tuple[str, ...]) -> None:
        path = self._open[values].finish()
        del self._open[values]
        number = self._parts[values] = self._parts[values] + 1
        self._whole[f"{self._folder(values)}{self._name}_{number:05}{self._suffix}"] = path

    def _folder(self, values: tuple[str, ...]) -> str:
        """Return where the files of a partition are looked for."""
        if (place := self._places.get(values)) is not None:
            return place
        named = dict(zip(self._keys, values, strict=True))
        if self._template is None:
            return self._base + "".join(f"{key}={escaped(value)}/" for key, value in named.items())
        place = _PLACEHOLDER.sub(lambda found: named[found[1].lower()], self._template)
        if {"", ".", ".."}.intersection(place.removeprefix(SCHEME).removesuffix("/").split("/")):
            raise Refused("NOT_SUPPORTED", f"the partition {list(values)} has no place: it would be {place}")
        return place


class _File:
    """A file that is being written aside."""

    def __init__(self, scratch: Path, schema: pa.Schema, make: _Make) -> None:
        self._file = tempfile.NamedTemporaryFile(dir=scratch, suffix=".part", delete=False)  # noqa: SIM115  # the store takes it
        self._rows: list[pa.Table] = []
        self.pending = 0
        try:
            self._writer = make(self._file, schema)
        except BaseException:
            self._file.close()
            Path(self._file.name).unlink()
            raise

    @property
    def size(self) -> int:
        return self._file.tell()

    def add(self, rows: pa.Table) -> None:
        self._rows.append(rows)
        self.pending += rows.nbytes
        if self.pending >= _GROUP_BYTES:
            self.flush()

    def finish(self) -> Path:
        self.flush()
        self._writer.close()
        self._file.close()
        return Path(self._file.name)

    def discard(self) -> None:
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)

    def flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.concat_tables(self._rows))
            self._rows, self.pending = [], 0


class _Lines:
    """Writes each row as one line."""

    def __init__(self, file: IO[bytes], compression: str, line: Callable[[dict[str, Any]], str], first: str | None = None) -> None:
        self._to: Any = gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if compression == "gzip" else file
        self._line, self._wrapped = line, compression == "gzip"
        if first is not None:
            self._to.write(f"{first}\n".encode())

    def write_table(self, rows: pa.Table) -> None:
        for batch in rows.to_batches(8_192):
            self._to.write("".join(f"{self._line(row)}\n" for row in batch.to_pylist(maps_as_pydicts="lossy")).encode())

    def close(self) -> None:
        if self._wrapped:
            self._to.close()


_Make = Callable[[IO[bytes], pa.Schema], Any]


def _parquet(compression: str, _lines: LineForm) -> _Make:
    known: Any = compression
    return lambda file, schema: pq.ParquetWriter(file, schema, compression=known, store_schema=False)


def _orc(compression: str, _lines: LineForm) -> _Make:
    return lambda file, _schema: _Orc(file, compression)


class _Orc:
    def __init__(self, file: IO[bytes], compression: str) -> None:
        known: Any = "zlib" if compression == "gzip" else compression
        self._writer = pyarrow.orc.ORCWriter(file, compression=known)

    def write_table(self, rows: pa.Table) -> None:
        self._writer.write(rows)

    def close(self) -> None:
        self._writer.close()


def _json(compression: str, lines: LineForm) -> _Make:
    def line(row: dict[str, Any]) -> str:
        named = {lines.members.get(name, name): value for name, value in row.items()}
        return json.dumps(_plain(named), ensure_ascii=False)

    return lambda file, _schema: _Lines(file, compression, line)


def _text(compression: str, lines: LineForm) -> _Make:
    def make(file: IO[bytes], schema: pa.Schema) -> _Lines:
        if nested := [field.name for field in schema if pa.types.is_nested(field.type)]:
            raise Refused("NOT_SUPPORTED", f"column '{nested[0]}' cannot be written as TEXTFILE; use PARQUET or JSON")
        first = lines.delimiter.join(schema.names) if lines.header else None
        return _Lines(file, compression, lambda row: lines.delimiter.join(lines.cell(value) for value in row.values()), first)

    return make


_WRITERS: dict[str, tuple[Callable[[str, LineForm], _Make], tuple[str, ...]]] = {
    "parquet": (_parquet, ("gzip", "snappy", "zstd", "none")),
    "orc": (_orc, ("gzip", "snappy", "zstd", "uncompressed")),
    "json": (_json, ("gzip", "none")),
    "text": (_text, ("gzip", "none")),
}
_SUFFIXES = {("json", "gzip"): ".gz", ("text", "gzip"): ".gz", ("parquet", "gzip"): ".gz.parquet", ("parquet", "snappy"): ".snappy.parquet"}


def _without_zones(rows: pa.Table) -> pa.Table:
    """Return the rows with moments as UTC's date and time: Hive's timestamps have no zone."""
    kinds = [pa.timestamp(each.type.unit) if pa.types.is_timestamp(each.type) else each.type for each in rows.schema]
    return rows.cast(pa.schema([pa.field(each.name, kind) for each, kind in zip(rows.schema, kinds, strict=True)]))


def _texts(column: pa.ChunkedArray[Any]) -> Any:
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_floating(kind):
        raise Refused("NOT_SUPPORTED", f"a column of type {kind} cannot be partitioned by")
    texts = pa.array([None if value is None else _word(value) for value in column.to_pylist()], pa.string())
    filled: Any = pc.fill_null(texts, pa.scalar(NULL_VALUE, pa.string()))
    return filled


def _word(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return _moment(value)
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return f"{value:f}"
    return str(value)


def _moment(value: datetime) -> str:
    plain = value.replace(tzinfo=None)
    return plain.isoformat(" ", "microseconds" if plain.microsecond % 1_000 else "milliseconds")


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [_plain(item) for item in value]
        case bool() | int() | str() | None:
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else str(value)
        case Decimal():
            return float(value) if Decimal(repr(float(value))) == value else f"{value:f}"
        case datetime() | date() | time() | bytes():
            return _word(value)
    return str(value)
