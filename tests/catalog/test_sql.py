"""What the catalog keeps of a table's metadata, and when it looks again."""

from __future__ import annotations

import copy
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.table.update import AssertRefSnapshotId, SetPropertiesUpdate
from pyiceberg.types import StringType

from headwater.catalog import open_catalog

NAME = ("analytics", "things")
SCHEMA = pa.schema([("a", pa.int64())])
ROWS = pa.table({"a": [1, 2]})


def catalog_at(folder: Path) -> Catalog:
    return open_catalog(f"sqlite:///{folder / 'catalog.db'}", str(folder / "lake"))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = catalog_at(tmp_path)
    catalog.create_namespace(NAME[0])
    catalog.create_table(NAME, SCHEMA)
    return catalog


def test_a_commit_does_not_read_what_the_one_before_it_wrote(catalog: Catalog) -> None:
    table = catalog.load_table(NAME)
    for _ in range(2):
        table.append(ROWS)
    Path(table.metadata_location).rename(f"{table.metadata_location}.away")

    table.append(ROWS)

    assert len(table.metadata.snapshots) == 3
    assert table.scan().to_arrow().num_rows == 6


def test_what_another_process_committed_is_seen(catalog: Catalog, tmp_path: Path) -> None:
    catalog.load_table(NAME).append(ROWS)
    other = catalog_at(tmp_path)

    other.load_table(NAME).append(ROWS)

    assert catalog.load_table(NAME).scan().to_arrow().num_rows == 4


def test_a_commit_upon_an_older_state_is_refused_and_changes_neither_state(catalog: Catalog, tmp_path: Path) -> None:
    old, new = catalog.load_table(NAME), catalog_at(tmp_path).load_table(NAME)
    new.append(ROWS)
    location = new.metadata_location

    with pytest.raises(CommitFailedException):
        catalog.commit_table(
            old,
            (AssertRefSnapshotId.model_validate({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": None}),),
            (SetPropertiesUpdate(updates={"told": "yes"}),),
        )

    assert old.metadata.snapshots == []
    assert catalog.load_table(NAME).metadata_location == location


def test_an_older_state_of_a_table_stays_what_it_was(catalog: Catalog) -> None:
    old, new = catalog.load_table(NAME), catalog.load_table(NAME)

    new.append(ROWS)
    with new.transaction() as transaction:
        transaction.set_properties(told="yes")

    assert (len(old.metadata.snapshots), "told" in old.properties) == (0, False)
    assert (len(new.metadata.snapshots), new.properties["told"]) == (1, "yes")
    assert catalog.load_table(NAME).metadata == new.metadata


def test_what_is_kept_in_memory_is_what_the_file_says(catalog: Catalog, tmp_path: Path) -> None:
    table = catalog.load_table(NAME)
    for number in range(3):
        table.append(ROWS)
        with table.update_schema() as update:
            update.add_column(f"b{number}", StringType())

    kept, read = catalog.load_table(NAME).metadata, catalog_at(tmp_path).load_table(NAME).metadata

    assert kept.model_dump() == read.model_dump()


def test_copies_share_the_snapshots_that_nobody_changes(catalog: Catalog) -> None:
    table = catalog.load_table(NAME)
    table.append(ROWS)

    copied = copy.deepcopy(table.metadata)

    assert copied is not table.metadata
    assert copied.snapshots[0] is table.metadata.snapshots[0]


def test_a_table_that_is_dropped_and_made_again_is_the_new_one(catalog: Catalog) -> None:
    catalog.load_table(NAME).append(ROWS)
    catalog.drop_table(NAME)

    with pytest.raises(NoSuchTableError):
        catalog.load_table(NAME)
    made = catalog.create_table(NAME, pa.schema([("other", pa.string())]))

    assert catalog.load_table(NAME).metadata.table_uuid == made.metadata.table_uuid
    assert catalog.load_table(NAME).schema().column_names == ["other"]
