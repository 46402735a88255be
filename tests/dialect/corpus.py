"""The corpus: queries with the types and rows Trino's documentation says they have, and what runs them.

A block is a query, a line `=> types`, and one line per row; blocks are parted by an empty line, `#` begins a comment.
Types are Athena's, `name: type` where the column has a name; the length of a varchar does not matter. Cells are value texts, parted
by ` | `; NULL stands for no value, '' for empty text. Instead of types and rows: `!! what the failure says, or its beginning`.
Without ORDER BY the order of the rows does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from headwater.dialect import ColumnDefinition, QueryFailed, Statement, athena_text, failure, translate

FOLDER = Path(__file__).parent / "corpus"

TABLES = {
    "practice": (
        ("id", "bigint", "BIGINT"), ("student", "string", "VARCHAR"), ("piece", "string", "VARCHAR"), ("level", "int", "INTEGER"),
        ("accuracy", "double", "DOUBLE"), ("price", "decimal(10,2)", "DECIMAL(10,2)"), ("passed", "boolean", "BOOLEAN"),
        ("tags", "array<string>", "VARCHAR[]"), ("props", "map<string,int>", "MAP(VARCHAR, INTEGER)"),
        ("place", "struct<city:string,zip:int>", "STRUCT(city VARCHAR, zip INTEGER)"), ("day", "date", "DATE"),
        ("at", "timestamp(6) with time zone", "TIMESTAMPTZ"),
    ),
    "students": (("student", "string", "VARCHAR"), ("born", "date", "DATE"), ("city", "string", "VARCHAR")),
}  # fmt: skip
ROWS = """
INSERT INTO lake.practice VALUES
 (1, 'ada', 'gnossienne', 3, 0.5, 1.50, true, ['slow', 'satie'], MAP {'a': 1, 'b': 2}, {'city': 'Paris', 'zip': 75001}, '2026-11-01',
  '2026-11-01 08:00:00+00'),
 (2, 'ada', 'arabesque', 4, 0.75, 2.25, false, ['debussy'], MAP {'a': 3}, {'city': 'Paris', 'zip': 75002}, '2026-11-01',
  '2026-11-01 20:30:15.250+00'),
 (3, 'bob', 'gnossienne', 1, 1.0, NULL, true, [], MAP {}, {'city': 'Rome', 'zip': 100}, '2026-11-02',
  '2026-11-02 09:00:00+00'),
 (4, 'bob', NULL, NULL, NULL, 10.00, NULL, NULL, NULL, NULL, '2026-11-03', '2026-11-03 10:00:00+00'),
 (5, 'cyd', 'clair', 5, 0.25, 0.10, true, ['slow', 'debussy', NULL], MAP {'c': 9}, {'city': NULL, 'zip': 1}, '2026-12-01',
  '2026-12-01 23:59:59.999999+00');
INSERT INTO lake.students VALUES ('ada', '1815-12-10', 'London'), ('bob', NULL, 'Rome'), ('eve', '2000-02-29', NULL)
"""


class Case(NamedTuple):
    """A query, what types (with names) and rows it should give, or how it should fail."""

    where: str
    query: str
    types: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    failure: str | None


class Lake:
    """The catalog of the tables above, one view, and a second database."""

    def databases(self) -> Sequence[str]:
        return ["lake", "other"]

    def tables(self, database: str) -> Sequence[str]:
        return [*sorted(TABLES), "passes"] if database == "lake" else []

    def columns(self, database: str, table: str) -> Sequence[ColumnDefinition] | None:
        if database != "lake":
            return None
        if table == "passes":
            return [ColumnDefinition("student", "varchar"), ColumnDefinition("passes", "bigint")]
        return [ColumnDefinition(name, kind) for name, kind, _ in TABLES[table]] if table in TABLES else None

    def partition_keys(self, database: str, table: str) -> Sequence[str]:
        return ["day"] if table == "practice" else []

    def file_columns(self, database: str, table: str) -> Sequence[ColumnDefinition]:
        return []

    def view_text(self, database: str, table: str) -> str | None:
        return "SELECT student, count_if(passed) AS passes FROM practice GROUP BY 1" if table == "passes" else None


def cases() -> Iterator[Case]:
    """Yield the cases of every file."""
    for path in sorted(FOLDER.glob("*.txt")):
        for block in re.split(r"\n\s*\n", path.read_text()):
            lines = [line for line in block.split("\n") if line.strip() and not line.startswith("#")]
            if lines:
                yield _case(path.stem, lines)


def _case(stem: str, lines: list[str]) -> Case:
    at = next(number for number, line in enumerate(lines) if line.startswith(("=>", "!!")))
    query, told = "\n".join(lines[:at]), lines[at]
    where = f"{stem}: {query[:70]}"
    if told.startswith("!!"):
        return Case(where, query, (), (), told[2:].strip())
    types = tuple(_parts(told[2:]))
    rows = tuple(tuple("" if cell == "''" else cell for cell in line.split(" | ")) for line in lines[at + 1 :])
    return Case(where, query, types, rows, None)


def _parts(text: str) -> Iterator[str]:
    """Yield the types of a list: a comma within brackets belongs to one of them."""
    depth, start = 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    yield text[start:].strip()


def engine() -> duckdb.DuckDBPyConnection:
    """Return a connection with the tables."""
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA lake")
    for name, columns in TABLES.items():
        listed = ", ".join(f'"{column}" {kind}' for column, _, kind in columns)
        connection.execute(f"CREATE TABLE lake.{name} ({listed})")
    connection.execute(ROWS)
    return connection


def answer(connection: duckdb.DuckDBPyConnection, statement: Statement) -> list[tuple[str, ...]]:
    """Return the rows of a statement as value texts, NULL for no value."""
    assert statement.sql is not None
    try:
        table = connection.sql(statement.sql).to_arrow_table()
    except duckdb.Error as error:
        raise failure(error) from error
    texts = [athena_text(table.column(at), column.type, column.zone).to_pylist() for at, column in enumerate(statement.columns)]
    return [tuple("NULL" if cell is None else cell for cell in row) for row in zip(*texts, strict=True)]


def run(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[str] = ()) -> tuple[Statement, list[tuple[str, ...]]]:
    """Return what a query is and what it answers; raise `QueryFailed` as it would end."""
    statement = translate(query, parameters=parameters, catalog=Lake(), database="lake")
    return statement, answer(connection, statement)


__all__ = ["Case", "Lake", "QueryFailed", "answer", "cases", "engine", "run"]
