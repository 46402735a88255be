"""Rows of any number, as they come -> durable Parquet files of one partition and about one size each; memory stays flat."""

from __future__ import annotations

import mmap
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from headwater.catalog.partition import day_position, partition_values
from headwater.catalog.schema import TIME_COLUMN, UTC_MICROSECONDS, arrow_schema
from headwater.lake.conform import conform
from headwater.lake.parquet import WrittenFile, day_keys, with_keys, written_file
from headwater.lake.properties import codec
from headwater.store import Store, join_url

FILE_BYTES = 128 << 20
_GROUP_BYTES = 32 << 20
_PENDING_BYTES = 96 << 20
_OPEN_FILES = 64

_LEVELS = {"zstd": 3}

Key = tuple[Any, ...]


class TableOutput:
    """Writes the data files of one change of a table: give it rows, then `finish`, or `discard` what was written.

    A file is written aside, in *scratch*, and becomes durable under its name when it is full; nothing names it before the commit.
    """

    def __init__(self, table: Table, store: Store, folder: str, scratch: Path, file_bytes: int = FILE_BYTES) -> None:
        self._table, self._store, self._folder, self._scratch, self._file_bytes = table, store, folder, scratch, file_bytes
        self._spec, self._schema, self._arrow = table.spec(), table.schema(), arrow_schema(table)
        self._day, self._codec = day_position(self._spec, self._schema), codec(table.properties)
        self._open: dict[Key, _Part] = {}
        self.files: list[WrittenFile] = []
        self.rows = 0

    def write(self, rows: pa.Table) -> None:
        """Take more rows; their columns go by name. Raises `pyarrow.ArrowInvalid` for values that do not fit, `OSError`."""
        rows = conform([rows], self._arrow)
        if not len(rows):
            return
        self.rows += len(rows)
        for key, part in self._split(rows):
            if key not in self._open:
                if len(self._open) >= _OPEN_FILES:
                    self._close(max(self._open, key=lambda key: self._open[key].size))
                self._open[key] = _Part(self._arrow, self._scratch, self._codec)
            self._open[key].add(part)
            if self._open[key].pending >= min(_GROUP_BYTES, self._file_bytes):
                self._flush(key)
        while sum(part.pending for part in self._open.values()) > _PENDING_BYTES:
            self._flush(max(self._open, key=lambda key: self._open[key].pending))

    def finish(self) -> list[WrittenFile]:
        """Return all files, each durable."""
        for key in list(self._open):
            self._close(key)
        return self.files

    def discard(self) -> None:
        """Leave nothing of it."""
        self._store.delete(written.file.path for written in self.files)

    def close(self) -> None:
        """Let go of what was not finished."""
        for part in self._open.values():
            part.close()

    def _split(self, rows: pa.Table) -> Iterator[tuple[Key, pa.Table]]:
        if self._spec.is_unpartitioned():
            yield (), rows
            return
        columns = [values.dictionary_encode(null_encoding="encode") for values in partition_values(self._spec, self._schema, rows)]
        codes = np.zeros(len(rows), np.int64)
        for column in columns:
            codes = codes * len(column.dictionary) + column.indices.to_numpy(zero_copy_only=False)
        for code in np.unique(codes):
            chosen: Any = np.flatnonzero(codes == code)
            key = tuple(column[int(chosen[0])].as_py() for column in columns)
            part = rows if len(chosen) == len(rows) else rows.take(chosen)
            if self._day is not None:
                day = key[self._day]
                keys = day_keys(day)
                part = with_keys(part, keys if day is not None else dict.fromkeys(keys))
            yield key, part

    def _flush(self, key: Key) -> None:
        self._open[key].flush()
        if self._open[key].size >= self._file_bytes:
            self._close(key)

    def _close(self, key: Key) -> None:
        part = self._open.pop(key)
        day = None if self._day is None else key[self._day]
        # Only the day is spelled in the path: what rows contain must not become names of files.
        folders = [] if self._day is None else [f"{name}={value}" for name, value in day_keys(day).items()]
        path = join_url(self._folder, *folders, f"{uuid.uuid4()}.parquet")
        footer, size = part.finish(self._store, path)
        self.files.append(written_file(self._table, footer, path, size, Record(*key), day, part.bounds))


class _Part:
    """A file that is being written."""

    def __init__(self, schema: pa.Schema, scratch: Path, compression: Any) -> None:
        self.file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  # closed by `finish`, or with the output
        self._footers: list[pq.FileMetaData] = []
        self._writer = pq.ParquetWriter(
            self.file, schema, compression=compression, compression_level=_LEVELS.get(compression), store_schema=False,
            metadata_collector=self._footers,
        )  # fmt: skip
        self._timed = TIME_COLUMN in schema.names and schema.field(TIME_COLUMN).type == UTC_MICROSECONDS
        self._rows: list[pa.Table] = []
        self.pending, self.size = 0, 0
        self.bounds: tuple[int, int] | None = None

    def add(self, rows: pa.Table) -> None:
        self._rows.append(rows)
        self.pending += rows.nbytes
        if self._timed:
            times = rows.column(TIME_COLUMN).drop_null().cast(pa.int64()).to_numpy()
            if len(times):
                low, high = int(times.min()), int(times.max())
                self.bounds = (low, high) if self.bounds is None else (min(low, self.bounds[0]), max(high, self.bounds[1]))

    def close(self) -> None:
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        self.file.close()

    def flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.concat_tables(self._rows))
            self._rows, self.pending, self.size = [], 0, self.file.tell()

    def finish(self, store: Store, path: str) -> tuple[pq.FileMetaData, int]:
        self.flush()
        self._writer.close()
        self.file.flush()
        with self.file, mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
            return self._footers[0], store.write(path, view)
