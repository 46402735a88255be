"""Partitions of external tables: added, found, dropped, moved, and left out of queries that need none of their rows."""

from __future__ import annotations

import pytest

from tests.query.external.conftest import Bucket

TABLE = "CREATE EXTERNAL TABLE t (a bigint) PARTITIONED BY (year int, day string) STORED AS PARQUET LOCATION 's3://files/t/'"


@pytest.fixture
def parted(bucket: Bucket) -> Bucket:
    """Three partitions of one row each; what is read says which."""
    for year, day, a in ((2025, "01", 1), (2026, "01", 2), (2026, "02", 3)):
        bucket.put_parquet(f"t/year={year}/day={day}/1.parquet", a=[a])
    bucket.do(TABLE)
    bucket.do("MSCK REPAIR TABLE t")
    return bucket


def size(bucket: Bucket, query: str) -> int:
    """Return how many files were read, which are all of one size; a file that is read in two places is read once."""
    one = bucket.store.list("s3://files/t/")[0].size
    execution = bucket.run(query)
    assert execution.state == "SUCCEEDED", execution.reason
    return execution.costs.scanned_bytes // one


def test_repair_adds_the_folders_that_name_their_partition_and_tells_them_as_hive_does(bucket: Bucket) -> None:
    for key in ("year=2026/day=01/1.parquet", "year=2026/day=a%2Fb c/1.parquet", "year=2026/other/1.parquet", "x/y/1.parquet",
                "year=2026/_day=03/1.parquet", "1.parquet"):  # fmt: skip
        bucket.put_parquet(f"t/{key}", a=[1])
    bucket.do(TABLE)

    assert bucket.do("MSCK REPAIR TABLE t") == [
        "Partitions not in metastore:\tt:year=2026/day=01\tt:year=2026/day=a%2Fb c",
        "Repair: Added partition to metastore t:year=2026/day=01",
        "Repair: Added partition to metastore t:year=2026/day=a%2Fb c",
    ]
    assert bucket.do("MSCK REPAIR TABLE t") == []
    assert bucket.do("SHOW PARTITIONS t") == ["year=2026/day=01", "year=2026/day=a%2Fb c"]
    assert bucket.rows("SELECT day FROM t ORDER BY day") == [["01"], ["a/b c"]]


def test_repair_removes_nothing_and_refuses_keys_in_upper_case(parted: Bucket) -> None:
    parted.store.delete(["s3://files/t/year=2025/day=01/1.parquet"])
    assert parted.do("MSCK REPAIR TABLE t") == []
    assert parted.do("SHOW PARTITIONS t") == ["year=2025/day=01", "year=2026/day=01", "year=2026/day=02"]
    parted.put_parquet("t/Year=2027/day=01/1.parquet", a=[9])

    reason = parted.reason("MSCK REPAIR TABLE t")

    assert reason.startswith("FAILED: SemanticException the path s3://files/t/Year=2027/day=01 has the partition key Year in upper case")
    assert parted.do("SHOW PARTITIONS t") == ["year=2025/day=01", "year=2026/day=01", "year=2026/day=02"]


def test_partition_keys_are_columns_of_their_type_at_the_end(parted: Bucket) -> None:
    assert parted.rows("SELECT * FROM t ORDER BY a") == [["1", "2025", "01"], ["2", "2026", "01"], ["3", "2026", "02"]]
    assert parted.rows("SELECT sum(year) AS y, max(day) AS d FROM t") == [["6077", "02"]]
    assert parted.rows("SELECT year, count(*) AS n FROM t GROUP BY year ORDER BY year") == [["2025", "1"], ["2026", "2"]]


@pytest.mark.parametrize(
    ("where", "files", "rows"),
    [
        ("year = 2026", 2, ["2", "3"]),
        ("2026 = year AND day = '01'", 1, ["2"]),
        ("year > 2025 AND a > 2", 2, ["3"]),
        ("year BETWEEN 2020 AND 2025", 1, ["1"]),
        ("year IN (2025, 2030) OR (year = 2026 AND day = '02' AND a = 3)", 2, ["1", "3"]),
        ("NOT (year = 2025)", 2, ["2", "3"]),
        ("year <> 2026", 1, ["1"]),
        ("day LIKE '%1'", 2, ["1", "2"]),
        ("cast(year AS varchar) || '-' || day = '2026-02'", 1, ["3"]),
        ("concat(cast(year AS varchar), day) >= '202602'", 1, ["3"]),
        ("year = 1999", 0, []),
        ("year IS NULL", 3, []),
        ("year = 2026 OR a = 1", 3, ["1", "2", "3"]),
        ("year + a = 2027", 3, []),
        ("random() < 2", 3, ["1", "2", "3"]),
        ("year = (SELECT max(year) FROM t)", 3, ["2", "3"]),
        ("CASE WHEN year = 2025 THEN true ELSE false END", 1, ["1"]),
        ("coalesce(year, 2026) = 2026", 3, ["2", "3"]),
    ],
)
def test_files_of_partitions_that_no_row_can_come_from_are_not_opened(parted: Bucket, where: str, files: int, rows: list[str]) -> None:
    assert parted.rows(f"SELECT a FROM t WHERE {where} ORDER BY a") == [[row] for row in rows]
    assert size(parted, f"SELECT a FROM t WHERE {where}") == files


