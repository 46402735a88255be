"""Questions answered while somebody waits: the rows go out as they come, in any format, and nothing is kept of them."""

from __future__ import annotations

import logging
import threading
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any, Literal, NamedTuple, Protocol, cast

import pyarrow as pa

from headwater.dialect import MalformedQuery, failure
from headwater.errors import HeadwaterError, QueryError, QueryLimit, Refused
from headwater.executions.catalog import LakeCatalog
from headwater.executions.errors import InvalidRequest
from headwater.executions.execution import Execution, QueryRequest, ResultColumn, State
from headwater.executions.executions import Executions
from headwater.executions.parameters import texts, values
from headwater.executions.queue import Ticket
from headwater.executions.saved import PreparedStatement, Shelf
from headwater.executions.statement import context_database, read
from headwater.executions.workgroup import PRIMARY
from headwater.executions.workgroups import Workgroups
from headwater.query import Engine, write
from headwater.query.reading import Reading, RowsInMemory
from headwater.query.watch import Stopped, Watch

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.01
MOST_LETTERS = 262_144

Dialect = Literal["athena", "duckdb"]


class Question(NamedTuple):
    """What is asked. *parameters* are values as JSON has them: see `parameters.values`. *form* is one of `formats.FORMATS`."""

    sql: str
    parameters: list[Any] | dict[str, Any] | None = None
    dialect: Dialect = "athena"
    database: str | None = None
    form: str = "arrow"


class Outlet(Protocol):
    """Where an answer goes: a file that is written to, and told how it ended. What `write` raises but an error of ours ends the query."""

    def write(self, data: bytes, /) -> int:
        """Take some bytes; waits while there is no room for them."""

    def end(self, error: HeadwaterError | None = None) -> None:
        """There is no more; *error* says why there is not all of it."""


class OutletClosed(Exception):
    """Nobody wants the answer any more."""


