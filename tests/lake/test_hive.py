"""Files in folders `key=value/` take many rows and little memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headwater.jobs.tables import FileForm
from headwater.lake.hive import HiveFiles
from headwater.store import Stores, open_store

PARTITIONS, TURNS, BYTES = 40, 50, 100_000


def test_rows_of_many_partitions_are_not_all_held_until_the_files_are_whole(tmp_path: Path) -> None:
    (tmp_path / "spill").mkdir()
    stores = Stores(open_store(f"buckets:{tmp_path}"), None, set())
    form = FileForm(location="s3://bucket/out", format="parquet", compression="none", partitioned_by=["k"])
    files = HiveFiles(stores, form, "id", tmp_path / "spill")
    rows = pa.table({"text": ["x" * BYTES] * PARTITIONS, "k": [str(n) for n in range(PARTITIONS)]})
    before, held = pa.total_allocated_bytes(), 0

    for _ in range(TURNS):
        files.write(rows)
        held = max(held, pa.total_allocated_bytes() - before)
    written = files.finish()

    assert held < 120_000_000 < PARTITIONS * TURNS * BYTES
    assert (written.rows, len(written.files)) == (PARTITIONS * TURNS, PARTITIONS)
    assert sum(pq.read_metadata(path).num_rows for path in (tmp_path / "bucket").rglob("id_*")) == PARTITIONS * TURNS
