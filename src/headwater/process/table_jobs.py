"""The worker's jobs on the rows of tables; what a statement selected comes as an Arrow file that the query role has spilled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from headwater.errors import Refused
from headwater.jobs import Done, Handler, Run, threaded
from headwater.jobs.tables import (
    AddColumns,
    ChangeColumn,
    CreateTable,
    DropColumn,
    Files,
    InsertRows,
    OptimizeTable,
    Pinned,
    PinTable,
    RenameTable,
    ReplaceRows,
    Rows,
    SetProperties,
    Vacuumed,
    VacuumTable,
    WriteFiles,
)
from headwater.lake.alter import Alterations
from headwater.lake.hive import HiveFiles
from headwater.lake.rewrite import Tables
from headwater.store import Stores

_SPILLED = re.compile(r"[0-9a-f-]{36}\.arrow")
_ROWS = 65_536


class TableJobs:
    """Makes tables and changes their rows. *spill*: the folder where rows are left for it. *stores*: what s3:// places mean."""

    def __init__(self, tables: Tables, alterations: Alterations, stores: Stores, spill: Path) -> None:
        self._tables, self._alterations, self._stores, self._spill = tables, alterations, stores, spill

    def handlers(self) -> list[Handler]:
        """Return who does which job."""
        return [
            CreateTable.by(threaded(self.create_table)),
            InsertRows.by(threaded(self.insert_rows)),
            PinTable.by(threaded(self.pin_table)),
            ReplaceRows.by(threaded(self.replace_rows)),
            OptimizeTable.by(threaded(self.optimize_table)),
            VacuumTable.by(threaded(self.vacuum_table)),
            AddColumns.by(threaded(self.add_columns)),
            DropColumn.by(threaded(self.drop_column)),
            ChangeColumn.by(threaded(self.change_column)),
            SetProperties.by(threaded(self.set_properties)),
            RenameTable.by(threaded(self.rename_table)),
            WriteFiles.by(threaded(self.write_files)),
        ]

    def create_table(self, job: CreateTable, run: Run) -> Rows:
        """See the job."""
        made = self._tables.create(
            run.id,
            job.table,
            _schema(job.schema),
            partitioning=job.partitioning,
            properties=job.properties,
            rows=self._rows(job.rows, run),
            if_not_exists=job.if_not_exists,
        )
        return Rows(made.rows)

    def insert_rows(self, job: InsertRows, run: Run) -> Rows:
        """See the job."""
        return Rows(self._tables.insert(run.id, job.table, self._rows(job.rows, run)).rows)

    def pin_table(self, job: PinTable, run: Run) -> Pinned:
        """See the job."""
        return Pinned(*self._tables.pin(job.table))

    def replace_rows(self, job: ReplaceRows, run: Run) -> Rows:
        """See the job."""
        change = self._tables.replace(
            run.id,
            job.kind,
            job.table,
            job.snapshot_id,
            job.days,
            self._rows(job.rows, run),
            changed=job.changed,
            inserted=job.inserted,
            deleted=job.deleted,
        )
        return Rows(change.rows)

    def optimize_table(self, job: OptimizeTable, run: Run) -> Rows:
        """See the job."""
        return Rows(self._tables.compact(run.id, job.table, job.days, lambda rows: run.at(rows, None, "rows")).rows)

    def vacuum_table(self, job: VacuumTable, run: Run) -> Vacuumed:
        """See the job."""
        return Vacuumed(*self._tables.vacuum(job.table))

    def add_columns(self, job: AddColumns, run: Run) -> Done:
        """See the job."""
        self._tables.add_columns(job.table, _schema(job.schema))
        return Done()

    def drop_column(self, job: DropColumn, run: Run) -> Done:
        """See the job."""
        self._alterations.drop_column(run.id, job.table, job.column)
        return Done()

    def change_column(self, job: ChangeColumn, run: Run) -> Done:
        """See the job."""
        schema = _schema(job.schema)
        self._alterations.change_column(run.id, job.table, job.column, schema, comment=job.comment, first=job.first, after=job.after)
        return Done()

    def set_properties(self, job: SetProperties, run: Run) -> Done:
        """See the job."""
        self._alterations.set_properties(run.id, job.table, job.properties, job.removed)
        return Done()

    def rename_table(self, job: RenameTable, run: Run) -> Done:
        """See the job."""
        self._alterations.rename(run.id, job.table, job.to)
        return Done()

    def write_files(self, job: WriteFiles, run: Run) -> Files:
        """See the job."""
        files = HiveFiles(self._stores, job.form, run.id, self._spill, empty=job.empty)
        try:
            for part in self._rows(job.rows, run):
                files.write(part)
            return Files(*files.finish())
        except BaseException:
            files.discard()
            raise

    def _rows(self, name: str | None, run: Run) -> Iterator[pa.Table]:
        if name is None:
            return
        if not _SPILLED.fullmatch(name):
            raise Refused("GENERIC_INTERNAL_ERROR", f"{name!r} is no name of spilled rows")
        done = 0
        with pa.OSFile(str(self._spill / name), "r") as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                for at in range(0, batch.num_rows, _ROWS):
                    run.at(done, None, "rows")
                    part = pa.Table.from_batches([batch.slice(at, _ROWS)])
                    yield part
                    done += part.num_rows


def _schema(message: bytes) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(message))