@pytest.mark.parametrize(
    ("query", "files", "rows"),
    [
        ("SELECT a FROM (SELECT a, year AS y FROM t) WHERE y = 2025", 1, ["1"]),
        ("WITH c AS (SELECT a, day FROM t WHERE year = 2026) SELECT a FROM c WHERE day = '02'", 1, ["3"]),
        ("WITH c AS (SELECT * FROM t) SELECT a FROM c WHERE day = '02' UNION ALL SELECT a FROM c WHERE year = 2025", 3, ["1", "3"]),
        ("SELECT a FROM v WHERE y = 2025", 1, ["1"]),
        ("SELECT a FROM (SELECT a, row_number() OVER (ORDER BY a) AS n, year FROM t) WHERE year = 2026 AND n = 2", 3, ["2"]),
        ("SELECT a FROM (SELECT a, year FROM t ORDER BY a LIMIT 1) WHERE year = 2026", 3, []),
        ("SELECT m FROM (SELECT max(a) AS m, year FROM t GROUP BY year) WHERE year = 2025", 3, ["1"]),
        ("SELECT x.a FROM t AS x JOIN t AS y ON x.a = y.a WHERE x.year = 2025 AND y.day = '01'", 2, ["1"]),
        ("SELECT l.n FROM (VALUES 1) AS l(n) LEFT JOIN t ON l.n = t.a AND t.year = 2025 WHERE t.year IS NULL", 3, []),
        ("SELECT l.n FROM (VALUES 1, 5) AS l(n) LEFT JOIN t ON l.n = t.a WHERE t.year IS NULL OR t.year = 1999", 3, ["5"]),
        ("SELECT l.n FROM (VALUES 1, 5) AS l(n) LEFT JOIN t ON l.n = t.a WHERE t.year = 2025", 1, ["1"]),
        ("SELECT a FROM t WHERE year = 2025 UNION SELECT a FROM t WHERE day = '02'", 2, ["1", "3"]),
        ("SELECT count(*) AS n FROM (VALUES 1, 2) AS l(n) WHERE l.n IN (SELECT a FROM t WHERE year = 2025)", 1, ["1"]),
    ],
)
def test_what_is_asked_around_a_table_counts_where_it_must_hold(parted: Bucket, query: str, files: int, rows: list[str]) -> None:
    parted.do("CREATE VIEW v AS SELECT a, year AS y FROM t")

    assert sorted(parted.rows(query)) == [[row] for row in rows]
    assert size(parted, query) == files


def test_one_day_of_a_thousand_partitions_opens_one_file(everywhere: Bucket) -> None:
    everywhere.do("CREATE EXTERNAL TABLE t (a bigint) PARTITIONED BY (n int) STORED AS PARQUET LOCATION 's3://files/t/'")
    everywhere.put_parquet("t/n=500/1.parquet", a=[1])
    for start in range(0, 1000, 100):
        everywhere.do("ALTER TABLE t ADD " + " ".join(f"PARTITION (n={n})" for n in range(start, start + 100)))
    for n in (1, 499, 501, 999):
        everywhere.put(f"t/n={n}/1.parquet", "no parquet: whoever opens this fails")

    assert everywhere.rows("SELECT a, n FROM t WHERE n = 500") == [["1", "500"]]
    assert everywhere.run("SELECT a FROM t WHERE n > 400 AND n < 500").state == "FAILED"


def test_many_partitions_are_listed_together_wherever_they_lie(bucket: Bucket) -> None:
    bucket.do("CREATE EXTERNAL TABLE t (a bigint) PARTITIONED BY (n int) STORED AS PARQUET LOCATION 's3://files/t/'")
    for n in range(40):
        bucket.put_parquet(f"t/n={n}/1.parquet", a=[n])
    bucket.put_parquet("t/n=1x/no.parquet", a=[1000])
    bucket.put_parquet("elsewhere/1.parquet", a=[100])
    bucket.do("ALTER TABLE t ADD " + " ".join(f"PARTITION (n={n})" for n in range(40)))
    bucket.do("ALTER TABLE t ADD PARTITION (n=40) LOCATION 's3://files/elsewhere' PARTITION (n=41) LOCATION 's3://files/t/n=5/'")

    assert bucket.rows("SELECT count(*) AS c, sum(a) AS s, count(distinct n) AS n FROM t") == [["42", str(sum(range(40)) + 105), "42"]]


