"""Requests that are not exactly what the model says: every event is judged by itself, scalars become text, numbers keep theirs.

Numbers are read as `_Number`, their own text, so that nothing is rounded on its way into an attribute.
Bytes that are not UTF-8 are read as lone surrogates, so that they spoil the event they are in and no other.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from headwater.collect.shapes import (
    DEPTH_LIMIT,
    EVENT_LIMIT_BYTES,
    FIELDS_LIMIT,
    NAME_LIMIT,
    RESERVED_PREFIX,
    VALUE_LIMIT,
    EventInput,
    EventsBatch,
    PutEvents,
    Refusal,
    SessionInput,
)
from headwater.endpoint.profile import Demographic, Location, ProfileUpdate, UserUpdate, parse_moment
from headwater.errors import BadRequest

_T = TypeVar("_T")
_Shape = TypeVar("_Shape", bound=msgspec.Struct)
_INTEGER = re.compile(r"-?\d{1,400}")
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_EVENT_TEXTS = ("AppPackageName", "AppTitle", "AppVersionCode", "SdkName", "ClientSdkVersion")
_SHOWN = 64


class _Number(str):
    __slots__ = ()


def parse(body: bytes) -> Any:
    """Return the JSON value in *body*, numbers as their text; `BadRequest` if it is not JSON."""
    try:
        return _DECODER.decode(body.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        where = f" (character {error.pos})" if isinstance(error, json.JSONDecodeError) else ""
        raise BadRequest(f"the body is not JSON that can be read{where}") from None


def member(value: Any, name: str, kind: type[_T], expected: str) -> _T:
    """Return member *name* of a JSON object, which must be of *kind*; `BadRequest` says what was expected."""
    if not isinstance(value, dict):
        raise BadRequest(f"expected an object with {name}, given {_shown(value)}")
    found = value.get(name)
    if not isinstance(found, kind) or isinstance(found, _Number):
        raise BadRequest(f"{name} must be {expected}, given {_shown(found) if name in value else 'nothing'}")
    return found


def put_events(body: bytes) -> PutEvents:
    """Return what an EventsRequest carries, each event judged by itself."""
    batches: dict[str, EventsBatch] = {}
    for endpoint_id, batch in member(parse(body), "BatchItem", dict, "a map from endpoint id to its events").items():
        try:
            events = member(batch, "Events", dict, "a map from event id to event")
        except BadRequest as error:
            batches[_clean_id(endpoint_id)] = EventsBatch(Refusal(str(error)), {})
            continue
        try:
            _check_text("endpoint id", endpoint_id)
        except BadRequest as error:
            refusal = Refusal(str(error))
            batches[_clean_id(endpoint_id)] = EventsBatch(refusal, {_clean_id(event_id): refusal for event_id in events})
            continue
        judged = {_clean_id(event_id): _judge(event_id, event) for event_id, event in events.items()}
        batches[endpoint_id] = EventsBatch(_endpoint(batch.get("Endpoint")), judged)
    return batches


def endpoint_update(value: Any) -> ProfileUpdate:
    """Return what a parsed EndpointRequest says, scalars taken for text where text is meant."""
    if not isinstance(value, dict):
        raise BadRequest(f"an endpoint must be an object, given {_shown(value)}")
    user = member_object(value, "User")
    update = ProfileUpdate(
        address=member_text(value, "Address"),
        attributes=_lists(value, "Attributes"),
        channel_type=member_text(value, "ChannelType"),
        demographic=_filled(Demographic, member_object(value, "Demographic")),
        effective_date=member_text(value, "EffectiveDate"),
        location=_filled(Location, member_object(value, "Location")),
        metrics=_metrics(value),
        opt_out=member_text(value, "OptOut"),
        request_id=member_text(value, "RequestId"),
        user=None if user is None else UserUpdate(member_text(user, "UserId"), _lists(user, "UserAttributes")),
    )
    check_update(update)
    return update


def check_update(update: ProfileUpdate) -> None:
    """Raise `BadRequest` if a name or a value in the update is too long, or a number is not finite."""
    user = update.user or UserUpdate()
    for attributes in (update.attributes or {}, user.user_attributes or {}):
        for name, values in attributes.items():
            _check_name("attribute", name)
            for value in values or ():
                _check_length(f"attribute {_shown(name)}", value)
    for name in update.metrics or ():
        _check_name("metric", name)
    for part in (update, user, update.demographic, update.location):
        for field in part.__struct_fields__ if part is not None else ():
            value = getattr(part, field)
            if isinstance(value, str):
                _check_length(field, value)


def is_number(value: Any) -> bool:
    """Tell whether a parsed value was written as a JSON number."""
    return isinstance(value, _Number)


def written(value: Any) -> str:
    """Return a parsed value as JSON in ASCII: numbers as they came, bytes that are not UTF-8 as the surrogates they were read as."""
    if isinstance(value, _Number):
        return str.__str__(value)
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(item)}" for name, item in value.items()) + "}"
    return json.dumps(value)


def _judge(event_id: str, event: Any) -> EventInput | Refusal:
    try:
        _check_text("event id", event_id)
        return judge_event(event)
    except BadRequest as refusal:
        return Refusal(str(refusal))


def judge_event(event: Any) -> EventInput:
    """Return the event that a parsed member of Events is; `BadRequest` says what is wrong with it."""
    if not isinstance(event, dict):
        _refuse("an event must be an object", event)
    event_type = member_text(event, "EventType")
    if not event_type:
        raise BadRequest(
            "EventType must be text of at least one character, given " + (_shown(event_type) if "EventType" in event else "nothing")
        )
    if event_type.startswith(RESERVED_PREFIX):
        raise BadRequest(f"EventType must not start with {RESERVED_PREFIX!r}, given {_shown(event_type)}")
    timestamp = event.get("Timestamp")
    moment = parse_moment(timestamp) if isinstance(timestamp, str) and not isinstance(timestamp, _Number) else None
    if moment is None:
        _refuse("Timestamp must be ISO 8601 text such as 2026-11-23T03:06:22.544Z", timestamp)
    attributes, metrics = _attributes(event), _metrics(event)
    count = len(attributes or ()) + len(metrics or ())
    if count > FIELDS_LIMIT:
        raise BadRequest(f"Number of attributes and metrics per event should be at most {FIELDS_LIMIT}, given {count}")
    judged = EventInput(event_type, moment, attributes, metrics, _session(event), *(member_text(event, name) for name in _EVENT_TEXTS))
    size = len(msgspec.json.encode(judged))
    if size > EVENT_LIMIT_BYTES:
        raise BadRequest(f"an event may have {EVENT_LIMIT_BYTES:,} bytes, given {size:,}")
    return judged


def _endpoint(value: Any) -> ProfileUpdate | Refusal | None:
    if value is None or value == {}:
        return None
    try:
        return endpoint_update(value)
    except BadRequest as error:
        return Refusal(str(error))


def _session(event: dict[str, Any]) -> SessionInput | None:
    session = member_object(event, "Session")
    if not session:
        return None
    moments = []
    for name in ("StartTimestamp", "StopTimestamp"):
        text = session.get(name)
        moment = parse_moment(text) if isinstance(text, str) and not isinstance(text, _Number) else None
        if moment is None and text is not None:
            _refuse(f"Session.{name} must be ISO 8601 text", text)
        moments.append(moment)
    duration = session.get("Duration")
    if duration is not None and not (isinstance(duration, _Number) and _INTEGER.fullmatch(duration)):
        _refuse("Session.Duration must be whole milliseconds", duration)
    session_id = member_text(session, "Id")
    if session_id is None:
        _refuse("Session.Id must be text", session.get("Id"))
    return SessionInput(session_id, moments[0], moments[1], None if duration is None else _finite_integer("Session.Duration", duration))


def _attributes(event: dict[str, Any]) -> dict[str, str | None] | None:
    found = member_object(event, "Attributes")
    if found is None:
        return None
    attributes: dict[str, str | None] = {}
    for name, value in found.items():
        _check_name("attribute", name)
        attributes[name] = text = _as_text(f"attribute {_shown(name)}", value)
        if text is not None:
            _check_length(f"attribute {_shown(name)}", text)
    return attributes


def _metrics(holder: dict[str, Any]) -> dict[str, Any] | None:
    found = member_object(holder, "Metrics")
    if found is None:
        return None
    metrics: dict[str, int | float | None] = {}
    for name, value in found.items():
        _check_name("metric", name)
        if value is None:
            metrics[name] = None
            continue
        if not isinstance(value, str) or not _NUMERIC.fullmatch(value.strip()):
            _refuse(f"metric {_shown(name)} must be a finite number", value)
        text = value.strip()
        if _INTEGER.fullmatch(text):
            metrics[name] = _finite_integer(f"metric {_shown(name)}", text)
        else:
            metrics[name] = number = float(text)
            if not math.isfinite(number):
                _refuse(f"metric {_shown(name)} must be a finite number", value)
    return metrics


def _finite_integer(what: str, text: str) -> int:
    if not math.isfinite(float(text)):
        _refuse(f"{what} must be a finite number", text)
    return int(text)


def _lists(holder: dict[str, Any], name: str) -> dict[str, list[str] | None] | None:
    found = member_object(holder, name)
    if found is None:
        return None
    lists: dict[str, list[str] | None] = {}
    for key, value in found.items():
        _check_name("attribute", key)
        values = value if isinstance(value, list) else [value]
        texts = [_as_text(f"{name}.{_shown(key)}", item) for item in values]
        lists[key] = None if value is None else [text for text in texts if text is not None]
    return lists


def member_object(holder: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return member *name* of a parsed object, which must be an object, null or missing."""
    value = holder.get(name)
    if value is not None and not isinstance(value, dict):
        _refuse(f"{name} must be an object", value)
    return value


