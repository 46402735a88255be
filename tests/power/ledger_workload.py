"""Commits batches to a ledger, folds and forgets, and starts again: `ledger_workload.py ROOT [FLAW]`; a flaw leaves something out."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from headwater.ledger import FateCount, LedgerBatch, Rows
from headwater.ledger.sqlite import SqliteLedger
from headwater.sqlite import SyncedConnection

BATCHES, STARTS = 20, 3
TABLES = ("sign_up_events", "other_events")


def batch(number: int) -> LedgerBatch:
    """Return what batch *number* (from 1) holds: 3 records, rows of one or two tables, a key of each of its minutes."""
    arrow = f"rows of batch {number} ".encode() * (10 + 40 * (number % 7))
    rows = {table: Rows(1 + number % 2, arrow, number) for table in TABLES[: 1 + number % 2]}
    fates = [FateCount("lake", "delivered", "", 2), FateCount("lake", "dead-lettered", "validation", 1)]
    return LedgerBatch("lake", "s", 3 * number - 3, 3 * number, rows, fates, {number // 2: number.to_bytes(16, "big")}, number)


def introduce(flaw: str) -> None:
    if flaw == "no sync of a commit":
        connect = SqliteLedger._connect

        def careless(self: SqliteLedger, **options: Any) -> SyncedConnection:
            sql = connect(self, **options)
            sql.execute("PRAGMA synchronous = NORMAL")
            return sql

        SqliteLedger._connect = careless  # type: ignore[method-assign]


def main(root: Path) -> None:
    """Print "acked NUMBER" for a committed batch and "acked folding N" before rows up to batch N are forgotten."""
    number = 0
    for _ in range(STARTS):
        ledger = SqliteLedger(f"sqlite:///{root}/ledger.db")
        for _ in range(BATCHES):
            number += 1
            assert ledger.commit(batch(number)) == number
            os.write(1, f"acked {number}\n".encode())
            time.sleep(0.012)  # for the checkpoints to come in between
            if number % 9 == 0:
                os.write(1, f"acked folding {number - 4}\n".encode())
                for table in TABLES:
                    ledger.fold(table, number - 4)
        if number == 2 * BATCHES:
            ledger.forget(number - 10)
            ledger.close()
        # else as if killed: the next start finds the files as they are


if __name__ == "__main__":
    introduce(sys.argv[2] if len(sys.argv) > 2 else "")
    main(Path(sys.argv[1]))
    os._exit(0)
