"""Files that nothing names any more stay while a query may still read them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pyarrow as pa
import pytest

from headwater.clock import SystemClock
from headwater.lake.rewrite import TableChanges
from headwater.pipeline.worker import WorkerParts, build_worker
from headwater.process.project import make_project
from headwater.settings import load_settings


@pytest.mark.parametrize(("query_s", "stays_s"), [("1800", 1_860), ("60", 900)])
def test_files_of_a_dropped_table_stay_as_long_as_the_longest_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query_s: str, stays_s: float
) -> None:
    monkeypatch.setenv("HEADWATER_QUERY__MAX_SECONDS", query_s)
    folder = make_project(tmp_path / "piano", "piano", None, None, "us-east-1", "000000000000").folder
    rows = pa.table({"n": [1]})
    parts = build_worker(load_settings(folder), folder)
    TableChanges(parts.lake, (), folder / "spill", SystemClock()).create("1", "mine", rows.schema, rows=[rows])
    left = set((folder / "data" / "lake").glob("data/*/mine/*.parquet"))
    parts.lake.drop("mine")
    close(parts)

    there = {at_s: tidied(folder, at_s) for at_s in (stays_s - 30, stays_s + 1)}

    assert len(left) == 1
    assert there == {stays_s - 30: left, stays_s + 1: set()}


def tidied(folder: Path, since_s: float) -> set[Path]:
    """Return what is left of the table so many seconds after it was dropped."""
    with sqlite3.connect(folder / "data" / "catalog.db") as sql:
        sql.execute("UPDATE headwater_garbage SET since_ms = ?", (round((time.time() - since_s) * 1_000),))
    sql.close()
    parts = build_worker(load_settings(folder), folder)
    parts.maintenance.maintain()
    close(parts)
    return set((folder / "data" / "lake").glob("data/*/mine/*.parquet"))


def close(parts: WorkerParts) -> None:
    parts.ledger.close()
    parts.lake_index.close()
    parts.entries.close()
    asyncio.run(parts.stream.close())
