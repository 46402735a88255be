"""The room's heart: queries are asked for, wait, run, end, and are remembered."""

from __future__ import annotations

import logging
import sqlite3
import threading
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from headwater.clock import Clock
from headwater.dialect import Pin, Statement, failure
from headwater.errors import AccessDenied, HeadwaterError, QueryLimit
from headwater.executions.catalog import LakeCatalog
from headwater.executions.change import Changes
from headwater.executions.errors import InvalidRequest, unknown_execution
from headwater.executions.execution import SYSTEM, USER, Execution, QueryFailure, QueryRequest, State
from headwater.executions.history import History
from headwater.executions.live import CANCELLED_TEXT, CUTOFF, TIMEOUT, Live, StopReason, Watcher, restarted
from headwater.executions.queue import Queue, Ticket
from headwater.executions.results import Results
from headwater.executions.rows import Row
from headwater.executions.runner import RunLimits, Runner
from headwater.executions.saved import PreparedStatement, Shelf
from headwater.executions.statement import Read, context_database, read, reread
from headwater.executions.token import Tokens
from headwater.executions.upkeep import Upkeep
from headwater.executions.work import Ended, Work, costs_of
from headwater.executions.workgroups import Workgroups
from headwater.executions.write import Reread, Writes

_log = logging.getLogger(__name__)

MAX_ROWS = 1_000
IDS_AT_ONCE = 50


class ExecutionBounds(NamedTuple):
    """How much may run and wait at a time, for how many seconds a query may run, how many days history and results are kept, and how
    many bytes one result may have.
    """

    concurrency: int = 4
    waiting: int = 1_000
    waiting_each: int = 200
    time_limit_s: float = 1_800
    history_days: float = 45
    result_days: float = 45
    result_bytes: int = 10_000_000_000


class ResultPage(NamedTuple):
    """Some rows of a result, the header's among them where it has one, and the token for the next."""

    execution: Execution
    rows: list[Row]
    next_token: str | None


