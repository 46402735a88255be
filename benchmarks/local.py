"""A project's stream, ledger and lake opened by hand in this process, laid out as the roles lay them out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self, cast

from headwater.catalog import open_catalog
from headwater.clock import Clock, SystemClock
from headwater.lake.index import LakeIndex, open_index
from headwater.lake.maintain import Maintenance
from headwater.lake.writer import Lake
from headwater.ledger import LAKE, KeyLog, open_ledger
from headwater.ledger.sqlite import SqliteLedger
from headwater.model import Models, Window, example_events, load_models
from headwater.pipe import Pipe
from headwater.record import Record
from headwater.stream import open_stream
from headwater.target.lake import LakeTarget
from headwater.target.lake.duplicates import SeenKeys

DATABASE = "analytics"

# More than a request of the load generator, less than a group commit: what the collector appends under load.
APPENDED = 2_000


class LocalLake(AbstractContextManager["LocalLake"]):
    """The real pipe from the real stream into the real lake, as one `headwater work` would run it, under *folder*."""

    def __init__(self, folder: Path, batch_size: int = 10_000, clock: Clock | None = None, grace_s: float = 900) -> None:
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.models = example_models(folder)
        self.stream = open_stream(f"file://{data / 'stream' / 'app'}", mode="write")
        self.ledger = cast(SqliteLedger, open_ledger(f"sqlite:///{data / 'ledger.db'}"))
        self.catalog = open_catalog(f"sqlite:///{data / 'catalog.db'}", str(data / "lake"))
        self.index: LakeIndex = open_index(data / "catalog.db", DATABASE, read_only=False)
        clock = clock or SystemClock()
        self.lake = Lake(self.ledger, self.catalog, self.index, data / "lake", DATABASE, clock, orphan_grace_s=grace_s)
        self.maintenance = Maintenance(self.lake, self.ledger, self.index, clock)
        for table in self.models.tables.values():
            self.lake.ensure(table.name, table.schema)
        seen = SeenKeys(cast(KeyLog, self.ledger))
        self._pipe = Pipe(LAKE, self.stream, LakeTarget(LAKE, self.ledger, self.models, seen, Window(), clock, batch_size), batch_size)

    def append(self, records: Sequence[Record]) -> None:
        """Put the records on the stream, durably."""

        async def put() -> None:
            for start in range(0, len(records), APPENDED):
                await self.stream.append(records[start : start + APPENDED])

        asyncio.run(put())

    def drain(self) -> int:
        """Take everything that is on the stream into the ledger; return how many records that was."""

        async def take() -> int:
            moved = 0
            while step := await self._pipe.step(0):
                moved += step
            return moved

        return asyncio.run(take())

    def __exit__(self, *_: object) -> None:
        asyncio.run(self.stream.close())
        self.index.close()
        self.ledger.close()

    def __enter__(self) -> Self:
        return self


def example_models(folder: Path) -> Models:
    """Compile the events file that `headwater init` writes."""
    path = folder / "events.py"
    path.write_text(example_events(), encoding="utf-8")
    return load_models(path)
