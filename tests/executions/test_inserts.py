"""INSERT: which values a column takes, as Trino says it, and that rows read back from delimited text as what was put there."""

from __future__ import annotations

import pytest

from tests.executions.conftest import Room
from tests.executions.test_writes import refused, values, write

SOURCES = {
    "boolean": "true", "tinyint": "TINYINT '7'", "smallint": "SMALLINT '7'", "integer": "7", "bigint": "BIGINT '7'", "real": "REAL '7.5'",
    "double": "7.5", "decimal(3,2)": "DECIMAL '7.25'", "varchar": "CAST('7' AS varchar)", "date": "DATE '2026-11-23'",
    "timestamp(3)": "TIMESTAMP '2026-11-23 12:00:00.123'", "array(integer)": "ARRAY[7]", "array(double)": "ARRAY[7.5]",
    "array(varchar)": "ARRAY[CAST('7' AS varchar)]",
}  # fmt: skip
TOO_LONG = "Cannot truncate non-space characters when casting from varchar(4) to varchar(3) on INSERT"
NUMBERS = ("tinyint", "smallint", "integer", "bigint", "real", "double", "decimal(3,2)")
WHOLE = {"real": "8", "double": "8", "decimal(3,2)": "7"}
# column type -> source type -> what is there afterwards; whatever is not here is refused.
TAKEN = {
    "boolean": {"boolean": "true"},
    **{kind: {source: WHOLE.get(source, "7") for source in NUMBERS} for kind in ("tinyint", "smallint", "int", "bigint")},
    **{
        kind: {source: {"real": "7.5", "double": "7.5", "decimal(3,2)": "7.25"}.get(source, "7.0") for source in NUMBERS}
        for kind in ("float", "double")
    },
    "decimal(5,1)": {source: {"real": "7.5", "double": "7.5", "decimal(3,2)": "7.3"}.get(source, "7.0") for source in NUMBERS},
    "string": {"varchar": "7"},
    "varchar(3)": {"varchar": "7"},
    "date": {"date": "2026-11-23", "timestamp(3)": "2026-11-23"},
    "timestamp": {"date": "2026-11-23 00:00:00.000", "timestamp(3)": "2026-11-23 12:00:00.123"},
    "array<smallint>": {"array(integer)": "[7]", "array(double)": "[8]"},
    "array<string>": {"array(varchar)": "[7]"},
    "array<varchar(3)>": {},
}


