"""The tables of fates: how many records met which, as the ledger counts them, and how many rows were removed by whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from headwater.ledger import FateTotal, Removal

_TEXTS: list[pa.Field[Any]] = [pa.field(name, pa.string()) for name in ("pipe", "target", "fate", "rule")]
SCHEMA = pa.schema([*_TEXTS, pa.field("records", pa.int64())])


_REMOVAL_FIELDS: list[pa.Field[Any]] = [
    *(pa.field(name, pa.string()) for name in ("job", "table_name", "kind")),
    pa.field("rows", pa.int64()),
    pa.field("removed_at", pa.timestamp("ms", "UTC")),
]
REMOVALS = pa.schema(_REMOVAL_FIELDS)


def removal_rows(removals: Iterable[Removal]) -> pa.Table:
    """Return the table `removals`: each statement or job that took rows out of a table of the lake; `job` is its execution's id."""
    return pa.Table.from_pylist([dict(zip(REMOVALS.names, each, strict=True)) for each in removals], schema=REMOVALS)


def fate_rows(totals: Iterable[FateTotal]) -> pa.Table:
    """Return the table `fate_counts` of a ledger's totals."""
    return pa.Table.from_pylist([total._asdict() for total in totals], schema=SCHEMA)
