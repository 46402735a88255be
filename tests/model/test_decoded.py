"""A decoded batch: its tables, their order, and what is left of them."""

from __future__ import annotations

import pyarrow as pa

from headwater.model import Models, compile_models
from tests.model.bodies import SHARD, decode, event, rows
from tests.model.declared import CLASSES
from tests.model.declared import models as models


def test_dropped_records_leave_the_tables_and_empty_tables_go(models: Models) -> None:
    good = [event("PracticeEvent", {"piece_id": str(i)}, {"level": i if i % 2 else str(i)}) for i in range(6)]

    decoded = decode(models, *good, event("x"))

    tables = decoded.tables(drop=[0, 3, 6])
    assert list(tables) == ["practice_events"]
    assert tables["practice_events"].column("level").to_pylist() == [1, 2, 4, 5]
    assert tables["practice_events"].schema == models.tables["practice_events"].schema
    assert decoded.tables().keys() == {"practice_events", "other_events"}


def test_rows_keep_the_order_of_their_records_whichever_path_they_took() -> None:
    models = compile_models(CLASSES)
    bodies = [event("PracticeEvent", {"piece_id": str(i)}, {"level": 1 if i % 3 else "1"}) for i in range(10)]

    decoded = decode(models, *bodies)

    assert [row["piece_id"] for row in rows(decoded, "practice_events")] == [str(i) for i in range(10)]
    assert list(decoded.places("practice_events")) == list(range(10))


def test_a_batch_of_nothing_gives_nothing(models: Models) -> None:
    decoded = models.decode([], SHARD, [])

    assert (decoded.tables(), dict(decoded.letters), decoded.keys, decoded.minutes, len(decoded)) == ({}, {}, [], [], 0)


def test_all_rows_of_a_batch_can_be_written_as_one_arrow_stream_per_table(models: Models) -> None:
    decoded = decode(
        models, event("Shaped", {"tags": '["a"]', "pair": '{"a":1}'}), event("Shaped", {"tags": "[]", "pair": None}), event("x", {"a": "b"})
    )

    for name, table in decoded.tables().items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, models.tables[name].schema) as writer:
            writer.write_table(table)
        assert pa.ipc.open_stream(sink.getvalue()).read_all().equals(table)