class QuestionFailed(QueryError):
    """The answer to a question, where that is an error; `code` is Athena's name for it where it has one."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Direct:
    """Answers questions; safe to share between threads. They wait in one queue with the query executions."""

    def __init__(
        self,
        engine: Engine,
        executions: Executions,
        workgroups: Workgroups,
        catalog: LakeCatalog,
        prepared: Shelf[PreparedStatement],
        *,
        database: str,
    ) -> None:
        """*database*: where a bare table name is looked for unless the question says otherwise."""
        self.engine, self.executions, self.workgroups = engine, executions, workgroups
        self.catalog, self.prepared, self.database = catalog, prepared, database

    def ask(self, question: Question, out: Outlet, principal: str, *, may_change: bool) -> Asked:
        """Return what will answer *question* into *out* once it has begun."""
        return Asked(self, question, out, principal, may_change)


class Asked:
    """One question. `stop` may be called from any thread, at any time."""

    def __init__(self, room: Direct, question: Question, out: Outlet, principal: str, may_change: bool) -> None:
        self._room, self._question, self._out = room, question, out
        self._principal, self._may_change = principal, may_change
        primary = room.workgroups.get(PRIMARY)
        self._time_s, self._id = primary.time_limit_s, str(uuid.uuid4())
        self._watch = Watch(primary.cutoff_bytes)
        self._limit_bytes, self._late = primary.cutoff_bytes, False
        self._stopped = threading.Event()
        self._enabled = primary.state == "ENABLED"

    def begin(self) -> None:
        """Read the statement, and let it run when it is its turn. Raises what is wrong with it; what comes later the outlet is told."""
        if not self._enabled:
            raise InvalidRequest(f"WorkGroup {PRIMARY} is disabled.")
        self._room.executions.queue.check(self._principal)
        question = self._question
        if question.dialect == "duckdb":
            self._queue(question.sql, values(question.parameters), None)
            return
        if len(question.sql) > MOST_LETTERS:
            raise InvalidRequest(
                f"a statement of Athena's SQL has at most {MOST_LETTERS:,} characters, as at Athena: this has {len(question.sql):,}"
            )
        database = context_database(question.database, self._room.database)
        request = QueryRequest(question.sql, self._id, database=database, parameters=texts(values(question.parameters)))
        try:
            asked = read(request, self._room.catalog, database, self._room.prepared)
            if asked.failure is not None:
                raise asked.failure
        except QueryError as error:
            raise self._worded(error) from None
        if asked.is_select:
            assert asked.statement is not None and asked.statement.sql is not None
            self._queue(asked.statement.sql, None, [column.name for column in asked.statement.columns])
        else:
            # It takes its own turn in the queue, so it must not have one already while it waits.
            threading.Thread(target=lambda: self._answer(lambda: self._executed(request)), name="question", daemon=True).start()

    def stop(self) -> None:
        """Nobody waits for the answer any more."""
        self._stopped.set()
        self._room.executions.queue.drop(self._id)
        self._watch.stop()

    def _queue(self, sql: str, parameters: Any, names: list[str] | None) -> None:
        def work() -> None:
            timer = threading.Timer(self._time_s, self._be_late) if self._time_s is not None else None
            if timer is not None:
                timer.start()
            try:
                self._answer(lambda: Renamed(self._room.engine.sql(sql, parameters, watch=self._watch), names, self._worded))
            finally:
                if timer is not None:
                    timer.cancel()

        self._room.executions.queue.put(Ticket(self._id, PRIMARY, self._principal, work))

    def _be_late(self) -> None:
        self._late = True
        self._watch.stop()

    def _answer(self, ask: Callable[[], Reading]) -> None:
        error: HeadwaterError | None = None
        try:
            with ask() as reading:
                write(reading, self._question.form, cast("IO[bytes]", self._out))
        except OutletClosed:
            error = Stopped()
        except HeadwaterError as raised:
            error = self._worded(raised)
        except Exception as raised:  # noqa: BLE001  (whatever it is, who waits must be told)
            frames = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(traceback.extract_tb(raised.__traceback__)[-8:]))
            _log.error("a question failed by an error of ours: %s at %s", type(raised).__name__, frames)
            error = HeadwaterError("an error of ours; it is in the log")
        state: State = "SUCCEEDED" if error is None else "CANCELLED" if self._stopped.is_set() else "FAILED"
        self._room.executions.count(PRIMARY, state, self._watch.bytes)
        self._out.end(error)

    def _executed(self, request: QueryRequest) -> Reading:
        executions = self._room.executions
        execution_id = executions.start(request, self._principal, may_change=self._may_change)
        while not (execution := executions.get(execution_id)).final:
            if self._stopped.wait(_LOOK_EVERY_S):
                executions.stop(execution_id)
                raise Stopped
        if execution.state != "SUCCEEDED":
            code, _, message = (execution.reason or "").partition(": ")
            raise QuestionFailed(code, message) if code.isupper() and message else QuestionFailed("QUERY_FAILED", execution.reason or "")
        if execution.update_count is not None:
            return RowsInMemory(pa.table({"rows": pa.array([execution.update_count], pa.int64())}))
        return RowsInMemory(lines_table(execution.columns, self._lines(execution)))

    def _lines(self, execution: Execution) -> Iterator[list[str | None]]:
        token = None
        while execution.columns:
            page = self._room.executions.results(execution.id, token)
            yield from page.rows
            if (token := page.next_token) is None:
                return

    def _worded(self, error: HeadwaterError) -> HeadwaterError:
        """Return an error as who asked should see it."""
        match error:
            case QuestionFailed():
                return error
            case QueryError() if self._late:
                return QuestionFailed("EXCEEDED_TIME_LIMIT", f"the query was stopped after {self._time_s:g} s, the limit of its workgroup")
            case Stopped() if self._limit_bytes is not None and self._watch.bytes > self._limit_bytes:
                return QuestionFailed(
                    "EXCEEDED_SCAN_LIMIT",
                    f"the query would read {self._watch.bytes:,} bytes; its workgroup lets it read {self._limit_bytes:,}",
                )
            case Stopped():
                return error
            case QueryLimit():
                return QuestionFailed(f"EXCEEDED_{error.limit.upper()}_LIMIT", str(error))
            case Refused():
                return QuestionFailed(error.code, str(error))
            case MalformedQuery():
                return QuestionFailed(error.athena_code, str(error))
            case QueryError() if self._question.dialect == "athena":
                told = failure(error)
                return QuestionFailed(told.name, told.message)
            case QueryError():
                return QuestionFailed("QUERY_FAILED", str(error))
        return error


class Renamed(Reading):
    """The rows of *reading* under the names of *names* where there are any; its errors as *word* words them."""

    def __init__(self, reading: Reading, names: list[str] | None, word: Callable[[Any], HeadwaterError]) -> None:
        self._reading, self._word = reading, word
        told = reading.schema.names if names is None else names
        self.schema = pa.schema([field.with_name(name) for field, name in zip(reading.schema, told, strict=True)])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows under their new names."""
        try:
            for batch in self._reading.batches():
                yield pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)
        except HeadwaterError as error:
            raise self._word(error) from None

    def close(self) -> None:
        """Stop the query."""
        self._reading.close()


def lines_table(columns: Sequence[ResultColumn], lines: Iterable[list[str | None]]) -> pa.Table:
    """Return what SHOW, DESCRIBE and EXPLAIN give as a table of text: their lines have the columns in them, parted by tabs."""
    names = [column.name for column in columns]
    cells = [[part.strip() for part in (line[0] or "").split("\t")] if len(names) > 1 else line for line in lines]
    padded = [(row + [""] * len(names))[: len(names)] for row in cells]
    return pa.table({name: pa.array([row[at] for row in padded], pa.string()) for at, name in enumerate(names)})
