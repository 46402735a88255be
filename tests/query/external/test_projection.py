"""Partition projection: partitions by the word of a table's properties."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from headwater.catalog.shapes import Column, Storage, Table
from headwater.dialect import QueryFailed
from headwater.errors import QueryError
from headwater.query.external.projection import projected_keys, projected_location
from headwater.query.watch import Stopped
from tests.query.external.conftest import Bucket

NOW = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)


def table(**properties: str) -> Table:
    """Return a table with one key, k, and properties of it; `_` stands for a dot."""
    given = {f"projection.k.{name.replace('_', '.')}": value for name, value in properties.items()}
    return Table("t", storage_descriptor=Storage(location="s3://b/t"), partition_keys=[Column("k")], parameters=given)


def values(**properties: str) -> list[str]:
    """Return the values of the key."""
    [key] = projected_keys(table(**properties), NOW, lambda: None)
    assert key.values is not None
    return list(key.values)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"type": "enum", "values": "a, b,c"}, ["a", "b", "c"]),
        ({"type": "integer", "range": "1,4"}, ["1", "2", "3", "4"]),
        ({"type": "integer", "range": "-1, 5", "interval": "3"}, ["-1", "2", "5"]),
        ({"type": "integer", "range": "8,11", "digits": "3"}, ["008", "009", "010", "011"]),
        ({"type": "date", "range": "2026-11-21,NOW", "format": "yyyy-MM-dd"}, ["2026-11-21", "2026-11-22", "2026-11-23"]),
        ({"type": "date", "range": "NOW-1DAYS,NOW", "format": "yyyy/MM/dd"}, ["2026/11/22", "2026/11/23"]),
        ({"type": "date", "range": "NOW-1DAY,NOW+1DAYS", "format": "yyyyMMdd"}, ["20261122", "20261123", "20261124"]),
        ({"type": "date", "range": "2026/09,NOW", "format": "yyyy/MM"}, ["2026/09", "2026/10", "2026/11"]),
        ({"type": "date", "range": "2024,NOW", "format": "yyyy"}, ["2024", "2025", "2026"]),
        ({"type": "date", "range": "2026-01-31,2026-04-30", "format": "yyyy-MM-dd", "interval": "1", "interval_unit": "MONTHS"},
         ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        ({"type": "date", "range": "2026-11-01,2026-11-23", "format": "yyyy-MM-dd", "interval": "2", "interval_unit": "WEEKS"},
         ["2026-11-01", "2026-11-15", "2026-11-23"]),
        ({"type": "date", "range": "NOW-2HOURS,NOW", "format": "yyyy-MM-dd-HH"}, ["2026-11-23-20", "2026-11-23-21", "2026-11-23-22"]),
        ({"type": "date", "range": "NOW-2MONTHS,NOW", "format": "yyyy-M-d", "interval_unit": "MONTHS"},
         ["2026-9-23", "2026-10-23", "2026-11-23"]),
        ({"type": "date", "range": "9997,9999", "format": "yyyy"}, ["9997", "9998", "9999"]),
        ({"type": "date", "range": "9999-11,9999-12", "format": "yyyy-MM"}, ["9999-11", "9999-12"]),
        ({"type": "date", "range": "9999-12-20,9999-12-31", "format": "yyyy-MM-dd", "interval_unit": "WEEKS"},
         ["9999-12-20", "9999-12-27", "9999-12-31"]),
    ],
)  # fmt: skip
def test_a_key_takes_the_values_that_its_properties_say(properties: dict[str, str], expected: list[str]) -> None:
    assert values(**properties) == expected


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({}, "missing projection configuration: [k]"),
        ({"type": "enum"}, "missing the property projection.k.values"),
        ({"type": "integer"}, "missing the property projection.k.range"),
        ({"type": "date", "range": "NOW,NOW"}, "missing the property projection.k.format"),
        ({"type": "set"}, "there are: enum, integer, date, injected"),
        ({"type": "integer", "range": "1"}, "no pair of whole numbers"),
        ({"type": "integer", "range": "1,5", "interval": "0"}, "no whole number from 1 to 1,000,000,000"),
        ({"type": "integer", "range": "1,100000000"}, "more than 1,000,000 values"),
        ({"type": "date", "range": "yesterday,NOW", "format": "yyyy-MM-dd"}, "'yesterday', which is no date written as 'yyyy-MM-dd'"),
        ({"type": "date", "range": "NOW,NOW+8000YEARS", "format": "yyyy"}, "which is before or after all dates"),
        ({"type": "date", "range": "NOW-99999999WEEKS,NOW", "format": "yyyy"}, "which is before or after all dates"),
        ({"type": "date", "range": "2026-01-01", "format": "yyyy-MM-dd"}, "no pair of dates"),
        ({"type": "date", "range": "NOW,NOW", "format": "yyyy-MM-dd", "interval_unit": "AGES"}, "interval.unit = 'AGES'"),
        ({"type": "date", "range": "NOW,NOW", "format": "yyyy.SSS"}, "a second is the finest step"),
    ],
)
def test_properties_that_are_missing_or_wrong_are_told(properties: dict[str, str], said: str) -> None:
    with pytest.raises(QueryFailed) as failed:
        projected_keys(table(**properties), NOW, lambda: None)

    assert failed.value.name == "INVALID_TABLE_PROPERTY"
    assert said in str(failed.value)


@pytest.mark.parametrize("unit", ["SECONDS", "MINUTES", "MONTHS"])
def test_a_query_that_is_not_wanted_any_more_does_not_write_all_its_dates(unit: str) -> None:
    asked: list[None] = []

    def check() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise Stopped

    step = "1" if unit == "MONTHS" else "99999"
    with pytest.raises(Stopped):
        projected_keys(table(type="date", range="0001-01-01,NOW", format="yyyy-MM-dd", interval_unit=unit, interval=step), NOW, check)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, "s3://b/t/k=v/"),
        ("s3://b/x/${k}/", "s3://b/x/v/"),
        ("s3://b/${K}-${k}/z/", "s3://b/v-v/z/"),
        ("s3://b/x/", "without the partition columns: k"),
        ("s3://b/${k}/${other}/", "what is no partition column: other"),
        ("s3://b/${k}", "s3://b/v/"),
    ],
)
def test_a_template_says_where_a_partition_lies(template: str | None, expected: str) -> None:
    made: Any = table()
    if template is not None:
        made.parameters["storage.location.template"] = template

    if expected.startswith("s3:"):
        assert projected_location(made, {"k": "v"}) == expected
    else:
        with pytest.raises(QueryFailed, match=expected):
            projected_location(made, {"k": "v"})


PROJECTED = """CREATE EXTERNAL TABLE t (a bigint) PARTITIONED BY (level string, n int, day string) STORED AS PARQUET
LOCATION 's3://files/t/' TBLPROPERTIES ('projection.enabled'='true',
 'projection.level.type'='enum', 'projection.level.values'='info,error',
 'projection.n.type'='integer', 'projection.n.range'='0,9',
 'projection.day.type'='date', 'projection.day.range'='2026/01/01,NOW', 'projection.day.format'='yyyy/MM/dd',
 'storage.location.template'='s3://files/t/${level}/${n}/${day}/')"""


def test_a_template_needs_no_slash_at_its_end(everywhere: Bucket) -> None:
    everywhere.put_parquet("t/info/1/2026/01/02/1.parquet", a=[1])
    everywhere.put_parquet("t/info/1/2026/01/021/1.parquet", a=[2])
    everywhere.do(PROJECTED.replace("${day}/", "${day}"))

    assert everywhere.rows("SELECT a FROM t WHERE day = '2026/01/02'") == [["1"]]
    everywhere.do("INSERT INTO t VALUES (3, 'error', 2, '2026/01/03')")
    assert everywhere.rows("SELECT a, \"$path\" LIKE 's3://files/t/error/2/2026/01/03/%' AS there FROM t WHERE n = 2") == [["3", "true"]]


def test_projected_partitions_are_found_without_the_catalog(everywhere: Bucket) -> None:
    everywhere.put_parquet("t/info/3/2026/01/02/1.parquet", a=[1])
    everywhere.put_parquet("t/error/3/2026/01/03/1.parquet", a=[2])
    everywhere.put_parquet("t/error/77/2026/01/03/1.parquet", a=[3])
    everywhere.do(PROJECTED)

    assert everywhere.rows("SELECT * FROM t WHERE n BETWEEN 2 AND 4 AND day < '2026/02' ORDER BY a") == [
        ["1", "info", "3", "2026/01/02"], ["2", "error", "3", "2026/01/03"],
    ]  # fmt: skip
    assert everywhere.rows("SELECT a FROM t WHERE level = 'error' AND day = '2026/01/03'") == [["2"]]
    assert everywhere.rows("SELECT a FROM t WHERE n = 77 AND day = '2026/01/03'") == []
    assert everywhere.rows("SELECT a FROM t WHERE day = '2019/01/01'") == []
    assert everywhere.do("SHOW PARTITIONS t") == []


def test_partitions_of_the_catalog_are_nothing_while_projection_is_on(bucket: Bucket) -> None:
    bucket.put_parquet("t/info/3/2026/01/02/1.parquet", a=[1])
    bucket.put_parquet("other/1.parquet", a=[5])
    bucket.do(PROJECTED)
    bucket.do("ALTER TABLE t ADD PARTITION (level='info', n=3, day='2026/01/02') LOCATION 's3://files/other/'")
    query = "SELECT a FROM t WHERE day = '2026/01/02'"
    assert bucket.rows(query) == [["1"]]

    bucket.do("ALTER TABLE t SET TBLPROPERTIES ('projection.enabled'='false')")

    assert bucket.rows(query) == [["5"]]
    assert bucket.do("SHOW PARTITIONS t") == ["level=info/n=3/day=2026%2F01%2F02"]


def test_a_missing_property_fails_the_query_and_not_the_statement_that_makes_the_table(bucket: Bucket) -> None:
    bucket.do(PROJECTED.replace("'projection.n.range'='0,9',", ""))

    assert bucket.reason("SELECT a FROM t WHERE day = '2026/01/01'") == (
        "INVALID_TABLE_PROPERTY: Table t has a projected column n that is missing the property projection.n.range"
    )


def test_too_many_partitions_are_refused_before_any_is_looked_for(bucket: Bucket) -> None:
    bucket.do(PROJECTED.replace("'0,9'", "'0,90000'"))

    assert bucket.reason("SELECT a FROM t").startswith("EXCEEDED_PARTITION_LIMIT: the query would look at ")
    assert bucket.rows("SELECT a FROM t WHERE n = 5 AND day = '2026/01/01'") == []


INJECTED = """CREATE EXTERNAL TABLE t (a bigint) PARTITIONED BY (device string) STORED AS PARQUET LOCATION 's3://files/t/'
TBLPROPERTIES ('projection.enabled'='true', 'projection.device.type'='injected')"""


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("device = 'a'", ["1"]),
        ("'b' = device AND a > 0", ["2"]),
        ("device IN ('a', 'c', 'b')", ["1", "2"]),
        ("device = 'a' OR device = 'b'", ["1", "2"]),
        ("device = concat('', 'b')", ["2"]),
        ("device = 'c'", []),
        ("device LIKE 'a%'", None),
        ("device <> 'a'", None),
        ("device = 'a' OR a = 2", None),
        ("a = 1", None),
    ],
)
def test_an_injected_key_needs_its_values_in_the_query(bucket: Bucket, where: str, expected: list[str] | None) -> None:
    bucket.put_parquet("t/device=a/1.parquet", a=[1])
    bucket.put_parquet("t/device=b/1.parquet", a=[2])
    bucket.do(INJECTED)
    query = f"SELECT a FROM t WHERE {where} ORDER BY a"

    if expected is None:
        assert bucket.reason(query).startswith("CONSTRAINT_VIOLATION: For the injected projected partition column device, ")
    else:
        assert bucket.rows(query) == [[each] for each in expected]


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"type": "date", "range": "0001,9999", "format": "yyyy", "interval_unit": "SECONDS"}, "more than 1,000,000 values"),
        ({"type": "integer", "range": "0,9000000000000000000"}, "more than 1,000,000 values"),
        ({"type": "integer", "range": "0,99999999999999999999999"}, "no pair of whole numbers"),
        ({"type": "integer", "range": "0,3", "digits": "100000000"}, "no whole number from 1 to 38"),
        ({"type": "integer", "range": "0,3", "digits": "²"}, "no whole number from 1 to 38"),
        ({"type": "integer", "range": "0,3", "interval": "1" * 5_000}, "no whole number from 1 to"),
        ({"type": "date", "range": f"NOW-{'9' * 5_000}DAYS,NOW", "format": "yyyy-MM-dd"}, "no date written as"),
    ],
)
def test_no_range_asks_for_endless_work_or_memory(properties: dict[str, str], named: str) -> None:
    with pytest.raises(QueryFailed, match=named):
        values(**properties)


def test_no_partition_lies_deeper_than_folders_are() -> None:
    long = table(type="enum", values="a")
    long.parameters["storage.location.template"] = f"s3://b/{'x' * 2_000}/${{k}}"

    with pytest.raises(QueryFailed, match="partitions at more than 1,200 characters"):
        projected_location(long, {"k": "a"})


def test_a_wrong_column_is_told_of_a_table_that_cannot_be_looked_at_as_a_whole(bucket: Bucket) -> None:
    bucket.put_parquet("t/x/1.parquet", a=[1])
    bucket.do(
        "CREATE EXTERNAL TABLE t (a bigint) PARTITIONED BY (k string) STORED AS PARQUET LOCATION 's3://files/t/' TBLPROPERTIES"
        " ('projection.enabled'='true', 'projection.k.type'='injected', 'storage.location.template'='s3://files/t/${k}/')"
    )

    with pytest.raises(QueryError, match='"nope" not found'):
        bucket.room.engine.sql("SELECT nope FROM t WHERE k = 'x'").close()