class Executions:
    """All executions of a project. Every method is safe to call from any thread."""

    def __init__(
        self,
        history: History,
        workgroups: Workgroups,
        results: Results,
        runner: Runner,
        catalog: LakeCatalog,
        prepared: Shelf[PreparedStatement],
        changes: Changes,
        writes: Callable[[Reread], Writes],
        upkeep: Upkeep,
        tokens: Tokens,
        *,
        database: str,
        bounds: ExecutionBounds,
        clock: Clock,
    ) -> None:
        """*database*: where a bare table name is looked for unless the request says otherwise."""
        self._history, self._workgroups, self._results = history, workgroups, results
        self._catalog, self._prepared, self._tokens = catalog, prepared, tokens
        self._database, self._bounds, self._clock = database, bounds, clock
        self._work = Work(runner, results, catalog, prepared, changes, writes(self._reread), upkeep, clock)
        self._lock = threading.Lock()
        self._live: dict[str, Live] = {}
        self._give_up(history.unfinished(), begun=True)
        self.ended: Counter[tuple[str, State]] = Counter()
        self.scanned_bytes: Counter[str] = Counter()
        self.queue = self._queue = Queue(
            self._run,
            concurrency=bounds.concurrency,
            waiting=bounds.waiting,
            waiting_each=bounds.waiting_each,
            limit_of=self._concurrency_of,
        )
        self._watcher = Watcher(clock, self._over)

    def start(self, request: QueryRequest, principal: str, *, may_change: bool = False) -> str:
        """Accept a query and return its id; the same token twice is one execution.

        *may_change*: whether who asks may change the catalog and the tables. Raises `InvalidRequest`, `MalformedQuery`, `TooManyQueries`.
        """
        if (known := self._same(request)) is not None:
            return known
        workgroup = self._workgroups.get(request.workgroup)
        if workgroup.state != "ENABLED":
            raise InvalidRequest(f"WorkGroup {workgroup.name} is disabled.")
        prefix = workgroup.result_location(request.location)
        self._results.check(prefix)
        if request.catalog is not None and not self._catalog.is_catalog(request.catalog):
            raise InvalidRequest(f"Catalog {request.catalog} does not exist; there is: AwsDataCatalog")
        asked = read(request, self._catalog, context_database(request.database, self._database), self._prepared)
        if asked.changes and not (may_change and asked.text.trusted):
            raise AccessDenied(_not_allowed(principal, asked))
        execution_id = str(uuid.uuid4())
        execution = Execution(
            execution_id, request, principal, asked.kind, asked.substatement, prefix + asked.output_name(execution_id), self._clock.now_ms()
        )
        reused = self._reused(execution, asked)
        if reused is None:
            self._queue.check(principal)
        with self._lock:
            if (known := self._same(request)) is not None:
                return known
            self._history.add(reused or execution)
            if reused is None:
                self._live[execution_id] = Live(execution, asked, may_change=may_change)
        if reused is None:
            self._queue.put(Ticket(execution_id, workgroup.name, principal))
        else:
            self._count(reused)
        return execution_id

    def get(self, execution_id: str) -> Execution:
        """Return the execution as it is now; `InvalidRequest` for an unknown id."""
        live = self._live.get(execution_id)
        found = self._history.find(execution_id) if live is None else live.execution
        if found is None:
            raise unknown_execution(execution_id)
        return found

    def stop(self, execution_id: str) -> None:
        """Cancel a query that has not ended; `InvalidRequest` for an unknown id."""
        live = self._live.get(execution_id)
        if live is None:
            self.get(execution_id)
            return
        live.stop = live.stop or "cancelled"
        self._queue.drop(execution_id)
        self._over(live, live.stop)

    def results(self, execution_id: str, token: str | None = None, count: int | None = None) -> ResultPage:
        """Return up to *count* rows of a query that succeeded, from where *token* says; `InvalidRequest` for any other query."""
        execution = self.get(execution_id)
        if count is not None and count > MAX_ROWS:
            raise InvalidRequest(f"MaxResults is more than maximum allowed length {MAX_ROWS}.")
        if not execution.final:
            raise InvalidRequest(f"Query has not yet finished. Current state: {execution.state}", "INVALID_QUERY_EXECUTION_STATE")
        if execution.state == "CANCELLED":
            raise InvalidRequest("Could not find results", "RESULT_NOT_FOUND")
        if execution.state == "FAILED":
            if execution.kind == "DDL":
                return ResultPage(execution, [], None)
            raise InvalidRequest(
                f"Query did not finish successfully. Final query state: {execution.state}", "INVALID_QUERY_EXECUTION_STATE"
            )
        if execution.update_count is not None:
            return ResultPage(execution, [], None)
        of = f"results {execution_id}"
        offset = 0 if token is None else self._tokens.open(of, token)[0]
        assert isinstance(offset, int)
        page = self._results.page(execution, offset, count or MAX_ROWS)
        return ResultPage(execution, page.rows, None if page.next_offset is None else self._tokens.seal(of, [page.next_offset]))

    def ids(self, workgroup: str, token: str | None, count: int) -> tuple[list[str], str | None]:
        """Return ids of a workgroup's executions, newest first, and the token for more."""
        self._workgroups.get(workgroup)
        of = f"executions {workgroup}"
        found = self._history.ids(workgroup, count + 1, None if token is None else self._tokens.open(of, token))
        more = self._tokens.seal(of, found[count - 1]) if len(found) > count else None
        return [execution_id for _, execution_id in found[:count]], more

    def forget(self, workgroup: str) -> None:
        """Cancel what runs in a workgroup and forget all it ever ran, with the results."""
        for live in list(self._live.values()):
            if live.execution.request.workgroup == workgroup:
                self.stop(live.execution.id)
        self._remove([execution for execution in self._history.forget_workgroup(workgroup) if not execution.reused])

    def forget_old(self) -> None:
        """Remove results and history past their days. Raises `OSError` where results cannot be removed now; call it again later."""
        now_ms = self._clock.now_ms()
        for days, whole in ((self._bounds.result_days, False), (self._bounds.history_days, True)):
            before_ms = now_ms - round(days * 86_400_000)
            while old := self._history.old(before_ms, with_results=not whole):
                self._results.delete(execution for execution in old if not execution.reused)
                if whole:
                    self._history.forget(execution.id for execution in old)
                else:
                    self._history.put(msgspec.structs.replace(execution, size=-1) for execution in old)

    def counts(self) -> tuple[int, int]:
        """Return how many queries wait and how many run."""
        return self._queue.counts()

    def count(self, workgroup: str, state: State, scanned_bytes: int) -> None:
        """Say that a query ended, for the numbers of the role."""
        with self._lock:
            self.ended[workgroup, state] += 1
            self.scanned_bytes[workgroup] += scanned_bytes

    def close(self, within_s: float) -> None:
        """Accept nothing more, wait for what runs as long as that, and give up the rest, which can be asked again."""
        self._queue.close(within_s / 2)
        for live in list(self._live.values()):
            live.stop = live.stop or "end"
        self._queue.close(within_s / 2)
        self._watcher.close()
        self._give_up([live.execution for live in self._live.values() if not live.ended], begun=False)

    def _reread(self, live: Live, pin: Pin) -> Statement:
        """Read a statement again, for a state of its table that is said."""
        return reread(live.read, self._catalog, context_database(live.execution.request.database, self._database), pin)

    def _same(self, request: QueryRequest) -> str | None:
        known = self._history.with_token(request.token)
        if known is None:
            return None
        if _compared(known.request) != _compared(request):
            raise InvalidRequest("Idempotent parameters do not match", "IDEMPOTENT_PARAMETER_MISMATCH")
        return known.id

    def _reused(self, execution: Execution, asked: Read) -> Execution | None:
        minutes = execution.request.reuse_minutes
        if minutes is None or not asked.is_select:
            return None
        for other in self._history.like(execution.request, execution.submitted_ms - minutes * 60_000):
            if self._results.exists(other):
                costs = msgspec.structs.replace(other.costs, scanned_bytes=0, queue_ms=0, planning_ms=0, engine_ms=0, total_ms=0)
                return msgspec.structs.replace(
                    execution, state="SUCCEEDED", completed_ms=execution.submitted_ms, location=other.location, columns=other.columns,
                    size=other.size, costs=costs, reused=True,
                )  # fmt: skip
        return None

    def _concurrency_of(self, workgroup: str) -> int | None:
        found = self._workgroups.find(workgroup)
        return None if found is None else found.concurrency

    def _run(self, execution_id: str) -> None:
        live = self._live.get(execution_id)
        if live is None or live.ended:
            return
        workgroup = self._workgroups.find(live.execution.request.workgroup)
        time_s = workgroup.time_limit_s if workgroup is not None and workgroup.time_limit_s is not None else self._bounds.time_limit_s
        limits = RunLimits(min(time_s, self._bounds.time_limit_s), None if workgroup is None else workgroup.cutoff_bytes)
        with self._lock:
            if live.ended:
                return
            live.running_since(self._clock.now_ms(), self._clock.monotonic(), limits)
        self._watcher.add(live)
        try:
            self._succeed(live, self._work.run(live))
        except HeadwaterError as error:
            self._fail(live, error)
        except OSError as error:
            _log.error("the result of query %s cannot be written: %s", execution_id, error)
            self._end(live, "FAILED", QueryFailure(SYSTEM, 401, "The result could not be written", retryable=True))
        except Exception as error:  # noqa: BLE001  (whatever it is, the execution must end)
            # Without the error's text, which may repeat what somebody sent.
            frames = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(traceback.extract_tb(error.__traceback__)[-8:]))
            _log.error("query %s failed by an error of ours: %s at %s", execution_id, type(error).__name__, frames)
            self._end(live, "FAILED", QueryFailure(SYSTEM, 100, "GENERIC_INTERNAL_ERROR: an error of Headwater's own; it is in the log"))
        finally:
            self._watcher.remove(live)

    def _succeed(self, live: Live, done: Ended) -> None:
        made = msgspec.structs.replace(
            live.execution, columns=done.columns, size=done.size, costs=done.costs, update_count=done.update_count, manifest=done.manifest
        )
        if not self._end(live, "SUCCEEDED", execution=made):
            done.file.discard()

    def _fail(self, live: Live, error: HeadwaterError) -> None:
        limit = live.limits.scanned_bytes
        if live.stop is None and limit is not None and live.running is not None and live.running.scan().bytes > limit:
            live.stop = "scan"
        if live.stop is not None:
            self._over(live, live.stop)
            return
        if isinstance(error, QueryLimit):
            self._end(live, "FAILED", TIMEOUT if error.limit == "time" else QueryFailure(USER, 200, f"EXCEEDED_MEMORY_LIMIT: {error}"))
            return
        said = failure(error)
        self._end(live, "FAILED", QueryFailure(said.category, said.type, said.reason, retryable=said.name == "ICEBERG_COMMIT_ERROR"))

    def _over(self, live: Live, reason: StopReason) -> None:
        if reason == "time":
            self._end(live, "FAILED", TIMEOUT)
        elif reason == "end":
            self._end(live, "FAILED", restarted(live.execution, begun=live.execution.state == "RUNNING"))
        else:
            self._end(live, "CANCELLED", text=CANCELLED_TEXT if reason == "cancelled" else CUTOFF)

    def _end(
        self, live: Live, state: State, why: QueryFailure | None = None, *, text: str | None = None, execution: Execution | None = None
    ) -> bool:
        """Let the execution end so, unless it has ended; return whether it did."""
        with self._lock:
            if live.ended:
                return False
            live.ended = True
        made = execution or msgspec.structs.replace(live.execution, costs=costs_of(live, self._clock))
        made = msgspec.structs.replace(
            made, state=state, completed_ms=self._clock.now_ms(), failure=why, reason=text or (None if why is None else why.message)
        )
        try:
            self._history.put([made])
        except sqlite3.Error as error:
            # Callers see how it ended as long as this process lives; at the next start it is one that did not finish.
            _log.error("how query %s ended cannot be kept: %s", made.id, error)
            live.execution = made
        else:
            del self._live[made.id]
        self._count(made)
        return True

    def _count(self, execution: Execution) -> None:
        self.count(execution.request.workgroup, execution.state, execution.costs.scanned_bytes)

    def _give_up(self, executions: Sequence[Execution], *, begun: bool) -> None:
        self._remove(executions)
        now_ms = self._clock.now_ms()
        why = [(each, restarted(each, begun=begun or each.state == "RUNNING")) for each in executions]
        self._history.put(
            msgspec.structs.replace(each, state="FAILED", completed_ms=now_ms, failure=failure, reason=failure.message)
            for each, failure in why
        )

    def _remove(self, executions: Sequence[Execution]) -> None:
        try:
            self._results.delete(executions)
        except OSError as error:
            _log.warning("results of %d queries that nobody can ask for any more stay where they are: %s", len(executions), error)


def _not_allowed(principal: str, asked: Read) -> str:
    what = f"User: {principal} is not authorized to perform {asked.substatement.replace('_', ' ')}"
    if not asked.text.trusted:
        return f"{what} by a prepared statement that a key without the permission `admin` saved; save it again with one that has it"
    return f"{what}: its key has no permission `admin`"


def _compared(request: QueryRequest) -> tuple[str, str | None, str | None]:
    return request.query, request.database, request.location
