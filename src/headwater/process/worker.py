"""The worker role: moves events from the stream into the ledger and from there into files, and does the jobs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from headwater.clock import SystemClock
from headwater.collect.kinesis import open_record
from headwater.errors import StoreBroken, mistake
from headwater.jobs import Handler, Handlers, JobRun
from headwater.jobs.roles import Families, Fold, FoldAll, Folded, Metrics, Standing, Standstills
from headwater.jobs.socket import serve_jobs
from headwater.lake.alter import Alterations
from headwater.lake.rewrite import TableChanges
from headwater.pipeline.worker import DAY_MS, WorkerParts, build_worker
from headwater.places import Paths
from headwater.places.identity import note_places
from headwater.places.marker import claim_lake
from headwater.places.presence import places_of
from headwater.process.catalog_jobs import CatalogJobs
from headwater.process.metrics import WorkerCounts
from headwater.process.repeat import repeat
from headwater.process.role import give_up
from headwater.process.standstill import Troubles
from headwater.process.table_jobs import TableJobs
from headwater.process.tracing import open_traces
from headwater.settings import Settings
from headwater.stream import Batch
from headwater.target.lake.relearn import relearn_keys
from headwater.telemetry.metrics import gauge

FATES_KEPT_DAYS = 30
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


class WorkerRole:
    """One pipe and the lake behind it; the only process that writes ledger, lake and catalog."""

    def __init__(self, settings: Settings, project: Path) -> None:
        self._settings, self._project = settings, project
        self._ending = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._log = structlog.get_logger("worker")
        self._troubles = Troubles()
        self._counts, self._traces = WorkerCounts(), open_traces(settings, "worker")

    async def start(self) -> dict[str, Any]:
        """Open everything, find out where the last run ended, and begin."""
        await self.open()
        # What is loaded now stays: the collector of garbage need not look at it again and again while batches come and go.
        gc.collect()
        gc.freeze()
        anew = self._anew_if_broken
        watched = Handlers(handler._replace(do=anew(handler.do)) for handler in self.handlers())
        self._jobs = await serve_jobs(Paths(self._project).worker_socket, watched)
        self._moving = asyncio.create_task(self._move())
        self._keeping = [
            asyncio.create_task(repeat(1.0, anew(self._maintain), "lake maintenance")),
            asyncio.create_task(repeat(600.0, anew(self._forget), "forgetting old keys and fates")),
        ]
        return {}

    async def stop(self, within_s: float) -> None:
        """Take what the stream still holds, fold, and close; what there is no time for, or fails, is done at the next start."""
        deadline = time.monotonic() + within_s
        self._jobs.close()
        self._ending.set()
        await self._moving
        for task in self._keeping:
            task.cancel()
        try:
            await self.drain(deadline - within_s / 2)
            await asyncio.to_thread(self._parts.maintenance.fold_all)
        except Exception:  # not a cancellation: a fold that is still at it when time is up needs what would be closed
            await self._let_go()
            raise
        await self._let_go()

    async def open(self) -> WorkerParts:
        """Open the places where data rests, and learn again what a lost ledger knew."""
        await asyncio.to_thread(claim_lake, self._settings, self._project)
        self._parts = parts = await asyncio.to_thread(build_worker, self._settings, self._project, moved=self._moved)
        note_places(self._project, places_of(self._settings, self._project, "ledger", "catalog", "lake"))
        await relearn_keys(
            parts.stream,
            parts.ledger,
            parts.models,
            parts.seen,
            parts.window,
            SystemClock(),
            self._settings.pipe.batch_size,
            open_record,
        )
        return parts

    def handlers(self) -> list[Handler]:
        """Return who does which job, once it is open."""
        own = [FoldAll.by(self.fold), Metrics.by(self._metrics), Standstills.by(self._standstills)]
        return [*own, *self._catalog_jobs().handlers(), *self._table_jobs().handlers()]

    def _catalog_jobs(self) -> CatalogJobs:
        parts = self._parts
        return CatalogJobs(
            parts.entries,
            parts.stores,
            SystemClock(),
            own=self._settings.app.database,
            lake_tables=parts.lake_index.tables,
            drop=parts.lake.drop,
            declared=parts.models.tables.keys(),
        )

    def _table_jobs(self) -> TableJobs:
        parts, spill = self._parts, Paths(self._project).spill
        for path in spill.glob("*.part"):
            path.unlink(missing_ok=True)
        clock = SystemClock()
        tables = TableChanges(parts.lake, parts.models.tables.keys(), spill, clock)
        return TableJobs(tables, Alterations(parts.lake, tables, clock), parts.stores, spill)

    def close(self) -> None:
        """Let go of the files."""
        try:
            self._parts.pipe.close()
            self._parts.ledger.close()
        finally:
            self._parts.entries.close()

    async def _let_go(self) -> None:
        try:
            self.close()
        finally:
            if self._traces is not None:
                await asyncio.to_thread(self._traces.close)

    async def fold(self, job: FoldAll, run: JobRun) -> Folded:
        """Take what the stream holds and put all rows that wait into files."""
        await self.drain(time.monotonic() + 60)
        folds = await asyncio.to_thread(self._parts.maintenance.fold_all, lambda done, total: run.at(done, total, "rows"))
        self._counts.folded(folds)
        return Folded([Fold(**fold._asdict()) for fold in folds])

    async def drain(self, deadline: float) -> None:
        """Take batches until the stream has no more or the *deadline* (monotonic seconds) is there."""
        async with self._one_at_a_time:
            while time.monotonic() < deadline and await self._parts.pipe.step(wait_s=0):
                pass

    async def _move(self) -> None:
        linger_s, enough = self._settings.pipe.linger_ms / 1000, self._settings.pipe.batch_size // 2
        pause_s = FIRST_PAUSE_S
        while not self._ending.is_set():
            try:
                async with self._one_at_a_time:
                    moved = await self._parts.pipe.step(wait_s=0.25)
                pause_s = FIRST_PAUSE_S
                self._troubles.went_on(f"pipe {self._parts.pipe.name}")
            except StoreBroken as error:
                give_up(self._log, str(error))
            except Exception as error:  # noqa: BLE001
                # The batch stays in the stream; a full disk or a locked file passes.
                self._troubles.failed(f"pipe {self._parts.pipe.name}", f"{type(error).__name__}: {error}")
                told = {"reason": str(error), "pause_s": pause_s, "exc_info": mistake(error)}
                self._log.error("a batch could not be stored and is tried again", **told)
                moved, pause_s = 0, min(pause_s * 2, LONGEST_PAUSE_S)
                await self._pause(pause_s)
            if 0 < moved < enough:
                await self._pause(linger_s)

    def _anew_if_broken(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return *work* that ends the process where the ledger must be opened anew; whoever asked for a job asks the next process."""

        @functools.wraps(work)
        async def watched(*arguments: Any) -> Any:
            try:
                return await work(*arguments)
            except StoreBroken as error:
                give_up(self._log, str(error))

        return watched

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    async def _maintain(self) -> None:
        upkeep = await asyncio.to_thread(self._parts.maintenance.maintain)
        self._counts.folded(upkeep.folds)
        self._counts.fold_failures.update(upkeep.failures.keys())
        self._troubles.replace("table", self._parts.maintenance.failing())
        for table, failure in upkeep.failures.items():
            self._log.error("a table could not be folded and is tried again", table=table, reason=str(failure), exc_info=mistake(failure))

    def _moved(self, batch: Batch, read_ns: int, committed_ns: int) -> None:
        self._counts.moved(self._parts.pipe.name, len(batch.records), (committed_ns - read_ns) / 1e9)
        if self._traces is not None:
            self._traces.moved(self._parts.pipe.name, (record.body for record in batch.records), read_ns, committed_ns)

    async def _standstills(self, job: Standstills, run: JobRun) -> Standing:
        return Standing(self._troubles.lasting())

    async def _metrics(self, job: Metrics, run: JobRun) -> Families:
        seen = self._parts.seen
        keys = [
            gauge("headwater_duplicate_keys", "De-duplication keys held in memory.", [({}, seen.keys)]),
            gauge("headwater_duplicate_keys_bytes", "What they take up there.", [({}, seen.nbytes)]),
        ]
        return Families([*self._counts.families(), *keys])

    async def _forget(self) -> None:
        now_ms = SystemClock().now_ms()
        await asyncio.to_thread(self._parts.ledger.forget_keys, now_ms - round(self._settings.pipe.duplicates_days * DAY_MS))
        await asyncio.to_thread(self._parts.ledger.forget, now_ms - FATES_KEPT_DAYS * DAY_MS)
