"""The limits that ours is held against: the least code that does each job, without what makes it safe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta, Struct

from headwater.event import EMAIL_PATTERN

_Email = Annotated[str, Meta(pattern=EMAIL_PATTERN, max_length=254)]


class _Application(Struct, gc=False):
    app_id: str


class _Client(Struct, gc=False):
    client_id: str
    cognito_id: str | None = None


class _Session(Struct, gc=False):
    session_id: str


class _Ours(Struct, gc=False):
    event_id: str


class _Nothing(Struct, gc=False, forbid_unknown_fields=True):
    pass


class _SignUpFields(Struct, gc=False, forbid_unknown_fields=True):
    email: _Email


class _SignInFields(Struct, gc=False, forbid_unknown_fields=True):
    email: _Email
    id: str
    is_test_user: bool
    user_type: str | None = None


class _PieceFields(Struct, gc=False, forbid_unknown_fields=True):
    piece_id: str


class _PracticeFields(Struct, gc=False, forbid_unknown_fields=True):
    level: int
    accuracy: Annotated[float, Meta(ge=0, le=1)]
    tempo: float
    duration_s: float


class _Record(Struct, gc=False, tag_field="event_type", kw_only=True):
    event_timestamp: int
    arrival_timestamp: int
    application: _Application
    client: _Client
    session: _Session
    headwater: _Ours


class _SignUp(_Record, tag="SignUpEvent", kw_only=True):
    attributes: _SignUpFields
    metrics: _Nothing


class _SignIn(_Record, tag="SignInEvent", kw_only=True):
    attributes: _SignInFields
    metrics: _Nothing


class _Practice(_Record, tag="PracticeEvent", kw_only=True):
    attributes: _PieceFields
    metrics: _PracticeFields


TABLES: dict[type, str] = {_SignUp: "sign_up_events", _SignIn: "sign_in_events", _Practice: "practice_events"}

# Not strict: attributes are texts, and "true" is to become a boolean in the same pass.
_decode = msgspec.json.Decoder(_SignUp | _SignIn | _Practice, strict=False).decode


class BareTables(NamedTuple):
    """The tables by name, and for each refused record its number and msgspec's reason."""

    tables: dict[str, pa.Table]
    refused: dict[int, str]


def decode_to_arrow(bodies: Sequence[bytes]) -> BareTables:
    """Return the same columns as our tables have, one typed msgspec call for each record, refused ones set apart with their reason."""
    rows: dict[type, list[Any]] = {kind: [] for kind in TABLES}
    refused: dict[int, str] = {}
    for number, body in enumerate(bodies):
        try:
            record = _decode(body)
        except msgspec.ValidationError as error:
            refused[number] = str(error)
        else:
            rows[type(record)].append(record)
    return BareTables({TABLES[kind]: _table(kind, records) for kind, records in rows.items() if records}, refused)


def _table(kind: type, rows: list[Any]) -> pa.Table:
    stamps = np.array([row.event_timestamp for row in rows], np.int64)
    arrivals = np.array([row.arrival_timestamp for row in rows], np.int64)
    day = datetime.fromtimestamp(rows[0].event_timestamp / 1000, UTC)
    columns: dict[str, Any] = {
        "event_id": pa.array([row.headwater.event_id for row in rows]),
        "event_type": pa.repeat(kind.__name__.removeprefix("_") + "Event", len(rows)),
        "datetime": pa.array(stamps * 1000).view(pa.timestamp("us", "UTC")),
        "session_id": pa.array([row.session.session_id for row in rows]),
        "app_id": pa.array([row.application.app_id for row in rows]),
        "client_id": pa.array([row.client.client_id for row in rows]),
        "cognito_id": pa.array([row.client.cognito_id for row in rows], pa.string()),
        "arrival_datetime": pa.array(arrivals * 1000).view(pa.timestamp("us", "UTC")),
        "year": pa.repeat(str(day.year), len(rows)),
        "month": pa.repeat(str(day.month), len(rows)),
        "day": pa.repeat(str(day.day), len(rows)),
    }
    if kind is _Practice:
        columns["piece_id"] = pa.array([row.attributes.piece_id for row in rows])
        for name in ("level", "accuracy", "tempo", "duration_s"):
            columns[name] = pa.array([getattr(row.metrics, name) for row in rows])
    else:
        columns["email"] = pa.array([row.attributes.email for row in rows])
    if kind is _SignIn:
        columns["id"] = pa.array([row.attributes.id for row in rows])
        columns["is_test_user"] = pa.array([row.attributes.is_test_user for row in rows])
        users = [row.attributes.user_type for row in rows]
        columns["user_type"] = pa.array([None if user == "null" else user for user in users], pa.string())
    return pa.table(columns)


def write_tables(tables: dict[str, pa.Table], folder: Path, name: str) -> None:
    """Write each table to one Parquet file, zstd 3, and sync it."""
    for table_name, table in tables.items():
        path = folder / f"{table_name}-{name}.parquet"
        pq.write_table(table, path, compression="zstd", compression_level=3)
        with path.open("rb") as file:
            os.fsync(file.fileno())


_COPY_COLUMNS = (
    "event_type: 'VARCHAR', event_timestamp: 'BIGINT', arrival_timestamp: 'BIGINT', application: 'STRUCT(app_id VARCHAR)',"
    " client: 'STRUCT(client_id VARCHAR, cognito_id VARCHAR)', session: 'STRUCT(session_id VARCHAR)',"
    " headwater: 'STRUCT(event_id VARCHAR)',"
    " attributes: 'STRUCT(email VARCHAR, id VARCHAR, is_test_user BOOLEAN, user_type VARCHAR, piece_id VARCHAR)',"
    " metrics: 'STRUCT(level BIGINT, accuracy DOUBLE, tempo DOUBLE, duration_s DOUBLE)'"
)
_COPY = """
COPY (
  SELECT headwater.event_id AS event_id, event_type, make_timestamp(event_timestamp * 1000) AS datetime, session.session_id AS session_id,
    application.app_id AS app_id, client.client_id AS client_id, client.cognito_id AS cognito_id,
    make_timestamp(arrival_timestamp * 1000) AS arrival_datetime, attributes.*, metrics.*,
    year(make_timestamp(event_timestamp * 1000)) AS year, month(make_timestamp(event_timestamp * 1000)) AS month,
    day(make_timestamp(event_timestamp * 1000)) AS day
  FROM read_json('{source}', format = 'newline_delimited', columns = {{{columns}}})
) TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, PARTITION_BY (event_type, year, month, day),
  OVERWRITE_OR_IGNORE, FILENAME_PATTERN '{name}_{{i}}')
"""


class BareCopy:
    """DuckDB with one thread, copying NDJSON files to Parquet partitioned by type and day: types are looked at, nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("SET preserve_insertion_order = true")

    def copy(self, source: Path, name: str) -> None:
        """Copy one file of records, one JSON object a line, into files whose names begin with *name*."""
        self.connection.execute(_COPY.format(source=source, target=self._folder, columns=_COPY_COLUMNS, name=name))

    def close(self) -> None:
        """Let go of the database."""
        self.connection.close()


def append_raw(path: Path, blobs: Sequence[bytes]) -> None:
    """Append each blob to the file and have it on disk (fdatasync) before the next."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for blob in blobs:
            os.write(descriptor, blob)
            os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
