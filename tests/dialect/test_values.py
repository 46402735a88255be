"""Types by Athena's names, value texts column by column, and the engine's failures in Athena's words."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from headwater.dialect import ColumnType, QueryFailed, athena_text, athena_type, column_type, failure, translate
from tests.dialect.corpus import Lake, engine, run

MOMENT = datetime.fromisoformat("2026-10-10T12:34:56.123456")


@pytest.mark.parametrize(
    ("values", "arrow", "kind", "texts"),
    [
        ([True, False, None], pa.bool_(), "boolean", ["true", "false", None]),
        ([1, -5, None], pa.int64(), "bigint", ["1", "-5", None]),
        (["", "a|b", None], pa.string(), "varchar", ["", "a|b", None]),
        ([1.0, 1e20, 0.1 + 0.2, 1e-5, 1e7, 0.001, -0.0], pa.float64(), "double",
         ["1.0", "1.0E20", "0.30000000000000004", "1.0E-5", "1.0E7", "0.001", "-0.0"]),
        ([float("nan"), float("inf"), float("-inf"), None], pa.float64(), "double", ["NaN", "Infinity", "-Infinity", None]),
        ([0.1, 16777216.0, None], pa.float32(), "real", ["0.1", "1.6777216E7", None]),
        ([Decimal("1.50"), Decimal("0.00"), None], pa.decimal128(10, 2), "decimal(10,2)", ["1.50", "0.00", None]),
        ([Decimal("0.0000000000")], pa.decimal128(20, 10), "decimal(20,10)", ["0.0000000000"]),
        ([b"\xde\xad\xbe\xef", b"", None], pa.binary(), "varbinary", ["de ad be ef", "", None]),
        ([MOMENT.date(), None], pa.date32(), "date", ["2026-10-10", None]),
        ([time(12, 34, 56, 123000), None], pa.time64("us"), "time(3)", ["12:34:56.123", None]),
        ([MOMENT, None], pa.timestamp("us"), "timestamp(0)", ["2026-10-10 12:34:56.123", None]),
        ([MOMENT, None], pa.timestamp("us"), "timestamp(6)", ["2026-10-10 12:34:56.123456", None]),
        ([MOMENT.replace(tzinfo=UTC)], pa.timestamp("us", "UTC"), "timestamp(3) with time zone", ["2026-10-10 12:34:56.123 UTC"]),
        ([["a", None, "b c"], [], None], pa.list_(pa.string()), "array(varchar)", ["[a, null, b c]", "[]", None]),
        ([[[1], None], [[2, None]]], pa.list_(pa.list_(pa.int32())), "array(array(integer))", ["[[1], null]", "[[2, null]]"]),
        ([[("l", 2), ("k", 1)], [], None], pa.map_(pa.string(), pa.int64()), "map(varchar, bigint)", ["{k=1, l=2}", "{}", None]),
        ([[(10, None), (9, "x")]], pa.map_(pa.int64(), pa.string()), "map(bigint, varchar)", ["{9=x, 10=null}"]),
        ([{"a": 1, "b": "x"}, {"a": None, "b": ""}, None], pa.struct([("a", pa.int32()), ("b", pa.string())]), "row(a integer, b varchar)",
         ["{a=1, b=x}", "{a=null, b=}", None]),
        ([{"f": [1.5]}], pa.struct([("f", pa.list_(pa.float64()))]), "row(array(double))", ["{field0=[1.5]}"]),
        ([None, None], pa.null(), "unknown", [None, None]),
        ([pa.MonthDayNano([0, 2, 3_600_000_000_000]), None], pa.month_day_nano_interval(), "interval day to second",
         ["2 01:00:00.000", None]),
        ([pa.MonthDayNano([-14, 0, 0])], pa.month_day_nano_interval(), "interval year to month", ["-1-2"]),
    ],
)  # fmt: skip
def test_a_column_is_told_as_text(values: list[Any], arrow: pa.DataType, kind: str, texts: list[str | None]) -> None:
    column = pa.array(values, arrow)

    assert athena_text(column, kind).to_pylist() == texts
    assert athena_text(pa.chunked_array([column, column]), kind).to_pylist() == texts * 2
    assert athena_text(column.slice(1), kind).to_pylist() == texts[1:]


def test_an_instant_is_told_in_the_zone_of_its_column() -> None:
    column = pa.array([datetime(2026, 7, 1, 12, tzinfo=UTC)], pa.timestamp("us", "UTC"))

    assert athena_text(column, "timestamp(3) with time zone", "Europe/Paris").to_pylist() == ["2026-07-01 14:00:00.000 Europe/Paris"]
    assert athena_text(column, "timestamp(0) with time zone", "+05:30").to_pylist() == ["2026-07-01 17:30:00.000 +05:30"]


def test_no_rows_give_no_texts() -> None:
    for kind, arrow in (("double", pa.float64()), ("map(varchar, double)", pa.map_(pa.string(), pa.float64())), ("varchar", pa.string())):
        assert athena_text(pa.chunked_array([], arrow), kind).to_pylist() == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("BIGINT", "bigint"), ("VARCHAR", "varchar"), ("FLOAT", "real"), ("DECIMAL(10,2)", "decimal(10,2)"), ("INTEGER[]",
        "array(integer)"),
        ("MAP(VARCHAR, DOUBLE[])", "map(varchar, array(double))"), ('STRUCT("a b" INTEGER, c VARCHAR[])',
        'row("a b" integer, c array(varchar))'),
        ("TIMESTAMP WITH TIME ZONE", "timestamp(6) with time zone"), ("TIMESTAMP_MS", "timestamp(3)"), ("BLOB", "varbinary"), ("JSON",
        "json"),
        (pa.int16(), "smallint"), (pa.timestamp("ms"), "timestamp(3)"), (pa.timestamp("us", "UTC"), "timestamp(6) with time zone"),
        (pa.list_(pa.float32()), "array(real)"), (pa.map_(pa.string(), pa.int32()), "map(varchar, integer)"), (pa.binary(), "varbinary"),
        (pa.struct([("a", pa.bool_())]), "row(a boolean)"), (pa.decimal128(5, 1), "decimal(5,1)"), (pa.null(), "unknown"), (pa.date32(),
        "date"),
    ],
)  # fmt: skip
def test_a_type_of_the_engine_has_a_name_in_athena(kind: str | pa.DataType, name: str) -> None:
    assert athena_type(kind) == name


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("varchar", ColumnType("varchar", 2147483647, 0, True)),
        ("varchar(1)", ColumnType("varchar", 1, 0, True)),
        ("boolean", ColumnType("boolean", 0, 0, False)),
        ("integer", ColumnType("integer", 10, 0, False)),
        ("bigint", ColumnType("bigint", 19, 0, False)),
        ("real", ColumnType("float", 17, 0, False)),
        ("double", ColumnType("double", 17, 0, False)),
        ("decimal(10,2)", ColumnType("decimal", 10, 2, False)),
        ("timestamp(6) with time zone", ColumnType("timestamp with time zone", 3, 0, False)),
        ("varbinary", ColumnType("varbinary", 1073741824, 0, False)),
        ("array(varchar)", ColumnType("array", 0, 0, False)),
        ("row(a bigint)", ColumnType("row", 0, 0, False)),
        ("json", ColumnType("json", 0, 0, False)),
        ("string", ColumnType("string", 0, 0, True)),
    ],
)
def test_column_info_tells_a_type_without_its_arguments(kind: str, told: ColumnType) -> None:
    assert column_type(kind) == told


@pytest.mark.parametrize(
    ("said", "name", "message", "type_number"),
    [
        ("Invalid Input Error: Division by zero in expression (1 // 0). Use TRY(...)", "DIVISION_BY_ZERO", "Division by zero", 1001),
        ("Conversion Error: Could not convert string 'abc' to INT64", "INVALID_CAST_ARGUMENT", "Cannot cast 'abc' to BIGINT", 1100),
        ("Conversion Error: Could not convert string 'INVALID_FUNCTION_ARGUMENT: it''s: so' to INT32\nLINE 1", "INVALID_FUNCTION_ARGUMENT",
         "it''s: so", 1106),
        ("Out of Range Error: Overflow in addition of INT32 (2147483647 + 1)!", "NUMERIC_VALUE_OUT_OF_RANGE",
         "integer addition overflow: 2147483647 + 1", 1001),
        ("Out of Range Error: Overflow in multiplication of DECIMAL(18) (123 * 456). You might want to", "NUMERIC_VALUE_OUT_OF_RANGE",
         "decimal multiplication overflow: over 18 digits; CAST one side AS DECIMAL(38, its decimals)", 1001),
        ("Out of Range Error: Overflow in multiplication of DECIMAL(38) (123 * 456). You might", "NUMERIC_VALUE_OUT_OF_RANGE",
         "decimal multiplication overflow: over 38 digits; CAST to fewer decimals", 1001),
        ("Invalid Input Error: More than one row returned by a subquery used as an expression", "SUBQUERY_MULTIPLE_ROWS",
         "Scalar sub-query has returned multiple rows", 1001),
        ("Out of Memory Error: failed to allocate 1 GiB", "EXCEEDED_MEMORY_LIMIT", "Query exhausted resources at this scale factor", 200),
        ("Catalog Error: Table with name t does not exist!", "TABLE_NOT_FOUND", "Table 't' does not exist", 1301),
    ],
)  # fmt: skip
def test_a_failure_of_the_engine_is_said_in_athenas_words(said: str, name: str, message: str, type_number: int) -> None:
    found = failure(said)

    assert (found.name, found.message, found.type) == (name, message, type_number)
    assert found.reason == f"{name}: {message}"


def test_a_failure_never_tells_a_path() -> None:
    found = failure('IO Error: Cannot open file "/srv/lake/data/year=2026/x.parquet": no such file')

    assert "/srv" not in found.reason
    assert (found.name, found.category) == ("GENERIC_INTERNAL_ERROR", 1)


def test_a_failure_already_told_is_kept() -> None:
    told = QueryFailed("TYPE_MISMATCH", "line 1:1: no")

    assert failure(told) is told


def test_elements_come_in_their_order_whatever_the_list_is_made_of() -> None:
    connection = engine()
    texts = "VALUES '[1,2,3]', '[4,5]', '[1,2,3]', '[6]'"

    for value in ("CAST(json_parse(j) AS array(integer))", "transform(split(trim(j, '[]'), ','), t -> CAST(t AS integer))"):
        _, rows = run(connection, f"SELECT x FROM ({texts}) AS t(j) CROSS JOIN UNNEST({value}) AS u(x)")
        _, numbered = run(connection, f"SELECT x, n FROM ({texts}) AS t(j), UNNEST({value}) WITH ORDINALITY AS u(x, n)")

        assert [row[0] for row in rows] == ["1", "2", "3", "4", "5", "1", "2", "3", "6"]
        assert numbered[:4] == [("1", "1"), ("2", "2"), ("3", "3"), ("4", "1")]
    connection.close()


@pytest.mark.parametrize(
    "written", ["0.05", "0.050", "-0.05", "12.3", "99999999999.99", "0.055", "0.1", "5e-2", "0.30000000000000004", "1e300", "3"]
)
@pytest.mark.parametrize("operator", ["=", "<>", "<", "<=", ">", ">=", "IS NOT DISTINCT FROM"])
def test_a_decimal_is_compared_with_a_literal_as_its_double_would_be(operator: str, written: str) -> None:
    values = "0.04", "0.05", "0.06", "-0.05", "12.30", "12.31", "99999999999.99", "99999999999.98", "0.10", "0.30", "3.00"
    rows = ", ".join(f"(DECIMAL '{value}')" for value in values)

    _, ours = run(engine(), f"SELECT CAST(v AS varchar) FROM (VALUES {rows}) AS t(v) WHERE v {operator} {written} ORDER BY v")
    _, as_doubles = run(
        engine(), f"SELECT CAST(v AS varchar) FROM (VALUES {rows}) AS t(v) WHERE CAST(v AS double) {operator} {written} ORDER BY v"
    )

    assert ours == as_doubles


def test_a_literal_beside_a_decimal_column_leaves_the_column_as_it_is() -> None:
    lake = Lake()
    told = [
        translate(f"SELECT 1 FROM (SELECT DECIMAL '0.05' AS d) WHERE {condition}", catalog=lake, database="lake").sql or ""
        for condition in ("d > 0.04", "0.04 < d", "d BETWEEN 0.04 AND 0.06", "d IN (0.04, 0.05)", "d <> 0.04")
    ]

    assert not [sql for sql in told if "DOUBLE" in sql or "e0" in sql]
