"""Databases, tables, views, versions and partitions as the catalog keeps them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from headwater.catalog.entries import KEPT_VERSIONS, Entries, Entry, PartitionPlace, open_entries
from headwater.catalog.shapes import Column, Database, Partition, Storage, Table, View, view_of, view_table
from headwater.errors import ProjectError, Refused, Unavailable


@pytest.fixture
def entries(tmp_path: Path) -> Iterator[Entries]:
    made = open_entries(tmp_path / "catalog.db", "analytics", read_only=False)
    yield made
    made.close()


def table(name: str = "t", **changed: str) -> Table:
    return Table(name, storage_descriptor=Storage([Column("a", "int")], location="s3://b/t/"), partition_keys=[Column("k")], **changed)


def partition(*values: str, location: str | None = None) -> Partition:
    return Partition(list(values), Storage(location=location))


def test_the_projects_own_database_is_there_from_the_start(entries: Entries) -> None:
    assert entries.databases() == ["analytics", "default"]
    assert entries.database("analytics") == Database("analytics")
    assert entries.database("other") is None

    entries.put_database(Database("other", "what it is for", parameters={"a": "b"}))

    assert entries.databases() == ["analytics", "default", "other"]
    assert entries.database("other") == Database("other", "what it is for", parameters={"a": "b"})


def test_a_reader_sees_what_the_writer_has_written(entries: Entries, tmp_path: Path) -> None:
    reader = open_entries(tmp_path / "catalog.db", "analytics")

    entries.create("analytics", table())
    entries.put_partitions("analytics", "t", [partition("x", location="s3://b/x/")], new=True)

    assert reader.tables("analytics") == ["t"]
    assert reader.table("analytics", "t") == Entry("analytics", 0, table())
    assert reader.places("analytics", "t") == [PartitionPlace(("x",), "s3://b/x/")]
    with pytest.raises(Unavailable, match="readonly"):
        reader.create("analytics", table("u"))
    reader.close()


def test_a_catalog_no_writer_has_opened_is_empty_for_readers(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no catalog"):
        open_entries(tmp_path / "catalog.db", "analytics")
    sqlite3.connect(tmp_path / "catalog.db").close()

    reader = open_entries(tmp_path / "catalog.db", "analytics")

    assert (reader.databases(), reader.tables("analytics"), reader.table("analytics", "t")) == (["analytics", "default"], [], None)
    reader.close()


def test_a_newer_format_is_refused(entries: Entries, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "catalog.db") as sql:
        sql.execute("UPDATE headwater_entries SET format = 99")
    sql.close()

    with pytest.raises(ProjectError, match="format 99"):
        open_entries(tmp_path / "catalog.db", "analytics")


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(ProjectError, match=r"catalog\.db cannot be read"):
        open_entries(tmp_path / "catalog.db", "analytics")


def test_names_are_made_once_and_in_a_database_there_is(entries: Entries) -> None:
    entries.create("analytics", table())

    for where, code in (("analytics", "ALREADY_EXISTS"), ("nowhere", "SCHEMA_NOT_FOUND")):
        with pytest.raises(Refused) as refused:
            entries.create(where, table())
        assert refused.value.code == code


def test_an_update_that_expects_another_version_changes_nothing(entries: Entries) -> None:
    entries.create("analytics", table())
    assert entries.update("analytics", table(description="one"), expected=0) == 1

    with pytest.raises(Refused) as refused:
        entries.update("analytics", table(description="lost"), expected=0)

    assert refused.value.code == "CONCURRENT_MODIFICATION"
    assert entries.table("analytics", "t") == Entry("analytics", 1, table(description="one"))
    with pytest.raises(Refused, match="does not exist"):
        entries.update("analytics", table("missing"))


def test_old_versions_are_kept_up_to_a_number_unless_they_are_not_wanted(entries: Entries) -> None:
    entries.create("analytics", table())
    for at in range(KEPT_VERSIONS + 5):
        entries.update("analytics", table(description=str(at)))
    entries.update("analytics", table(description="last"), archive=False)

    kept = entries.versions("analytics", "t")

    assert [each.version for each in kept[:3]] == [KEPT_VERSIONS + 6, KEPT_VERSIONS + 4, KEPT_VERSIONS + 3]
    assert len(kept) == KEPT_VERSIONS
    assert kept[0] == entries.table("analytics", "t")
    assert entries.versions("analytics", "missing") == []


def test_partitions_are_kept_by_their_values(entries: Entries) -> None:
    entries.create("analytics", table())
    odd = partition('a"b/ü', location="s3://b/odd/")

    assert entries.put_partitions("analytics", "t", [odd, partition("b")], new=True) == []
    assert entries.put_partitions("analytics", "t", [partition("b", location="s3://b/new/"), partition("c")], new=True) == [["b"]]
    assert entries.places("analytics", "t") == [
        PartitionPlace(('a"b/ü',), "s3://b/odd/"),
        PartitionPlace(("b",), None),
        PartitionPlace(("c",), None),
    ]
    assert entries.put_partitions("analytics", "t", [partition("b", location="s3://b/new/")], new=False) == [["b"]]
    assert entries.partition("analytics", "t", ["b"]) == partition("b", location="s3://b/new/")
    assert entries.delete_partitions("analytics", "t", [["b"], ["z"]]) == 1
    assert entries.partition("analytics", "t", ["b"]) is None


def test_renaming_a_partition_never_loses_one(entries: Entries) -> None:
    entries.create("analytics", table())
    entries.put_partitions("analytics", "t", [partition("a"), partition("b")], new=True)

    for old, new, code in (("a", "b", "ALREADY_EXISTS"), ("z", "y", "PARTITION_NOT_FOUND")):
        with pytest.raises(Refused) as refused:
            entries.rename_partition("analytics", "t", [old], partition(new))
        assert refused.value.code == code
    entries.rename_partition("analytics", "t", ["a"], partition("c"))

    assert [place.values for place in entries.places("analytics", "t")] == [("b",), ("c",)]


def test_what_is_deleted_leaves_nothing_behind(entries: Entries, tmp_path: Path) -> None:
    entries.put_database(Database("other"))
    for where in ("analytics", "other"):
        entries.create(where, table())
        entries.put_partitions(where, "t", [partition("a")], new=True)

    assert entries.delete("analytics", "t")
    assert not entries.delete("analytics", "t")
    entries.delete_database("other")

    assert entries.databases() == ["analytics", "default"]
    with sqlite3.connect(tmp_path / "catalog.db") as sql:
        for name in ("headwater_tables", "headwater_table_versions", "headwater_partitions"):
            assert sql.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)
    sql.close()


def test_a_view_is_kept_as_athena_keeps_it() -> None:
    view = View("SELECT 'ü' AS a, 1 AS b", (("a", "varchar(1)"), ("b", "integer")))

    made = view_table("v", "analytics", view, ["varchar(1)", "int"])

    assert made.is_view
    assert made.view_original_text is not None
    assert made.view_original_text.startswith("/* Presto View: eyJ")
    assert made.view_original_text.endswith(" */")
    assert view_of(made) == view
    assert view_of(replace(made, view_original_text="SELECT 1")) is None
    assert view_of(replace(made, view_original_text="/* Presto View: bm8ganNvbg== */")) is None
    assert view_of(table()) is None
