"""A JSON object with an `event_type` into the shape of the event stream: no member that means nothing to us is lost.

A member is ours if it has one of the names and the shape that Pinpoint's event stream has there; everything else that a plain event says
is an attribute of it, or a metric if it is a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from headwater.collect.frames import FrameSender
from headwater.collect.records import EVENT_VERSION
from headwater.collect.shapes import FIELDS_LIMIT, NAME_LIMIT, RESERVED_PREFIX, VALUE_LIMIT
from headwater.endpoint.profile import epoch_ms, parse_moment
from headwater.errors import BadRequest

_encode = msgspec.json.Encoder().encode
_VERSION = re.compile(r"\d+\.\d+", re.ASCII)
_Fits = Callable[[Any], bool]


def event_of(said: Mapping[str, Any], sender: FrameSender, arrival_ms: int) -> dict[str, Any]:
    """Return the event, who sent it being what *sender* says; `BadRequest` if it is over a limit. Numbers with fractions are `Raw`."""
    whole = _is_of_event_stream(said)
    ours = {name: value for name, value in said.items() if _is_ours(name, value, said, whole)}
    attributes, metrics = dict(ours.get("attributes") or {}), dict(ours.get("metrics") or {})
    if not whole:
        loose = {name: value for name, value in said.items() if name not in ours}
        attributes = {**{name: value for name, value in loose.items() if not _is_number(value)}, **attributes}
        metrics = {**{name: value for name, value in loose.items() if _is_number(value)}, **metrics}
    _check(said, attributes, metrics)
    event = {
        "event_timestamp": _timestamp(ours, arrival_ms),
        "arrival_timestamp": arrival_ms,
        "event_version": ours.get("event_version", EVENT_VERSION),
        "application": _application(ours, sender),
        "client": _client(ours, sender),
        "device": ours.get("device") or {"platform": {}},
        "session": _with_id(ours, "session", "session_id"),
        "attributes": {name: _attribute(value) for name, value in attributes.items()},
        "metrics": metrics,
        "awsAccountId": ours.get("awsAccountId", sender.account_id),
    }
    if "event_type" in said:
        event = {"event_type": said["event_type"], **event}
    kept = said if whole else {name: ours[name] for name in _KEPT if ours.get(name) is not None}
    return {**kept, **event}


def given_id(said: Mapping[str, Any]) -> str | None:
    """Return the event id that an object brings, a number as its text; None if it brings none."""
    headwater = said.get("headwater")
    inner = headwater.get("event_id") if isinstance(headwater, dict) else None
    return _text(inner) or _text(said.get("event_id"))


def _is_of_event_stream(said: Mapping[str, Any]) -> bool:
    version = said.get("event_version")
    return (
        isinstance(version, str)
        and _VERSION.fullmatch(version) is not None
        and _is_number(said.get("event_timestamp"))
        # A member that Pinpoint may have added later is no reason to take its event for a plain one.
        and (said.keys() <= _NAMES or (isinstance(said.get("application"), dict) and isinstance(said.get("client"), dict)))
        and all(said.get(name) is None or isinstance(said[name], dict) for name in (*_SHAPES, *_OBJECTS))
    )


def _is_ours(name: str, value: Any, said: Mapping[str, Any], whole: bool) -> bool:
    if name in ("event_type", "event_timestamp"):
        return True
    if name == "timestamp":
        return said.get("event_timestamp") is None
    if name in ("event_id", "client_id", "session_id"):
        return value is None or _is_scalar(value)
    if name in _OBJECTS:
        return value is None or isinstance(value, dict)
    if name in ("event_version", "awsAccountId", "arrival_timestamp"):
        return whole
    if name in _SHAPES:
        return whole or value is None or _fits(value, _SHAPES[name])
    return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | msgspec.Raw) and not isinstance(value, bool)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | msgspec.Raw)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _any(value: Any) -> bool:
    return True


_Shape = Mapping[str, "_Fits | _Shape"]


def _fits(value: Any, shape: _Fits | _Shape) -> bool:
    """Tell whether *value* has no member but those of *shape*, each of the right kind or null."""
    if callable(shape):
        return value is None or shape(value)
    if not isinstance(value, dict):
        return value is None
    return all(name in shape and _fits(inner, shape[name]) for name, inner in value.items())


_SDK = {"name": _is_text, "version": _is_text}
_LOCALE = {"code": _is_text, "country": _is_text, "language": _is_text}
_SHAPES: Mapping[str, _Shape] = {
    "application": {
        "app_id": _is_scalar, "cognito_identity_pool_id": _is_text, "package_name": _is_text, "title": _is_text,
        "version_name": _is_scalar, "version_code": _is_scalar, "sdk": _SDK,
    },
    "client": {"client_id": _is_scalar, "cognito_id": _is_text},
    "session": {"session_id": _is_scalar, "start_timestamp": _is_number, "stop_timestamp": _is_number, "duration": _is_number},
    "device": {"locale": _LOCALE, "make": _is_text, "model": _is_text, "platform": {"name": _is_text, "version": _is_scalar}},
    "endpoint": {
        **dict.fromkeys(("Id", "ApplicationId", "Address", "ChannelType", "CohortId", "CreationDate", "EffectiveDate"), _is_text),
        **dict.fromkeys(("EndpointStatus", "OptOut", "RequestId"), _is_text),
        **dict.fromkeys(("Attributes", "Demographic", "Location", "Metrics", "User"), _is_object),
    },
    "client_context": {"custom": _is_object, "client": _is_object, "env": _is_object},
    "facets": {"email_channel": _is_object},
}  # fmt: skip
_KEPT = ("endpoint", "client_context", "facets")
_OBJECTS = ("attributes", "metrics", "headwater")
_NAMES = {"event_type", "event_timestamp", "arrival_timestamp", "event_version", "awsAccountId", *_SHAPES, *_OBJECTS}


def _application(ours: Mapping[str, Any], sender: FrameSender) -> dict[str, Any]:
    application = dict(ours.get("application") or {})
    app_id = _text(application.get("app_id"))
    application["app_id"] = sender.only_app_id if sender.only_app_id is not None else app_id if app_id is not None else sender.app_id
    pool_id = sender.identity_pool_id or application.get("cognito_identity_pool_id") or sender.pool_id
    if pool_id is not None:
        application["cognito_identity_pool_id"] = pool_id
    application.setdefault("sdk", {})
    return application


def _client(ours: Mapping[str, Any], sender: FrameSender) -> dict[str, Any]:
    client = _with_id(ours, "client", "client_id")
    return client if sender.identity_id is None else {**client, "cognito_id": sender.identity_id}


def _with_id(ours: Mapping[str, Any], name: str, id_name: str) -> dict[str, Any]:
    """Return the object *name*, in which the id it has, or else the one that stands beside it, is text."""
    made = dict(ours.get(name) or {})
    given = made.get(id_name)
    if (text := _text(ours.get(id_name) if given is None else given)) is not None:
        made[id_name] = text
    return made


def _timestamp(ours: Mapping[str, Any], arrival_ms: int) -> Any:
    """Return epoch ms: of `event_timestamp`, else of `timestamp`, else the arrival; what is neither number nor time, as it is."""
    given = ours.get("event_timestamp")
    given = ours.get("timestamp") if given is None else given
    if given is None:
        return arrival_ms
    if isinstance(given, msgspec.Raw):
        number = float(bytes(given))
        return math.floor(number) if math.isfinite(number) else bytes(given).decode()
    if isinstance(given, str):
        moment = parse_moment(given)
        return epoch_ms(moment) if moment is not None else given
    return given


def _attribute(value: Any) -> str | None:
    """Return what PutEvents makes of an attribute: text as it is, null as null, anything else as JSON."""
    return value if value is None or isinstance(value, str) else _encode(value).decode()


def _text(value: Any) -> str | None:
    """Return a scalar as text, None for what is empty or no scalar."""
    if isinstance(value, str):
        return value or None
    return _encode(value).decode() if _is_scalar(value) else None


def _check(said: Mapping[str, Any], attributes: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    event_type, event_id = said.get("event_type"), given_id(said)
    if isinstance(event_type, str) and event_type.startswith(RESERVED_PREFIX):
        raise BadRequest(f"event types that begin with {RESERVED_PREFIX!r} are Headwater's own")
    if event_id is not None and len(event_id) > NAME_LIMIT:
        raise BadRequest(f"an event id may have {NAME_LIMIT} characters, given {len(event_id)}")
    if len(attributes) + len(metrics) > FIELDS_LIMIT:
        raise BadRequest(f"an event may have {FIELDS_LIMIT} attributes and metrics, given {len(attributes) + len(metrics)}")
    for fields in (attributes, metrics):
        for name, value in fields.items():
            if len(name) > NAME_LIMIT or "\0" in name:
                raise BadRequest(f"the name of an attribute or metric may have {NAME_LIMIT} characters, and no NUL")
            if isinstance(value, str) and len(value) > VALUE_LIMIT:
                raise BadRequest(f"the value of an attribute may have {VALUE_LIMIT:,} characters, given {len(value):,}")
