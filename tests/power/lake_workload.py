"""Commits batches and folds them into a table, tidying and starting again: `lake_workload.py ROOT [FLAW]`; a flaw leaves something out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import headwater.store.file
from headwater.catalog import durable
from headwater.catalog.file import CatalogFile
from headwater.catalog.sql import DurableSqlCatalog
from headwater.store import durable as durable_writes
from tests.lake.conftest import VISITS, Project, visits

BATCHES, ROWS = 16, 4


def ids(batch: int) -> list[str]:
    """Return the event ids of batch *batch* (from 1)."""
    return [f"{batch}-{n}" for n in range(ROWS)]


def introduce(flaw: str) -> None:
    def careless(path: str, content: bytes | memoryview) -> int:
        durable_writes.make_folders(Path(path).parent)
        Path(path).write_bytes(content)
        durable_writes.sync_folder(Path(path).parent)
        return len(content)

    match flaw:
        case "no sync of metadata":
            durable.write_file = careless
        case "no sync of data files":
            headwater.store.file.write_file = careless
        case "no sync of folders":
            durable_writes.sync_folder = lambda folder: None
        case "no sync of the catalog":
            prepare = DurableSqlCatalog._prepare

            def forgetful(self: DurableSqlCatalog, connection: Any, record: Any) -> None:
                prepare(self, connection, record)
                connection.execute("PRAGMA synchronous = OFF").close()

            DurableSqlCatalog._prepare = forgetful  # type: ignore[method-assign]
            make = CatalogFile._make  # the index shares the catalog's file, and its syncs would cover for the catalog

            def unsynced(self: CatalogFile) -> None:
                make(self)
                self._sql.execute("PRAGMA synchronous = OFF")

            CatalogFile._make = unsynced  # type: ignore[method-assign]


def main(root: Path) -> None:
    """Print "acked BATCH" for each committed batch."""
    project = Project(root)
    project.lake.ensure("visits", VISITS)
    for batch in range(1, BATCHES + 1):
        project.commit({"visits": visits(ids(batch))})
        os.write(1, f"acked {batch}\n".encode())
        if batch % 4:
            project.lake.fold("visits")
        if batch % 8 == 0:
            project.clock.advance(1_000)
            project.lake.tidy("visits")
        if batch == BATCHES // 2:
            project.open()  # as if killed: the next start finds the files as they are


if __name__ == "__main__":
    introduce(sys.argv[2] if len(sys.argv) > 2 else "")
    main(Path(sys.argv[1]))
    os._exit(0)
