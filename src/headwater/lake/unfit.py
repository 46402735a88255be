"""Rows that cannot be put into a file: found by halving, and made dead letters of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import xxhash

from headwater.ledger import TailRows
from headwater.model import DeadLetter, Letter, RecordIdentity, letters_table
from headwater.model.naming import PARTITION_COLUMNS, SYSTEM_COLUMNS
from headwater.model.system import DEAD_LETTER_LOG
from headwater.trial import culprits

# More are looked for once these are out of the way, so that no fold takes for ever.
MOST_AT_ONCE = 200

# What rows can do; a disk, a store or a catalog that is away says so in other ways.
FAULTS = (
    pa.ArrowInvalid,
    pa.ArrowTypeError,
    pa.ArrowNotImplementedError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    RecursionError,
)


class Nowhere:
    """Where files go that are made only to see whether they can be."""

    def write(self, url: str, content: memoryview) -> int:
        """Return the size."""
        return len(content)


def rows_of(part: TailRows) -> pa.Table:
    """Return the rows that the tail has of a table from one batch."""
    return pa.ipc.open_stream(part.rows.arrow).read_all()


def unfit_rows(rows: pa.Table, write: Callable[[pa.Table], object]) -> dict[int, Exception]:
    """Return position -> why, for the first rows with which *write* fails when they are alone; none where it fails without rows, too."""
    if _failure(rows.slice(0, 0), write):
        return {}
    return culprits(rows.num_rows, lambda start, end: _failure(rows.slice(start, end - start), write), MOST_AT_ONCE)


def letters_of(table: str, part: TailRows, rows: pa.Table, unfit: Mapping[int, Exception], now_ms: int) -> pa.Table:
    """Return an open letter for each *unfit* row of a batch; its body is the row written back as a record."""
    return letters_table(
        DeadLetter(
            letter_id=xxhash.xxh3_128_hexdigest(f"{table}/{part.batch}/{position}".encode()),
            status="open",
            changed_at_ms=now_ms,
            pipe=part.pipe,
            shard_id=part.shard_id,
            sequence_number=None,
            # What makes a letter unfit may be its own texts, which must not be in the letter about it.
            identity=_identity({} if table == DEAD_LETTER_LOG.name else _texts(rows, position), rows, position, now_ms),
            letter=_letter(table, failure),
            body=_record(_texts(rows, position), rows, position),
        )
        for position, failure in unfit.items()
    )


def _failure(rows: pa.Table, write: Callable[[pa.Table], object]) -> Exception | None:
    try:
        write(rows)
    except FAULTS as failure:
        return failure
    return None


def _letter(table: str, failure: Exception) -> Letter:
    said = f"{type(failure).__name__}: {failure}".encode("ascii", "backslashreplace").decode()[:500]
    return Letter("fold", None, None, None, f"the row could not be put into a file of table {table}: {said}")


def _texts(rows: pa.Table, position: int) -> dict[str, str]:
    return {name: text for name in rows.column_names if (text := _text(rows.column(name).slice(position, 1))) is not None}


def _text(value: pa.ChunkedArray[Any]) -> str | None:
    """Return a value as text, whatever it is: Python cannot hold all that Arrow can."""
    if value.null_count:
        return None
    try:
        found = value[0].as_py()
        return found if isinstance(found, str) else json.dumps(found, default=str)
    except FAULTS:
        return str(value.cast(pa.string())[0].as_py()) if not pa.types.is_nested(value.type) else str(value)


def _milliseconds(rows: pa.Table, name: str, position: int, otherwise: int) -> int:
    value = rows.column(name)[position].value if name in rows.column_names else None
    return otherwise if value is None else int(value) // 1000


def _identity(row: Mapping[str, str], rows: pa.Table, position: int, now_ms: int) -> RecordIdentity:
    arrival = _milliseconds(rows, "arrival_datetime", position, now_ms)
    return RecordIdentity(
        event_id=row.get("event_id", ""),
        event_type=row.get("event_type"),
        app_id=row.get("app_id"),
        client_id=row.get("client_id"),
        cognito_id=row.get("cognito_id"),
        session_id=row.get("session_id"),
        datetime_ms=_milliseconds(rows, "datetime", position, arrival),
        arrival_ms=arrival,
    )


def _record(row: Mapping[str, str], rows: pa.Table, position: int) -> bytes:
    identity = _identity(row, rows, position, 0)
    record = {
        "event_type": identity.event_type,
        "event_timestamp": identity.datetime_ms,
        "arrival_timestamp": identity.arrival_ms,
        "application": {"app_id": identity.app_id},
        "client": {"client_id": identity.client_id, "cognito_id": identity.cognito_id},
        "session": {"session_id": identity.session_id},
        "attributes": {name: text for name, text in row.items() if name not in (*SYSTEM_COLUMNS, *PARTITION_COLUMNS)},
        "metrics": {},
        "headwater": {"v": 1, "event_id": identity.event_id, "door": "fold"},
    }
    return json.dumps(record).encode()
