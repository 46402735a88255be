"""The questions of TPC-H as the benchmark asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import duckdb
import pytest

from benchmarks.tpch import _same
from benchmarks.tpch_queries import QUESTIONS, TABLES
from headwater.dialect import ColumnDefinition, translate


class Tables:
    """A catalog of the tables of TPC-H."""

    def databases(self) -> Sequence[str]:
        return ["tpch"]

    def tables(self, database: str) -> Sequence[str]:
        return list(TABLES)

    def columns(self, database: str, table: str) -> Sequence[ColumnDefinition] | None:
        pairs = [each.split(" ") for each in TABLES[table].replace("15,2", "15;2").split(", ")]
        return [ColumnDefinition(name, kind.replace(";", ",").replace("string", "varchar")) for name, kind in pairs]

    def partition_keys(self, database: str, table: str) -> Sequence[str]:
        return []

    def file_columns(self, database: str, table: str) -> Sequence[ColumnDefinition]:
        return []

    def view_text(self, database: str, table: str) -> str | None:
        return None

    def call(self, name: str, arguments: Mapping[str, str]) -> tuple[str, Sequence[ColumnDefinition]] | None:
        return None


def test_all_questions_are_read_by_athenas_dialect_and_by_duckdb() -> None:
    with duckdb.connect() as bare:
        for name in TABLES:
            columns = ", ".join(f"{each.name} {each.type}" for each in Tables().columns("tpch", name) or ())
            bare.execute(f"CREATE SCHEMA IF NOT EXISTS tpch; CREATE TABLE tpch.{name} ({columns})")
        bare.execute("USE tpch")

        for text in QUESTIONS:
            statement = translate(text, catalog=Tables(), database="tpch")
            assert statement.sql is not None
            ours, theirs = bare.sql(statement.sql).fetchall(), bare.sql(text).fetchall()
            assert len(ours) == len(theirs)
            assert len(statement.columns) == len(bare.sql(text).columns)

    assert len(QUESTIONS) == 22


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("1", 1, True), ("2", 1, False), ("0.05", 0.0499853, True), ("0.06", 0.0499, False), ("1000000.00", Decimal("1000000.004"), True),
        ("", None, True), ("x", "x", True), ("x", "y", False), ("x", 1, False), ("", 0, False),
    ],
)  # fmt: skip
def test_answers_are_the_same_to_the_cent(ours: str, theirs: object, same: bool) -> None:
    assert _same(ours, theirs) is same
