"""DDL: databases, external tables and views made, changed, shown and dropped; what may not be, refused."""

from __future__ import annotations

import pytest

from headwater.errors import AccessDenied
from tests.query.conftest import START_MS, Project, events
from tests.query.external.conftest import Bucket

TABLE = """CREATE EXTERNAL TABLE IF NOT EXISTS t (a BIGINT COMMENT 'it''s one', `b` array<struct<x:int,y:decimal(5, 2)>>)
COMMENT 'a table' PARTITIONED BY (day date COMMENT 'when') ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
LOCATION 's3://files/t/' TBLPROPERTIES ('note'='x')"""


def test_databases_are_made_shown_used_and_dropped(bucket: Bucket) -> None:
    bucket.do("CREATE DATABASE IF NOT EXISTS other COMMENT 'theirs' LOCATION 's3://files/other/' WITH DBPROPERTIES ('a'='b')")
    bucket.do("CREATE SCHEMA IF NOT EXISTS other")
    bucket.put_parquet("other/t/1.parquet", a=[1])
    bucket.do("CREATE EXTERNAL TABLE other.t (a bigint) STORED AS PARQUET LOCATION 's3://files/other/t/'")

    assert bucket.do("SHOW DATABASES") == ["analytics", "default", "other"]
    assert bucket.do("SHOW TABLES IN other") == ["t"]
    assert "t" not in bucket.do("SHOW TABLES")
    assert bucket.rows("SELECT a FROM other.t") == [["1"]]
    assert bucket.room.rows("SELECT a FROM t", database="other")[1:] == [["1"]]
    assert bucket.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'other'") == [["t"]]
    assert bucket.rows("SELECT schema_name FROM information_schema.schemata") == [["analytics"], ["default"], ["other"]]
    assert bucket.reason("CREATE DATABASE other") == "ALREADY_EXISTS: Database other already exists"
    assert bucket.reason("DROP DATABASE other") == "SCHEMA_NOT_EMPTY: Database other is not empty. One or more tables exist."

    bucket.do("DROP DATABASE other CASCADE")

    assert bucket.do("SHOW DATABASES") == ["analytics", "default"]
    assert bucket.reason("SELECT a FROM other.t").startswith("SCHEMA_NOT_FOUND: ")
    assert bucket.reason("DROP DATABASE other").startswith("SCHEMA_NOT_FOUND: ")
    bucket.do("DROP DATABASE IF EXISTS other")
    assert [each.url for each in bucket.store.list("s3://files/other/")] == ["s3://files/other/t/1.parquet"]


def test_a_table_is_described_as_it_was_declared(bucket: Bucket) -> None:
    bucket.do(TABLE)
    bucket.do(TABLE)

    assert bucket.do("SHOW COLUMNS IN t") == ["a", "b", "day"]
    assert bucket.do("DESCRIBE t") == [
        "a                   \tbigint              \tit's one            ",
        "b                   \tarray<struct<x:int,y:decimal(5,2)>>\t                    ",
        "day                 \tdate                \twhen                ",
        "\t \t ",
        "# Partition Information\t \t ",
        "# col_name          \tdata_type           \tcomment             ",
        "\t \t ",
        "day                 \tdate                \twhen                ",
    ]
    assert bucket.do("SHOW TBLPROPERTIES t") == ["EXTERNAL\tTRUE", "comment\ta table", "note\tx"]
    assert bucket.do("SHOW TBLPROPERTIES t('note')") == ["note\tx"]
    assert bucket.rows("SELECT column_name, data_type, extra_info, comment FROM information_schema.columns WHERE table_name = 't'") == [
        ["a", "bigint", None, "it's one"],
        ["b", "array(row(x integer, y decimal(5,2)))", None, None],
        ["day", "date", "partition key", "when"],
    ]
    details = bucket.do("DESCRIBE FORMATTED t")
    assert any((line or "").startswith("Location:") and "s3://files/t/" in (line or "") for line in details)
    assert (
        bucket.reason(TABLE.replace("IF NOT EXISTS", "")) == "ALREADY_EXISTS: line 1:1: Table 'awsdatacatalog.analytics.t' already exists"
    )


