"""Parquet files whose types are not quite the table's: what is read, and what is refused, so that no value changes on its way."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.query.external.conftest import Bucket

MOMENT = datetime(2026, 11, 23, 10, 0, 0, 123000, UTC)
WRITTEN: dict[str, tuple[pa.Array[Any], str]] = {
    "int8": (pa.array([7], pa.int8()), "7"),
    "int16": (pa.array([7], pa.int16()), "7"),
    "int32": (pa.array([7], pa.int32()), "7"),
    "int64": (pa.array([7], pa.int64()), "7"),
    "uint32": (pa.array([7], pa.uint32()), "7"),
    "uint64": (pa.array([7], pa.uint64()), "7"),
    "float": (pa.array([0.5], pa.float32()), "0.5"),
    "double": (pa.array([0.5], pa.float64()), "0.5"),
    "decimal(9,0)": (pa.array([Decimal(7)], pa.decimal128(9, 0)), "7"),
    "decimal(9,2)": (pa.array([Decimal("7.25")], pa.decimal128(9, 2)), "7.25"),
    "string": (pa.array(["é"]), "é"),
    "binary": (pa.array(["é".encode()]), "é"),
    "bool": (pa.array([True]), "true"),
    "date": (pa.array([date(2026, 1, 2)]), "2026-01-02"),
    "timestamp": (pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("us")), "2026-11-23 10:00:00.123"),
    "timestamptz": (pa.array([MOMENT], pa.timestamp("ms", "UTC")), "2026-11-23 10:00:00.123"),
    "int96": (pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("ns")), "2026-11-23 10:00:00.123"),
    "list<double>": (pa.array([[2.5]]), "[2.5]"),
    "list<int64>": (pa.array([[2]]), "[2]"),
    "struct<double>": (pa.array([{"X": 2.5, "o, y": 1}]), "{x=2.5}"),
    "map<string,double>": (pa.array([[("k", 2.5)]], pa.map_(pa.string(), pa.float64())), "{k=2.5}"),
}
WHOLE = {"int8", "int16", "int32", "int64", "uint32", "uint64", "decimal(9,0)"}
READ: dict[str, set[str]] = {
    "tinyint": WHOLE,
    "smallint": WHOLE,
    "int": WHOLE,
    "bigint": WHOLE,
    "float": {"float"},
    "double": {"float", "double"},
    "decimal(20,0)": WHOLE,
    "decimal(9,2)": {"int8", "int16", "decimal(9,2)"},
    "decimal(12,3)": {"int8", "int16", "decimal(9,0)", "decimal(9,2)"},
    "string": {"string", "binary"},
    "varchar(10)": {"string", "binary"},
    "boolean": {"bool"},
    "date": {"date"},
    "timestamp": {"timestamp", "timestamptz", "int96"},
    "array<double>": {"list<double>"},
    "array<int>": {"list<int64>"},
    "array<array<int>>": set(),
    "struct<x:double>": {"struct<double>"},
    "struct<x:int>": set(),
    "map<string,double>": {"map<string,double>"},
    "map<string,bigint>": set(),
}


@pytest.fixture
def files(bucket: Bucket) -> Bucket:
    """A file of each type under its own folder."""
    for at, (kind, (values, _)) in enumerate(WRITTEN.items()):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"a": values}), sink, use_deprecated_int96_timestamps=kind == "int96")
        bucket.put(f"f{at}/1.parquet", sink.getvalue().to_pybytes())
    return bucket


@pytest.mark.parametrize("declared", READ)
def test_a_column_is_read_from_every_type_that_keeps_its_values_and_from_no_other(files: Bucket, declared: str) -> None:
    for at, (kind, (_, shown)) in enumerate(WRITTEN.items()):
        files.do(f"CREATE EXTERNAL TABLE t{at} (a {declared}) STORED AS PARQUET LOCATION 's3://files/f{at}/'")
        execution = files.run(f"SELECT a FROM t{at}")
        if kind in READ[declared]:
            assert execution.state == "SUCCEEDED", (kind, execution.reason)
            (found,) = files.rows(f"SELECT a FROM t{at}")[0]
            assert found is not None
            assert Decimal(found) == Decimal(shown) if declared.startswith("decimal") else found == shown, kind
        else:
            assert (execution.reason or "").startswith("HIVE_BAD_DATA: Field a's type "), (kind, execution.state)
            assert f"s3://files/f{at}/1.parquet" in (execution.reason or "")


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("int", 1 << 31), ("int", -(1 << 31) - 1), ("smallint", 40_000), ("tinyint", 128), ("array<int>", [1, 1 << 40]),
        ("struct<x:int>", {"x": 1 << 40}),
    ],
)  # fmt: skip
def test_a_whole_number_that_does_not_fit_is_bad_data_and_names_its_file_and_column(everywhere: Bucket, declared: str, value: Any) -> None:
    everywhere.put_parquet("t/1.parquet", a=[1], n=pa.array([None], pa.array([value]).type))
    everywhere.put_parquet("t/2.parquet", a=[2], n=[value])
    everywhere.do(f"CREATE EXTERNAL TABLE t (a int, n {declared}) STORED AS PARQUET LOCATION 's3://files/t/'")

    reason = everywhere.reason("SELECT n FROM t")

    assert reason.startswith("HIVE_BAD_DATA: Field n's value ")
    assert "in parquet file s3://files/t/2.parquet is out of range for type" in reason
    assert everywhere.rows("SELECT a FROM t ORDER BY a") == [["1"], ["2"]]


def test_an_unsigned_number_beyond_bigint_is_bad_data(bucket: Bucket) -> None:
    bucket.put_parquet("t/1.parquet", a=pa.array([1 << 63], pa.uint64()))
    bucket.do("CREATE EXTERNAL TABLE t (a bigint) STORED AS PARQUET LOCATION 's3://files/t/'")

    assert bucket.reason("SELECT a FROM t").startswith("HIVE_BAD_DATA: Field a's value 9223372036854775808 in parquet file s3://files/t/")


def test_files_of_several_widths_are_one_table(everywhere: Bucket) -> None:
    for at, kind in enumerate((pa.int8(), pa.int16(), pa.int32(), pa.int64())):
        everywhere.put_parquet(f"t/{at}.parquet", a=pa.array([at], kind))
    everywhere.do("CREATE EXTERNAL TABLE t (a smallint) STORED AS PARQUET LOCATION 's3://files/t/'")

    assert everywhere.rows("SELECT a FROM t WHERE a > 0 ORDER BY a") == [["1"], ["2"], ["3"]]


def test_text_that_is_not_utf_8_is_bad_data_that_says_so(bucket: Bucket) -> None:
    bucket.put("t/1.csv", b"a\n\xff\n")
    bucket.do("CREATE EXTERNAL TABLE t (a string) LOCATION 's3://files/t/'")

    assert bucket.reason("SELECT a FROM t") == "HIVE_BAD_DATA: line 2 of a file is not UTF-8: write the file anew in UTF-8"


def test_the_engine_knows_how_many_rows_files_of_the_tables_own_types_have(bucket: Bucket) -> None:
    for at in range(3):
        bucket.put_parquet(f"t/{at}.parquet", a=list(range(1234)), extra=["x"] * 1234)
    bucket.do("CREATE EXTERNAL TABLE t (a bigint) STORED AS PARQUET LOCATION 's3://files/t/'")

    plan = "\n".join(line or "" for line in bucket.do("EXPLAIN SELECT a FROM t"))

    assert "3,702" in plan


def test_columns_that_some_files_lack_or_have_in_another_type_are_one_table(everywhere: Bucket) -> None:
    everywhere.put_parquet("t/1.parquet", a=[1], b=["x"], extra=[1])
    everywhere.put_parquet("t/2.parquet", B=[b"y"])
    everywhere.put_parquet("t/3.parquet", c=[1.5], a=pa.array([3], pa.int32()))
    everywhere.put_parquet("t/4.parquet", a=[4], c=pa.array([2.5], pa.float32()), b=["z"])
    everywhere.do("CREATE EXTERNAL TABLE t (a smallint, b string, c double) STORED AS PARQUET LOCATION 's3://files/t/'")

    assert everywhere.rows('SELECT a, b, c, "$path" FROM t ORDER BY "$path"') == [
        ["1", "x", None, "s3://files/t/1.parquet"], [None, "y", None, "s3://files/t/2.parquet"],
        ["3", None, "1.5", "s3://files/t/3.parquet"], ["4", "z", "2.5", "s3://files/t/4.parquet"],
    ]  # fmt: skip
