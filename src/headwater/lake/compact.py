"""Which small files become one, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import Table

from headwater.catalog.schema import arrow_schema
from headwater.lake.iceberg import live_entries, live_files
from headwater.lake.plan import DataFile
from headwater.lake.properties import sizes
from headwater.store import Store

_ROWS = 65_536


def pieces(table: Table, days: Sequence[int | None] | None, file_bytes: int) -> Iterator[list[DataFile]]:
    """Yield groups of files of one partition to be written anew, those of *days* only: small ones that fit into one, and each large one.

    What is small and large, and how many of them are worth it, the table's properties may say; *file_bytes* is a file's size otherwise.
    """
    target, smallest, largest, fewest = sizes(table.properties, file_bytes)
    files = {file.path: file for file in live_files(table)}
    groups: dict[Any, list[DataFile]] = {}
    for path, entry in live_entries(table).items():
        file = files[path]
        if not smallest <= file.size <= largest and (days is None or file.day in days):
            groups.setdefault((entry.spec_id, str(entry.partition)), []).append(file)
    if sum(map(len, groups.values())) < fewest:
        return
    for group in groups.values():
        yield from ([file] for file in group if file.size > largest)
        piece: list[DataFile] = []
        for file in sorted((file for file in group if file.size < smallest), key=lambda file: (file.lower_ms or 0, file.path)):
            if sum(each.size for each in piece) + file.size > target:
                if len(piece) > 1:
                    yield piece
                piece = []
            piece.append(file)
        if len(piece) > 1:
            yield piece


def read_rows(table: Table, store: Store, files: Sequence[DataFile]) -> Iterator[pa.Table]:
    """Yield all rows of the files under the names that the table's columns have now, found by their ids."""
    names = {_id(field): field.name for field in arrow_schema(table)}
    for file in files:
        with pq.ParquetFile(store.local(file.path)) as source:
            columns = {field.name: names[_id(field)] for field in source.schema_arrow if _id(field) in names}
            for batch in source.iter_batches(_ROWS, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns)).rename_columns(list(columns.values()))


def _id(field: pa.Field[Any]) -> int:
    return int((field.metadata or {}).get(b"PARQUET:field_id", -1))
