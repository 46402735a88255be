"""Tables are created for a model and grow with it; what was written never changes its meaning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.transforms import DayTransform

from headwater.catalog import open_catalog
from headwater.catalog.schema import arrow_schema, canonical, ensure_table
from headwater.errors import ModelError, SettingsError

TIME = pa.field("datetime", pa.timestamp("ms", tz="UTC"))


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = open_catalog(f"sqlite:///{tmp_path}/catalog.db", str(tmp_path / "lake"))
    yield opened
    opened.close()


def test_a_table_is_partitioned_by_day_with_data_and_metadata_apart(catalog: Catalog, tmp_path: Path) -> None:
    table = ensure_table(catalog, "analytics", "visits", pa.schema([("id", pa.string()), TIME]))

    [field] = table.spec().fields
    assert table.format_version == 2
    assert (field.source_id, field.transform) == (table.schema().find_field("datetime").field_id, DayTransform())
    assert table.properties["write.data.path"] == f"{tmp_path}/lake/data/analytics/visits"
    assert Path(table.metadata_location).parent == tmp_path / "lake" / "metadata" / "analytics" / "visits"
    assert table.properties["commit.manifest-merge.enabled"] == "true"
    assert not (tmp_path / "lake" / "data").exists()


def test_all_columns_are_optional_integers_long_floats_double_and_times_microseconds(catalog: Catalog) -> None:
    schema = pa.schema(
        [
            pa.field("id", pa.int8(), nullable=False),
            pa.field("ratio", pa.float32()),
            TIME,
            pa.field("on", pa.date64()),
            pa.field("kind", pa.dictionary(pa.int32(), pa.large_string())),
            pa.field("tags", pa.large_list(pa.int16())),
            pa.field("extra", pa.map_(pa.string(), pa.struct([("x", pa.float16())]))),
        ]
    )

    table = ensure_table(catalog, "analytics", "visits", schema)

    types = {field.name: (str(field.field_type), field.required) for field in table.schema().fields}
    assert types == {
        "id": ("long", False),
        "ratio": ("double", False),
        "datetime": ("timestamptz", False),
        "on": ("date", False),
        "kind": ("string", False),
        "tags": ("list<long>", False),
        "extra": (types["extra"][0], False),
    }
    assert arrow_schema(table).remove_metadata().equals(canonical(schema))


def test_new_columns_are_added_dropped_ones_stay_and_nothing_new_commits_nothing(catalog: Catalog) -> None:
    first = ensure_table(catalog, "analytics", "visits", pa.schema([("id", pa.string()), TIME]))
    second = ensure_table(catalog, "analytics", "visits", pa.schema([TIME, ("song", pa.string())]))

    third = ensure_table(catalog, "analytics", "visits", pa.schema([TIME, ("id", pa.large_string())]))

    assert [(f.field_id, f.name) for f in first.schema().fields] == [(1, "id"), (2, "datetime")]
    assert [(f.field_id, f.name) for f in second.schema().fields] == [(1, "id"), (2, "datetime"), (3, "song")]
    assert third.metadata_location == second.metadata_location


@pytest.mark.parametrize(
    ("was", "now", "column"),
    [
        (pa.int64(), pa.float64(), "value"),
        (pa.string(), pa.int64(), "value"),
        (pa.list_(pa.int64()), pa.list_(pa.string()), r"value\[\]"),
        (pa.struct([("x", pa.int64())]), pa.struct([("x", pa.bool_())]), r"value\.x"),
        (pa.decimal128(10, 2), pa.decimal128(12, 4), "value"),
    ],
)
def test_a_column_with_another_type_is_refused_by_name_and_nothing_changes(
    catalog: Catalog, was: pa.DataType, now: pa.DataType, column: str
) -> None:
    before = ensure_table(catalog, "analytics", "visits", pa.schema([("value", was), TIME]))

    with pytest.raises(ModelError, match=rf"column `{column}` of table analytics.visits was .* and is now .*value_2"):
        ensure_table(catalog, "analytics", "visits", pa.schema([("value", now), TIME, ("fresh", pa.string())]))

    assert catalog.load_table("analytics.visits").metadata_location == before.metadata_location


def test_a_table_without_a_time_and_a_type_no_table_holds_are_refused(catalog: Catalog) -> None:
    with pytest.raises(ModelError, match="`datetime`"):
        ensure_table(catalog, "analytics", "visits", pa.schema([("id", pa.string())]))
    with pytest.raises(ModelError, match="column `huge`"):
        ensure_table(catalog, "analytics", "visits", pa.schema([TIME, ("huge", pa.uint64())]))

    assert catalog.list_namespaces() == []


def test_a_catalog_url_nobody_speaks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no catalog backend 'hive'"):
        open_catalog("hive://somewhere", str(tmp_path))
