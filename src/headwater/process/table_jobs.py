"""The worker's jobs on the rows of tables; what a statement selected comes as an Arrow file that the query role has spilled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from headwater.errors import Refused
from headwater.jobs import Done, Handler, JobRun, threaded
from headwater.jobs.tables import (
    AlterColumn,
    ChangeProperties,
    ExtendTable,
    FilesWritten,
    InsertRows,
    MakeTable,
    MoveTable,
    OptimizeTable,
    Pinned,
    PinTable,
    RemoveColumn,
    ReplaceRows,
    RowCount,
    Vacuumed,
    VacuumTable,
    WriteFiles,
)
from headwater.lake.alter import Alterations
from headwater.lake.hive import HiveFiles
from headwater.lake.rewrite import TableChanges
from headwater.store import Stores

_SPILLED = re.compile(r"[0-9a-f-]{36}\.arrow")
_ROWS = 65_536


class TableJobs:
    """Makes tables and changes their rows. *spill*: the folder where rows are left for it. *stores*: what s3:// places mean."""

    def __init__(self, tables: TableChanges, alterations: Alterations, stores: Stores, spill: Path) -> None:
        self._tables, self._alterations, self._stores, self._spill = tables, alterations, stores, spill

    def handlers(self) -> list[Handler]:
        """Return who does which job."""
        return [
            MakeTable.by(threaded(self.create_table)),
            InsertRows.by(threaded(self.insert_rows)),
            PinTable.by(threaded(self.pin_table)),
            ReplaceRows.by(threaded(self.replace_rows)),
            OptimizeTable.by(threaded(self.optimize_table)),
            VacuumTable.by(threaded(self.vacuum_table)),
            ExtendTable.by(threaded(self.add_columns)),
            RemoveColumn.by(threaded(self.drop_column)),
            AlterColumn.by(threaded(self.change_column)),
            ChangeProperties.by(threaded(self.set_properties)),
            MoveTable.by(threaded(self.rename_table)),
            WriteFiles.by(threaded(self.write_files)),
        ]

    def create_table(self, job: MakeTable, run: JobRun) -> RowCount:
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
        return RowCount(made.rows)

    def insert_rows(self, job: InsertRows, run: JobRun) -> RowCount:
        """See the job."""
        return RowCount(self._tables.insert(run.id, job.table, self._rows(job.rows, run)).rows)

    def pin_table(self, job: PinTable, run: JobRun) -> Pinned:
        """See the job."""
        return Pinned(*self._tables.pin(job.table))

    def replace_rows(self, job: ReplaceRows, run: JobRun) -> RowCount:
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
        return RowCount(change.rows)

    def optimize_table(self, job: OptimizeTable, run: JobRun) -> RowCount:
        """See the job."""
        return RowCount(self._tables.compact(run.id, job.table, job.days, lambda rows: run.at(rows, None, "rows")).rows)

    def vacuum_table(self, job: VacuumTable, run: JobRun) -> Vacuumed:
        """See the job."""
        return Vacuumed(*self._tables.vacuum(job.table))

    def add_columns(self, job: ExtendTable, run: JobRun) -> Done:
        """See the job."""
        self._tables.add_columns(job.table, _schema(job.schema))
        return Done()

    def drop_column(self, job: RemoveColumn, run: JobRun) -> Done:
        """See the job."""
        self._alterations.drop_column(run.id, job.table, job.column)
        return Done()

    def change_column(self, job: AlterColumn, run: JobRun) -> Done:
        """See the job."""
        schema = _schema(job.schema)
        self._alterations.change_column(run.id, job.table, job.column, schema, comment=job.comment, first=job.first, after=job.after)
        return Done()

    def set_properties(self, job: ChangeProperties, run: JobRun) -> Done:
        """See the job."""
        self._alterations.set_properties(run.id, job.table, job.properties, job.removed)
        return Done()

    def rename_table(self, job: MoveTable, run: JobRun) -> Done:
        """See the job."""
        self._alterations.rename(run.id, job.table, job.to)
        return Done()

    def write_files(self, job: WriteFiles, run: JobRun) -> FilesWritten:
        """See the job."""
        files = HiveFiles(self._stores, job.form, run.id, self._spill, empty=job.empty)
        try:
            for part in self._rows(job.rows, run):
                files.write(part)
            return FilesWritten(*files.finish())
        except BaseException:
            files.discard()
            raise

    def _rows(self, name: str | None, run: JobRun) -> Iterator[pa.Table]:
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
