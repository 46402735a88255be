"""Every query of the corpus gives the types and rows it should, or fails as it should."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import pytest

from headwater.dialect import TypedColumn
from headwater.dialect.functions import LIBRARY
from headwater.errors import QueryError
from tests.dialect.corpus import Case, cases, engine, run

CASES = list(cases())


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    made = engine()
    yield made
    made.close()


def plain(kind: str) -> str:
    return re.sub(r"varchar\(\d+\)", "varchar", kind)


def told(column: TypedColumn, expected: str) -> str:
    return f"{column.name}: {plain(column.type)}" if re.match(r"\w+: ", expected) else plain(column.type)


def test_the_corpus_is_large_and_says_each_thing_once() -> None:
    assert len(CASES) >= 400
    assert len({case.query for case in CASES}) == len(CASES)


def test_every_function_is_in_the_corpus() -> None:
    called = set(re.findall(r"\b([a-z_0-9]+)\s*\(", "\n".join(case.query.lower() for case in CASES)))

    assert set(LIBRARY.signatures) - called == set()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.where)
def test_a_query_of_the_corpus_answers_as_it_should(case: Case, connection: duckdb.DuckDBPyConnection) -> None:
    if case.failure is not None:
        with pytest.raises(QueryError) as caught:
            run(connection, case.query)
        assert str(caught.value).startswith(case.failure)
        return

    statement, rows = run(connection, case.query)

    assert tuple(told(column, kind) for column, kind in zip(statement.columns, case.types, strict=True)) == case.types
    in_order = re.search(r"order\s+by[^()]*$", case.query, re.IGNORECASE)
    assert (rows if in_order else sorted(rows)) == (list(case.rows) if in_order else sorted(case.rows))
