"""The files that results lie in: written whole before anybody is told of them, read a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from headwater.query.dialect import QueryFailed
from headwater.query.executions import metadata, rows
from headwater.query.executions.errors import InvalidRequest
from headwater.query.executions.execution import Column, Execution
from headwater.query.executions.location import file_of

PAGE_BYTES = 8 * 1024 * 1024
"""A page ends here even if it has fewer rows than were asked for."""


class Page(NamedTuple):
    """Some rows of a result, and where the next begins, None at the end."""

    rows: list[rows.Row]
    next_offset: int | None


class Results:
    """Results beneath one folder, by the s3:// URL they are said to have."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """*limit_bytes*: how large one result may become."""
        self._folder, self._limit_bytes = folder, limit_bytes

    def begin(self, execution: Execution, columns: Sequence[Column]) -> ResultFile:
        """Return a file to write the rows of a result into."""
        path = file_of(self._folder, execution.location)
        return ResultFile(path, execution.id, columns, has_header=execution.has_header, limit_bytes=self._limit_bytes)

    def page(self, execution: Execution, offset: int, count: int) -> Page:
        """Return up to *count* rows, of which the first of all is the header if there is one; `InvalidRequest` if the file is gone."""
        path = file_of(self._folder, execution.location)
        try:
            if path.stat().st_size != execution.size:
                raise ValueError("the file is not the one that was written")
            if execution.has_header:
                return Page(*rows.read_values(path, offset, count, len(execution.columns), PAGE_BYTES))
            return Page(*rows.read_lines(path, offset, count, PAGE_BYTES))
        except (OSError, ValueError):
            raise InvalidRequest("Could not find results", "RESULT_NOT_FOUND") from None

    def exists(self, execution: Execution) -> bool:
        """Return whether the result can still be read."""
        try:
            return file_of(self._folder, execution.location).stat().st_size == execution.size
        except OSError:
            return False

    def delete(self, execution: Execution) -> None:
        """Remove whatever there is of a result."""
        path = file_of(self._folder, execution.location)
        for each in (path, _metadata_of(path), _part_of(path)):
            each.unlink(missing_ok=True)


class ResultFile:
    """A result that is being written; nobody sees it until `finish`."""

    def __init__(self, path: Path, execution_id: str, columns: Sequence[Column], *, has_header: bool, limit_bytes: int) -> None:
        self._path, self._part, self._limit_bytes = path, _part_of(path), limit_bytes
        self._id, self._columns = execution_id, columns
        self._rows = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("wb")
        if has_header:
            self._file.write(rows.header([column.name for column in columns]))

    def write(self, texts: Sequence[pa.Array[Any]]) -> None:
        """Add rows of values, given as the text of each column; raises `QueryFailed` once the result is too large."""
        self._file.write(rows.lines(texts))
        if self._file.tell() > self._limit_bytes:
            raise QueryFailed("EXCEEDED_RESULT_SIZE", f"the result has more than {self._limit_bytes:,} bytes (query.result_bytes)")

    def write_lines(self, lines: Sequence[str]) -> None:
        """Add rows of plain text; none of them has a line break in it."""
        for line in lines:
            self._file.write((b"\n" if self._rows else b"") + line.encode())
            self._rows += 1

    def finish(self) -> int:
        """Make the result readable under its name and return its size in bytes."""
        size = self._file.tell()
        self._file.close()
        _metadata_of(self._path).write_bytes(metadata.encode(self._id, self._columns))
        self._part.replace(self._path)
        return size

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        for path in (self._part, self._path, _metadata_of(self._path)):
            path.unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _metadata_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.metadata")
