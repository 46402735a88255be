"""The table of fates: how many records met which, as the ledger counts them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from headwater.ledger import FateTotal

_TEXTS: list[pa.Field[Any]] = [pa.field(name, pa.string()) for name in ("pipe", "target", "fate", "rule")]
SCHEMA = pa.schema([*_TEXTS, pa.field("records", pa.int64())])


def fate_rows(totals: Iterable[FateTotal]) -> pa.Table:
    """Return the table `fate_counts` of a ledger's totals."""
    return pa.Table.from_pylist([total._asdict() for total in totals], schema=SCHEMA)
