"""Rows -> one durable Parquet file per UTC day, described for Iceberg from the writer's own statistics."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import compute_statistics_plan, data_file_statistics_from_parquet_metadata, parquet_path_to_id_mapping
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from headwater.catalog.schema import TIME_COLUMN
from headwater.lake.plan import DataFile
from headwater.store import join_url

_EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000
_NO_DAY = "__HIVE_DEFAULT_PARTITION__"
# Columns in which hardly a value stands twice: a dictionary of them takes a fifth of the time of a file, and makes it larger.
_UNREPEATED = frozenset({"event_id", TIME_COLUMN, "arrival_datetime"})


class WrittenFile(NamedTuple):
    """One new data file, as the index and as Iceberg know it."""

    file: DataFile
    iceberg: IcebergFile


class Sink(Protocol):
    """Where a file goes; every `Store` is one."""

    def write(self, url: str, content: memoryview, /) -> int:
        """Put it there, durable when this returns, and return its bytes."""


def write_days(table: Table, rows: pa.Table, store: Sink, folder: str) -> Iterator[WrittenFile]:
    """Write *rows* (in the table's Arrow schema, with field ids) under *folder* of *store*, one file per day, each durable when yielded.

    Rows keep their order. The columns `year`, `month` and `day`, where the table has them, are set to what the path says.
    """
    for day, part in _by_day(rows):
        keys = day_keys(day)
        path = join_url(folder, *(f"{name}={value}" for name, value in keys.items()), f"{uuid.uuid4()}.parquet")
        yield _write(table, with_keys(part, keys if day is not None else dict.fromkeys(keys)), store, path, day)


def _by_day(rows: pa.Table) -> Iterator[tuple[int | None, pa.Table]]:
    times = rows.column(TIME_COLUMN)
    if times.null_count:
        known = times.is_valid()
        yield None, rows.filter(times.is_null())
        rows, times = rows.filter(known), times.filter(known)
    days = times.cast(pa.int64()).to_numpy() // _DAY_US
    if len(days) and days.min() == days.max():
        yield int(days[0]), rows
        return
    for day in np.unique(days):
        yield int(day), rows.filter(pa.array(days == day))


def day_keys(day: int | None) -> dict[str, str]:
    """Return what the folders of a day are called, which is also what its rows have in these columns."""
    if day is None:
        return dict.fromkeys(("year", "month", "day"), _NO_DAY)
    when = _EPOCH + timedelta(days=day)
    return {"year": str(when.year), "month": str(when.month), "day": str(when.day)}


def with_keys(rows: pa.Table, keys: dict[str, str] | dict[str, str | None]) -> pa.Table:
    """Return *rows* with these texts in those of the columns that the table has."""
    for name, value in keys.items():
        position = rows.schema.get_field_index(name)
        if position >= 0 and pa.types.is_string(rows.schema.field(position).type):
            rows = rows.set_column(position, rows.schema.field(position), pa.repeat(pa.scalar(value, pa.string()), len(rows)))
    return rows


def _write(table: Table, rows: pa.Table, store: Sink, path: str, day: int | None) -> WrittenFile:
    footers: list[pq.FileMetaData] = []
    sink = pa.BufferOutputStream()
    # Written to memory first (a fold is a few MB) so that one function, with one set of syncs, makes files durable.
    pq.write_table(
        rows,
        sink,
        compression="zstd",
        compression_level=3,
        use_dictionary=[path for path in parquet_path_to_id_mapping(table.schema()) if path not in _UNREPEATED],  # type: ignore[arg-type]  # the stubs know its other form only
        store_schema=False,
        metadata_collector=footers,
    )
    size = store.write(path, memoryview(sink.getvalue()))
    bounds = None
    if day is not None:
        times = rows.column(TIME_COLUMN).cast(pa.int64()).to_numpy()
        bounds = int(times.min()), int(times.max())
    return written_file(table, footers[0], path, size, Record(day), day, bounds)


def written_file(
    table: Table, footer: pq.FileMetaData, path: str, size: int, partition: Record, day: int | None, bounds: tuple[int, int] | None
) -> WrittenFile:
    """Describe a file that is written; *bounds* are the lowest and highest `datetime` in it, in microseconds."""
    schema = table.schema()
    statistics = data_file_statistics_from_parquet_metadata(
        footer,
        stats_columns=compute_statistics_plan(schema, table.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    for aggregate in statistics.column_aggregates.values():
        # The upper bound of long text is its beginning with the last character counted up, and after U+D7FF there is half a character.
        try:
            aggregate.max_as_bytes()
        except UnicodeEncodeError:
            aggregate.current_max = None  # a bound may be missing
    iceberg = IcebergFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=partition,
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
    lower_ms, upper_ms = (None, None) if bounds is None else (bounds[0] // 1_000, -(-bounds[1] // 1_000))
    return WrittenFile(DataFile(path, day, footer.num_rows, size, lower_ms, upper_ms), iceberg)
