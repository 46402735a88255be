"""Rows that are inserted into files lie where a SELECT looks for them, wherever the partition is."""

from __future__ import annotations

import pytest

from tests.executions.conftest import Room
from tests.executions.test_writes import refused, values, write

DECLARED = "CREATE EXTERNAL TABLE t (n int) PARTITIONED BY (k string) STORED AS {form} LOCATION 's3://results/t/'{more}"
PROJECTED = " TBLPROPERTIES ('projection.enabled' = 'true', 'projection.k.type' = 'enum', 'projection.k.values' = '{values}'{more})"

TEMPLATE = ", 'storage.location.template' = 's3://results/by/${k}/all/'"


@pytest.mark.parametrize(
    "moved",
    [
        "ALTER TABLE t ADD PARTITION (k = 'a') LOCATION 's3://results/elsewhere/'",
        "ALTER TABLE t ADD PARTITION (k = 'a'); ALTER TABLE t PARTITION (k = 'a') SET LOCATION 's3://results/elsewhere/'",
        "ALTER TABLE t ADD PARTITION (k = 'before'); ALTER TABLE t PARTITION (k = 'before') RENAME TO PARTITION (k = 'a')",
    ],
    ids=["added", "moved", "renamed"],
)
def test_a_partition_that_lies_elsewhere(room: Room, moved: str) -> None:
    write(room, DECLARED.format(form="PARQUET", more=""))
    for statement in moved.split("; "):
        write(room, statement)

    write(room, "INSERT INTO t SELECT 1, 'a' UNION ALL SELECT 2, 'b'")

    assert values(room, "SELECT n, k FROM t") == [["1", "a"], ["2", "b"]]


def test_a_template_says_where_partitions_lie(room: Room) -> None:
    write(room, DECLARED.format(form="PARQUET", more=PROJECTED.format(values="2026/11/23,2026/11/24", more=TEMPLATE)))

    write(room, "INSERT INTO t SELECT 1, '2026/11/23'")

    assert values(room, "SELECT n, k FROM t") == [["1", "2026/11/23"]]
    assert [path.parent.name for path in (room.folder / "results" / "results" / "by" / "2026" / "11" / "23").rglob("*.parquet")] == ["all"]


def test_projected_values_are_written_as_they_are(room: Room) -> None:
    write(room, DECLARED.format(form="PARQUET", more=PROJECTED.format(values="10:00,11:00", more="")))

    write(room, "INSERT INTO t SELECT 1, '10:00'")

    assert values(room, "SELECT n, k FROM t") == [["1", "10:00"]]


@pytest.mark.parametrize("value", ["..", "../../there", "", "a//b"])
def test_no_value_leads_out_of_the_place(room: Room, value: str) -> None:
    write(room, DECLARED.format(form="PARQUET", more=PROJECTED.format(values="a", more=TEMPLATE)))

    assert "has no place" in refused(room, f"INSERT INTO t SELECT 1, '{value}'")

    assert not [*room.folder.joinpath("results").rglob("*.parquet")]
