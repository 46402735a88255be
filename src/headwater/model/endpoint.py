"""Rows of `endpoint_updates`, straight from the records of the collector."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import pyarrow as pa
from msgspec import Raw, Struct

from headwater.model.column import Array
from headwater.model.naming import ENDPOINT_EVENT
from headwater.model.system import ENDPOINT_UPDATES
from headwater.model.wire import (
    MALFORMED,
    NO_APPLICATION,
    NO_CLIENT,
    NO_PROVENANCE,
    NO_SESSION,
    Application,
    ClientPart,
    Provenance,
    SessionPart,
    Timestamp,
)


class Operation(Struct, frozen=True, gc=False):
    """What happened to the endpoint."""

    operation: Literal["update", "delete"] = "update"


UPDATE = Operation()


class EndpointUpdate(Struct, gc=False, kw_only=True, tag_field="event_type", tag=ENDPOINT_EVENT):
    """A record of an endpoint as it became."""

    event_timestamp: Timestamp
    application: Application = NO_APPLICATION
    client: ClientPart = NO_CLIENT
    session: SessionPart = NO_SESSION
    attributes: Operation = UPDATE
    endpoint: Raw = Raw(b"{}")
    headwater: Provenance = NO_PROVENANCE


class UserPart(Struct, frozen=True, gc=False, rename="pascal"):
    """`endpoint.User`."""

    user_id: str | None = None
    user_attributes: Raw = Raw()


class EndpointPart(Struct, frozen=True, gc=False, rename="pascal"):
    """`endpoint`: texts as texts, objects as they were written."""

    channel_type: str | None = None
    address: str | None = None
    opt_out: str | None = None
    endpoint_status: str | None = None
    effective_date: str | None = None
    creation_date: str | None = None
    request_id: str | None = None
    cohort_id: str | None = None
    demographic: Raw = Raw()
    location: Raw = Raw()
    attributes: Raw = Raw()
    metrics: Raw = Raw()
    user: UserPart | None = None


decode_update: Callable[[bytes], EndpointUpdate] = msgspec.json.Decoder(EndpointUpdate).decode
_decode_profile = msgspec.json.Decoder(EndpointPart).decode


def endpoint_columns(rows: Sequence[EndpointUpdate]) -> tuple[list[Array], dict[int, Exception]]:
    """Return the columns after the system columns, and position -> what is wrong with that row's endpoint."""
    columns: list[list[Any]] = []
    wrong: dict[int, Exception] = {}
    for position, row in enumerate(rows):
        try:
            columns.append(_endpoint_row(row))
        except MALFORMED as error:
            wrong[position] = error
            columns.append([None] * len(_ENDPOINT_FIELDS))
    return [pa.array(values, field.type) for values, field in zip(zip(*columns, strict=True), _ENDPOINT_FIELDS, strict=True)], wrong


def _endpoint_row(row: EndpointUpdate) -> list[Any]:
    profile = _decode_profile(row.endpoint)
    user = profile.user or UserPart()
    return [
        row.attributes.operation,
        user.user_id,
        profile.channel_type,
        profile.address,
        profile.opt_out,
        profile.endpoint_status,
        _moment(profile.effective_date),
        _moment(profile.creation_date),
        profile.request_id,
        profile.cohort_id,
        _json(profile.demographic),
        _json(profile.location),
        _json(profile.attributes),
        _json(profile.metrics),
        _json(user.user_attributes),
        _json(row.endpoint),
    ]


_SYSTEM_COLUMNS = len(ENDPOINT_UPDATES.schema) - 16
_ENDPOINT_FIELDS = list(ENDPOINT_UPDATES.schema)[_SYSTEM_COLUMNS:]


def _moment(text: str | None) -> dt.datetime | None:
    """Read a date the collector did not judge; what is none stays in `profile` only."""
    try:
        moment = dt.datetime.fromisoformat(text) if text is not None else None
        return moment if moment is None or moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _json(raw: Raw) -> str | None:
    written = bytes(raw)
    return None if written in (b"", b"null") else written.decode()
