"""One table as SQL: its files by field id, and the rows that are in no file yet."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headwater.dialect.quoting import literal, quote
from headwater.lake import DataFile, TableField
from headwater.query.days import DAY_COLUMN

_GLOB = re.compile(r"([*?\[])")


def table_sql(fields: Sequence[TableField], files: Sequence[DataFile], tail: str | None, *, by_day: bool = False) -> str:
    """Return a SELECT of all rows: of *files*, and of the relation named *tail* (already quoted) if there is one.

    Columns come in the order of *fields*; a file written before a column was added gives null for it. With *by_day* there
    is one column more, `DAY_COLUMN`, and every file must have a day. Without *fields* the table is its tail.
    """
    if not fields and tail is not None:
        return f"SELECT * FROM {tail}"
    columns = ", ".join(quote(field.name) for field in fields)
    parts = []
    if files:
        # A file may lack columns or have them in another order or type: only field ids say which is which.
        schema = ", ".join(f"{f.id}: {{name: {literal(f.name)}, type: {literal(f.duckdb)}, default_value: NULL}}" for f in fields)
        paths = ", ".join(file_literal(file.path) for file in files)
        day = _day_of_file(files) if by_day else ""
        parts.append(f"SELECT {columns}{day} FROM read_parquet([{paths}], schema = MAP {{{schema}}}, hive_partitioning = false)")
    if tail is not None:
        day = f", CAST(datetime AS DATE) AS {quote(DAY_COLUMN)}" if by_day else ""
        typed = ", ".join(f"CAST({quote(f.name)} AS UUID) AS {quote(f.name)}" if f.duckdb == "UUID" else quote(f.name) for f in fields)
        parts.append(f"SELECT {typed}{day} FROM {tail}")
    if not parts:
        day = f", CAST(NULL AS DATE) AS {quote(DAY_COLUMN)}" if by_day else ""
        empty = ", ".join(f"CAST(NULL AS {field.duckdb}) AS {quote(field.name)}" for field in fields)
        parts.append(f"SELECT {empty}{day} WHERE false")
    return " UNION ALL BY NAME ".join(parts)


def file_literal(path: str) -> str:
    """Return a path as text of SQL that means this file, whatever signs are in it."""
    return literal(_GLOB.sub(r"[\1]", path))


def _day_of_file(files: Sequence[DataFile]) -> str:
    # One text of seven characters a file is a single constant to the engine, however many files there are, and is cut once per
    # vector of rows, since all of them come from one file.
    days = "".join(f"{file.day:07d}" for file in files)
    return f", DATE '1970-01-01' + CAST(substr('{days}', CAST(file_index AS BIGINT) * 7 + 1, 7) AS INTEGER) AS {quote(DAY_COLUMN)}"