def test_partitions_are_added_dropped_renamed_and_moved(bucket: Bucket) -> None:
    bucket.put_parquet("elsewhere/1.parquet", a=[1])
    bucket.put_parquet("t/year=2026/day=02/1.parquet", a=[2])
    bucket.do(TABLE)
    bucket.do("ALTER TABLE t ADD PARTITION (year=2026, day='01') LOCATION 's3://files/elsewhere/' PARTITION (day='02', year=2026)")
    assert bucket.rows("SELECT * FROM t ORDER BY a") == [["1", "2026", "01"], ["2", "2026", "02"]]
    assert "Partition already exists: year=2026/day=01" in bucket.reason("ALTER TABLE t ADD PARTITION (year=2026, day='01')")
    bucket.do("ALTER TABLE t ADD IF NOT EXISTS PARTITION (year=2026, day='01')")
    assert bucket.rows("SELECT a FROM t WHERE day = '01'") == [["1"]]

    bucket.do("ALTER TABLE t PARTITION (year=2026, day='01') RENAME TO PARTITION (year=2020, day='09')")
    assert bucket.rows("SELECT * FROM t ORDER BY a") == [["1", "2020", "09"], ["2", "2026", "02"]]
    bucket.do("ALTER TABLE t PARTITION (year=2026, day='02') SET LOCATION 's3://files/elsewhere/'")
    assert bucket.rows("SELECT * FROM t ORDER BY day") == [["1", "2026", "02"], ["1", "2020", "09"]]
    bucket.do("ALTER TABLE t DROP PARTITION (year=2020)")
    assert bucket.do("SHOW PARTITIONS t") == ["year=2026/day=02"]
    assert "Partition not found" in bucket.reason("ALTER TABLE t DROP PARTITION (year=2020)")
    bucket.do("ALTER TABLE t DROP IF EXISTS PARTITION (year=2020), PARTITION (year=2026, day='02')")
    assert bucket.do("SHOW PARTITIONS t") == []
    assert [each.url for each in bucket.store.list("s3://files/")] == [
        "s3://files/elsewhere/1.parquet", "s3://files/t/year=2026/day=02/1.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE t ADD PARTITION (year=2026)", "doesn't contain all (2) partition columns"),
        ("ALTER TABLE t ADD PARTITION (month=2026)", "month is no partition column of t; there are: year, day"),
        ("ALTER TABLE t PARTITION (year=1, day='1') RENAME TO PARTITION (year=2, day='2')", "Partition not found in t"),
        ("ALTER TABLE t PARTITION (year=1, day='1') SET LOCATION 's3://files/x/'", "Partition not found in t"),
        ("ALTER TABLE t ADD PARTITION (year=1, day='1') LOCATION '/etc/'", "INVALID_LOCATION: '/etc/' is no place in a bucket"),
        ("ALTER TABLE plain ADD PARTITION (year=1)", "Table plain is not a partitioned table"),
        ("MSCK REPAIR TABLE plain", "Table plain has no partitions in the catalog to repair"),
        ("SHOW PARTITIONS plain", "Table plain is not a partitioned table"),
        ("ALTER TABLE nothing_such ADD PARTITION (year=1)", "TABLE_NOT_FOUND: "),
        ("MSCK REPAIR TABLE sign_up_events", "NOT_SUPPORTED: analytics.sign_up_events is no external table"),
    ],
)
def test_what_cannot_be_done_with_partitions_says_why(bucket: Bucket, statement: str, said: str) -> None:
    bucket.do(TABLE)
    bucket.do("CREATE EXTERNAL TABLE plain (a bigint) STORED AS PARQUET LOCATION 's3://files/plain/'")

    assert said in bucket.reason(statement)


def test_a_folder_of_hive_without_a_value_is_null(bucket: Bucket) -> None:
    bucket.put_parquet("t/year=__HIVE_DEFAULT_PARTITION__/day=01/1.parquet", a=[1])
    bucket.put_parquet("t/year=2026/day=01/1.parquet", a=[2])
    bucket.do(TABLE)
    bucket.do("MSCK REPAIR TABLE t")

    assert bucket.rows("SELECT a, year FROM t ORDER BY a") == [["1", None], ["2", "2026"]]
    assert bucket.rows("SELECT a FROM t WHERE year IS NULL") == [["1"]]


def test_columns_that_came_later_are_null_in_older_partitions(parted: Bucket) -> None:
    parted.do("ALTER TABLE t ADD COLUMNS (b string)")
    parted.put_parquet("t/year=2026/day=03/1.parquet", a=[4], b=["new"])
    parted.do("MSCK REPAIR TABLE t")

    assert parted.rows("SELECT a, b, day FROM t WHERE year = 2026 ORDER BY a") == [
        ["2", None, "01"], ["3", None, "02"], ["4", "new", "03"],
    ]  # fmt: skip