@pytest.mark.parametrize(
    "statement",
    [
        TABLE.replace("COMMENT 'a table' ", "").replace("'note'='x'", "'note'='x', 'o''ther'='y'"),
        (
            "CREATE EXTERNAL TABLE t (a int, b string) ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\'"
            " NULL DEFINED AS '-' LOCATION 's3://files/t/' TBLPROPERTIES ('skip.header.line.count'='1')"
        ),
        "CREATE EXTERNAL TABLE t (a int) PARTITIONED BY (x int, y string) STORED AS PARQUET LOCATION 's3://files/t/'",
        (
            "CREATE EXTERNAL TABLE t (a int) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"
            " WITH SERDEPROPERTIES ('separatorChar'=';') LOCATION 's3://files/t/'"
        ),
    ],
)
def test_the_statement_that_is_shown_makes_the_same_table(bucket: Bucket, statement: str) -> None:
    bucket.do(statement)
    shown = "\n".join(line or "" for line in bucket.do("SHOW CREATE TABLE t"))
    before = bucket.room.queries.entries.table("analytics", "t")
    bucket.do("DROP TABLE t")

    bucket.do(shown)

    after = bucket.room.queries.entries.table("analytics", "t")
    assert before is not None
    assert after is not None
    assert after.table.storage_descriptor == before.table.storage_descriptor
    assert (after.table.partition_keys, after.table.parameters) == (before.table.partition_keys, before.table.parameters)


def test_show_create_table_is_laid_out_as_hive_does(bucket: Bucket) -> None:
    bucket.do(
        "CREATE EXTERNAL TABLE t (a int, b string COMMENT 'c') PARTITIONED BY (x int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
        " LOCATION 's3://files/t/' TBLPROPERTIES ('k'='v')"
    )

    assert bucket.do("SHOW CREATE TABLE t") == [
        "CREATE EXTERNAL TABLE `analytics.t`(",
        "  `a` int, ",
        "  `b` string COMMENT 'c')",
        "PARTITIONED BY ( ",
        "  `x` int)",
        "ROW FORMAT DELIMITED ",
        "  FIELDS TERMINATED BY ',' ",
        "STORED AS INPUTFORMAT ",
        "  'org.apache.hadoop.mapred.TextInputFormat' ",
        "OUTPUTFORMAT ",
        "  'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'",
        "LOCATION",
        "  's3://files/t/'",
        "TBLPROPERTIES (",
        "  'k'='v')",
    ]


