"""A short text can ask for very much: what reading a statement costs has an end, and the message says at what."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from headwater.dialect import ColumnDefinition, MalformedQuery, QueryFailed, translate
from headwater.dialect.types import parse_type
from headwater.errors import QueryError
from tests.dialect.corpus import Lake

ROOT = Path(__file__).parents[2]

DOUBLED = [f"a{n} AS (SELECT * FROM a{n - 1}, a{n - 1} b)" for n in range(1, 60)]
LARGE = {
    "a view of itself": "WITH a0 AS (SELECT 1 x), "
    + ", ".join(f"a{n} AS (SELECT * FROM a{n - 1}, a{n - 1} b)" for n in range(1, 60))
    + " SELECT 1",
    "stars": f"SELECT {', '.join(['*'] * 20_000)} FROM practice",
}
DEEP = {
    "brackets": ("(", "1", ")"),
    "arrays": ("ARRAY[", "1", "]"),
    "rows": ("ROW(", "1", ")"),
    "array and subscript": ("ARRAY[", "1", "][1]"),
    "maps": ("element_at(MAP(ARRAY[1], ARRAY[", "1", "]), 1)"),
    "rows cast": ("CAST(ROW(", "1", ") AS ROW(x varchar)).x"),
    "cases": ("CASE WHEN true THEN ", "1", " END"),
    "lambdas": ("transform(ARRAY[1], x -> ", "1", ")"),
    "subqueries": ("(SELECT ", "1", ")"),
    "signs": ("- ", "1", ""),
    "nots": ("NOT ", "true", ""),
}
LONG = {
    "digits": f"SELECT {'9' * 250_000}",
    "digits of a decimal": f"SELECT DECIMAL '{'9' * 250_000}'",
    "digits of an interval": f"SELECT INTERVAL '{'9' * 250_000}' DAY",
    "digits of a place": f"SELECT id FROM practice ORDER BY {'9' * 250_000}",
    "digits of a snapshot": f"SELECT * FROM practice FOR VERSION AS OF {'9' * 250_000}",
    "digits of a width": f"SELECT CAST('a' AS VARCHAR({'9' * 250_000}))",
    "digits of a bucket": f"CREATE TABLE t (a int) PARTITIONED BY (bucket({'9' * 250_000}, a)) TBLPROPERTIES ('table_type'='ICEBERG')",
    "a type within a type": f"SELECT CAST(1 AS {'ARRAY(' * 30_000}int{')' * 30_000})",
    "dots": f"SELECT {'.'.join(['a'] * 10_000)}",
    "explained": f"{'EXPLAIN ' * 20_000}SELECT 1",
    "a name of a function": f"SELECT {'x' * 100_000}(1)",
    "two statements": f"SELECT 1;{' SELECT 1' * 20_000}",
    "comments without an end": f"CREATE TABLE {'/*x' * 80_000}",
    "strings without an end": "CREATE TABLE '" + r"\'" * 100_000,
    "names without an end": 'CREATE TABLE "' + r"\"" * 100_000,
    "a query's comments without an end": f"SELECT {'/*x' * 80_000}",
}


def read(text: str) -> str:
    return translate(text, catalog=Lake(), database="lake").sql or ""


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_what_multiplies_has_a_bound(text: str) -> None:
    with pytest.raises(QueryFailed, match=r"QUERY_TOO_LARGE: .*too large: its parts have more than 100,000 columns together"):
        read(text)


def test_views_that_are_read_twice_by_views_have_a_bound() -> None:
    class Views(Lake):
        def columns(self, database: str, table: str) -> Sequence[ColumnDefinition] | None:
            return [ColumnDefinition("n", "integer")] if table.startswith("v") else None

        def view_text(self, database: str, table: str) -> str | None:
            at = int(table[1:])
            return f"SELECT a.n FROM v{at - 1} a, v{at - 1} b" if at else "SELECT 1 n"

        def call(self, name: str, arguments: Mapping[str, str]) -> None:
            return None

    with pytest.raises(QueryFailed, match="reads from views, and through them, more than 1,000 times"):
        translate("SELECT * FROM v12", catalog=Views(), database="lake")


@pytest.mark.parametrize(("before", "inner", "after"), DEEP.values(), ids=DEEP)
def test_what_is_nested_costs_as_much_as_its_length_or_is_refused(before: str, inner: str, after: str) -> None:
    def cost(depth: int) -> float:
        began = time.process_time()
        try:
            sql = read(f"SELECT {before * depth}{inner}{after * depth}")
        except QueryError:
            sql = ""
        assert len(sql) < 100_000
        return time.process_time() - began

    cost(1)
    # Twice the work for each level would be 2**20 times as much; what is asked here leaves room for a machine that is busy.
    assert cost(20) < 1
    assert cost(2_000) < 5


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_what_is_too_long_is_refused_in_a_short_message(text: str) -> None:
    began = time.process_time()

    with pytest.raises(QueryError) as refused:
        read(text)

    assert len(str(refused.value)) < 4_200
    # It takes some hundredths of a second; what grows with the square of its length takes minutes.
    assert time.process_time() - began < 10


def test_very_many_words_are_read_with_little_memory() -> None:
    # In a process of its own, whose memory is this statement's alone.
    script = (
        "import resource, sys\n"
        "from headwater.dialect import translate\n"
        "from tests.dialect.corpus import Lake\n"
        "def room(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "lake = Lake(); many = ','.join(map(str, range(15_000)))\n"
        "translate('SELECT 1', catalog=lake, database='lake'); before = room()\n"
        "translate(f'SELECT id FROM practice WHERE id IN ({many})', catalog=lake, database='lake')\n"
        "print(room() - before)\n"
    )

    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)

    assert int(told.stdout) < 150


def test_texts_of_types_that_only_one_statement_has_are_not_remembered() -> None:
    wide = f"row({', '.join(f'a{at} integer' for at in range(20_000))})"

    assert parse_type(wide) is not parse_type(wide)
    assert parse_type("array(integer)") is parse_type("array(integer)")


@pytest.mark.parametrize("text", ["row(a int, A varchar)", "struct<a:int,b:int,a:int>", "array(map(varchar, row(x int, x int)))"])
def test_a_struct_with_a_field_twice_is_no_type(text: str) -> None:
    with pytest.raises(QueryFailed, match=r"DUPLICATE_COLUMN_NAME: a struct has the field '[aAx]' more than once"):
        parse_type(text)


def test_a_moment_there_is_none_of_is_no_moment_to_read_a_table_as_of() -> None:
    with pytest.raises(QueryFailed, match="'2026-13-01' is not a valid TIMESTAMP literal"):
        read("SELECT * FROM practice FOR TIMESTAMP AS OF TIMESTAMP '2026-13-01'")


def test_a_statement_about_one_that_is_explained_is_malformed() -> None:
    with pytest.raises(MalformedQuery, match="mismatched input 'EXPLAIN'"):
        read("EXPLAIN EXPLAIN SELECT 1")
