"""The worker's jobs on a test's project, asked for as the query process asks: requests and answers go over as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from headwater.catalog.entries import open_entries
from headwater.clock import SystemClock
from headwater.jobs import Answer, Handlers, Job, JobRun, Progress
from headwater.lake.alter import Alterations
from headwater.lake.rewrite import TableChanges
from headwater.process.catalog_jobs import CatalogJobs
from headwater.process.table_jobs import TableJobs
from headwater.store import Stores, open_store
from tests.query.conftest import Project


class Jobs:
    """Does the jobs in this thread; *folder* is what stands for all buckets, *declared* the tables of event types."""

    def __init__(self, project: Project, folder: Path, declared: Collection[str] = ("sign_up_events",), spill: Path | None = None) -> None:
        """*spill*: where rows are left for the jobs."""
        self.stores = Stores(open_store(f"buckets:{folder}"))
        self.entries = open_entries(project.root / "catalog.db", "analytics", read_only=False)
        catalog = CatalogJobs(
            self.entries,
            self.stores,
            SystemClock(),
            own="analytics",
            lake_tables=project.index.tables,
            drop=project.lake.drop,
            declared=declared,
        )
        spill = spill or folder
        tables = TableChanges(project.lake, declared, spill, SystemClock())
        table = TableJobs(tables, Alterations(project.lake, tables, SystemClock()), self.stores, spill)
        self._handlers = Handlers([*catalog.handlers(), *table.handlers()])

    def ask(
        self,
        job: Job[Answer],
        /,
        *,
        id: str | None = None,  # noqa: A002
        told: Callable[[Progress], None] = lambda progress: None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """Do a job and return what the worker would answer."""
        given = self._handlers.job(type(job).__name__, msgspec.json.encode(job))
        answer = asyncio.run(self._handlers.do(given, JobRun(id, told)))
        return msgspec.json.decode(msgspec.json.encode(answer), type=type(job).answer())  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let go of the catalog."""
        self.entries.close()
