from pathlib import Path

from benchmarks.bare import BareCopy
from benchmarks.events import Source
from benchmarks.local import LocalLake
from benchmarks.transform import stream_to_parquet


def test_the_measured_path_commits_every_record_to_the_lake(tmp_path: Path) -> None:
    records = Source(1).records(300)

    with LocalLake(tmp_path) as local:
        local.append(records)
        moved = local.drain()
        local.maintenance.fold_all()
        files = [file for table in local.index.tables() for file in local.index.plan(table).files]

    assert moved == 300
    assert sum(file.rows for file in files) == 300
    assert all(Path(file.path).exists() for file in files)


def test_its_cost_is_one_of_each_record(tmp_path: Path) -> None:
    cost = stream_to_parquet(tmp_path, Source(2).records(1_000), batch_size=500)

    assert 0 < cost < 0.1


def test_the_copy_it_is_held_against_writes_every_record(tmp_path: Path) -> None:
    source = tmp_path / "batch.ndjson"
    source.write_bytes(b"".join(record.body + b"\n" for record in Source(3).records(200)))

    copy = BareCopy(tmp_path / "copied")
    copy.copy(source, "batch")
    rows = copy.connection.sql(f"SELECT count(*) FROM '{tmp_path}/copied/*/*/*/*/*.parquet'").fetchall()
    copy.close()

    assert rows == [(200,)]