@pytest.mark.parametrize("column", TAKEN)
def test_a_column_takes_what_has_a_common_type_with_it_and_nothing_else(room: Room, column: str) -> None:
    write(room, f"CREATE EXTERNAL TABLE taken (v {column}) STORED AS PARQUET LOCATION 's3://results/taken/'")
    for source, value in SOURCES.items():
        query = f"INSERT INTO taken SELECT {value}"
        if source not in TAKEN[column]:
            assert refused(room, query).startswith("TYPE_MISMATCH: Insert query has mismatched column types: Table: ["), (column, source)
            assert f"], Query: [{source}]" in refused(room, query)
            continue
        before = values(room, "SELECT v FROM taken")

        write(room, query)

        assert values(room, "SELECT v FROM taken") == sorted([*before, [TAKEN[column][source]]], key=str), (column, source)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("smallint", "70000", "INVALID_CAST_ARGUMENT: Out of range for smallint: 70000"),
        ("tinyint", "-129", "INVALID_CAST_ARGUMENT: Out of range for tinyint: -129"),
        ("int", "BIGINT '3000000000'", "INVALID_CAST_ARGUMENT: Out of range for integer: 3000000000"),
        ("varchar(3)", "'abcd'", f"INVALID_CAST_ARGUMENT: {TOO_LONG}"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_ends_the_statement(room: Room, column: str, value: str, reason: str) -> None:
    write(room, f"CREATE EXTERNAL TABLE taken (v {column}) STORED AS PARQUET LOCATION 's3://results/taken/'")

    assert refused(room, f"INSERT INTO taken SELECT {value}") == reason
    assert values(room, "SELECT v FROM taken") == []


def test_spaces_at_the_end_are_no_reason_to_refuse_a_text(room: Room) -> None:
    write(room, "CREATE EXTERNAL TABLE taken (v varchar(3)) STORED AS PARQUET LOCATION 's3://results/taken/'")

    write(room, "INSERT INTO taken SELECT 'abc  '")

    assert values(room, "SELECT v FROM taken") == [["abc"]]


def test_update_and_merge_take_what_insert_takes(room: Room) -> None:
    write(room, "CREATE TABLE taken (n int, r float) TBLPROPERTIES ('table_type'='ICEBERG')")
    write(room, "INSERT INTO taken VALUES (1, 1.5)")

    write(room, "UPDATE taken SET r = 2.5, n = 2.6")
    write(
        room,
        "MERGE INTO taken t USING (VALUES (3, 3.5), (4, 4.5)) s(n, r) ON t.n = s.n WHEN MATCHED THEN UPDATE SET r = s.r "
        "WHEN NOT MATCHED THEN INSERT (n, r) VALUES (s.r, s.n)",
    )

    assert values(room, "SELECT n, r FROM taken") == [["3", "3.5"], ["5", "4.0"]]
    assert refused(room, "UPDATE taken SET n = 'x'").startswith("TYPE_MISMATCH: ")


TEXTS = [
    "plain",
    "",
    " spaces ",
    "comma, and; more",
    "tab\there",
    "bar|bar",
    "quote's \"",
    "back\\slash",
    "ends \\",
    "\\N",
    "é – 漢",
    "null",
    "\x01",
]


@pytest.mark.parametrize("delimiter", ["\\t", "\\001", "|", ".", "\\\\"])
@pytest.mark.parametrize("escape", [None, "\\\\", "!"])
@pytest.mark.parametrize("null", [None, "null"])
def test_rows_of_delimited_text_read_back_as_they_were_put_there_or_are_refused(
    room: Room, delimiter: str, escape: str | None, null: str | None
) -> None:
    if delimiter == escape:
        pytest.skip("one sign cannot be both")
    clauses = "".join(
        (
            f" FIELDS TERMINATED BY '{delimiter}'",
            f" ESCAPED BY '{escape}'" if escape else "",
            r" LINES TERMINATED BY '\n'",
            "" if null is None else f" NULL DEFINED AS '{null}'",
        )
    )
    write(room, f"CREATE EXTERNAL TABLE lines (n int, a string, b string) ROW FORMAT DELIMITED{clauses} LOCATION 's3://results/lines/'")
    listed = ", ".join(f"({at}, {_text(text)}, {_text(TEXTS[-1 - at])})" for at, text in enumerate(TEXTS))
    put = [[str(at), text, TEXTS[-1 - at]] for at, text in enumerate(TEXTS)]
    fits = [row for row in put if all(_fits(text, delimiter, escape, null) for text in row[1:])]

    if fits != put:
        assert refused(room, f"INSERT INTO lines VALUES {listed}").startswith("NOT_SUPPORTED: ")
    if fits:
        write(room, f"INSERT INTO lines VALUES {', '.join(f'({n}, {_text(a)}, {_text(b)})' for n, a, b in fits)}")
    nothing = [[None, None, None]] if delimiter != "\\\\" or null is not None else []
    if nothing:
        write(room, "INSERT INTO lines SELECT NULL, NULL, NULL")
    else:
        assert refused(room, "INSERT INTO lines SELECT NULL, NULL, NULL").startswith("NOT_SUPPORTED: NULL cannot be written")

    assert values(room, "SELECT n, a, b FROM lines") == sorted([*fits, *nothing], key=str)
    # The definition that is shown makes the same table.
    shown = "\n".join(str(row[0]) for row in room.rows("SHOW CREATE TABLE lines"))
    write(room, shown.replace(".lines`", ".again`"))
    assert values(room, "SELECT n, a, b FROM again") == values(room, "SELECT n, a, b FROM lines")


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _fits(text: str, delimiter: str, escape: str | None, null: str | None) -> bool:
    sign = {"\\t": "\t", "\\001": "\x01", "\\u0002": "\x02", "\\\\": "\\"}.get(delimiter, delimiter)
    meant = {"\\\\": "\\"}.get(escape or "", escape or "")
    written = text.replace(meant, meant * 2).replace(sign, meant + sign) if meant else text
    return written != ("\\N" if null is None else null) and (bool(meant) or sign not in text)


def test_a_table_whose_readers_skip_a_line_gets_one_that_names_the_columns(room: Room) -> None:
    skips = "TBLPROPERTIES ('skip.header.line.count'='{}')"
    delimited = "ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://results/{}/' "
    write(room, "CREATE EXTERNAL TABLE one (a int, b string) " + delimited.format("one") + skips.format(1))
    write(room, "CREATE EXTERNAL TABLE two (a int) " + delimited.format("two") + skips.format(2))

    made = write(room, "INSERT INTO one VALUES (1, 'x'), (2, 'y')")

    assert made.update_count == 2
    assert values(room, "SELECT * FROM one") == [["1", "x"], ["2", "y"]]
    assert refused(room, "INSERT INTO two VALUES (1)").startswith(
        "NOT_SUPPORTED: rows cannot be inserted into two: its readers skip 2 lines"
    )


def test_members_of_json_have_the_names_by_which_the_table_reads_them(room: Room) -> None:
    write(
        room,
        "CREATE EXTERNAL TABLE mapped (ts string, n int) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' "
        "WITH SERDEPROPERTIES ('mapping.ts'='timestamp') LOCATION 's3://results/mapped/'",
    )

    write(room, "INSERT INTO mapped VALUES ('x', 1)")

    assert values(room, "SELECT ts, n FROM mapped") == [["x", "1"]]


def test_a_view_that_would_read_itself_is_not_made_and_the_one_there_is_stays(room: Room) -> None:
    recursive = "VIEW_IS_RECURSIVE: line 1:{}: Statement would create a recursive view"
    write(room, "CREATE VIEW v1 AS SELECT 1 AS a")
    write(room, "CREATE VIEW v2 AS SELECT a FROM v1")
    write(room, "CREATE VIEW v3 AS SELECT a FROM v2")

    assert refused(room, "CREATE OR REPLACE VIEW v1 AS SELECT a + 1 AS a FROM v1") == recursive.format(53)
    assert refused(room, "CREATE OR REPLACE VIEW analytics.v1 AS SELECT a FROM AwsDataCatalog.analytics.V1").startswith(
        "VIEW_IS_RECURSIVE: "
    )
    assert refused(room, "CREATE OR REPLACE VIEW v1 AS WITH w AS (SELECT (SELECT max(a) FROM v1) AS a) SELECT a FROM w").endswith(
        "would create a recursive view"
    )
    for over in ("v2", "v3"):
        told = refused(room, f"CREATE OR REPLACE VIEW v1 AS SELECT a FROM {over}")
        assert told.startswith(f"INVALID_VIEW: line 1:44: Failed analyzing stored view 'awsdatacatalog.analytics.{over}': ")
        assert told.endswith("Statement would create a recursive view")
    assert [values(room, f"SELECT a FROM {view}") for view in ("v1", "v2", "v3")] == [[["1"]]] * 3
    write(room, "CREATE OR REPLACE VIEW v1 AS SELECT 2 AS a")
    assert values(room, "SELECT a FROM v3") == [["2"]]
