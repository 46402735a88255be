"""What is known of the file that a row is from, and of the partitions of a table of files."""

from __future__ import annotations

import pytest

from tests.query.external.conftest import Bucket


@pytest.fixture
def days(everywhere: Bucket) -> Bucket:
    """A table of two days, each with a Parquet file."""
    for day in (1, 2):
        everywhere.put_parquet(f"t/day={day}/f.parquet", a=[day])
    everywhere.do("CREATE EXTERNAL TABLE t (a bigint) PARTITIONED BY (day int) STORED AS PARQUET LOCATION 's3://files/t/'")
    everywhere.do("MSCK REPAIR TABLE t")
    return everywhere


def test_a_row_knows_its_file(days: Bucket) -> None:
    files = {file.url: file for file in days.store.list("s3://files/t/")}
    one, two = sorted(files)

    assert days.rows('SELECT a, "$path" FROM t ORDER BY a') == [["1", one], ["2", two]]
    assert days.rows('SELECT "$file_size" AS s, t."$path" AS p FROM t WHERE a = 2') == [[str(files[two].size), two]]
    moment = f'CAST(to_unixtime("$file_modified_time") * 1000 AS bigint) = {files[one].modified_ms}'
    assert days.rows(f"SELECT {moment} AS m FROM t WHERE a = 1") == [["true"]]
    assert days.rows('SELECT typeof("$file_modified_time") AS k FROM t LIMIT 1') == [["timestamp(3) with time zone"]]


def test_a_star_leaves_out_what_is_known_of_files(days: Bucket) -> None:
    one = "s3://files/t/day=1/f.parquet"

    assert days.room.rows("SELECT * FROM t WHERE \"$path\" LIKE '%day=1%'") == [["a", "day"], ["1", "1"]]
    assert days.room.rows('SELECT t.*, "$path" FROM t ORDER BY a LIMIT 1') == [["a", "day", "$path"], ["1", "1", one]]
    assert days.room.rows('SELECT * FROM (SELECT *, "$path" AS p FROM t) ORDER BY a LIMIT 1') == [["a", "day", "p"], ["1", "1", one]]
    assert days.rows("SELECT * FROM t AS u (x, y) ORDER BY x") == [["1", "1"], ["2", "2"]]
    assert [line.strip() for line in days.do("SHOW COLUMNS IN t") if line] == ["a", "day"]
    assert days.reason('SELECT "$path" FROM (SELECT * FROM t)').startswith("COLUMN_NOT_FOUND")
    assert days.reason('SELECT "$path" FROM sign_up_events').startswith("COLUMN_NOT_FOUND")


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("\"$path\" LIKE '%day=2%'", ["2"]), ("\"$path\" = 's3://files/t/day=1/f.parquet'", ["1"]),
        ("lower(\"$path\") IN ('s3://files/t/day=2/f.parquet', 'x')", ["2"]), ("\"$file_size\" < 10", []),
        ("\"$file_modified_time\" < TIMESTAMP '2000-01-01 00:00:00 UTC'", []), ("day = 1 AND \"$path\" LIKE '%f.parquet'", ["1"]),
        ("day = 1 OR \"$path\" LIKE '%day=2%'", ["1", "2"]), ("a = 1 OR \"$path\" LIKE '%day=2%'", ["1", "2"]),
    ],
)  # fmt: skip
def test_conditions_on_files_choose_rows_and_open_no_others(days: Bucket, condition: str, rows: list[str]) -> None:
    sizes = {str(at): file.size for at, file in enumerate(sorted(days.store.list("s3://files/t/")), 1)}

    assert days.rows(f"SELECT a FROM t WHERE {condition} ORDER BY a") == [[row] for row in rows]
    assert days.run(f"SELECT a FROM t WHERE {condition}").costs.scanned_bytes == sum(sizes[row] for row in rows)


def test_files_are_grouped_joined_and_seen_through_views(days: Bucket) -> None:
    days.put_parquet("t/day=2/g.parquet", a=[3, 4])
    days.do('CREATE VIEW v AS SELECT "$path" AS p, a FROM t')

    assert days.rows('SELECT count(*) AS n FROM t GROUP BY "$path" ORDER BY "$path"') == [["1"], ["1"], ["2"]]
    assert days.rows('SELECT x.a, y.a FROM t x JOIN t y ON x."$path" = y."$path" AND x.a < y.a') == [["3", "4"]]
    assert days.rows("SELECT a FROM v WHERE p LIKE '%g.parquet' ORDER BY a") == [["3"], ["4"]]
    assert days.rows('SELECT max("$path") AS p FROM t') == [["s3://files/t/day=2/g.parquet"]]
    assert days.rows('WITH w AS (SELECT "$path" AS p FROM t) SELECT count(DISTINCT p) AS n FROM w') == [["3"]]


def test_lines_of_text_know_their_file_too(everywhere: Bucket) -> None:
    everywhere.put("c/1.csv", "x\n\n")
    everywhere.put("c/2.csv", "y\n")
    everywhere.do(
        "CREATE EXTERNAL TABLE c (a string) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' LOCATION 's3://files/c/'"
    )

    assert everywhere.rows('SELECT "$path" AS p, count(*) AS n FROM c GROUP BY 1 ORDER BY 1') == [
        ["s3://files/c/1.csv", "2"], ["s3://files/c/2.csv", "1"],
    ]  # fmt: skip


def test_a_column_of_the_table_comes_before_what_is_known_of_files(everywhere: Bucket) -> None:
    everywhere.put_parquet("t/1.parquet", **{"$path": ["mine"]})
    everywhere.do("CREATE EXTERNAL TABLE t (`$path` string) STORED AS PARQUET LOCATION 's3://files/t/'")

    assert everywhere.rows("SELECT * FROM t WHERE \"$path\" = 'mine'") == [["mine"]]


def test_partitions_are_a_table_with_a_column_for_each_key(days: Bucket) -> None:
    days.do("ALTER TABLE t ADD PARTITION (day = '10') LOCATION 's3://files/nothing/'")

    assert days.room.rows('SELECT * FROM "t$partitions" ORDER BY day') == [["day"], ["1"], ["2"], ["10"]]
    assert days.rows('SELECT max(day) AS m FROM analytics."t$partitions"') == [["10"]]
    assert days.rows('SELECT a FROM t WHERE day = (SELECT min(day) FROM "t$partitions")') == [["1"]]
    assert days.reason('SELECT * FROM "t$files"').startswith("TABLE_NOT_FOUND")


def test_a_table_without_keys_has_no_partitions_and_one_without_partitions_no_rows(bucket: Bucket) -> None:
    bucket.do("CREATE EXTERNAL TABLE plain (a int) STORED AS PARQUET LOCATION 's3://files/t/'")
    bucket.do("CREATE EXTERNAL TABLE keyed (a int) PARTITIONED BY (p string, q date) STORED AS PARQUET LOCATION 's3://files/t/'")

    assert bucket.reason('SELECT * FROM "plain$partitions"').startswith("TABLE_NOT_FOUND")
    assert bucket.room.rows('SELECT * FROM "keyed$partitions"') == [["p", "q"]]
    bucket.do("ALTER TABLE keyed ADD PARTITION (p = 'it''s', q = '2026-01-02')")
    assert bucket.rows('SELECT * FROM "keyed$partitions"') == [["it's", "2026-01-02"]]
