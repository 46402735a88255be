"""Rows as Athena's result files spell them: every value quoted, null as nothing; written from Arrow, read back page by page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Row = list[str | None]

_CHUNK = 256 * 1024
_VALUE = re.compile(rb'(?:"([^"]*+(?:""[^"]*+)*+)")?([,\n])')


def header(names: Sequence[str]) -> bytes:
    """Return the first line: the names of the columns."""
    return ",".join('"' + name.replace('"', '""') + '"' for name in names).encode() + b"\n"


def lines(columns: Sequence[pa.Array[Any]]) -> bytes:
    """Return one line a row; *columns* are the texts of the values, null where a value is null."""
    parts: list[Any] = [_quoted(column.cast(pa.large_string())) for column in columns]
    last = _join(parts[-1], _text("\n"), _text(""))
    joined = _join(*parts[:-1], last, _text(","))
    # Text of Arrow lies end to end in one buffer, which is just what the file is to hold.
    _, offsets, content = joined.buffers()
    if content is None or not len(joined):
        return b""
    end: int = np.frombuffer(offsets, np.int64)[len(joined)]
    found: bytes = content.slice(0, end).to_pybytes()
    return found


def _quoted(column: Any) -> Any:
    doubled = pc.replace_substring(column, '"', '""') if pc.any(pc.match_substring(column, '"')).as_py() else column
    return pc.fill_null(_join(_text('"'), doubled, _text('"'), _text("")), "")


def _join(*parts_and_separator: Any) -> Any:
    return pc.binary_join_element_wise(*parts_and_separator)


def _text(text: str) -> pa.Scalar[Any]:
    return pa.scalar(text, pa.large_string())


def read_values(path: Path, offset: int, count: int, width: int, limit_bytes: int) -> tuple[list[Row], int | None]:
    """Return up to *count* rows of *width* values from *offset* on, and where the next one begins, None at the end.

    Stops before *count* once the rows take up *limit_bytes*; at least one row is returned if there is one.
    Raises `ValueError` where the file is not what `lines` wrote.
    """
    found: list[Row] = []
    with path.open("rb") as file:
        file.seek(offset)
        buffer, at, start = file.read(_CHUNK), 0, offset
        while len(found) < count and (not found or at < limit_bytes):
            row, end = _row(buffer, at, width)
            if row is None:
                more = file.read(max(_CHUNK, len(buffer)))
                if more:
                    buffer += more
                    continue
                if at < len(buffer):
                    raise ValueError("the file ends within a row")
                return found, None
            found.append(row)
            at = end
        return found, None if at == len(buffer) and not _more(file) else start + at


def _row(buffer: bytes, at: int, width: int) -> tuple[Row | None, int]:
    row: Row = []
    while True:
        value = _VALUE.match(buffer, at)
        if value is None:
            return None, at
        text = value[1]
        row.append(None if text is None else text.replace(b'""', b'"').decode())
        at = value.end()
        if value[2] == b"\n":
            break
    if len(row) != width:
        raise ValueError(f"a row has {len(row)} values where {width} belong")
    return row, at


def read_lines(path: Path, offset: int, count: int, limit_bytes: int) -> tuple[list[Row], int | None]:
    """Return up to *count* lines of a text result from *offset* on, and where the next begins, None at the end."""
    found: list[Row] = []
    size = path.stat().st_size
    if size == 0:
        return [], None
    with path.open("rb") as file:
        file.seek(offset)
        while len(found) < count and file.tell() - offset < limit_bytes:
            line = file.readline()
            found.append([line.removesuffix(b"\n").decode()])
            if not line.endswith(b"\n"):
                return found, None
        return found, file.tell()


def _more(file: BinaryIO) -> bool:
    return bool(file.read(1))