def test_columns_and_properties_are_altered(bucket: Bucket) -> None:
    bucket.put_parquet("t/1.parquet", a=[1], b=["x"], c=[2.5])
    bucket.do("CREATE EXTERNAL TABLE t (a bigint) STORED AS PARQUET LOCATION 's3://files/nothing/'")

    for statement, columns in (
        ("ALTER TABLE t ADD COLUMNS (b string COMMENT 'new', d int)", ["a", "b", "d"]),
        ("ALTER TABLE t CHANGE COLUMN d c double AFTER a", ["a", "c", "b"]),
        ("ALTER TABLE t CHANGE b b string FIRST", ["b", "a", "c"]),
        ("ALTER TABLE t DROP COLUMN a", ["b", "c"]),
        ("ALTER TABLE t REPLACE COLUMNS (c double, a bigint)", ["c", "a"]),
        ("ALTER TABLE t SET LOCATION 's3://files/t/'", ["c", "a"]),
    ):
        bucket.do(statement)
        assert bucket.do("SHOW COLUMNS IN t") == columns, statement
    bucket.do("ALTER TABLE t SET TBLPROPERTIES ('x'='1', 'y'='2')")
    bucket.do("ALTER TABLE t UNSET TBLPROPERTIES ('x')")

    assert bucket.rows("SELECT * FROM t") == [["2.5", "1"]]
    assert bucket.do("SHOW TBLPROPERTIES t") == ["EXTERNAL\tTRUE", "y\t2"]
    entries = bucket.room.queries.entries
    assert [each.version for each in entries.versions("analytics", "t")] == list(range(8, -1, -1))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE EXTERNAL TABLE x (a int)", "needs a LOCATION"),
        ("CREATE EXTERNAL TABLE x (a int) LOCATION '/etc/'", "INVALID_LOCATION: '/etc/' is no place in a bucket"),
        ("CREATE EXTERNAL TABLE x (a int) LOCATION 's3://../x/'", "INVALID_LOCATION: "),
        ("CREATE EXTERNAL TABLE x (a int) STORED AS ORC LOCATION 's3://files/x/'", "NOT_SUPPORTED: STORED AS ORC cannot be read here"),
        ("CREATE EXTERNAL TABLE x (a int) STORED AS AVRO LOCATION 's3://files/x/'", "AVRO cannot be read here; there are: PARQUET"),
        ("CREATE EXTERNAL TABLE x (a int) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe' LOCATION 's3://files/x/'",
         "NOT_SUPPORTED: files of SerDe 'org.apache.hadoop.hive.serde2.RegexSerDe' cannot be read here"),
        ("CREATE EXTERNAL TABLE x (a nonsense) LOCATION 's3://files/x/'", "TYPE_NOT_FOUND: Unknown type: nonsense"),
        ("CREATE EXTERNAL TABLE x (a int, a int) LOCATION 's3://files/x/'", "DUPLICATE_COLUMN_NAME: "),
        ("CREATE EXTERNAL TABLE x (a int) PARTITIONED BY (a int) LOCATION 's3://files/x/'", "DUPLICATE_COLUMN_NAME: "),
        ("CREATE EXTERNAL TABLE x (a array<int>) LOCATION 's3://files/x/'", "NOT_SUPPORTED: a cannot be an array"),
        ("CREATE EXTERNAL TABLE x (a int) PARTITIONED BY (b) LOCATION 's3://files/x/'", "the partition key b has no type"),
        ("CREATE EXTERNAL TABLE `x y` (a int) LOCATION 's3://files/x/'", "INVALID_PARAMETER_USAGE: 'x y' is no name of a table"),
        ("CREATE EXTERNAL TABLE `-x` (a int) LOCATION 's3://files/x/'", "INVALID_PARAMETER_USAGE: '-x' is no name of a table"),
        ("CREATE EXTERNAL TABLE x (a struct<b:int,B:int>) LOCATION 's3://files/x/'", "DUPLICATE_COLUMN_NAME: a struct has the field 'b'"),
        ("DROP DATABASE default", "NOT_SUPPORTED: default is the database that is always there"),
        ("CREATE EXTERNAL TABLE nowhere.x (a int) LOCATION 's3://files/x/'", "SCHEMA_NOT_FOUND: Schema 'nowhere' does not exist"),
        ("CREATE EXTERNAL TABLE sign_up_events (a int) LOCATION 's3://files/x/'", "ALREADY_EXISTS: "),
        ("CREATE TABLE x (a int) LOCATION 's3://files/x/'", "NOT_SUPPORTED: CREATE TABLE makes Iceberg tables"),
        ("CREATE DATABASE `a.b`", "INVALID_PARAMETER_USAGE: 'a.b' is no name of a database"),
        ("CREATE DATABASE x LOCATION 'http://x/'", "INVALID_LOCATION: "),
        ("DROP DATABASE analytics CASCADE", "NOT_SUPPORTED: analytics is the project's own database"),
        ("DROP TABLE nothing_such", "TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.analytics.nothing_such' does not exist"),
        ("DROP TABLE sign_up_events", "NOT_SUPPORTED: analytics.sign_up_events is the table of an event type and cannot be dropped"),
        ("DROP VIEW t", "NOT_SUPPORTED: 'analytics.t' is a table: DROP TABLE removes it"),
        ("DROP VIEW sign_up_events", "is a table: DROP TABLE removes it"),
        ("DROP TABLE v", "NOT_SUPPORTED: 'analytics.v' is a view: DROP VIEW removes it"),
        ("ALTER TABLE v ADD COLUMNS (b int)", "NOT_SUPPORTED: analytics.v is no external table"),
        ("CREATE OR REPLACE VIEW t AS SELECT 1 AS n", "ALREADY_EXISTS: line 1:1: Table 'awsdatacatalog.analytics.t' already exists"),
        ("ALTER TABLE t DROP COLUMN a", "NOT_SUPPORTED: a is the only column of t"),
        ("ALTER TABLE t DROP COLUMN z", "COLUMN_NOT_FOUND: "),
        ("ALTER TABLE t CHANGE a b int AFTER z", "COLUMN_NOT_FOUND: "),
        ("ALTER TABLE t SET LOCATION 'file:///etc/'", "INVALID_LOCATION: "),
        ("ALTER TABLE sign_up_events ADD COLUMNS (b int)", "NOT_SUPPORTED: "),
        ("SHOW CREATE VIEW t", "INVALID_PARAMETER_USAGE: analytics.t is a table"),
        ("INSERT INTO v SELECT 1", "NOT_SUPPORTED"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_and_changes_nothing(bucket: Bucket, statement: str, said: str) -> None:
    bucket.do("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://files/t/'")
    bucket.do("CREATE VIEW v AS SELECT 1 AS n")

    assert said in bucket.reason(statement)
    assert [name for name in bucket.do("SHOW TABLES") if name in ("t", "v", "x")] == ["t", "v"]
    assert bucket.do("SHOW DATABASES") == ["analytics", "default"]


@pytest.mark.parametrize(
    "statement",
    ["CREATE DATABASE x", "DROP DATABASE x", "CREATE EXTERNAL TABLE x (a int) LOCATION 's3://files/x/'", "DROP TABLE sign_up_events",
     "ALTER TABLE x ADD COLUMNS (b int)", "MSCK REPAIR TABLE x", "CREATE VIEW x AS SELECT 1 AS n", "DROP VIEW x",
     "INSERT INTO sign_up_events SELECT * FROM sign_up_events", "DELETE FROM sign_up_events", "VACUUM sign_up_events"],
)  # fmt: skip
def test_a_change_needs_the_permission_for_it(bucket: Bucket, statement: str) -> None:
    with pytest.raises(AccessDenied, match="no permission `admin`"):
        bucket.room.start(statement)


def test_dropping_an_external_table_leaves_its_files(bucket: Bucket) -> None:
    bucket.put_parquet("t/1.parquet", a=[1])
    bucket.do("CREATE EXTERNAL TABLE t (a bigint) STORED AS PARQUET LOCATION 's3://files/t/'")

    bucket.do("DROP TABLE t")

    assert bucket.reason("SELECT * FROM t").startswith("TABLE_NOT_FOUND")
    assert [each.url for each in bucket.store.list("s3://files/t/")] == ["s3://files/t/1.parquet"]
    bucket.do("DROP TABLE IF EXISTS t")


def test_a_table_of_the_lake_that_no_event_type_declares_is_dropped_with_its_files(bucket: Bucket, project: Project) -> None:
    bucket.do("CREATE DATABASE other")
    for name in ("made", "other.made"):
        project.lake.ensure(name, events([START_MS]).schema)
    project.fold("made", events([START_MS]))
    assert bucket.rows("SELECT count(*) AS n FROM made") == [["1"]]
    assert bucket.do("SHOW TABLES IN other") == ["made"]
    assert bucket.reason("DROP DATABASE other").startswith("SCHEMA_NOT_EMPTY")

    bucket.do("DROP TABLE made")
    bucket.do("DROP DATABASE other CASCADE")

    assert project.index.tables() == ["sign_up_events"]
    assert bucket.reason("SELECT * FROM made").startswith("TABLE_NOT_FOUND")
    bucket.do("CREATE EXTERNAL TABLE made (a int) LOCATION 's3://files/made/'")
    assert bucket.rows("SELECT * FROM made") == []


def test_a_view_may_be_of_any_database_and_shadow_a_view_of_every_project(bucket: Bucket) -> None:
    bucket.do("CREATE DATABASE other")
    bucket.do("CREATE VIEW other.v AS SELECT email FROM analytics.sign_up_events")

    assert bucket.rows("SELECT count(*) AS n FROM other.v") == [["2"]]
    assert bucket.do("SHOW VIEWS IN other") == ["v"]
    assert bucket.do("SHOW CREATE VIEW other.v") == ["CREATE VIEW other.v AS", "SELECT email FROM analytics.sign_up_events"]
    assert bucket.do("SHOW TBLPROPERTIES other.v") == ["comment\tPresto View", "presto_view\ttrue"]
    assert bucket.rows("SELECT view_definition FROM information_schema.views") == [["SELECT email FROM analytics.sign_up_events"]]


def test_names_have_hyphens_and_the_database_of_the_context_may_stand_in_back_quotes(bucket: Bucket) -> None:
    bucket.do("CREATE DATABASE `my-db`")
    bucket.do(
        "CREATE EXTERNAL TABLE `my-db`.`my-table` (a int) PARTITIONED BY (`my-day` string) STORED AS PARQUET LOCATION 's3://files/hy/'"
    )
    bucket.do('INSERT INTO "my-db"."my-table" VALUES (1, \'x-y\')')
    bucket.do('CREATE VIEW "my-db"."my-view" AS SELECT a, "my-day" FROM "my-db"."my-table"')
    bucket.do("CREATE TABLE `my-db`.`of-the-lake` (a int) TBLPROPERTIES ('table_type'='ICEBERG')")
    bucket.do('INSERT INTO "my-db"."of-the-lake" SELECT a FROM "my-db"."my-view"')

    assert bucket.rows('SELECT * FROM "my-db"."my-view"') == [["1", "x-y"]]
    assert bucket.rows('SELECT * FROM "my-db"."of-the-lake"') == [["1"]]
    for statement in ("MSCK REPAIR TABLE `my-table`", "DESCRIBE `my-table`", "SHOW PARTITIONS `my-table`", 'SELECT * FROM "my-table"'):
        assert bucket.room.run(statement, database="`my-db`", may_change=True).state == "SUCCEEDED", statement
    for statement in ("DROP VIEW `my-db`.`my-view`", "DROP TABLE `my-db`.`of-the-lake`", "DROP DATABASE `my-db` CASCADE"):
        bucket.do(statement)
    assert bucket.do("SHOW DATABASES") == ["analytics", "default"]


def test_tables_can_be_made_in_the_database_default(bucket: Bucket) -> None:
    bucket.do("CREATE EXTERNAL TABLE default.t (a int) STORED AS PARQUET LOCATION 's3://files/default/'")
    bucket.do("CREATE TABLE default.lake WITH (table_type = 'ICEBERG', is_external = false) AS SELECT 1 AS a")

    assert bucket.do("SHOW TABLES IN default") == ["lake", "t"]
    assert bucket.rows("SELECT a FROM default.lake") == [["1"]]
    assert bucket.room.rows("SELECT count(*) FROM t", database="default")[1:] == [["0"]]
