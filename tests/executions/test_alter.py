"""ALTER TABLE of Iceberg tables: columns renamed, widened, moved and dropped, properties, names; tables of events stay as they are."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from headwater.jobs import tables
from tests.executions.conftest import Open, Room
from tests.executions.test_writes import refused, values, write


@pytest.fixture
def scores(room: Room) -> Room:
    write(
        room,
        "CREATE TABLE scores (who string, n int, r float, d decimal(5,2), day date, tags array<string>) "
        "PARTITIONED BY (day, bucket(4, who)) TBLPROPERTIES ('table_type'='ICEBERG', 'format'='parquet')",
    )
    write(room, "INSERT INTO scores VALUES ('ada', 1, 1.5, 2.25, DATE '2026-11-23', ARRAY['a']), ('bob', 2, NULL, NULL, NULL, NULL)")
    return room


def described(room: Room, table: str) -> list[list[str]]:
    lines = [str(row[0]) for row in room.rows(f"DESCRIBE {table}")]
    return [[part.strip() for part in line.split("\t")][:2] for line in lines[: lines.index("") if "" in lines else None]]


def test_a_column_gets_another_name_and_keeps_its_values(scores: Room) -> None:
    write(scores, "ALTER TABLE scores CHANGE COLUMN `n` `points` int")
    write(scores, "INSERT INTO scores (who, points) VALUES ('cyd', 3)")

    assert values(scores, "SELECT who, points FROM scores") == [["ada", "1"], ["bob", "2"], ["cyd", "3"]]
    assert refused(scores, "SELECT n FROM scores").startswith("COLUMN_NOT_FOUND: ")
    write(scores, "ALTER TABLE scores ADD COLUMNS (n int)")
    assert values(scores, "SELECT who, n FROM scores") == [["ada", None], ["bob", None], ["cyd", None]]


def test_types_become_wider_and_rows_there_are_and_new_ones_are_read_as_those(scores: Room) -> None:
    for change in ("n n bigint", "r r double", "d d decimal(9,2)", "tags labels array<string>"):
        write(scores, f"ALTER TABLE scores CHANGE COLUMN {change}")
    write(scores, "INSERT INTO scores VALUES ('cyd', 3000000000, 1.0E300, 1234567.25, NULL, NULL)")
    everything = "SELECT who, n, r, d, labels FROM scores"
    expected = [["ada", "1", "1.5", "2.25", "[a]"], ["bob", "2", None, None, None], ["cyd", "3000000000", "1.0E300", "1234567.25", None]]

    assert described(scores, "scores")[1:4] == [["n", "bigint"], ["r", "double"], ["d", "decimal(9,2)"]]
    assert values(scores, everything) == expected
    assert values(scores, "SELECT who FROM scores WHERE n > 2 OR d < 3") == [["ada"], ["cyd"]]
    write(scores, "OPTIMIZE scores REWRITE DATA USING BIN_PACK")
    write(scores, "UPDATE scores SET n = n + 1 WHERE who = 'cyd'")
    assert values(scores, everything) == [*expected[:2], ["cyd", "3000000001", *expected[2][2:]]]


def test_a_column_is_dropped_or_moved_and_the_others_stay(scores: Room) -> None:
    write(scores, "ALTER TABLE scores DROP COLUMN r")
    write(scores, "ALTER TABLE scores CHANGE d d decimal(5,2) COMMENT 'how much' FIRST")
    write(scores, "ALTER TABLE scores CHANGE tags tags array<string> AFTER who")

    assert [name for name, _ in described(scores, "scores")] == ["d", "who", "tags", "n", "day"]
    assert values(scores, "SELECT * FROM scores") == sorted(
        [["2.25", "ada", "[a]", "1", "2026-11-23"], [None, "bob", None, "2", None]], key=str
    )
    write(scores, "DELETE FROM scores WHERE who = 'bob'")
    write(scores, "ALTER TABLE scores ADD COLUMNS (r string)")
    assert values(scores, "SELECT who, r FROM scores") == [["ada", None]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("CHANGE COLUMN n n string", "TYPE_MISMATCH: column 'n' of scores is int and cannot become string: int becomes bigint"),
        ("CHANGE COLUMN n n double", "TYPE_MISMATCH: "),
        ("CHANGE COLUMN r r int", "TYPE_MISMATCH: "),
        ("CHANGE COLUMN d d decimal(9,3)", "TYPE_MISMATCH: column 'd' of scores is decimal(5, 2) and cannot become decimal(9, 3)"),
        ("CHANGE COLUMN d d decimal(4,2)", "TYPE_MISMATCH: "),
        ("CHANGE COLUMN tags tags array<int>", "TYPE_MISMATCH: "),
        ("CHANGE COLUMN n who int", "COLUMN_ALREADY_EXISTS: Column 'who' already exists"),
        ("CHANGE COLUMN nope n int", "COLUMN_NOT_FOUND: Column 'nope' does not exist; there are: who, n, r"),
        ("CHANGE COLUMN n n int AFTER nope", "COLUMN_NOT_FOUND: "),
        ("CHANGE COLUMN day moment date", "NOT_SUPPORTED: the table is partitioned by 'day'"),
        ("DROP COLUMN who", "NOT_SUPPORTED: the table is partitioned by 'who'"),
        ("DROP COLUMN nope", "COLUMN_NOT_FOUND: "),
        ("REPLACE COLUMNS (a int)", "NOT_SUPPORTED: analytics.scores is no external table"),
        ("SET TBLPROPERTIES ('format'='orc')", "NOT_SUPPORTED: the format of an Iceberg table is PARQUET here, not 'orc'"),
        ("SET TBLPROPERTIES ('write_compression'='lzo')", "INVALID_TABLE_PROPERTY: write_compression is one of zstd"),
        ("SET TBLPROPERTIES ('vacuum_min_snapshots_to_keep'='few')", "INVALID_TABLE_PROPERTY: vacuum_min_sn"),
        ("SET TBLPROPERTIES ('vacuum_max_metadata_files_to_keep'='0')", "INVALID_TABLE_PROPERTY: vacuum_max_metadata_files_to_keep is 1"),
        ("SET TBLPROPERTIES ('classification'='parquet')", "INVALID_TABLE_PROPERTY: Unsupported"),
        ("UNSET TBLPROPERTIES ('headwater.changes')", "INVALID_TABLE_PROPERTY: Unsupported table property key: headwater.changes"),
        ("RENAME TO sign_up_events", "ALREADY_EXISTS: "),
        ("RENAME TO nowhere.scores", "SCHEMA_NOT_FOUND: "),
        ("RENAME TO `a b`", "INVALID_TABLE_NAME: "),
    ],
)  # fmt: skip
def test_what_a_table_cannot_become_is_refused_and_it_stays(scores: Room, change: str, reason: str) -> None:
    before = described(scores, "scores"), values(scores, "SELECT * FROM scores")

    assert refused(scores, f"ALTER TABLE scores {change}").startswith(reason)

    assert (described(scores, "scores"), values(scores, "SELECT * FROM scores")) == before


def test_properties_are_used_from_then_on(scores: Room) -> None:
    write(scores, "ALTER TABLE scores SET TBLPROPERTIES ('write_compression'='SNAPPY', 'vacuum_min_snapshots_to_keep'='1')")
    write(scores, "INSERT INTO scores (who) VALUES ('cyd')")
    write(scores, "ALTER TABLE scores UNSET TBLPROPERTIES ('write_compression')")
    write(scores, "INSERT INTO scores (who) VALUES ('dee')")

    paths = [str(path).strip("'") for [path] in values(scores, 'SELECT file_path FROM "scores$files"')]
    shown = [line for [line] in values(scores, "SHOW TBLPROPERTIES scores")]  # without the first line
    assert shown == ["classification\tparquet", "table_type\tICEBERG", "vacuum_min_snapshots_to_keep\t1"]
    assert "  'vacuum_min_snapshots_to_keep'='1'" in "\n".join(line for [line] in values(scores, "SHOW CREATE TABLE scores"))
    codecs = {}
    for path in paths:
        for who in pq.read_table(path, columns=["who"], partitioning=None).column(0).to_pylist():
            codecs[who] = pq.ParquetFile(path).metadata.row_group(0).column(0).compression
    assert codecs == {"ada": "ZSTD", "bob": "ZSTD", "cyd": "SNAPPY", "dee": "ZSTD"}


def test_tables_change_names_as_dbt_lets_them(scores: Room) -> None:
    # As dbt-athena replaces a table: the new one is made aside, the old one put aside, and the new one put in its place.
    write(scores, "CREATE TABLE scores__tmp WITH (table_type = 'ICEBERG', is_external = false) AS SELECT 'new' AS who, 9 AS n")
    write(scores, "ALTER TABLE `analytics`.`scores` RENAME TO `analytics`.`scores__bkp`")
    write(scores, "ALTER TABLE `analytics`.`scores__tmp` RENAME TO `analytics`.`scores`")

    assert values(scores, "SELECT who, n FROM scores") == [["new", "9"]]
    assert values(scores, "SELECT who, n, day FROM scores__bkp") == [["ada", "1", "2026-11-23"], ["bob", "2", None]]
    write(scores, "INSERT INTO scores__bkp (who, day) VALUES ('eve', DATE '2026-11-24')")
    assert refused(scores, "ALTER TABLE scores__bkp DROP COLUMN who").startswith("NOT_SUPPORTED: the table is partitioned by 'who'")
    write(scores, "DROP TABLE scores__bkp")
    # And again: the names are free.
    write(scores, "CREATE TABLE scores__tmp WITH (table_type = 'ICEBERG', is_external = false) AS SELECT 'newer' AS who, 10 AS n")
    write(scores, "ALTER TABLE scores RENAME TO scores__bkp")
    write(scores, "ALTER TABLE scores__tmp RENAME TO scores")
    assert values(scores, "SELECT who FROM scores") == [["newer"]]
    write(scores, "CREATE DATABASE other")
    write(scores, "ALTER TABLE scores RENAME TO other.scores")
    assert values(scores, "SELECT who FROM other.scores") == [["newer"]]
    assert refused(scores, "SELECT * FROM scores").startswith("TABLE_NOT_FOUND: ")


def test_a_change_that_is_asked_for_again_is_done_once(scores: Room) -> None:
    ask = scores.jobs.ask
    ask(tables.RemoveColumn(table="scores", column="r"), id="c1")
    ask(tables.RemoveColumn(table="scores", column="r"), id="c1")
    ask(tables.ChangeProperties(table="scores", properties={"write_compression": "gzip"}), id="c2")
    ask(tables.MoveTable(table="scores", to="renamed"), id="c3")
    ask(tables.MoveTable(table="scores", to="renamed"), id="c3")

    assert values(scores, "SELECT who FROM renamed") == [["ada"], ["bob"]]
    assert "r" not in [name for name, _ in described(scores, "renamed")]


@pytest.mark.parametrize(
    "change",
    [
        "CHANGE COLUMN email mail string", "CHANGE COLUMN email email int", "DROP COLUMN email",
        "SET TBLPROPERTIES ('write_compression'='gzip')", "RENAME TO others",
    ],
)  # fmt: skip
def test_a_table_of_events_is_changed_by_its_class(open_room: Open, change: str) -> None:
    room = open_room()

    told = refused(room, f"ALTER TABLE sign_up_events {change}")

    assert told.startswith("NOT_SUPPORTED: sign_up_events is a table of events: ")
    assert "a new field, or a new class" in told
    assert values(room, "SELECT email FROM sign_up_events") == [["ada@example.org"], [None]]


def test_external_tables_and_views_have_no_other_name(room: Room) -> None:
    write(room, "CREATE EXTERNAL TABLE lines (a int) STORED AS PARQUET LOCATION 's3://results/lines/'")
    write(room, "CREATE VIEW seen AS SELECT 1 AS a")

    for name in ("lines", "seen"):
        assert refused(room, f"ALTER TABLE {name} RENAME TO x").startswith(f"NOT_SUPPORTED: analytics.{name} is no Iceberg table")
    assert refused(room, "ALTER TABLE nowhere RENAME TO x").startswith("TABLE_NOT_FOUND: ")
