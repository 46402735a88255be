"""Results as text and files."""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from headwater.errors import QueryError
from headwater.query import FORMATS, Engine, write

VALUES = """
SELECT 1 AS i, 2.5::DOUBLE AS f, 'nan'::DOUBLE AS nan, 1.50::DECIMAL(10,2) AS d, 170141183460469231731687303715884105727::HUGEINT AS h,
  'a"b,c' AS t, '' AS empty, NULL AS nothing, TRUE AS yes,
  TIMESTAMPTZ '2026-11-23 03:06:21.154' AS z, TIMESTAMP '2026-11-23 03:06:21' AS naive,
  DATE '2026-11-23' AS day, TIME '03:06:21' AS at, 'ab'::BLOB AS b, [1, NULL] AS l, {'x': 1, 'y': [1.5::DECIMAL(3,1)]} AS s,
  MAP {'k': 1} AS m,
  MAP {1: 'v'} AS numbered, []::INT[] AS none, INTERVAL 90 MINUTE AS spell, '00000000-0000-0000-0000-000000000001'::UUID AS u
"""


def written(engine: Engine, query: str, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    write(engine.sql(query), form, out, **options)
    return out.getvalue()


def test_json_is_a_list_of_objects_with_exact_values(engine: Engine) -> None:
    [row] = json.loads(written(engine, VALUES, "json"))

    assert {key: row[key] for key in ("i", "f", "nan", "d", "h", "t", "empty", "nothing", "yes")} == {
        "i": 1,
        "f": 2.5,
        "nan": None,
        "d": "1.50",
        "h": 170141183460469231731687303715884105727,
        "t": 'a"b,c',
        "empty": "",
        "nothing": None,
        "yes": True,
    }
    assert (row["z"], row["naive"], row["day"], row["at"]) == (
        "2026-11-23T03:06:21.154000Z",
        "2026-11-23T03:06:21",
        "2026-11-23",
        "03:06:21",
    )
    assert base64.b64decode(row["b"]) == b"ab"
    assert (row["l"], row["s"], row["m"], row["numbered"], row["none"]) == ([1, None], {"x": 1, "y": ["1.5"]}, {"k": 1}, {"1": "v"}, [])
    assert row["u"] == "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(("rows", "expected"), [(0, []), (1, [{"i": 0}]), (3, [{"i": 0}, {"i": 1}, {"i": 2}])])
def test_json_is_valid_whatever_the_number_of_rows(engine: Engine, rows: int, expected: list[dict[str, int]]) -> None:
    assert json.loads(written(engine, f"SELECT i::INT AS i FROM range({rows}) t(i)", "json")) == expected


def test_json_keeps_both_of_two_columns_with_one_name(engine: Engine) -> None:
    [row] = json.loads(written(engine, "SELECT 1 AS a, 2 AS a", "json"))

    assert sorted(row.values()) == [1, 2]


def test_csv_is_quoted_by_the_rules_and_tells_null_from_empty(engine: Engine) -> None:
    text = written(engine, "SELECT 'a\"b,c' AS \"x,y\", e'two\\r\\nlines' AS t, '' AS empty, NULL AS nothing, [1,2] AS l", "csv").decode()

    assert text == '"x,y",t,empty,nothing,l\r\n"a""b,c","two\r\nlines","",,"[1,2]"\r\n'
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["x,y", "t", "empty", "nothing", "l"],
        ['a"b,c', "two\r\nlines", "", "", "[1,2]"],
    ]


def test_csv_of_one_null_column_has_a_line_for_each_row(engine: Engine) -> None:
    assert written(engine, "SELECT NULL AS a FROM range(2)", "csv") == b'a\r\n""\r\n""\r\n'


def test_parquet_holds_the_same_rows(engine: Engine) -> None:
    found = pq.read_table(io.BytesIO(written(engine, "SELECT i, i::VARCHAR AS t FROM range(100_000) t(i)", "parquet")))

    assert found.num_rows == 100_000
    assert found.equals(engine.sql("SELECT i, i::VARCHAR AS t FROM range(100_000) t(i)").arrow())


def test_nothing_in_a_value_or_name_reaches_the_terminal_as_a_command(engine: Engine) -> None:
    hostile = "\x1b[2J\x07\r\n\x9b31m\u202e\u2028[bold]x[/bold]\t:smile:"

    text = written(engine, f"SELECT '{hostile}' AS \"\x1b]0;name\x07\", ['{hostile}'] AS l", "table", width=300).decode()

    assert not any((ord(letter) < 32 and letter != "\n") or 0x7F <= ord(letter) < 0xA0 or letter in "\u202e\u2028" for letter in text)
    assert r"\x1b[2J\x07\r\n\x9b31m\u202e\u2028[bold]x[/bold]\t:smile:" in text
    assert text.count("\n") <= 6


def test_a_table_shows_the_first_rows_and_says_that_there_are_more(engine: Engine) -> None:
    text = written(engine, "SELECT i FROM range(100_000_000) t(i)", "table", width=80).decode()

    assert "the first 1,000 rows; there are more" in text
    assert "1001" not in text


def test_a_table_writes_null_and_counts_rows(engine: Engine) -> None:
    text = written(engine, "SELECT NULL AS a, 'x' AS b", "table").decode()

    assert "NULL" in text
    assert "1 row\n" in text


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_how_many_rows_it_wrote(engine: Engine, form: str) -> None:
    assert write(engine.sql("SELECT i FROM range(7) t(i)"), form, io.BytesIO()) == 7


@pytest.mark.parametrize("form", FORMATS)
def test_values_of_every_type_can_be_written(engine: Engine, form: str) -> None:
    query = VALUES.replace("INTERVAL 90 MINUTE AS spell,", "") if form == "parquet" else VALUES

    assert written(engine, query, form)


@pytest.mark.parametrize("form", ["table", "json", "csv"])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("TIMESTAMPTZ '9999-12-31 23:59:59-05'", "10000-01-01T04:59:59.000000Z"),
        ("TIMESTAMP '0001-01-01' - INTERVAL 1 DAY", "0000-12-31T00:00:00.000000"),
        ("DATE '20000-01-01'", "20000-01-01"),
    ],
)
def test_a_time_outside_the_years_that_python_knows_is_written_as_text(engine: Engine, value: str, text: str, form: str) -> None:
    assert text in str(written(engine, f"SELECT {value} AS at UNION ALL SELECT NULL", form))


@pytest.mark.parametrize("value", ["'infinity'::TIMESTAMPTZ", "TIMESTAMP '290000-01-01'"])
def test_a_time_no_calendar_has_is_an_error_that_says_what_to_do(engine: Engine, value: str) -> None:
    with pytest.raises(QueryError, match="CAST"):
        written(engine, f"SELECT {value}", "json")


def test_an_unknown_format_is_refused_with_the_known_ones(engine: Engine) -> None:
    with pytest.raises(QueryError, match="table, json, csv, parquet"):
        write(engine.sql("SELECT 1"), "xml", io.BytesIO())
