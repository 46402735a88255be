"""What Athena says of a result's column, by its type."""

from __future__ import annotations

from headwater.dialect import column_type
from headwater.executions.execution import ResultColumn


def column(name: str, athena_type: str) -> ResultColumn:
    """Return the column that a result says it has, for a type as SQL writes it: `decimal(10,2)`, `timestamp(3) with time zone`."""
    return ResultColumn(name, *column_type(athena_type))


def shown(name: str) -> ResultColumn:
    """Return a column of what SHOW, DESCRIBE and EXPLAIN give."""
    return column(name, "string")
