"""Every job is done the same way by a worker that runs and, where none does, in the process that asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from headwater.catalog.entries import open_entries
from headwater.catalog.shapes import EXTERNAL, Column, Database, Partition, Storage, Table
from headwater.clock import SystemClock
from headwater.errors import Refused
from headwater.jobs import Done, Handlers, Job, JobRun, catalog, roles, tables
from headwater.process.catalog_jobs import CatalogJobs
from headwater.process.roles import run_job
from headwater.store import Stores, open_store
from tests.served import Served

SPILL = "0f8fad5b-d9cb-469f-a165-70867728950e.arrow"
SCHEMA = pa.schema([("who", pa.string()), ("n", pa.int32())])
STORAGE = Storage([Column("a", "bigint")], location="s3://files/t/")
DAY = Partition(["1"], Storage(location="s3://files/t/1/"))


def schema(*fields: tuple[str, pa.DataType]) -> bytes:
    message: bytes = pa.schema(fields).serialize().to_pybytes()
    return message


def in_order(snapshot_id: int | None) -> list[Job[Any]]:
    """Return one job of each kind at least, each possible after those before it."""
    entry = Table("t", storage_descriptor=STORAGE, partition_keys=[Column("k", "string")], table_type=EXTERNAL)
    form = tables.FileForm(location="s3://files/out/", format="json")
    return [
        roles.FoldAll(),
        roles.Standstills(),
        catalog.MakeDatabase(database=Database("marts")),
        catalog.MakeDatabase(database=Database("marts")),
        catalog.CreateEntry(database="marts", table=entry),
        catalog.UpdateEntry(database="marts", table=entry, expected=0),
        catalog.DeleteVersion(database="marts", name="t", version=0),
        catalog.CreatePartitions(database="marts", name="t", partitions=[DAY]),
        catalog.UpdatePartitions(database="marts", name="t", partitions=[DAY]),
        catalog.ReplacePartition(database="marts", name="t", values=["1"], partition=msgspec.structs.replace(DAY, values=["2"])),
        catalog.DeletePartitions(database="marts", name="t", values=[["2"], ["3"]]),
        catalog.RemoveView(database="marts", name="t"),
        catalog.RemoveTable(database="marts", name="t"),
        tables.MakeTable(table="marts.scores", schema=schema(*zip(SCHEMA.names, SCHEMA.types, strict=True)), rows=SPILL),
        tables.InsertRows(table="marts.scores", rows=SPILL),
        tables.ExtendTable(table="marts.scores", schema=schema(("note", pa.string()))),
        tables.AlterColumn(table="marts.scores", column="n", schema=schema(("n", pa.int64()))),
        tables.RemoveColumn(table="marts.scores", column="note"),
        tables.ChangeProperties(table="marts.scores", properties={"write_compression": "gzip"}),
        tables.OptimizeTable(table="marts.scores"),
        tables.PinTable(table="marts.scores"),
        tables.ReplaceRows(kind="UPDATE", table="marts.scores", rows=SPILL, snapshot_id=snapshot_id, days=None, changed=4, deleted=2),
        tables.MoveTable(table="marts.scores", to="marts.points"),
        tables.VacuumTable(table="marts.points"),
        tables.WriteFiles(form=form, rows=SPILL, empty=True),
        catalog.RemoveDatabase(name="marts", cascade=True),
        roles.Metrics(),
    ]


def test_these_are_all_the_jobs_there_are() -> None:
    modules = (catalog, roles, tables)
    kinds = {each for module in modules for each in vars(module).values() if isinstance(each, type) and issubclass(each, Job)} - {Job}

    assert {type(job) for job in in_order(None)} == kinds


ANSWERS = [
    roles.Folded([]), roles.Standing([]),
    Done(), "ALREADY_EXISTS", catalog.Made(True), catalog.Version(1), Done(), catalog.There([]), catalog.There([["1"]]), Done(),
    catalog.Deleted(1), "NOT_SUPPORTED", Done(),
    tables.RowCount(2), tables.RowCount(2), Done(), Done(), Done(), Done(), tables.RowCount(4), "a snapshot", tables.RowCount(4), Done(),
    "counts",
    "2 rows", Done(), "metrics",
]  # fmt: skip


@pytest.mark.parametrize("is_served", [True, False], ids=["by the worker", "without one"])
def test_each_job_is_done_with_and_without_a_worker(tmp_path: Path, is_served: bool) -> None:
    served, project = Served(tmp_path / "shop"), tmp_path / "shop"
    served.start()
    if not is_served:
        served.stop()
    try:
        answers = list(answered(project))
    finally:
        if is_served:
            served.stop()

    assert answers == ANSWERS


def answered(project: Path) -> Iterator[Any]:
    """Do the jobs, and give their answers as far as they are the same at every run, or the code they were refused with."""
    spill = project / "data/run/spill"
    rows = pa.table({"who": ["ada", "bob"], "n": [1, 2]}, schema=SCHEMA)
    snapshot_id: int | None = None
    for number in range(len(in_order(None))):
        job = in_order(snapshot_id)[number]
        spill.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(spill / SPILL), "wb") as file, pa.ipc.new_stream(file, rows.schema) as stream:
            stream.write_table(rows)
        try:
            answer = run_job(project, job)
        except Refused as error:
            yield error.code
            continue
        match answer:
            case tables.Pinned(snapshot_id=int(snapshot_id)):
                yield "a snapshot"
            case tables.Vacuumed():
                yield "counts"
            case tables.FilesWritten(rows=number):
                yield f"{number} rows"
            case roles.Families(families=families) if "headwater_duplicate_keys" in {family.name for family in families}:
                yield "metrics"
            case _:
                yield answer


def test_a_change_of_the_catalog_is_done_once_for_one_id_by_one_process_after_another(tmp_path: Path) -> None:
    (tmp_path / "buckets").mkdir()
    entry = Table("t", storage_descriptor=STORAGE, partition_keys=[Column("k", "string")], table_type=EXTERNAL)
    jobs: list[Job[Any]] = [
        catalog.MakeDatabase(database=Database("marts")),
        catalog.CreateEntry(database="marts", table=entry),
        catalog.UpdateEntry(database="marts", table=entry, expected=0),
        catalog.CreatePartitions(database="marts", name="t", partitions=[DAY]),
        catalog.ReplacePartition(database="marts", name="t", values=["1"], partition=msgspec.structs.replace(DAY, values=["2"])),
        catalog.DeletePartitions(database="marts", name="t", values=[["2"]]),
        catalog.RemoveTable(database="marts", name="t"),
        catalog.RemoveDatabase(name="marts"),
    ]
    answers = []
    for _ in range(2):  # the second process is asked for what the first one did, and did not get around to say
        entries = open_entries(tmp_path / "catalog.db", "analytics", read_only=False)
        stores = Stores(open_store(f"buckets:{tmp_path}/buckets"))
        handlers = CatalogJobs(entries, stores, SystemClock(), own="analytics", lake_tables=list, drop=lambda table: None, declared=())
        does = Handlers(handlers.handlers())
        answers.append([asyncio.run(does.do(job, JobRun(f"id {number}"))) for number, job in enumerate(jobs)])
        entries.close()

    assert answers[0] == answers[1]
    assert answers[0][4:6] == [Done(), catalog.Deleted(1)]


def test_nobody_is_asked_for_tables_of_the_lake_within_a_change_of_the_entries(tmp_path: Path) -> None:
    # Whoever writes the lake's index holds it, and waits for that transaction to end.
    (tmp_path / "buckets").mkdir()
    entries = open_entries(tmp_path / "catalog.db", "analytics", read_only=False)
    within: list[bool] = []

    def lake_tables() -> list[str]:
        within.append(entries._file._sql.in_transaction)
        return []

    stores = Stores(open_store(f"buckets:{tmp_path}/buckets"))
    made = CatalogJobs(entries, stores, SystemClock(), own="analytics", lake_tables=lake_tables, drop=lambda table: None, declared=())
    does = Handlers(made.handlers())
    entry = Table("t", storage_descriptor=STORAGE, table_type=EXTERNAL)
    jobs: list[Job[Any]] = [
        catalog.CreateEntry(database="analytics", table=entry),
        catalog.RemoveTable(database="analytics", name="t"),
        catalog.RemoveView(database="analytics", name="none", if_exists=True),
    ]
    for job in jobs:
        asyncio.run(does.do(job, JobRun()))
    entries.close()

    assert within
    assert not any(within)
