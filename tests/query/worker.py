"""The worker's jobs on a test's project, asked for as the query process asks: names and arguments go over as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from headwater.catalog.entries import open_entries
from headwater.clock import SystemClock
from headwater.lake.alter import Alterations
from headwater.lake.rewrite import Tables
from headwater.process.catalog_jobs import Changes
from headwater.process.table_jobs import TableJobs
from headwater.store import Stores, open_store
from tests.query.conftest import Project


class Jobs:
    """Does the jobs in this thread; *folder* is what stands for all buckets, *declared* the tables of event types."""

    def __init__(self, project: Project, folder: Path, declared: Collection[str] = ("sign_up_events",), spill: Path | None = None) -> None:
        """*spill*: where rows are left for the jobs."""
        self.stores = Stores(open_store(f"buckets:{folder}"))
        self.entries = open_entries(project.root / "catalog.db", "analytics", read_only=False)
        changes = Changes(
            self.entries,
            self.stores,
            SystemClock(),
            own="analytics",
            lake_tables=project.index.tables,
            drop=project.lake.drop,
            declared=declared,
        )
        spill = spill or folder
        tables = Tables(project.lake, declared, spill, SystemClock())
        self._jobs = {**changes.jobs(), **TableJobs(tables, Alterations(project.lake, tables, SystemClock()), self.stores, spill).jobs()}

    def ask(self, job: str, /, **arguments: Any) -> Any:
        """Do a job and return what the worker would answer."""
        given = json.loads(json.dumps(arguments))
        return json.loads(json.dumps(asyncio.run(self._jobs[job](**given))))  # type: ignore[arg-type]

    def close(self) -> None:
        """Let go of the catalog."""
        self.entries.close()
