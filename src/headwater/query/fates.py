"""The table of fates: how many records met which, as the ledger counts them."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

_TEXTS: list[pa.Field[Any]] = [pa.field(name, pa.string()) for name in ("pipe", "target", "fate", "rule")]
SCHEMA = pa.schema([*_TEXTS, pa.field("records", pa.int64())])


def fate_rows(totals: Iterable[Any]) -> pa.Table:
    """Return the table `fate_counts` of a ledger's totals, which have the attributes pipe, target, fate, rule and records."""
    return pa.Table.from_pylist([{name: getattr(total, name) for name in SCHEMA.names} for total in totals], schema=SCHEMA)
