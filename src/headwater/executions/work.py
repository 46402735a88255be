"""Running one statement to its result."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from headwater.clock import Clock
from headwater.dialect import QueryFailed, Statement, athena_text
from headwater.dialect.commands import Command, Deallocate, Explain, Prepare
from headwater.executions.catalog import LakeCatalog
from headwater.executions.change import Changes
from headwater.executions.columns import column, shown
from headwater.executions.execution import Costs, ResultColumn
from headwater.executions.live import Live
from headwater.executions.notice import ROWS, Notice
from headwater.executions.results import ResultFile, Results
from headwater.executions.runner import Runner
from headwater.executions.saved import PreparedStatement, Shelf
from headwater.executions.show import Shown, show
from headwater.executions.upkeep import Upkeep
from headwater.executions.write import RowsWritten, Writes


class Ended(NamedTuple):
    """A result that is written and not yet told of; `update_count` and `manifest` are those of `Execution`."""

    columns: tuple[ResultColumn, ...]
    file: ResultFile | Notice
    size: int
    rows: int
    costs: Costs
    update_count: int | None = None
    manifest: str | None = None


class Work:
    """Runs statements, one call each; safe to call from many threads."""

    def __init__(
        self,
        runner: Runner,
        results: Results,
        catalog: LakeCatalog,
        prepared: Shelf[PreparedStatement],
        changes: Changes,
        writes: Writes,
        upkeep: Upkeep,
        clock: Clock,
    ) -> None:
        self._runner, self._results, self._catalog, self._clock = runner, results, catalog, clock
        self._prepared, self._changes, self._writes, self._upkeep = prepared, changes, writes, upkeep

    def run(self, live: Live) -> Ended:
        """Return the result; raises `QueryError`, or `OSError` where it cannot be written."""
        if live.read.failure is not None:
            raise live.read.failure
        statement = live.read.statement
        assert statement is not None
        if live.read.is_select:
            return self._select(live, statement)
        assert statement.command is not None
        if isinstance(statement.command, Explain):
            return self._explain(live, statement, statement.command)
        if (written := self._writes.run(live, statement)) is not None:
            return self._noted(live, written)
        if self._upkeep.run(live, statement.command):
            return self._write_lines(live, Shown((), []))
        given = show(statement.command, self._catalog) or self._change(live, statement.command, statement)
        return self._write_lines(live, given)

    def _noted(self, live: Live, written: RowsWritten) -> Ended:
        notice = self._results.notice(live.execution, written.rows, written.files)
        notice.finish()
        costs = msgspec.structs.replace(costs_of(live, self._clock), output_rows=written.rows)
        return Ended(ROWS, notice, 0, 0, costs, written.rows, notice.manifest)

    def _select(self, live: Live, statement: Statement) -> Ended:
        columns = tuple(column(each.name, each.type) for each in statement.columns)
        rows = 0
        assert statement.sql is not None
        running = live.running = self._runner.run(statement.sql, limits=live.limits)
        try:
            assert len(running.schema) == len(columns)
            file = self._results.begin(live.execution, columns)
            try:
                for batch in running.batches():
                    texts = [
                        athena_text(values, each.type, each.zone) for values, each in zip(batch.columns, statement.columns, strict=True)
                    ]
                    file.write(texts)
                    rows += batch.num_rows
                return self._finished(live, columns, file, rows)
            except BaseException:
                file.discard()
                raise
        finally:
            running.close()

    def _explain(self, live: Live, statement: Statement, command: Explain) -> Ended:
        if command.format.upper() != "TEXT" or command.type.upper() not in ("LOGICAL", "DISTRIBUTED", "VALIDATE"):
            raise QueryFailed("NOT_SUPPORTED", "EXPLAIN gives text here: leave FORMAT out, and TYPE if it is not VALIDATE")
        if command.type.upper() == "VALIDATE":
            return self._write_lines(live, Shown((shown("Valid"),), ["true"]))
        word = "EXPLAIN ANALYZE" if command.analyze else "EXPLAIN"
        running = live.running = self._runner.run(f"{word} {statement.sql}", limits=live.limits)
        try:
            plans = [str(text) for batch in running.batches() for text in batch.column(batch.num_columns - 1).to_pylist()]
        finally:
            running.close()
        return self._write_lines(live, Shown((shown("Query Plan"),), [line for plan in plans for line in plan.splitlines()]))

    def _change(self, live: Live, command: Command, statement: Statement) -> Shown:
        workgroup, now_ms = live.execution.request.workgroup, self._clock.now_ms()
        match command:
            case Prepare(name, text):
                made = PreparedStatement(name, workgroup, text, changed_ms=now_ms, trusted=live.may_change)
                self._prepared.put(workgroup, name, made, now_ms)
            case Deallocate(name):
                if not self._prepared.delete(workgroup, name):
                    raise QueryFailed("NOT_FOUND", f"Prepared statement not found: {name}")
            case _:
                found = self._changes.run(live, command, statement)
                if found is None:
                    raise QueryFailed("NOT_SUPPORTED", f"{statement.substatement.replace('_', ' ')} is not possible here")
                return Shown(*found)
        return Shown((), [])

    def _write_lines(self, live: Live, given: Shown) -> Ended:
        file = self._results.begin(live.execution, given.columns)
        try:
            file.write_lines(given.lines)
            return self._finished(live, given.columns, file, len(given.lines))
        except BaseException:
            file.discard()
            raise

    def _finished(self, live: Live, columns: tuple[ResultColumn, ...], file: ResultFile, rows: int) -> Ended:
        began_ms = self._clock.monotonic()
        size = file.finish()
        costs = costs_of(live, self._clock)
        service_ms = round((self._clock.monotonic() - began_ms) * 1000)
        return Ended(columns, file, size, rows, msgspec.structs.replace(costs, service_ms=service_ms, output_rows=rows, output_bytes=size))


def costs_of(live: Live, clock: Clock) -> Costs:
    """Return what an execution has cost up to now."""
    execution, costs = live.execution, live.execution.costs
    total_ms = max(0, clock.now_ms() - execution.submitted_ms)
    if live.running is None:
        return msgspec.structs.replace(costs, total_ms=total_ms, engine_ms=max(0, total_ms - costs.queue_ms))
    scan = live.running.scan()
    return msgspec.structs.replace(
        costs,
        planning_ms=round(scan.planning_ms),
        engine_ms=max(0, total_ms - costs.queue_ms),
        total_ms=total_ms,
        scanned_bytes=scan.bytes,
        input_rows=scan.rows,
    )
