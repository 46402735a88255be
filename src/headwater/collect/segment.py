"""Messages in the shape of the Segment HTTP API: events and what they say of endpoints, judged by the rules of PutEvents.

A library does not look at what it is answered for a single message of a batch, so a message that is refused is kept as a dead letter.

https://www.twilio.com/docs/segment/connections/spec lists the messages, https://www.twilio.com/docs/segment/connections/spec/common
what all of them carry.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from headwater.clock import Clock
from headwater.collect import lenient
from headwater.collect.collector import Collector
from headwater.collect.shapes import NAME_LIMIT, BatchVerdict, Caller, EventInput, EventsBatch, Refusal
from headwater.endpoint.profile import ProfileUpdate, iso_ms
from headwater.errors import BadRequest

DOOR = "segment"
KINDS = ("track", "identify", "page", "screen", "group", "alias")

_FIXED_TYPES = {"page": "pageView", "screen": "screenView", "group": "group", "alias": "alias"}
# What a message says beside its properties, and that belongs to the event: where it stands in the message.
_BESIDE = {"page": ("name", "category"), "screen": ("name", "category"), "group": ("groupId",), "alias": ("userId", "previousId")}
_encode = msgspec.json.encode


class Problem(NamedTuple):
    """What was wrong with a message: its place in the request, its id if it has one, why, and whether its event counts all the same."""

    place: int
    message_id: str | None
    reason: str
    accepted: bool = False


class _Batch(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    context: msgspec.Raw = msgspec.Raw(b"null")
    sent_at: Any = None


class _Said(NamedTuple):
    """One message: of its endpoint, and, unless it only identifies somebody, of an event."""

    place: int
    client_id: str
    message_id: str
    endpoint: ProfileUpdate | Refusal | None
    event: EventInput | None


class SegmentMessages:
    """Puts messages through *collector*, a request at a time."""

    def __init__(self, collector: Collector, clock: Clock) -> None:
        self._collector, self._clock = collector, clock

    async def put_batch(self, app_id: str, body: bytes, caller: Caller, trace_id: str) -> list[Problem]:
        """Accept or refuse each message of a `/v1/batch`; when this returns, all of them are durable. `BadRequest` if it is no batch."""
        messages, context, sent_at = _batch(body)
        return await self._put(app_id, messages, None, context, sent_at, caller, trace_id)

    async def put(self, app_id: str, kind: str, body: bytes, caller: Caller, trace_id: str) -> list[Problem]:
        """Accept or refuse the one message in *body*, of the *kind* its path says. `BadRequest` if it is no JSON object."""
        message = lenient.parse(body)
        if not isinstance(message, dict):
            raise BadRequest("the body must be a JSON object")
        return await self._put(app_id, [body], kind, {}, _sent_at(message.get("sentAt")), caller, trace_id)

    async def _put(
        self, app_id: str, messages: list[bytes], kind: str | None, context: Any, sent_at: str | None, caller: Caller, trace_id: str
    ) -> list[Problem]:
        arrival_ms = self._clock.now_ms()
        received = iso_ms(arrival_ms)
        said: list[_Said] = []
        problems: list[Problem] = []
        for index, message in enumerate(messages):
            read = _read(index, message, kind, context, received)
            if isinstance(read, Problem):
                problems.append(read)
            else:
                said.append(read)
        for run in _runs(said):
            verdicts = await self._collector.put_events(app_id, _put_events(run), caller, door=DOOR, trace_id=trace_id, sent_at=sent_at)
            problems += _problems(run, verdicts)
        letters = [_letter(app_id, messages[one.place], one, trace_id) for one in problems if not one.accepted]
        await self._collector.keep_refused(letters)
        return sorted(problems)


def _batch(body: bytes) -> tuple[list[bytes], Any, str | None]:
    """Return the messages of a batch, each as it was written, and context and time of sending where the batch has them for all."""
    try:
        batch = msgspec.json.decode(body, type=_Batch)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # Perhaps a part of it only cannot be read, which then harms its message and no other.
        said = lenient.parse(body)
        messages = lenient.member(said, "batch", list, "a list of messages")
        return [lenient.written(message).encode() for message in messages], said.get("context"), _sent_at(said.get("sentAt"))
    return list(map(bytes, batch.batch)), lenient.parse(bytes(batch.context)), _sent_at(batch.sent_at)


def _sent_at(said: Any) -> str | None:
    return said if type(said) is str and said.isascii() else None


def _read(index: int, message: bytes, kind: str | None, shared: Any, received: str) -> _Said | Problem:
    message_id = None
    try:
        said = lenient.parse(message)
        if not isinstance(said, dict):
            raise BadRequest("a message must be an object")
        message_id = lenient.member_text(said, "messageId")
        if message_id is not None and len(message_id) > NAME_LIMIT:
            given, message_id = len(message_id), None
            raise BadRequest(f"messageId may have {NAME_LIMIT} characters, given {given}")
        return _interpret(index, said, message_id or str(uuid.uuid4()), kind or lenient.member_text(said, "type"), shared, received)
    except BadRequest as error:
        return Problem(index, message_id, str(error))


def _interpret(index: int, said: dict[str, Any], message_id: str, kind: str | None, shared: Any, received: str) -> _Said:
    if kind not in KINDS:
        raise BadRequest(f"type must be one of {', '.join(KINDS)}")
    client_id = lenient.member_text(said, "anonymousId") or lenient.member_text(said, "userId")
    if not client_id:
        raise BadRequest("a message needs anonymousId or userId")
    context = lenient.member_object(said, "context") or (shared if isinstance(shared, dict) else {})
    if kind == "identify":
        traits = lenient.member_object(said, "traits") or lenient.member_object(context, "traits")  # there RudderStack puts them
        return _Said(index, client_id, message_id, _endpoint(said, context, traits), None)
    try:
        endpoint: ProfileUpdate | Refusal | None = _endpoint(said, context, None)
    except BadRequest as error:
        endpoint = Refusal(str(error))
    return _Said(index, client_id, message_id, endpoint, _event(said, kind, context, received))


def _event(said: dict[str, Any], kind: str, context: dict[str, Any], received: str) -> EventInput:
    event_type = lenient.member_text(said, "event") if kind == "track" else _FIXED_TYPES[kind]
    if not event_type:
        raise BadRequest("event must be text of at least one character")
    properties = lenient.member_object(said, "traits" if kind == "group" else "properties") or {}
    fields = {name: said[name] for name in _BESIDE.get(kind, ()) if said.get(name) is not None} | properties
    app, library = (lenient.member_object(context, name) or {} for name in ("app", "library"))
    session_id = context.get("sessionId")
    return lenient.judge_event(
        {
            "EventType": event_type,
            "Timestamp": said.get("timestamp") or said.get("originalTimestamp") or received,
            "Attributes": {name: value for name, value in fields.items() if not lenient.is_number(value)},
            "Metrics": {name: value for name, value in fields.items() if lenient.is_number(value)},
            "Session": None if session_id is None else {"Id": session_id},
            "AppPackageName": app.get("namespace"),
            "AppTitle": app.get("name"),
            "AppVersionCode": app.get("build"),
            "SdkName": library.get("name"),
            "ClientSdkVersion": library.get("version"),
        }
    )


def _endpoint(said: dict[str, Any], context: dict[str, Any], traits: dict[str, Any] | None) -> ProfileUpdate | None:
    """Return what a message says of its endpoint; None if that is nothing."""
    app, device, os_ = (lenient.member_object(context, name) or {} for name in ("app", "device", "os"))
    place = lenient.member_object(context, "location") or {}
    demographic = {
        "AppVersion": app.get("version"),
        "Locale": context.get("locale"),
        "Timezone": context.get("timezone"),
        "Make": device.get("manufacturer"),
        "Model": device.get("model"),
        "Platform": os_.get("name"),
        "PlatformVersion": os_.get("version"),
    }
    location = {name.capitalize(): place.get(name) for name in ("city", "country", "region", "latitude", "longitude")}
    user = {"UserId": said.get("userId"), "UserAttributes": traits or None}
    parts = {"Demographic": demographic, "Location": location, "User": user}
    sent = {name: part for name, part in parts.items() if any(value is not None for value in part.values())}
    return lenient.endpoint_update(sent) if sent else None


def _runs(said: Iterable[_Said]) -> Iterator[list[_Said]]:
    """Cut the messages, in order, where two of one endpoint cannot go together: the second says other things of it, or has the same id."""
    run: list[_Said] = []
    met: dict[str, tuple[ProfileUpdate | Refusal | None, set[str]]] = {}
    for one in said:
        endpoint, ids = met.setdefault(one.client_id, (one.endpoint, set()))
        if endpoint != one.endpoint or one.message_id in ids:
            yield run
            run, met = [], {}
            _, ids = met[one.client_id] = (one.endpoint, set())
        ids.add(one.message_id)
        run.append(one)
    if run:
        yield run


def _put_events(run: Iterable[_Said]) -> Mapping[str, EventsBatch]:
    batches: dict[str, EventsBatch] = {}
    for one in run:
        events: dict[str, EventInput | Refusal] = {}
        batch = batches.setdefault(one.client_id, EventsBatch(one.endpoint, events))
        if one.event is not None:
            batch.events[one.message_id] = one.event  # type: ignore[index]
    return batches


def _problems(run: Sequence[_Said], verdicts: Iterable[BatchVerdict]) -> Iterator[Problem]:
    refused = {verdict.endpoint_id: verdict.refused for verdict in verdicts}
    for one in run:
        why = refused[one.client_id]
        if one.event is not None and one.message_id in why:
            yield Problem(one.place, one.message_id, why[one.message_id])
        elif None in why:
            accepted = one.event is not None
            yield Problem(one.place, one.message_id, f"what it says of its endpoint: {why[None]}", accepted)


def _letter(app_id: str, message: bytes, refused: Problem, trace_id: str) -> bytes:
    """Return the body of a record that is no event; the pipe makes a dead letter of it."""
    headwater = {"v": 1, "door": DOOR, "trace_id": trace_id}
    if refused.message_id is not None:
        headwater["event_id"] = refused.message_id
    data = message.decode("utf-8", "backslashreplace")
    return _encode({"refused": refused.reason, "data": data, "application": {"app_id": app_id}, "headwater": headwater})
