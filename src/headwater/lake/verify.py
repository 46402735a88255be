"""Looks whether every file a table needs is still there and whole."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from headwater.lake.index import LakeIndex
from headwater.lake.plan import DataFile


class Damaged(NamedTuple):
    """A live data file that cannot be read as it was written, and the rows lost with it."""

    path: str
    rows: int
    reason: str


def verify(index: LakeIndex, table: str, *, footers: bool = False) -> list[Damaged]:
    """Return the live files of *table* that are missing or have another size; with *footers*, also those Parquet cannot open.

    Raises `NotFound` for a table that is not there.
    """
    checked = ((file, _fault(file, footers=footers)) for file in index.plan(table).files)
    return [Damaged(file.path, file.rows, fault) for file, fault in checked if fault]


def _fault(file: DataFile, *, footers: bool) -> str:
    try:
        size = Path(file.path).stat().st_size
        if size != file.size:
            return f"has {size} bytes, was written with {file.size}"
        if footers and (rows := pq.read_metadata(file.path).num_rows) != file.rows:
            return f"has {rows} rows, was written with {file.rows}"
    except FileNotFoundError:
        return "is missing"
    except (OSError, pa.ArrowInvalid) as error:
        return f"cannot be read: {error}"
    return ""