def member_text(holder: dict[str, Any], name: str) -> str | None:
    """Return member *name* of a parsed object as text, scalars included; None if it is missing or null."""
    value = holder.get(name)
    if isinstance(value, dict | list):
        _refuse(f"{name} must be text", value)
    as_text = _as_text(name, value)
    if as_text is not None:
        _check_length(name, as_text)
    return as_text


def _filled(shape: type[_Shape], found: dict[str, Any] | None) -> _Shape | None:
    """Return the struct *shape* with the members that were sent, by their wire names."""
    if found is None:
        return None
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        if field.type == float | None:
            number = found.get(field.encode_name)
            if number is not None and not (isinstance(number, str) and _NUMERIC.fullmatch(number) and math.isfinite(float(number))):
                _refuse(f"{field.encode_name} must be a finite number", number)
            values[field.name] = None if number is None else float(number)
        else:
            values[field.name] = member_text(found, field.encode_name)
    return shape(**values)


def _as_text(what: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Number):
        return str.__str__(value)
    if isinstance(value, str):
        _check_text(what, value)
        return value
    return msgspec.json.encode(_exact(what, value, 4)).decode()


def _exact(what: str, value: Any, depth: int) -> Any:
    """Return *value* with numbers as they were written. An attribute's value lies 4 deep in the request's event."""
    if isinstance(value, _Number):
        return msgspec.Raw(value.encode())
    if isinstance(value, str):
        _check_text(what, value)
        return value
    if not isinstance(value, dict | list):
        return value
    if depth > DEPTH_LIMIT:
        raise BadRequest(f"{what} is nested too deep; an event may be {DEPTH_LIMIT} levels deep")
    if isinstance(value, list):
        return [_exact(what, item, depth + 1) for item in value]
    for name in value:
        _check_name(f"name in {what}", name)
    return {name: _exact(what, item, depth + 1) for name, item in value.items()}


def _check_name(what: str, name: str) -> None:
    if len(name) > NAME_LIMIT:
        raise BadRequest(f"the name of an attribute or metric may have {NAME_LIMIT} characters, given {len(name)}")
    if "\0" in name:
        raise BadRequest(f"a {what} must not have a NUL character in its name, given {_shown(name)}")
    _check_text(what, name)


def _check_length(what: str, text: str) -> None:
    if len(text) > VALUE_LIMIT:
        raise BadRequest(f"{what} may have {VALUE_LIMIT:,} characters, given {len(text):,}")


def _check_text(what: str, text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadRequest(f"{what} must be valid Unicode text, given a lone surrogate or bytes that are not UTF-8") from None


def _clean_id(text: str) -> str:
    """Return the id as an answer can spell it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _shown(value: Any) -> str:
    """Return a short printable form of what was given."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, _Number):
        return str.__str__(value)[:_SHOWN]
    if isinstance(value, str):
        return ascii(value[:_SHOWN]) if not value.isprintable() else repr(value[:_SHOWN])
    return {None: "null", True: "true", False: "false"}[value]


def _refuse(expected: str, given: Any) -> NoReturn:
    raise BadRequest(f"{expected}, given {_shown(given)}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_refuse_constant)
