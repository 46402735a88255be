"""The worker's jobs on the rows of tables; what a statement selected comes as an Arrow file that the query role has spilled."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import pyarrow as pa

from headwater.errors import Refused
from headwater.lake.alter import Alterations
from headwater.lake.hive import HiveFiles
from headwater.lake.rewrite import Tables
from headwater.process.job import Job
from headwater.store import Stores

_SPILLED = re.compile(r"[0-9a-f-]{36}\.arrow")
_ROWS = 65_536


class TableJobs:
    """Makes tables and changes their rows. *spill*: the folder where rows are left for it. *stores*: what s3:// places mean."""

    def __init__(self, tables: Tables, alterations: Alterations, stores: Stores, spill: Path) -> None:
        self._tables, self._alterations, self._stores, self._spill = tables, alterations, stores, spill

    def jobs(self) -> Mapping[str, Job]:
        """Return the jobs by name."""
        jobs = (
            self.create_table, self.insert_rows, self.pin_table, self.replace_rows, self.optimize_table, self.vacuum_table,
            self.add_columns, self.drop_column, self.change_column, self.set_properties, self.rename_table, self.write_files,
        )  # fmt: skip
        return {job.__name__: _job(job) for job in jobs}

    def create_table(
        self,
        *,
        change: str,
        table: str,
        schema: str,
        partitioning: Sequence[tuple[str, str, int | None]] = (),
        properties: Mapping[str, str] | None = None,
        rows: str | None = None,
        if_not_exists: bool = False,
    ) -> int:
        """Make an Iceberg table with the columns of *schema* (base64 of Arrow's message) and return how many rows it got."""
        made = self._tables.create(
            change,
            table,
            _schema(schema),
            partitioning=[(transform, column, number) for transform, column, number in partitioning],
            properties=properties,
            rows=self._rows(rows),
            if_not_exists=if_not_exists,
        )
        return made.rows

    def insert_rows(self, *, change: str, table: str, rows: str) -> int:
        """Add rows to an Iceberg table and return how many."""
        return self._tables.insert(change, table, self._rows(rows)).rows

    def pin_table(self, *, table: str) -> dict[str, Any]:
        """Return the id of the snapshot that has all rows of the table (None: there are none), and whether its files are by day."""
        return self._tables.pin(table)._asdict()

    def replace_rows(self, *, change: str, kind: str, table: str, rows: str, **state: Any) -> int:
        """Put rows in the place of those of a snapshot; see `Tables.replace`. Return how many rows the statement was about."""
        return self._tables.replace(change, kind, table, rows=self._rows(rows), **state).rows

    def optimize_table(self, *, change: str, table: str, days: Sequence[int | None] | None = None) -> int:
        """Put small files together and return how many rows were written anew."""
        return self._tables.compact(change, table, days).rows

    def vacuum_table(self, *, table: str) -> list[int]:
        """Expire snapshots, remove files that no snapshot names; return how many of each."""
        return list(self._tables.vacuum(table))

    def add_columns(self, *, table: str, schema: str) -> None:
        """Add columns to an Iceberg table."""
        self._tables.add_columns(table, _schema(schema))

    def drop_column(self, *, change: str, table: str, column: str) -> None:
        """Take a column of an Iceberg table away."""
        self._alterations.drop_column(change, table, column)

    def change_column(self, *, change: str, table: str, column: str, schema: str, **more: Any) -> None:
        """Give a column another name, type, comment or place; see `Alterations.change_column`."""
        self._alterations.change_column(change, table, column, _schema(schema), **more)

    def set_properties(self, *, change: str, table: str, properties: Mapping[str, str], removed: Sequence[str] = ()) -> None:
        """Set and remove properties of an Iceberg table."""
        self._alterations.set_properties(change, table, properties, removed)

    def rename_table(self, *, change: str, table: str, to: str) -> None:
        """Give an Iceberg table another name."""
        self._alterations.rename(change, table, to)

    def write_files(self, *, change: str, location: str, rows: str, **form: Any) -> dict[str, Any]:
        """Write rows as files beneath a location; see `HiveFiles`. Return their URLs, how many rows, and the partitions they are in."""
        files = HiveFiles(self._stores, location, change, self._spill, **form)
        try:
            for part in self._rows(rows):
                files.write(part)
            return files.finish()._asdict()
        except BaseException:
            files.discard()
            raise

    def _rows(self, name: str | None) -> Iterator[pa.Table]:
        if name is None:
            return
        if not _SPILLED.fullmatch(name):
            raise Refused("GENERIC_INTERNAL_ERROR", f"{name!r} is no name of spilled rows")
        with pa.OSFile(str(self._spill / name), "r") as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                for at in range(0, batch.num_rows, _ROWS):
                    yield pa.Table.from_batches([batch.slice(at, _ROWS)])


def _schema(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def _job(change: Callable[..., Any]) -> Job:
    @wraps(change)
    async def job(**arguments: Any) -> Any:
        return await asyncio.to_thread(change, **arguments)

    return job
