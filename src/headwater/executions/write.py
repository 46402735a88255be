"""Statements that write rows: a SELECT in the sandbox, whose rows become a job of the worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from headwater.catalog.names import NAME, join_name
from headwater.dialect import Pin, QueryFailed, Statement
from headwater.dialect.commands import CreateTableAs, Delete, InsertInto, Merge, TableName, Unload, Update
from headwater.errors import Refused
from headwater.executions.catalog import LakeCatalog
from headwater.executions.files import FilePlan, Files
from headwater.executions.jobs import Jobs
from headwater.executions.live import Live
from headwater.executions.partitioning import partitioning
from headwater.executions.runner import Runner
from headwater.executions.spill import Spill, named
from headwater.jobs import tables
from headwater.jobs.catalog import CreateEntry

Reread = Callable[[Live, Pin], Statement]

_TRIES = 3


class RowsWritten(NamedTuple):
    """How many rows a statement wrote or changed, and the URLs of the files it made, None where files are the lake's own matter."""

    rows: int
    files: list[str] | None = None


class Writes:
    """Runs CREATE TABLE AS, INSERT, UNLOAD, DELETE, UPDATE and MERGE. Safe to call from many threads.

    *reread* reads a statement again, for a state of its table that is said. *own*: the project's database.
    """

    def __init__(
        self, runner: Runner, jobs: Jobs, catalog: LakeCatalog, files: Files, reread: Reread, scratch: Path, limit_bytes: int, own: str
    ) -> None:
        self._runner, self._jobs, self._catalog, self._files, self._reread = runner, jobs, catalog, files, reread
        self._scratch, self._limit_bytes, self._own = scratch, limit_bytes, own

    def run(self, live: Live, statement: Statement) -> RowsWritten | None:
        """Carry out the statement; None if it is none of those here. Raises `QueryError`, or `Refused` from the worker."""
        match statement.command:
            case CreateTableAs():
                return self._create(live, statement, statement.command)
            case InsertInto():
                return self._insert(live, statement, statement.command)
            case Unload():
                return self._unload(live, statement, statement.command)
            case Delete(table) | Update(table) | Merge(table):
                return self._modify(live, statement, table)
        return None

    def _create(self, live: Live, statement: Statement, command: CreateTableAs) -> RowsWritten:
        if self._exists(command.table):
            if command.if_not_exists:
                return RowsWritten(0)
            raise QueryFailed("ALREADY_EXISTS", f"line 1:1: Destination table 'awsdatacatalog.{'.'.join(command.table)}' already exists")
        if command.table.database not in self._catalog.databases():
            raise QueryFailed("SCHEMA_NOT_FOUND", f"line 1:1: Schema {command.table.database} not found")
        check_name(command.table)
        names = [each.name for each in statement.columns]
        if unknown := [each.name for each in statement.columns if each.type == "unknown"]:
            raise QueryFailed("COLUMN_TYPE_UNKNOWN", f"line 1:1: Column type is unknown at position {names.index(unknown[0]) + 1}")
        plan = self._files.plan(live.execution, command, statement.columns)
        with self._spilled(live, statement.sql, names, with_rows=command.with_data) as (spill, schema):
            if plan is not None:
                return self._create_files(live, command, plan, spill)
            job = tables.MakeTable(
                table=self._name(command.table),
                schema=encoded(schema),
                partitioning=partitioning(command.properties),
                properties=kept_properties(command.properties),
                rows=spill,
                if_not_exists=command.if_not_exists,
            )
            return RowsWritten(self._jobs.ask(live, job).rows)

    def _create_files(self, live: Live, command: CreateTableAs, plan: FilePlan, spill: str) -> RowsWritten:
        assert plan.entry is not None
        written = self._jobs.ask(live, tables.WriteFiles(form=plan.form(), rows=spill, empty=True))
        entry = CreateEntry(database=command.table.database, table=plan.entry, if_not_exists=command.if_not_exists)
        self._jobs.ask(live, entry)
        self._files.add_partitions(partial(self._jobs.ask, live), command.table, written.partitions)
        return RowsWritten(written.rows, written.files)

    def _insert(self, live: Live, statement: Statement, command: InsertInto) -> RowsWritten:
        plan = self._files.plan_of(command.table)
        if plan is None and not self._catalog.is_of_lake(*command.table):
            raise QueryFailed("NOT_SUPPORTED", f"rows cannot be inserted into {'.'.join(command.table)}: {_MADE_OF_OTHERS}")
        names = [each.name for each in statement.columns]
        with self._spilled(live, statement.sql, names) as (spill, _):
            if plan is None:
                return RowsWritten(self._jobs.ask(live, tables.InsertRows(table=self._name(command.table), rows=spill)).rows)
            if missing := set(plan.columns) - set(names):
                raise QueryFailed("NOT_SUPPORTED", f"INSERT into files gives all columns; missing: {', '.join(sorted(missing))}")
            written = self._jobs.ask(live, tables.WriteFiles(form=plan.form(), rows=spill))
            self._files.add_partitions(partial(self._jobs.ask, live), command.table, written.partitions)
        return RowsWritten(written.rows, written.files)

    def _unload(self, live: Live, statement: Statement, command: Unload) -> RowsWritten:
        plan = self._files.unload(command, statement.columns)
        with self._spilled(live, statement.sql, [each.name for each in statement.columns]) as (spill, _):
            written = self._jobs.ask(live, tables.WriteFiles(form=plan.form(), rows=spill, empty=True))
        return RowsWritten(written.rows, written.files)

    def _modify(self, live: Live, statement: Statement, table: TableName) -> RowsWritten:
        if self._files.plan_of(table) is not None:
            raise QueryFailed("NOT_SUPPORTED", "Modifying Hive table rows is only supported for transactional tables")
        if not self._catalog.is_of_lake(*table):
            raise QueryFailed("NOT_SUPPORTED", f"the rows of {'.'.join(table)} cannot be changed: {_MADE_OF_OTHERS}")
        for turn in range(_TRIES):
            try:
                return self._modify_once(live, statement, table, turn)
            except Refused as error:
                # Others changed the same rows meanwhile. What they made of them is there now, so the statement is run on that.
                if error.code != "ICEBERG_COMMIT_ERROR" or turn == _TRIES - 1:
                    raise
        raise AssertionError

    def _modify_once(self, live: Live, statement: Statement, table: TableName, turn: int) -> RowsWritten:
        name, kind = self._name(table), statement.substatement
        state = self._jobs.ask(live, tables.PinTable(table=name), part=f" {turn}")
        pin = Pin(state.snapshot_id, state.by_day)
        if pin.snapshot_id is None and kind != "MERGE":
            return RowsWritten(0)
        read = self._reread(live, pin)
        touched = self._touched(live, read)
        if not touched and kind != "MERGE":
            return RowsWritten(0)
        days: list[int | None] | None = [*touched] if pin.by_day else None if touched else []
        read = self._reread(live, pin._replace(days=tuple(touched)))
        counts = {"changed": 0, "inserted": 0}
        width = len(self._catalog.columns(*table) or ())
        names = [each.name for each in read.columns][:width]
        with Spill(self._scratch, live.execution.id, self._limit_bytes) as spill:
            deleted = None if kind == "DELETE" else 0
            for batch in self._batches(live, read.sql, spill, names):
                kept = batch
                if kind == "UPDATE":
                    counts["changed"] += pc.sum(batch.column(width).cast(pa.int64())).as_py() or 0
                elif kind == "MERGE":
                    action: Any = batch.column(width)
                    told = {each["values"]: each["counts"] for each in pc.value_counts(action).to_pylist()}
                    counts["inserted"] += told.get("insert", 0)
                    counts["changed"] += sum(told.get(each, 0) for each in ("insert", "update", "delete"))
                    deleted = (deleted or 0) + told.get("delete", 0)
                    # Where no row of the table changes, all there is to write is what is inserted.
                    wanted = pa.array([None, "update", "insert"] if touched else ["insert"], pa.string())
                    kept = batch.filter(pc.is_in(action, wanted))
                spill.write(named(kept.select(list(range(width))), names))
            rows = spill.finish()
            if not touched and not spill.rows:
                return RowsWritten(0)
            self._check(live)
            job = tables.ReplaceRows(
                kind=str(kind),
                table=name,
                rows=rows,
                snapshot_id=pin.snapshot_id,
                days=days,
                changed=counts["changed"],
                inserted=counts["inserted"],
                deleted=deleted,
            )
            return RowsWritten(self._jobs.ask(live, job).rows)

    def _touched(self, live: Live, read: Statement) -> dict[int | None, int]:
        """Return the days of which rows will not be as they were, and how many."""
        return {row["day"]: row["rows"] for batch in self._select(live, read.changing) for row in batch.to_pylist()}

    @contextmanager
    def _spilled(self, live: Live, sql: str | None, names: Sequence[str], *, with_rows: bool = True) -> Iterator[tuple[str, pa.Schema]]:
        """Give the name of a file with the rows of the query, and their schema."""
        with Spill(self._scratch, live.execution.id, self._limit_bytes) as spill:
            schema: pa.Schema | None = None
            text = sql if with_rows else f"SELECT * FROM ({sql}) WHERE false"
            running = live.running = self._runner.run(text or "", limits=live.limits)
            try:
                empty = pa.RecordBatch.from_pylist([], schema=running.schema)
                schema = named(empty, names).schema
                spill.begin(schema)
                for batch in running.batches():
                    spill.write(named(batch, names))
            finally:
                running.close()
            name = spill.finish()
            self._check(live)
            yield name, schema

    def _batches(self, live: Live, sql: str | None, spill: Spill, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        running = live.running = self._runner.run(sql or "", limits=live.limits)
        try:
            empty = pa.RecordBatch.from_pylist([], schema=running.schema)
            spill.begin(named(empty.select(list(range(len(names)))), names).schema)
            yield from running.batches()
        finally:
            running.close()

    def _select(self, live: Live, sql: str | None) -> Iterator[pa.RecordBatch]:
        running = live.running = self._runner.run(sql or "", limits=live.limits)
        try:
            yield from running.batches()
        finally:
            running.close()

    def _check(self, live: Live) -> None:
        """Change nothing for a statement that was stopped while its rows were made."""
        if live.stop is not None or live.ended:
            raise QueryFailed("USER_CANCELED", "Query cancelled by user")

    def _exists(self, table: TableName) -> bool:
        return self._catalog.columns(*table) is not None and not self._catalog.gives_way(self._name(table))

    def _name(self, table: TableName) -> str:
        return join_name(table.database, table.name, self._own)


_MADE_OF_OTHERS = "it is no table of its own, but made of others"


def kept_properties(given: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    """Return what a table remembers of the properties of its statement."""
    return {name.lower(): str(value) for name, value in given.items() if name.lower().startswith(("vacuum_", "optimize_", "write_"))}


def check_name(table: TableName) -> None:
    """Raise `QueryFailed` for what no new table may be called."""
    if not NAME.fullmatch(table.name):
        raise QueryFailed(
            "INVALID_TABLE_NAME", f"'{table.name}' cannot be the name of a table: it may have letters a to z, digits, _ and -, up to 128"
        )


def encoded(schema: pa.Schema) -> bytes:
    """Return the schema's message, for a job."""
    return schema.serialize().to_pybytes()
