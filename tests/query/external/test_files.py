"""Files of every format, read as the tables that statements say they are; in this process and in sandboxes."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.query.external.conftest import Bucket


def test_parquet_is_read_by_the_names_of_columns_whatever_their_case_and_order(everywhere: Bucket) -> None:
    everywhere.put_parquet("t/1.parquet", b=["x", "y"], A=[1, 2])
    everywhere.put_parquet("t/more/2.parquet", c=[2.5], a=pa.array([3], pa.int32()), unknown=[True])
    everywhere.do("CREATE EXTERNAL TABLE t (a bigint, b string, c double, d date) STORED AS PARQUET LOCATION 's3://files/t/'")

    assert everywhere.rows("SELECT * FROM t ORDER BY a") == [["1", "x", None, None], ["2", "y", None, None], ["3", None, "2.5", None]]
    assert everywhere.rows("SELECT count(*) AS n, sum(a) AS s FROM analytics.t") == [["3", "6"]]


def test_what_is_hidden_or_empty_is_no_data(everywhere: Bucket) -> None:
    everywhere.put_parquet("t/1.parquet", a=[1])
    for key in ("t/_SUCCESS", "t/.hidden", "t/_temporary/2.parquet", "t/.staging/3.parquet", "tt/4.parquet"):
        everywhere.put(key, "no parquet")
    everywhere.put("t/empty.parquet", b"")
    everywhere.do("CREATE EXTERNAL TABLE t (a bigint) STORED AS PARQUET LOCATION 's3://files/t'")

    assert everywhere.rows("SELECT * FROM t") == [["1"]]


def test_every_type_comes_through_parquet(bucket: Bucket) -> None:
    moment = datetime(2026, 11, 23, 10, 0, 0, 123000, UTC)
    bucket.put_parquet(
        "t/1.parquet",
        b=[True], i8=pa.array([1], pa.int8()), i=pa.array([2], pa.int32()), l=[3], r=pa.array([0.5], pa.float32()), d=[1.25],
        m=pa.array([Decimal("1.50")], pa.decimal128(5, 2)), s=["é"], v=[b"\xde\xad"], day=[date(2026, 1, 2)],
        at=pa.array([moment], pa.timestamp("ms")), ns=pa.array([moment], pa.timestamp("ns")),
        many=[[1, None]], named=pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), row=[{"X": 1, "y": "q", "z": None}],
    )  # fmt: skip
    bucket.do(
        "CREATE EXTERNAL TABLE t (b boolean, i8 tinyint, i int, l bigint, r float, d double, m decimal(7,2), s string, v binary, day date,"
        " at timestamp, ns timestamp, many array<bigint>, named map<string,bigint>, row struct<x:bigint,y:string,w:int>)"
        " STORED AS PARQUET LOCATION 's3://files/t/'"
    )

    assert bucket.rows("SELECT * FROM t") == [
        ["true", "1", "2", "3", "0.5", "1.25", "1.50", "é", "de ad", "2026-01-02", "2026-11-23 10:00:00.123", "2026-11-23 10:00:00.123",
         "[1, null]", "{k=1}", "{x=1, y=q, w=null}"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "declared"),
    [([2.5], "int"), (["1"], "bigint"), ([1], "double"), ([1], "string"), ([[1]], "bigint"), ([2.5], "float")],
)
def test_a_file_with_another_type_than_the_table_is_bad_data_and_nothing_is_rounded(
    bucket: Bucket, column: list[object], declared: str
) -> None:
    bucket.put_parquet("t/1.parquet", a=column)
    bucket.do(f"CREATE EXTERNAL TABLE t (a {declared}) STORED AS PARQUET LOCATION 's3://files/t/'")

    reason = bucket.reason("SELECT * FROM t")

    assert reason.startswith("HIVE_BAD_DATA: Field a's type ")
    assert "s3://files/t/1.parquet" in reason


def test_a_file_that_is_put_in_the_place_of_another_is_looked_at_anew(bucket: Bucket) -> None:
    bucket.do("CREATE EXTERNAL TABLE t (a bigint) STORED AS PARQUET LOCATION 's3://files/t/'")
    assert bucket.rows("SELECT * FROM t") == []
    bucket.put_parquet("t/1.parquet", a=[1])
    assert bucket.rows("SELECT * FROM t") == [["1"]]
    bucket.put_parquet("t/1.parquet", a=["text"])
    assert bucket.reason("SELECT * FROM t").startswith("HIVE_BAD_DATA")
    bucket.put_parquet("t/1.parquet", a=[2, 3])

    assert bucket.rows("SELECT sum(a) AS s FROM t") == [["5"]]


def test_delimited_text_is_cut_at_every_delimiter_and_has_no_quotes(everywhere: Bucket) -> None:
    everywhere.put("t/1.csv", 'head,er,x\na,1,2.5\nb\n"c,d",3,4,5\n\\N,x,\n')
    everywhere.do(
        "CREATE EXTERNAL TABLE t (a string, n int, d double) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
        " LOCATION 's3://files/t/' TBLPROPERTIES ('skip.header.line.count'='1')"
    )

    assert everywhere.rows("SELECT * FROM t") == [
        ["a", "1", "2.5"], ["b", None, None], ['"c', None, "3.0"], [None, None, None],
    ]  # fmt: skip


@pytest.mark.parametrize(("written", "between"), [("\\t", "\t"), ("|", "|"), ("\\001", "\1"), ("^", "^"), ("\\u0001", "\1"), ("''", "'")])
def test_delimiters_are_what_hive_means_by_them(bucket: Bucket, written: str, between: str) -> None:
    bucket.put("t/1.txt", f"a{between}1\n")
    bucket.do(
        f"CREATE EXTERNAL TABLE t (a string, n int) ROW FORMAT DELIMITED FIELDS TERMINATED BY '{written}' STORED AS TEXTFILE"
        " LOCATION 's3://files/t/'"
    )

    assert bucket.rows("SELECT * FROM t") == [["a", "1"]]


def test_plain_text_without_more_is_parted_by_control_a(bucket: Bucket) -> None:
    bucket.put("t/1.txt", "a\x011\nb,2\n")
    bucket.do("CREATE EXTERNAL TABLE t (a string, n int) LOCATION 's3://files/t/'")

    assert bucket.rows("SELECT * FROM t") == [["a", "1"], ["b,2", None]]


def test_an_escaped_delimiter_is_none(bucket: Bucket) -> None:
    bucket.put("t/1.txt", "a\\,b,c\\\\d,,1\n,x,y,2\n")
    bucket.do(
        "CREATE EXTERNAL TABLE t (a string, b string, c string, n int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' ESCAPED BY '\\\\'"
        " NULL DEFINED AS 'y' LOCATION 's3://files/t/'"
    )

    assert bucket.rows("SELECT * FROM t") == [["a,b", "c\\d", "", "1"], ["", "x", None, "2"]]


def test_csv_with_quotes_is_read_by_its_serde(everywhere: Bucket) -> None:
    everywhere.put("t/1.csv", '"a,1","x",3\n"m\\"n",,\n1\n')
    everywhere.put("t/2.csv.gz", gzip.compress(b"z,y,7,more\n"))
    everywhere.do(
        "CREATE EXTERNAL TABLE t (a string, b string, n int) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"
        " LOCATION 's3://files/t/'"
    )

    assert everywhere.rows("SELECT * FROM t ORDER BY a") == [
        ["1", None, None], ["a,1", "x", "3"], ['m"n', "", None], ["z", "y", "7"],
    ]  # fmt: skip


def test_csv_counts_days_and_milliseconds_from_1970_and_may_have_other_signs(bucket: Bucket) -> None:
    bucket.put("t/1.csv", "'1';1000\n'2026-01-02';2026-01-02 03:04:05\n")
    bucket.do(
        "CREATE EXTERNAL TABLE t (d date, at timestamp) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"
        " WITH SERDEPROPERTIES ('separatorChar'=';', 'quoteChar'='''') LOCATION 's3://files/t/'"
    )

    assert bucket.rows("SELECT * FROM t") == [["1970-01-02", "1970-01-01 00:00:01.000"], ["2026-01-02", "2026-01-02 03:04:05.000"]]


def test_csv_that_is_no_number_is_an_error_that_names_no_path(bucket: Bucket) -> None:
    bucket.put("t/1.csv", "x\n")
    bucket.do("CREATE EXTERNAL TABLE t (n int) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' LOCATION 's3://files/t/'")

    assert bucket.reason("SELECT n FROM t") == "HIVE_BAD_DATA: Error parsing field value 'x' as integer"


JSON = "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"


def test_json_is_read_whatever_the_case_of_its_names(everywhere: Bucket) -> None:
    everywhere.put(
        "t/1.json",
        '{"userId":1,"name":"x","geo":{"Lat":1.5,"tags":["a","b"]},"extra":1,"when":"2026-01-02 03:04:05"}\n'
        '{"USERID":"2","name":{"first":"y"},"geo":null,"counts":{"A":1,"b":null}}\n{}\n',
    )
    everywhere.do(
        "CREATE EXTERNAL TABLE t (userid bigint, name string, geo struct<lat:double,tags:array<string>>, counts map<string,int>,"
        f" `when` timestamp) {JSON} LOCATION 's3://files/t/'"
    )

    assert everywhere.rows("SELECT * FROM t") == [
        ["1", "x", "{lat=1.5, tags=[a, b]}", None, "2026-01-02 03:04:05.000"],
        ["2", '{"first":"y"}', None, "{A=1, b=null}", None],
        [None, None, None, None, None],
    ]
    assert everywhere.rows("SELECT geo.tags[2] AS t FROM t WHERE userid = 1") == [["b"]]


def test_lists_of_rows_in_json_are_read_by_the_names_within(bucket: Bucket) -> None:
    bucket.put("t/1.json", '{"items":[{"Id":1,"sub":[{"N":"a"}]},{"id":2}]}\n')
    bucket.do(f"CREATE EXTERNAL TABLE t (items array<struct<id:int,sub:array<struct<n:string>>>>) {JSON} LOCATION 's3://files/t/'")

    assert bucket.rows("SELECT i, s FROM t CROSS JOIN UNNEST(items) AS u(i, s)") == [["1", "[{n=a}]"], ["2", None]]


def test_what_is_no_json_is_an_error_or_null_as_the_table_says(bucket: Bucket) -> None:
    bucket.put("t/1.json", '{"a":1}\nnot json\n{"a":2.0}\n')
    bucket.put("v/1.json", '{"a":1}\n{"a":"x"}\n{"a":1.5}\n{"a":[]}\n')
    skipping, nulls = ("'ignore.malformed.json'='true'", "'use.null.for.invalid.data'='TRUE'")
    for name, folder, more in (("strict", "t", ""), ("lenient", "t", skipping), ("values_", "v", skipping), ("nulls_", "v", nulls)):
        given = f"WITH SERDEPROPERTIES ({more})" if more else ""
        bucket.do(f"CREATE EXTERNAL TABLE {name} (a int) {JSON} {given} LOCATION 's3://files/{folder}/'")

    assert bucket.reason("SELECT a FROM strict") == "HIVE_BAD_DATA: Row is not a valid JSON Object: not json"
    assert bucket.rows("SELECT a FROM lenient") == [["1"], [None], ["2"]]
    assert bucket.reason("SELECT a FROM values_") == "HIVE_BAD_DATA: Error parsing field value 'x' as integer"
    assert bucket.rows("SELECT a FROM nulls_") == [["1"], [None], [None], [None]]


def test_a_column_may_be_mapped_to_another_name_in_json(bucket: Bucket) -> None:
    bucket.put("t/1.json", '{"time-stamp":"x"}\n')
    bucket.do(f"CREATE EXTERNAL TABLE t (ts string) {JSON} WITH SERDEPROPERTIES ('mapping.ts'='time-stamp') LOCATION 's3://files/t/'")

    assert bucket.rows("SELECT ts FROM t") == [["x"]]


@pytest.mark.parametrize("suffix", [".bz2", ".snappy", ".lzo"])
def test_a_compression_that_cannot_be_read_is_named(bucket: Bucket, suffix: str) -> None:
    bucket.put(f"t/1.csv{suffix}", "x")
    bucket.do("CREATE EXTERNAL TABLE t (a string) LOCATION 's3://files/t/'")

    assert bucket.reason("SELECT * FROM t").startswith(f"NOT_SUPPORTED: s3://files/t/1.csv{suffix} cannot be read here")


@pytest.mark.parametrize("clauses", ["STORED AS PARQUET", JSON, "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"])
def test_names_and_properties_are_never_sql(everywhere: Bucket, clauses: str) -> None:
    name = "a\"b'c; DROP"
    if "PARQUET" in clauses:
        everywhere.put_parquet("it's [x]*/1.data", **{name: ["v"]})
    else:
        everywhere.put("it's [x]*/1.data", '{"a\\"b\'c; drop":"v"}\n' if clauses == JSON else "v\n")
    everywhere.do(
        f"CREATE EXTERNAL TABLE t (`{name}` string) {clauses} LOCATION 's3://files/it''s [x]*/'"
        " TBLPROPERTIES ('note'='0); DROP', 'a''b'='c''d')"
    )

    assert everywhere.rows('SELECT "a""b\'c; drop" AS v FROM t') == [["v"]]
    assert "a'b\tc'd" in everywhere.do("SHOW TBLPROPERTIES t")


def test_an_external_table_joins_a_table_of_events(everywhere: Bucket) -> None:
    everywhere.put_parquet("t/1.parquet", email=["ada@example.org", "bob@example.org"], plan=["gold", "free"])
    everywhere.do("CREATE EXTERNAL TABLE t (email string, plan string) STORED AS PARQUET LOCATION 's3://files/t/'")

    assert everywhere.rows(
        "SELECT s.email, t.plan FROM sign_up_events s LEFT JOIN t ON s.email = t.email WHERE s.datetime >= TIMESTAMP '2026-11-20'"
        " ORDER BY 1"
    ) == [["ada@example.org", "gold"], [None, None]]


def test_bytes_of_external_files_count(bucket: Bucket) -> None:
    bucket.put_parquet("t/1.parquet", a=list(range(1000)))
    bucket.do("CREATE EXTERNAL TABLE t (a bigint) STORED AS PARQUET LOCATION 's3://files/t/'")
    size = bucket.store.list("s3://files/t/")[0].size

    assert bucket.run("SELECT count(*) FROM t").costs.scanned_bytes == size
