"""The files that results lie in: written whole before anybody is told of them, read a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from headwater.dialect import QueryFailed
from headwater.errors import Refused, Unavailable
from headwater.executions import metadata, rows
from headwater.executions.errors import InvalidRequest
from headwater.executions.execution import Execution, ResultColumn
from headwater.executions.notice import Notice
from headwater.store import Stores

PAGE_BYTES = 8 * 1024 * 1024
"""A page ends here even if it has fewer rows than were asked for."""


class Page(NamedTuple):
    """Some rows of a result, and where the next begins, None at the end."""

    rows: list[rows.Row]
    next_offset: int | None


class Results:
    """Results by the s3:// URL they have."""

    def __init__(self, stores: Stores, scratch: Path, limit_bytes: int, is_data: Callable[[str], bool]) -> None:
        """*scratch*: a folder for results that are being written. *limit_bytes*: how large one may become.

        *is_data*: whether what lies at a URL is read as rows of a table.
        """
        self._stores, self._scratch, self._limit_bytes, self._is_data = stores, scratch, limit_bytes, is_data

    def check(self, url: str) -> None:
        """Raise `InvalidRequest` where no result can be put, and among the files of a table: it would be read as rows of it."""
        try:
            self._stores.find(url)
        except Refused as error:
            raise InvalidRequest(str(error)) from None
        if self._is_data(url):
            raise InvalidRequest(f"{url} has the files of a table, and a result there would be read as its rows; give another place")

    def begin(self, execution: Execution, columns: Sequence[ResultColumn]) -> ResultFile:
        """Return a file to write the rows of a result into."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        return ResultFile(self._stores, self._scratch, execution, columns, limit_bytes=self._limit_bytes)

    def notice(self, execution: Execution, rows: int, files: Sequence[str] | None) -> Notice:
        """Return what tells of rows that were written or changed, and of the files they are in."""
        return Notice(self._stores, execution, rows, files)

    def page(self, execution: Execution, offset: int, count: int) -> Page:
        """Return up to *count* rows, of which the first of all is the header if there is one.

        Raises `InvalidRequest` if the file is gone and `Unavailable` if it cannot be had now.
        """
        try:
            path = self._stores.find(execution.location).local(execution.location)
            if path.stat().st_size != execution.size:
                raise ValueError("the file is not the one that was written")
            if execution.has_header:
                return Page(*rows.read_values(path, offset, count, len(execution.columns), PAGE_BYTES))
            return Page(*rows.read_lines(path, offset, count, PAGE_BYTES))
        except (FileNotFoundError, NotADirectoryError, Refused, ValueError):
            raise InvalidRequest("Could not find results", "RESULT_NOT_FOUND") from None
        except OSError as error:
            raise Unavailable(f"the results cannot be read now: {error}") from error

    def exists(self, execution: Execution) -> bool:
        """Return whether the result can still be read."""
        try:
            found = self._stores.find(execution.location).list(execution.location)
        except (OSError, Refused):
            return False
        return any(each.url == execution.location and each.size == execution.size for each in found)

    def delete(self, executions: Iterable[Execution]) -> None:
        """Remove whatever there is of results. Raises `OSError` where that is not possible now."""
        for execution in executions:
            _part_of(self._scratch, execution).unlink(missing_ok=True)
            with suppress(Refused):  # of a bucket that is not ours any more
                urls = [execution.location, _metadata_of(execution.location)]
                self._stores.find(execution.location).delete([*urls, *([] if execution.manifest is None else [execution.manifest])])


class ResultFile:
    """A result that is being written; nobody sees it until `finish`."""

    def __init__(self, stores: Stores, scratch: Path, execution: Execution, columns: Sequence[ResultColumn], *, limit_bytes: int) -> None:
        self._url, self._id, self._columns, self._limit_bytes = execution.location, execution.id, columns, limit_bytes
        self._store, self._part = stores.find(self._url), _part_of(scratch, execution)
        self._rows = 0
        self._file = self._part.open("wb")
        if execution.has_header:
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
        self._file.close()
        # A result can be made again: nobody waits until the disk has it.
        self._store.write(_metadata_of(self._url), metadata.encode(self._id, self._columns), lasting=False)
        return self._store.write(self._url, self._part, lasting=False)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        self._part.unlink(missing_ok=True)
        self._store.delete([self._url, _metadata_of(self._url)])


def _part_of(scratch: Path, execution: Execution) -> Path:
    return scratch / f"{execution.id}.result"


def _metadata_of(url: str) -> str:
    return f"{url}.metadata"
