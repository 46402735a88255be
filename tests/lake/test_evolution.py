"""Models change between a batch and its fold; what was accepted stays readable."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import DATABASE, VISITS, Crash, Project, visits


def test_rows_of_an_older_model_fold_after_the_model_grew_and_the_process_died(project: Project) -> None:
    project.lake.ensure("visits", VISITS)
    project.commit({"visits": visits(["old"])})
    project.step = crash
    with pytest.raises(Crash):
        project.lake.fold("visits")
    project.step = lambda name: None
    project.reopen()
    project.lake.ensure("visits", VISITS.append(pa.field("song", pa.string())).append(pa.field("score", pa.float64())))
    project.commit({"visits": visits(["new"]).append_column("song", pa.array(["Clair de lune"]))})

    project.lake.fold("visits")

    assert project.in_lake("visits") == ["old", "new"]
    assert project.in_lake("visits", "song") == [None, "Clair de lune"]
    assert project.in_lake("visits", "score") == [None, None]


def crash(name: str) -> None:
    if name == "written":
        raise Crash


def test_rows_of_a_newer_model_than_the_one_started_with_bring_their_columns(project: Project) -> None:
    project.commit({"visits": visits(["new"]).append_column("song", pa.array(["x"]))})
    project.reopen()
    project.lake.ensure("visits", VISITS)

    project.lake.fold("visits")

    assert project.in_lake("visits", "song") == ["x"]


def test_nested_columns_grow_narrow_numbers_widen_and_order_does_not_matter(project: Project) -> None:
    first = pa.array([[{"name": "a", "beats": 1}], None], pa.list_(pa.struct([("name", pa.string()), ("beats", pa.int16())])))
    second = pa.array(
        [[{"beats": 2, "key": "C", "name": "b"}, None], []],
        pa.list_(pa.struct([("beats", pa.int64()), ("key", pa.string()), ("name", pa.string())])),
    )
    tags = pa.array([[("k", 1.5)], None], pa.map_(pa.string(), pa.float32()))
    price = pa.array([Decimal("1.50"), None])
    project.commit({"visits": visits(["1", "2"]).append_column("parts", first).append_column("tags", tags)})
    project.lake.fold("visits")
    later = visits(["3", "4"]).append_column("parts", second).append_column("tags", tags).append_column("price", price)
    project.commit({"visits": later.select(list(reversed(later.schema.names)))})
    project.commit({"visits": visits(["5", "6"]).append_column("parts", first)})

    project.lake.fold("visits")

    # Not PyIceberg: it reads a null list of structs as an empty one.
    files = [pq.read_table(file, partitioning=None) for file in project.data_files("visits")]
    table = pa.concat_tables(files, promote_options="permissive").sort_by("event_id")
    assert table.column("parts").to_pylist() == [
        [{"name": "a", "beats": 1, "key": None}],
        None,
        [{"name": "b", "beats": 2, "key": "C"}, None],
        [],
        [{"name": "a", "beats": 1, "key": None}],
        None,
    ]
    assert table.column("tags").to_pylist() == [[("k", 1.5)], None, [("k", 1.5)], None, None, None]
    assert table.column("price").to_pylist() == [None, None, Decimal("1.50"), None, None, None]


def test_duckdb_by_field_id_and_pyiceberg_read_the_same_rows(project: Project) -> None:
    project.commit({"visits": visits(["1", "2"]).append_column("level", pa.array([1, None]))})
    project.lake.fold("visits")
    tags = pa.array([["x", "y"], None], pa.list_(pa.string()))
    attributes = pa.array([[("k", "v")], None], pa.map_(pa.string(), pa.string()))
    project.commit({"visits": visits(["3", "4"]).append_column("score", pa.array([2.5, 3.0])).append_column("tags", tags)})
    project.lake.fold("visits")
    project.commit({"visits": visits(["5", "6"]).append_column("attributes", attributes)})
    project.lake.fold("visits")

    plan = project.index.plan("visits")
    fields = ", ".join(f"{f.id}: {{name: '{f.name}', type: '{f.duckdb}', default_value: NULL}}" for f in plan.fields)
    files = ", ".join(f"'{file.path}'" for file in plan.files)
    with duckdb.connect(config={"threads": 1}) as sql:
        sql.execute("SET TimeZone = 'UTC'")
        by_duckdb = sql.sql(f"SELECT * FROM read_parquet([{files}], schema = MAP {{{fields}}}) ORDER BY event_id").to_arrow_table()
    by_iceberg = project.catalog.load_table((DATABASE, "visits")).scan().to_arrow().sort_by("event_id")

    assert by_duckdb.schema.names == by_iceberg.schema.names == [field.name for field in plan.fields]
    assert by_duckdb.to_pylist() == by_iceberg.to_pylist()
    assert by_duckdb.column("score").to_pylist() == [None, None, 2.5, 3.0, None, None]
