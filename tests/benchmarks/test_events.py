from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from benchmarks.article import run_article
from benchmarks.bare import decode_to_arrow
from benchmarks.events import Source
from benchmarks.local import example_models
from headwater.collect.decode import decode_put_events
from headwater.collect.shapes import EventInput
from headwater.stream import FIRST_SHARD


def test_good_records_become_the_same_rows_in_ours_and_in_the_bare_limit(tmp_path: Path) -> None:
    records = Source(1).records(500)

    ours = example_models(tmp_path).decode(records, FIRST_SHARD, range(1, 501))
    bare = decode_to_arrow([record.body for record in records])

    assert not ours.letters
    assert not bare.refused
    tables = ours.tables()
    assert tables.keys() == bare.tables.keys()
    for name, table in bare.tables.items():
        assert tables[name].select(table.column_names).to_pylist() == table.to_pylist()


def test_spoilt_records_are_refused_by_ours_and_by_the_bare_limit_alike(tmp_path: Path) -> None:
    records = Source(2, bad_share=0.2).records(1_000)

    ours = example_models(tmp_path).decode(records, FIRST_SHARD, range(1, 1_001))
    bare = decode_to_arrow([record.body for record in records])

    assert 100 < len(bare.refused) < 300
    assert ours.letters.keys() == bare.refused.keys()


def test_records_are_about_a_kilobyte_and_never_repeat_an_event_id() -> None:
    records = Source(3).records(2_000)

    ids = {msgspec.json.decode(record.body)["headwater"]["event_id"] for record in records}

    assert len(ids) == 2_000
    assert 900 < sum(len(record.body) for record in records) / 2_000 < 1_300


def test_two_seeds_share_devices_but_no_event() -> None:
    first, second = (decode_put_events(Source(seed).body(7, 50)) for seed in (4, 5))

    assert first.keys() == second.keys()
    [events], [others] = ([batch.events for batch in request.values()] for request in (first, second))
    assert not events.keys() & others.keys()
    assert all(isinstance(event, EventInput) for event in events.values())


def test_the_articles_path_writes_one_file_for_each_event(tmp_path: Path) -> None:
    bodies = [record.body for record in Source(6).records(20)]

    run_article(bodies, tmp_path)

    files = list(tmp_path.glob("year=*/month=*/day=*/*.parquet"))
    assert len(files) == 20
    assert all(pq.read_metadata(file).num_rows == 1 for file in files)
