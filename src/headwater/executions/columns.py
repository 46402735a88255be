"""What Athena says of a result's column, by its type."""

from __future__ import annotations

from headwater.dialect import column_type
from headwater.executions.execution import Column


def column(name: str, athena_type: str) -> Column:
    """Return the column that a result says it has, for a type as SQL writes it: `decimal(10,2)`, `timestamp(3) with time zone`."""
    return Column(name, *column_type(athena_type))


def shown(name: str) -> Column:
    """Return a column of what SHOW, DESCRIBE and EXPLAIN give."""
    return column(name, "string")
