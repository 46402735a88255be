"""Bytes that come through the Kinesis door into records of the app stream.

An object with an `event_type` becomes a record of the event stream with our own `headwater` object; whatever else comes is appended
too, and the pipe makes a dead letter of it: a producer that was told "failed" would send the same bytes again for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.collect.records import EVENT_VERSION
from headwater.collect.shapes import EVENT_LIMIT_BYTES, FIELDS_LIMIT, NAME_LIMIT, RESERVED_PREFIX, VALUE_LIMIT, Caller
from headwater.endpoint.profile import epoch_ms, parse_moment
from headwater.errors import BadRequest
from headwater.record import Record

DOOR = "kinesis"

# What the event stream has, and what a plain event may spell short. All other members of a plain event are its attributes and metrics.
_OBJECTS = frozenset({"application", "client", "device", "session", "attributes", "metrics"})
_KEPT = frozenset({"endpoint", "client_context", "facets", "awsAccountId", "event_version"})
_SHORT = frozenset({"event_type", "event_timestamp", "arrival_timestamp", "timestamp", "event_id", "client_id", "session_id", "headwater"})
_MEMBERS = _OBJECTS | _KEPT | _SHORT

_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class _Object(msgspec.Struct):
    """Any JSON object: every decoder of records asks for at least this much, and does not look closer at what it has no use for."""

    event_type: msgspec.Raw = msgspec.Raw()


_is_object = msgspec.json.Decoder(_Object).decode


class KinesisRecords:
    """Makes records of the app stream; *app_id* and *identity_pool_id* are for events and callers that name none."""

    def __init__(self, *, app_id: str, account_id: str, identity_pool_id: str | None) -> None:
        self._app_id, self._account_id, self._identity_pool_id = app_id, account_id, identity_pool_id

    def record(self, data: bytes, partition_key: str, caller: Caller, app_id: str | None, arrival_ms: int, trace_id: str) -> Record:
        """Return the record of *data*; nothing that it contains raises. *app_id*: the only app the caller may write for, None = any."""
        return Record(self._body(data, caller, app_id, arrival_ms, trace_id), partition_key, arrival_ms)

    def _body(self, data: bytes, caller: Caller, app_id: str | None, arrival_ms: int, trace_id: str) -> bytes:
        try:
            said = _decode(data) if len(data) <= EVENT_LIMIT_BYTES else None
        except _MALFORMED:
            return _harmless(data)
        if said is None:
            return _harmless(data)
        if not isinstance(said, dict):
            return data
        event_id = _text(_object(said, "headwater").get("event_id")) or _text(said.get("event_id"))
        headwater: dict[str, Any] = {"v": 1, "door": DOOR, "trace_id": trace_id}
        if event_id is not None:
            headwater["event_id"] = event_id
        try:
            _check(said, event_id)
            event = self._event(said, caller, app_id, arrival_ms) if "event_type" in said else said
            return _encode({**event, "headwater": headwater})
        except BadRequest as error:
            refused = {"refused": str(error), "data": data.decode(), "headwater": headwater}
            return _encode(refused)

    def _event(self, said: dict[str, Any], caller: Caller, app_id: str | None, arrival_ms: int) -> dict[str, Any]:
        """Return the event in the shape of the event stream. A member of the wrong kind stays: it is what the dead letter will name."""
        application, client, session = (dict(_object(said, name)) for name in ("application", "client", "session"))
        if app_id is not None:
            application["app_id"] = app_id
        application.setdefault("app_id", self._app_id)
        pool_id = caller.identity_pool_id or application.get("cognito_identity_pool_id") or self._identity_pool_id
        if pool_id is not None:
            application["cognito_identity_pool_id"] = pool_id
        application.setdefault("sdk", {})
        if caller.identity_id is not None:
            client["cognito_id"] = caller.identity_id
        if "client_id" in said:
            client.setdefault("client_id", said["client_id"])
        if "session_id" in said:
            session.setdefault("session_id", said["session_id"])
        attributes, metrics = _fields(said)
        event = {
            "event_type": said["event_type"],
            "event_timestamp": _timestamp(said, arrival_ms),
            "arrival_timestamp": arrival_ms,
            "event_version": EVENT_VERSION,
            "application": application,
            "client": client,
            "device": _object(said, "device") or {"platform": {}},
            "session": session,
            "attributes": {name: _attribute(value) for name, value in attributes.items()},
            "metrics": metrics,
            "awsAccountId": self._account_id,
        }
        event.update((name, value) for name, value in said.items() if name in _KEPT)
        event.update((name, said[name]) for name in _OBJECTS if said.get(name) is not None and not isinstance(said[name], dict))
        return event


def _harmless(data: bytes) -> bytes:
    """Return bytes that no decoder of records takes for an object, although a less thorough one might read an object in *data*.

    Decoders skip what they have no use for, and so may accept text that is wrong there; with a member of its own around it, and no
    event type beside that, it is no event to any of them.
    """
    try:
        _is_object(data)
    except _MALFORMED:
        return data
    why = f"an event may have {EVENT_LIMIT_BYTES:,} bytes" if len(data) > EVENT_LIMIT_BYTES else "a part of it cannot be read"
    return _encode({"refused": f"{why}, given {len(data):,} bytes", "data": data.decode("utf-8", "backslashreplace")})


def _check(said: dict[str, Any], event_id: str | None) -> None:
    event_type = said.get("event_type")
    if isinstance(event_type, str) and event_type.startswith(RESERVED_PREFIX):
        raise BadRequest(f"event types that begin with {RESERVED_PREFIX!r} are Headwater's own")
    if event_id is not None and len(event_id) > NAME_LIMIT:
        raise BadRequest(f"an event id may have {NAME_LIMIT} characters, given {len(event_id)}")
    named = [said] if "event_version" not in said else []
    for fields in (*named, _object(said, "attributes"), _object(said, "metrics")):
        if len(fields) > FIELDS_LIMIT:
            raise BadRequest(f"an event may have {FIELDS_LIMIT} attributes and metrics, given more")
        for name, value in fields.items():
            if len(name) > NAME_LIMIT or "\0" in name:
                raise BadRequest(f"the name of an attribute or metric may have {NAME_LIMIT} characters, and no NUL")
            if isinstance(value, str) and len(value) > VALUE_LIMIT:
                raise BadRequest(f"the value of an attribute may have {VALUE_LIMIT:,} characters, given {len(value):,}")


def _fields(said: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return attributes and metrics; in a plain event also what stands beside them, unless they name it, too."""
    attributes, metrics = _object(said, "attributes"), _object(said, "metrics")
    if "event_version" in said:
        return attributes, metrics
    loose = {name: value for name, value in said.items() if name not in _MEMBERS}
    numbers = {name: value for name, value in loose.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    texts = {name: value for name, value in loose.items() if name not in numbers}
    return {**texts, **attributes}, {**numbers, **metrics}


def _timestamp(said: Mapping[str, Any], arrival_ms: int) -> Any:
    """Return epoch ms: of `event_timestamp`, else of `timestamp`, else the arrival; what is neither number nor time, as it is."""
    given = said.get("event_timestamp", said.get("timestamp"))
    if given is None:
        return arrival_ms
    if isinstance(given, float) and math.isfinite(given):
        return math.floor(given)
    if isinstance(given, str):
        moment = parse_moment(given)
        return epoch_ms(moment) if moment is not None else given
    return given


def _attribute(value: Any) -> str | None:
    """Return what PutEvents makes of an attribute: text as it is, null as null, anything else as JSON."""
    return value if value is None or isinstance(value, str) else _encode(value).decode()


def _object(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = said.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
