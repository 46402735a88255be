"""Whatever stands in a literal or a name comes back as it is, and becomes nothing else on the way."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.dialect.corpus import answer, engine, run

CONNECTION: duckdb.DuckDBPyConnection = engine()
# Surrogates are no characters, and the engine ends text at a zero.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
few = settings(max_examples=80)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def named(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def one(query: str, *parameters: str) -> str:
    [[cell]] = run(CONNECTION, query, parameters)[1]
    return cell


@few
@given(TEXTS)
@example("{0} {d} {w} $0")
@example("'; DROP TABLE lake.practice; --")
@example("\\")
@example("?")
def test_a_string_literal_is_its_text(text: str) -> None:
    assert one(f"SELECT {quoted(text)}") == text
    assert one(f"SELECT concat({quoted(text)}, '') || ''") == text
    assert one("SELECT ?", quoted(text)) == text


@few
@given(TEXTS, TEXTS)
def test_text_functions_agree_with_code_points(text: str, part: str) -> None:
    assert one(f"SELECT length({quoted(text)})") == str(len(text))
    assert one(f"SELECT reverse({quoted(text)})") == text[::-1]
    assert one(f"SELECT strpos({quoted(text)}, {quoted(part)})") == str(text.find(part) + 1)
    assert one(f"SELECT substr({quoted(text)}, 2, 3)") == text[1:4]
    assert one(f"SELECT replace({quoted(text)}, {quoted(part or 'x')}, 'yy')") == text.replace(part or "x", "yy")


@few
@given(TEXTS, TEXTS, TEXTS)
def test_text_with_anything_in_it_passes_through_functions_that_use_it_twice(text: str, key: str, other: str) -> None:
    long = text + "x" * 70
    assert one(f"SELECT element_at(MAP(ARRAY[{quoted(key)}], ARRAY[{quoted(long)}]), {quoted(key)})") == long
    assert one(f"SELECT nullif({quoted(long)}, {quoted(other + 'yy')})") == long
    assert one(f"SELECT filter(ARRAY[{quoted(long)}], x -> x = {quoted(long)})[1]") == long


@few
@given(NAMES)
@example("a.b")
@example("$x0")
@example("select")
def test_a_quoted_name_is_that_name(name: str) -> None:
    statement, rows = run(CONNECTION, f"SELECT {named(name)}, t.{named(name)} FROM (SELECT 7 AS {named(name)}) AS t")

    assert [column.name for column in statement.columns] == [name, name]
    assert rows == [("7", "7")]


@few
@given(NAMES)
def test_a_field_of_a_row_may_have_any_name(name: str) -> None:
    query = f"SELECT r.{named(name)} FROM (SELECT CAST(ROW(5) AS row({named(name)} bigint)) AS r)"

    assert one(query) == "5"


@few
@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_whole_number_is_that_number(number: int) -> None:
    assert one(f"SELECT {number}") == str(number)
    assert one(f"SELECT CAST('{number}' AS bigint)") == str(number)


@few
@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1).filter(bool))
def test_division_of_whole_numbers_cuts_off(a: int, b: int) -> None:
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    assert run(CONNECTION, f"SELECT BIGINT '{a}' / {b}, BIGINT '{a}' % {b}")[1] == [(str(quotient), str(a - quotient * b))]


@few
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_comes_back_bit_for_bit(number: float) -> None:
    assert float(one(f"SELECT DOUBLE '{number!r}'")) == number
    assert float(one(f"SELECT CAST(DOUBLE '{number!r}' AS varchar)")) == number


@few
@given(st.decimals(-(10**15), 10**15, places=4), st.decimals(-(10**6), 10**6, places=2).filter(bool))
def test_a_decimal_is_exact_and_divides_with_rounding_away_from_zero(a: Decimal, b: Decimal) -> None:
    assert Decimal(one(f"SELECT CAST('{a}' AS decimal(24,4))")) == a
    quotient = (a / b).quantize(Decimal("0.0001"), rounding="ROUND_HALF_UP")
    assert Decimal(one(f"SELECT CAST('{a}' AS decimal(24,4)) / CAST('{b}' AS decimal(10,2))")) == quotient


@few
@given(st.datetimes(datetime.fromisoformat("1600-01-01"), datetime.fromisoformat("2500-01-01")))
def test_a_timestamp_comes_back_with_its_digits(moment: object) -> None:
    text = f"{moment:%Y-%m-%d %H:%M:%S.%f}"
    assert one(f"SELECT TIMESTAMP '{text}'") == text
    assert one(f"SELECT TIMESTAMP '{text} UTC'") == f"{text} UTC"
    assert one(f"SELECT CAST(TIMESTAMP '{text}' AS varchar)") == text
    assert one(f"SELECT date_format(TIMESTAMP '{text}', '%Y-%m-%d %H:%i:%s.%f')") == text


@few
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
    )
)
def test_a_document_comes_back(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)

    assert json.loads(one(f"SELECT json_format(json_parse({quoted(text)}))")) == value


@few
@given(st.dictionaries(st.text("abcXYZ_ 019$.é'", min_size=1, max_size=8), TEXTS, min_size=1))
def test_a_member_of_a_document_is_found_by_its_name(members: dict[str, str]) -> None:
    text = json.dumps(members)
    for name, value in members.items():
        path = '$["' + name + '"]'
        assert one(f"SELECT json_extract_scalar({quoted(text)}, {quoted(path)})") == value


@pytest.mark.parametrize("value", ["", " ", "NULL", "null", "\n", "\t|\t", '"', "🤦🏽‍♂️", "İ", "a\u0301"])
def test_text_that_looks_like_something_else_is_text(value: str) -> None:
    statement, rows = run(CONNECTION, f"SELECT x, x IS NULL FROM (VALUES {quoted(value)}) AS t(x)")

    assert rows == [(value, "false")]
    assert answer(CONNECTION, statement) == rows
