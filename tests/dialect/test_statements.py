"""Each kind of statement becomes what it asks for, or is refused in Athena's words."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from headwater.dialect import ColumnDefinition, MalformedQuery, Pin, QueryFailed, Statement, commands, translate
from headwater.dialect.commands import NewColumn, PartitionSpec, PartitionTransform, TableName
from tests.dialect.corpus import Lake, answer, engine

PRACTICE = TableName("lake", "practice")


def read(text: str, *parameters: str) -> Statement:
    return translate(text, parameters=parameters, catalog=Lake(), database="lake")


@pytest.fixture
def connection() -> Any:
    made = engine()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("text", "kind", "substatement"),
    [
        ("SELECT 1", "DML", "SELECT"),
        ("/* a */ -- b\n WITH a AS (SELECT 1 AS x) SELECT * FROM a ;", "DML", "SELECT"),
        ("VALUES 1", "DML", "SELECT"),
        ("EXPLAIN SELECT 1", "DML", "EXPLAIN"),
        ("INSERT INTO students VALUES ('a', NULL, NULL)", "DML", "INSERT"),
        ("UPDATE students SET city = 'x'", "DML", "UPDATE"),
        ("DELETE FROM students", "DML", "DELETE"),
        ("MERGE INTO students s USING students t ON s.student = t.student WHEN MATCHED THEN DELETE", "DML", "MERGE"),
        ("CREATE TABLE x AS SELECT 1 AS a", "DDL", "CREATE_TABLE_AS_SELECT"),
        ("CREATE EXTERNAL TABLE x (a int) LOCATION 's3://b/'", "DDL", "CREATE_TABLE"),
        ("DROP TABLE x", "DDL", "DROP_TABLE"),
        ("CREATE DATABASE x", "DDL", "CREATE_DATABASE"),
        ("SHOW TABLES", "UTILITY", "SHOW_TABLES"),
        ("SHOW DATABASES", "UTILITY", "SHOW_DATABASES"),
        ("DESCRIBE students", "UTILITY", "DESCRIBE_TABLE"),
        ("SHOW TBLPROPERTIES students", "UTILITY", "SHOW_TABLE_PROPERTIES"),
    ],
)
def test_a_statement_is_told_by_its_first_words(text: str, kind: str, substatement: str) -> None:
    found = read(text)

    assert (found.kind, found.substatement) == (kind, substatement)


def test_strings_of_ddl_have_hives_escapes_and_those_of_queries_have_none() -> None:
    made = read(
        r"""CREATE EXTERNAL TABLE x (a int COMMENT 'it\'s', b int COMMENT "say \"hi\"") COMMENT 'one''s' ROW FORMAT DELIMITED
        FIELDS TERMINATED BY '\001' ESCAPED BY '\\' LINES TERMINATED BY '\n' NULL DEFINED AS '\u0002' LOCATION "s3://b/"
        TBLPROPERTIES ("Key"="\t", 'like'='a\_b%')"""
    ).command
    csv = read(
        r"CREATE EXTERNAL TABLE x (a int) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' "
        r"WITH SERDEPROPERTIES ('escapeChar'='\\', 'quoteChar'='\'') LOCATION 's3://b/'"
    ).command

    assert isinstance(made, commands.CreateTable)
    assert [each.comment for each in made.columns] == ["it's", 'say "hi"']
    assert (made.comment, made.location) == ("one's", "s3://b/")
    assert made.properties == {"Key": "\t", "like": "a\\_b%"}
    assert made.serde_properties == {
        "field.delim": "\x01", "escape.delim": "\\", "line.delim": "\n", "serialization.null.format": "\x02",
    }  # fmt: skip
    assert isinstance(csv, commands.CreateTable)
    assert csv.serde_properties == {"escapeChar": "\\", "quoteChar": "'"}
    assert r"'it\'" in (read(r"SELECT 'it\' AS a, '\t' AS b").sql or "")
    made_as = read(r"CREATE TABLE x WITH (format = 'TEXTFILE', external_location = 's3://b/') AS SELECT '\' AS a, 'b' AS c")
    assert isinstance(made_as.command, commands.CreateTableAs)
    assert isinstance(read(r"CREATE VIEW x AS SELECT '\' AS a, 'b' AS c").command, commands.CreateView)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("SHOW TABLES", commands.ShowTables("lake")),
        ("show tables in other 'a*|b*'", commands.ShowTables("other", "a*|b*")),
        ("SHOW VIEWS LIKE 'v*'", commands.ShowViews("lake", "v*")),
        ("SHOW SCHEMAS LIKE 'x*'", commands.ShowDatabases("x*")),
        ("SHOW COLUMNS IN practice", commands.ShowColumns(PRACTICE)),
        ("SHOW COLUMNS FROM practice FROM lake", commands.ShowColumns(PRACTICE)),
        ("SHOW PARTITIONS lake.practice", commands.ShowPartitions(PRACTICE)),
        ("SHOW CREATE TABLE `lake`.`practice`", commands.ShowCreate(PRACTICE, "table")),
        ("SHOW CREATE VIEW passes", commands.ShowCreate(TableName("lake", "passes"), "view")),
        ("SHOW TBLPROPERTIES practice ('table_type')", commands.ShowProperties(PRACTICE, "table_type")),
        ("DESCRIBE FORMATTED practice tags", commands.Describe(PRACTICE, "tags", False, True)),
        ("DESC practice", commands.Describe(PRACTICE)),
        ("DROP VIEW IF EXISTS v", commands.DropView(TableName("lake", "v"), True)),
        ("DROP DATABASE IF EXISTS d CASCADE", commands.DropDatabase("d", True, True)),
        (
            "CREATE SCHEMA IF NOT EXISTS d COMMENT 'it''s' LOCATION 's3://b/d/' WITH DBPROPERTIES ('a'='b')",
            commands.CreateDatabase("d", True, "it's", "s3://b/d/", {"a": "b"}),
        ),
        (
            "ALTER TABLE t ADD IF NOT EXISTS PARTITION (day='1', n=2) LOCATION 's3://b/1/' PARTITION (day='2')",
            commands.AddPartitions(
                TableName("lake", "t"), True, (PartitionSpec((("day", "1"), ("n", "2")), "s3://b/1/"), PartitionSpec((("day", "2"),)))
            ),
        ),
        (
            "ALTER TABLE t DROP PARTITION (day='1'), PARTITION (day='2')",
            commands.DropPartitions(TableName("lake", "t"), False, (PartitionSpec((("day", "1"),)), PartitionSpec((("day", "2"),)))),
        ),
        (
            "ALTER TABLE t PARTITION (day='1') RENAME TO PARTITION (day='2')",
            commands.RenamePartition(TableName("lake", "t"), PartitionSpec((("day", "1"),)), PartitionSpec((("day", "2"),))),
        ),
        ("ALTER TABLE t SET LOCATION 's3://b/'", commands.SetLocation(TableName("lake", "t"), "s3://b/")),
        ("ALTER TABLE t SET TBLPROPERTIES ('a'='b', 'c'='d')", commands.SetProperties(TableName("lake", "t"), {"a": "b", "c": "d"})),
        ("ALTER TABLE t UNSET TBLPROPERTIES ('a')", commands.UnsetProperties(TableName("lake", "t"), ("a",))),
        (
            "ALTER TABLE t ADD COLUMNS (a int COMMENT 'c', b struct<x:array<string>>)",
            commands.AddColumns(TableName("lake", "t"), (NewColumn("a", "int", "c"), NewColumn("b", "struct<x:array<string>>"))),
        ),
        ("ALTER TABLE t DROP COLUMN a", commands.DropColumn(TableName("lake", "t"), "a")),
        (
            "ALTER TABLE t CHANGE COLUMN a b bigint AFTER c",
            commands.ChangeColumn(TableName("lake", "t"), "a", NewColumn("b", "bigint"), False, "c"),
        ),
        ("MSCK REPAIR TABLE t", commands.RepairTable(TableName("lake", "t"))),
        ("VACUUM t", commands.Vacuum(TableName("lake", "t"))),
        ("PREPARE p FROM SELECT ? + 1;", commands.Prepare("p", "SELECT ? + 1")),
        ("EXECUTE p USING 1, 'a, b', ARRAY[1, 2]", commands.Execute("p", ("1", "'a, b'", "ARRAY[1, 2]"))),
        ("EXECUTE p", commands.Execute("p", ())),
        ("DEALLOCATE PREPARE p", commands.Deallocate("p")),
    ],
)
def test_a_command_says_all_that_was_written(text: str, command: commands.Command) -> None:
    found = read(text)

    assert found.command == command
    assert found.sql is None


def test_a_hive_table_has_its_columns_partitions_format_and_properties() -> None:
    found = read(
        "CREATE EXTERNAL TABLE IF NOT EXISTS db.t (`a` int COMMENT 'x', b map<string,array<int>>, c decimal(10,2)) COMMENT 'all' "
        "PARTITIONED BY (dt string) CLUSTERED BY (a) INTO 4 BUCKETS ROW FORMAT SERDE 'org.x.Serde' WITH SERDEPROPERTIES ('k'='v') "
        "STORED AS PARQUET LOCATION 's3://b/t/' TBLPROPERTIES ('projection.enabled'='true')"
    ).command

    assert found == commands.CreateTable(
        TableName("db", "t"), True, True,
        (NewColumn("a", "int", "x"), NewColumn("b", "map<string,array<int>>"), NewColumn("c", "decimal(10,2)")),
        (NewColumn("dt", "string"),), (), "all", None, "org.x.Serde", {"k": "v"}, "PARQUET", None, None, "s3://b/t/",
        {"projection.enabled": "true"}, ("a",), 4,
    )  # fmt: skip


def test_an_iceberg_table_is_partitioned_by_transforms() -> None:
    found = read(
        "CREATE TABLE t (id bigint, at timestamp) PARTITIONED BY (day(at), bucket(16, id), id) LOCATION 's3://b/' "
        "TBLPROPERTIES ('table_type'='ICEBERG')"
    ).command

    assert isinstance(found, commands.CreateTable)
    assert found.transforms == (
        PartitionTransform("day", "at"),
        PartitionTransform("bucket", "id", 16),
        PartitionTransform("identity", "id"),
    )


def test_create_table_as_has_its_properties_and_its_query() -> None:
    found = read("CREATE TABLE x WITH (format = 'PARQUET', partitioned_by = ARRAY['day']) AS SELECT id, day FROM practice WITH NO DATA")

    assert found.command == commands.CreateTableAs(TableName("lake", "x"), False, {"format": "PARQUET", "partitioned_by": ("day",)}, False)
    assert [column.name for column in found.columns] == ["id", "day"]
    assert [table.table for table in found.tables] == ["practice"]


def test_a_created_view_keeps_its_text_and_tells_its_columns() -> None:
    found = read("CREATE OR REPLACE VIEW v AS\nSELECT id, student AS who FROM practice ;")

    assert found.command == commands.CreateView(TableName("lake", "v"), "SELECT id, student AS who FROM practice", True)
    assert [(column.name, column.type) for column in found.columns] == [("id", "bigint"), ("who", "varchar")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CREATE VIEW v AS SELECT count(*) FROM practice", "MISSING_COLUMN_NAME: Column name not specified at position 1"),
        ("CREATE TABLE t AS SELECT 1 AS a, 2 AS A", "DUPLICATE_COLUMN_NAME: Column name 'a' specified more than once"),
        ("INSERT INTO students SELECT 1", "TYPE_MISMATCH: Insert query has mismatched column types"),
        ("INSERT INTO students (nope) SELECT 'x'", "COLUMN_NOT_FOUND: Insert column name does not exist in target table: nope"),
        ("INSERT INTO nope SELECT 1", "TABLE_NOT_FOUND: "),
        ("UPDATE students SET city = 5", "TYPE_MISMATCH: "),
        ("DELETE FROM passes", "NOT_SUPPORTED: Modifying the view lake.passes"),
    ],
)
def test_what_cannot_be_written_fails(text: str, message: str) -> None:
    with pytest.raises(QueryFailed) as failed:
        read(text)

    assert failed.value.reason.startswith(message)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "MALFORMED_QUERY", "line 1:1: mismatched input '<EOF>'"),
        ("SELECT 1; SELECT 2", "MALFORMED_QUERY", "Only one sql statement is allowed. Got: SELECT 1; SELECT 2"),
        ("USE lake", "MALFORMED_QUERY", "Queries of this type are not supported"),
        ("GRANT SELECT ON t TO u", "MALFORMED_QUERY", "Queries of this type are not supported"),
        ("SELECT FROM WHERE", "MALFORMED_QUERY", "line 1:"),
        ("DESCRIBE nope", "INVALID_INPUT", "Entity Not Found"),
        ("SHOW COLUMNS IN nope", "INVALID_INPUT", "Entity Not Found"),
        ("ALTER TABLE t RENAME u", "MALFORMED_QUERY", "line 1:15: mismatched input 'RENAME'"),
        ("CREATE TABLE t LIKE u", "MALFORMED_QUERY", "CREATE TABLE LIKE is not supported"),
        ("DROP TABLE", "MALFORMED_QUERY", "line 1:11: mismatched input '<EOF>'"),
        ("DROP TABLE a b", "MALFORMED_QUERY", "line 1:14: mismatched input 'b'"),
        ("SELECT 'unfinished", "MALFORMED_QUERY", "line 1:1: mismatched input"),
    ],
)
def test_what_is_no_statement_is_refused_at_start(text: str, code: str, message: str) -> None:
    with pytest.raises(MalformedQuery) as refused:
        read(text)

    assert refused.value.athena_code == code
    assert str(refused.value).startswith(message)


def test_parameters_take_their_places_in_the_order_of_the_text(connection: duckdb.DuckDBPyConnection) -> None:
    found = read("SELECT ? AS a, ? + 1 AS b FROM practice WHERE id = ? LIMIT ?", "'x'", "2", "1", "1")

    assert found.parameters == 4
    assert answer(connection, found) == [("x", "3")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'it''s'", "it's"), ("5", "5"), ("1 + 1", "2"), ("plain words", "plain words"), ("word", "word"), ("DATE '2026-11-23'",
        "2026-11-23"),
        ("it's", "it's"), ("", ""), ("1); DROP TABLE x", "1); DROP TABLE x"), ("(SELECT 1)", "(SELECT 1)"), ("NULL", "NULL"), ("?", "?"),
    ],
)  # fmt: skip
def test_a_parameter_is_an_expression_or_else_text(value: str, text: str, connection: duckdb.DuckDBPyConnection) -> None:
    assert answer(connection, read("SELECT ?", value)) == [(text,)]


def test_another_number_of_parameters_fails_and_parameters_without_places_do_not() -> None:
    with pytest.raises(QueryFailed, match=r"INVALID_PARAMETER_USAGE: .*Incorrect number of parameters: expected 2 but found 1"):
        read("SELECT ?, ?", "1")

    assert read("SELECT 1", "1").parameters == 0


def test_a_deleted_row_is_not_selected_and_a_row_of_unknown_condition_stays(connection: duckdb.DuckDBPyConnection) -> None:
    found = read("DELETE FROM practice WHERE level < 4")

    assert [row[0] for row in answer(connection, found)] == ["2", "4", "5"]
    assert found.command == commands.Delete(PRACTICE, False)


def test_an_update_selects_all_rows_and_says_which_changed(connection: duckdb.DuckDBPyConnection) -> None:
    found = read("UPDATE students SET city = upper(city), born = NULL WHERE city = 'Rome'")

    assert answer(connection, found) == [
        ("ada", "1815-12-10", "London", "false"),
        ("bob", "NULL", "ROME", "true"),
        ("eve", "2000-02-29", "NULL", "false"),
    ]
    assert found.command == commands.Update(TableName("lake", "students"), ("city", "born"))


def test_a_merge_updates_deletes_and_inserts(connection: duckdb.DuckDBPyConnection) -> None:
    found = read(
        "MERGE INTO students t USING (VALUES ('ada', 'Turin'), ('bob', NULL), ('fay', 'Oslo'), ('gil', NULL)) AS s(who, town) "
        "ON t.student = s.who WHEN MATCHED AND s.town IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET city = s.town "
        "WHEN NOT MATCHED AND s.town IS NOT NULL THEN INSERT (student, city) VALUES (s.who, s.town)"
    )

    assert sorted(answer(connection, found)) == [
        ("ada", "1815-12-10", "Turin", "update"),
        ("bob", "NULL", "Rome", "delete"),
        ("eve", "2000-02-29", "NULL", "NULL"),
        ("fay", "NULL", "Oslo", "insert"),
    ]


def test_a_merge_that_meets_a_row_twice_fails(connection: duckdb.DuckDBPyConnection) -> None:
    found = read("MERGE INTO students t USING (VALUES 'ada', 'ada') AS s(who) ON t.student = s.who WHEN MATCHED THEN UPDATE SET city = 'x'")

    with pytest.raises(QueryFailed, match="MERGE_TARGET_ROW_MULTIPLE_MATCHES"):
        answer(connection, found)


def test_an_insert_has_the_names_and_types_of_the_table(connection: duckdb.DuckDBPyConnection) -> None:
    found = read("INSERT INTO practice (id, price) SELECT 1, CAST(2.5 AS decimal(3,1))")

    assert [(column.name, column.type) for column in found.columns] == [("id", "bigint"), ("price", "decimal(10,2)")]
    assert answer(connection, found) == [("1", "2.50")]


def test_an_unload_has_its_place_and_its_query() -> None:
    found = read("UNLOAD (SELECT id FROM practice WHERE piece = ')') TO 's3://b/o/' WITH (format = 'PARQUET', compression = 'snappy')")

    assert found.command == commands.Unload("s3://b/o/", {"format": "PARQUET", "compression": "snappy"})
    assert [column.name for column in found.columns] == ["id"]


def test_older_states_and_tables_about_tables_are_named_for_the_engine() -> None:
    moment = read("SELECT id FROM practice FOR TIMESTAMP AS OF TIMESTAMP '2026-11-23 00:00:00 UTC' - INTERVAL '1' DAY").tables
    version = read("SELECT id FROM practice FOR VERSION AS OF 42").tables
    files = read('SELECT file_path FROM "practice$files"').tables

    assert (moment[0].as_of_us, moment[0].name) == (1_795_305_600_000_000, "practice@1795305600000000us")
    assert (version[0].version, version[0].name) == (42, "practice@42")
    assert (files[0].table, files[0].metadata, files[0].name) == ("practice", "files", "practice$files")


def test_a_long_condition_and_a_long_union_are_read() -> None:
    many = " OR ".join(f"id = {number}" for number in range(2000))
    assert read(f"SELECT id FROM practice WHERE {many}").sql is not None

    deep = "(" * 5000 + "1" + ")" * 5000
    with pytest.raises((MalformedQuery, QueryFailed)):
        read(f"SELECT {deep}")


def test_the_place_of_an_error_is_that_of_the_whole_text() -> None:
    with pytest.raises(QueryFailed) as failed:
        read("CREATE TABLE x AS\nSELECT id,\n  nope FROM practice")

    assert failed.value.reason == "COLUMN_NOT_FOUND: line 3:3: Column 'nope' cannot be resolved"
    assert (failed.value.category, failed.value.type) == (2, 1006)


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM practice WHERE level < (SELECT avg(level) FROM practice)",
        "UPDATE practice SET level = 0 WHERE level < (SELECT avg(level) FROM practice)",
        "MERGE INTO practice p USING (SELECT level FROM practice WHERE level < 4) AS s ON p.level = s.level WHEN MATCHED THEN DELETE",
    ],
)
def test_a_statement_that_changes_rows_reads_one_state_of_its_table_throughout(text: str) -> None:
    found = translate(text, catalog=Lake(), database="lake", pin=Pin(77))

    assert [(read.table, read.version) for read in found.tables] == [("practice", 77)]
    for sql in (found.sql or "", found.changing or ""):
        assert sql.count('"lake"."practice@77"') >= 2
        assert '"lake"."practice"' not in sql


class Daily(Lake):
    """A lake with one table that is kept by day."""

    def columns(self, database: str, table: str) -> list[ColumnDefinition]:
        return [ColumnDefinition("id", "integer"), ColumnDefinition("datetime", "timestamp(6) with time zone")]


def test_only_the_days_that_are_named_are_selected_of_a_table_that_is_kept_by_day() -> None:
    days = "(VALUES (1, TIMESTAMPTZ '2026-11-23 23:59:59+00'), (2, NULL), (3, '2026-11-24 00:00:00+00')) AS t(id, datetime)"
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = 'UTC'; CREATE SCHEMA lake; CREATE TABLE lake.\"visits@77\" AS SELECT * FROM {days}")

    def found(pin: Pin) -> tuple[list[int], list[tuple[int | None, int]]]:
        statement = translate("DELETE FROM visits WHERE id <> 2", catalog=Daily(), database="lake", pin=pin)
        kept = connection.execute(statement.sql or "").fetchall()
        return [row[0] for row in kept], sorted(connection.execute(statement.changing or "").fetchall(), key=str)

    assert found(Pin(77, by_day=True)) == ([2], [(20_780, 1), (20_781, 1)])
    assert found(Pin(77, by_day=True, days=(20_781,))) == ([], [(20_781, 1)])
    assert found(Pin(77, by_day=True, days=(20_780, None))) == ([2], [(20_780, 1)])
    assert found(Pin(77, by_day=True, days=())) == ([], [])
    assert found(Pin(77)) == ([2], [(None, 2)])
    connection.close()
