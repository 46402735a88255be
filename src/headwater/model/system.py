"""Headwater's own tables: their schemas, and the builders of their rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from headwater.model.column import TIMESTAMP, Array
from headwater.model.eventtype import SYSTEM_FIELDS, EventTable
from headwater.model.letter import Letter
from headwater.model.wire import FIRST_MS, LAST_MS, RecordIdentity

_DAY_MS = 86_400_000
_EPOCH = dt.date(1970, 1, 1)


def _table(name: str, doc: str, *columns: tuple[str, pa.DataType]) -> EventTable:
    return EventTable(name, None, pa.schema([*SYSTEM_FIELDS, *columns]), doc)


def _texts(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.string()) for name in names]


OTHER_EVENTS = _table(
    "other_events",
    "Events of types nobody has modelled.",
    ("attributes", pa.map_(pa.string(), pa.string())),
    ("metrics", pa.map_(pa.string(), pa.float64())),
)

ENDPOINT_UPDATES = _table(
    "endpoint_updates",
    "Every change of an endpoint, with the whole endpoint after it; objects are JSON text.",
    *_texts("operation", "user_id", "channel_type", "address", "opt_out", "endpoint_status"),
    ("effective_date", TIMESTAMP),
    ("creation_date", TIMESTAMP),
    *_texts("request_id", "cohort_id", "demographic", "location", "attributes", "metrics", "user_attributes", "profile"),
)

IDENTITY_LOG = _table(
    "identity_log",
    "Every change of an identity (`cognito_id`): a login linked or taken away, given up for another, deleted.",
    *_texts("operation", "identity_pool_id", "provider", "subject", "merged_into"),
)

DEAD_LETTER_LOG = _table(
    "dead_letter_log",
    "Every change of a dead letter; `datetime` is when the record arrived.",
    *_texts("letter_id", "status"),
    ("changed_at", TIMESTAMP),
    *_texts("pipe", "shard_id", "sequence_number", "reason", "message", "field", "given", "expected"),
    ("body", pa.binary()),
)

FATES = _table(
    "fates",
    "Every event that became neither a row nor a dead letter; `datetime` is when the record arrived.",
    *_texts("fate", "rule", "pipe", "target", "shard_id", "sequence_number"),
)

SYSTEM_TABLES = (OTHER_EVENTS, ENDPOINT_UPDATES, IDENTITY_LOG, DEAD_LETTER_LOG, FATES)


class DeadLetter(NamedTuple):
    """One row of the dead letter log: what became of a record at a pipe, with its raw body. `changed_at_ms` is epoch ms.

    `sequence_number` is None for a row that failed later than at its pipe.
    """

    letter_id: str
    status: Literal["open", "redriven", "discarded"]
    changed_at_ms: int
    pipe: str
    shard_id: str
    sequence_number: int | None
    identity: RecordIdentity
    letter: Letter
    body: bytes


class Fate(NamedTuple):
    """One row of `fates`: an event that became neither row nor dead letter at a target, and the filter or rule that decided, else ''."""

    fate: str
    rule: str
    pipe: str
    target: str
    shard_id: str
    sequence_number: int
    identity: RecordIdentity


def letters_table(rows: Iterable[DeadLetter]) -> pa.Table:
    """Return rows for `dead_letter_log`."""
    letters = list(rows)
    columns: list[Any] = [
        [row.letter_id for row in letters],
        [row.status for row in letters],
        milliseconds([row.changed_at_ms for row in letters]),
        [row.pipe for row in letters],
        [row.shard_id for row in letters],
        [None if row.sequence_number is None else str(row.sequence_number) for row in letters],
        [row.letter.reason for row in letters],
        [row.letter.message for row in letters],
        [row.letter.field for row in letters],
        [row.letter.given for row in letters],
        [row.letter.expected for row in letters],
        [row.body for row in letters],
    ]
    return _arrived(DEAD_LETTER_LOG, [row.identity for row in letters], columns)


def fates_table(rows: Iterable[Fate]) -> pa.Table:
    """Return rows for `fates`."""
    fates = list(rows)
    columns: list[Any] = [
        [row.fate for row in fates],
        [row.rule for row in fates],
        [row.pipe for row in fates],
        [row.target for row in fates],
        [row.shard_id for row in fates],
        [str(row.sequence_number) for row in fates],
    ]
    return _arrived(FATES, [row.identity for row in fates], columns)


def milliseconds(times_ms: Sequence[int] | np.ndarray[Any, np.dtype[np.int64]]) -> Array:
    """Return epoch milliseconds as timestamps in microseconds, UTC."""
    return pa.array(np.asarray(times_ms, dtype=np.int64) * 1000).view(TIMESTAMP)


def partition_columns(times_ms: np.ndarray[Any, np.dtype[np.int64]]) -> list[Array]:
    """Return `year`, `month` and `day` of those times in UTC, as text without leading zeros."""
    days = times_ms // _DAY_MS
    first, last = int(days.min()), int(days.max())
    if first == last:
        return [pa.repeat(part, len(days)) for part in _parts(first)]
    kinds, places = np.unique(days, return_inverse=True)
    parts = [_parts(int(day)) for day in kinds]
    return [pa.array([part[number] for part in parts]).take(places) for number in range(3)]


def _parts(day: int) -> list[str]:
    date = _EPOCH + dt.timedelta(days=day)
    return [str(part) for part in (date.year, date.month, date.day)]


def _arrived(table: EventTable, identities: list[RecordIdentity], columns: list[Any]) -> pa.Table:
    """Put the system columns before *columns*; both times are the arrival."""
    if not identities:
        return table.schema.empty_table()
    arrivals = np.clip(np.array([identity.arrival_ms for identity in identities], dtype=np.int64), FIRST_MS, LAST_MS)
    moments = milliseconds(arrivals)
    system: list[Any] = [
        [identity.event_id for identity in identities],
        [identity.event_type for identity in identities],
        moments,
        [identity.session_id for identity in identities],
        [identity.app_id for identity in identities],
        [identity.client_id for identity in identities],
        [identity.cognito_id for identity in identities],
        moments,
        *partition_columns(arrivals),
    ]
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip([*system, *columns], table.schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=table.schema)
