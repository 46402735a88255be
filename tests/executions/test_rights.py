"""What a key that may only ask cannot bring about, by itself or by those who may do more."""

from __future__ import annotations

import pytest

from headwater.errors import AccessDenied
from headwater.executions import InvalidRequest
from tests.executions.conftest import Room
from tests.executions.test_writes import values, write


def test_what_it_prepared_changes_nothing_when_somebody_who_may_runs_it(room: Room) -> None:
    write(room, "CREATE TABLE mine AS SELECT 1 AS n")
    assert room.run("PREPARE nightly FROM DELETE FROM mine").state == "SUCCEEDED"
    assert room.run("PREPARE asking FROM SELECT n FROM mine").state == "SUCCEEDED"

    with pytest.raises(AccessDenied, match="a key without the permission `admin` saved"):
        room.start("EXECUTE nightly", may_change=True)

    assert room.run("EXECUTE asking", may_change=True).state == "SUCCEEDED"
    assert values(room, "SELECT n FROM mine") == [["1"]]


def test_what_was_prepared_by_who_may_is_run_by_them_only(room: Room) -> None:
    write(room, "CREATE TABLE mine AS SELECT 1 AS n")
    write(room, "PREPARE nightly FROM DELETE FROM mine")

    with pytest.raises(AccessDenied, match="its key has no permission"):
        room.start("EXECUTE nightly")
    write(room, "EXECUTE nightly")

    assert values(room, "SELECT n FROM mine") == []


@pytest.mark.parametrize(
    "place", ["s3://results/files/orders/", "s3://results/files/orders", "s3://results/files/orders/below/", "s3://results/old/"]
)
def test_no_result_is_put_among_the_files_of_a_table(room: Room, place: str) -> None:
    write(room, "CREATE EXTERNAL TABLE orders (n int) PARTITIONED BY (k string) STORED AS PARQUET LOCATION 's3://results/files/orders/'")
    write(room, "ALTER TABLE orders ADD PARTITION (k = 'old') LOCATION 's3://results/old'")

    with pytest.raises(InvalidRequest, match="has the files of a table"):
        room.start("SELECT 1 AS n", location=place)

    for beside in ("s3://results/files/", "s3://results/files/orders2/"):
        assert room.run("SELECT 1 AS n", location=beside).state == "SUCCEEDED"
