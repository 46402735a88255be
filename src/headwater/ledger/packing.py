"""Rows of a table as the ledger keeps them, apart from the ledger itself, which needs no PyArrow."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from headwater.ledger import Rows


def packed(table: pa.Table) -> Rows:
    """Return *table*, which has the system columns, as one Arrow IPC stream; it may be empty."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    newest_us: int = pc.max(table.column("datetime")).value if table.num_rows else 0
    return Rows(table.num_rows, sink.getvalue().to_pybytes(), newest_us // 1000)
