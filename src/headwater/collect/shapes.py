"""What a PutEvents carries once it is read, who sent it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from headwater.endpoint.profile import ProfileUpdate

EVENT_LIMIT_BYTES = 1_000_000
FIELDS_LIMIT = 500
NAME_LIMIT = 256
VALUE_LIMIT = 64 * 1024
DEPTH_LIMIT = 32
RESERVED_PREFIX = "_headwater."

Name = Annotated[str, Meta(max_length=NAME_LIMIT)]
Value = Annotated[str, Meta(max_length=VALUE_LIMIT)]
# Larger integers are left to the lenient path, which knows whether a double can hold them and keeps them exact.
MetricInteger = Annotated[int, Meta(ge=-(2**63) + 1, le=2**63 - 1)]
# The limit is for both maps together: half of it in each surely fits, and more is counted by the lenient path.
_Half = Meta(max_length=FIELDS_LIMIT // 2)
Moment = Annotated[datetime, Meta(tz=True)]


class SessionInput(msgspec.Struct, rename="pascal", gc=False):
    """The visit an event belongs to; `duration` in milliseconds."""

    id: Value
    start_timestamp: Moment | None = None
    stop_timestamp: Moment | None = None
    duration: int | None = None


class EventInput(msgspec.Struct, rename="pascal", gc=False):
    """One event that may be accepted."""

    event_type: Annotated[str, Meta(min_length=1, max_length=VALUE_LIMIT)]
    timestamp: Moment
    attributes: Annotated[dict[Name, Value | None], _Half] | None = None
    metrics: Annotated[dict[Name, MetricInteger | float | None], _Half] | None = None
    session: SessionInput | None = None
    app_package_name: Value | None = None
    app_title: Value | None = None
    app_version_code: Value | None = None
    sdk_name: Value | None = None
    client_sdk_version: Value | None = None


class Refusal(NamedTuple):
    """Why one event, or one endpoint, is refused: what was given and what was expected."""

    message: str


class EventsBatch(msgspec.Struct, gc=False):
    """The events of one endpoint by event id, and what the request says of the endpoint itself (None: nothing)."""

    endpoint: ProfileUpdate | Refusal | None
    events: Mapping[str, EventInput | Refusal]


PutEvents = Mapping[str, EventsBatch]
"""Endpoint id -> its events."""


class Caller(msgspec.Struct, frozen=True, gc=False):
    """Who sent a request and with what: the identity of a pool where there is one, and the client's `x-amz-user-agent`."""

    name: str
    identity_id: str | None = None
    identity_pool_id: str | None = None
    user_agent: str = ""


class BatchVerdict(msgspec.Struct, gc=False):
    """What came of one endpoint's batch. `refused` says why, for the endpoint (under None) and for events by id; the rest is accepted."""

    endpoint_id: str
    event_ids: Sequence[str]
    refused: Mapping[str | None, str]
