"""Bytes that come through the Kinesis door into records of the app stream, and those into events.

One JSON object with an `event_type` becomes an event at once. Whatever else comes is kept as it is, with a frame that says who put it;
`open_record` takes it apart when events are read, so that a packed record is one record to the stream and its consumers. What is no event
becomes a dead letter: a producer that was told "failed" would send the same bytes again for ever.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.collect.frames import FrameSender, frame, is_framed, unframe
from headwater.collect.plain import event_of, given_id
from headwater.collect.shapes import EVENT_LIMIT_BYTES, Caller
from headwater.errors import BadRequest
from headwater.packed import UnreadablePack, take_apart
from headwater.record import Record

DOOR = "kinesis"

_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.Encoder().encode
# Numbers with a fraction or an exponent stay as they are written.
_decode = msgspec.json.Decoder(float_hook=lambda text: msgspec.Raw(text.encode())).decode


class KinesisRecords:
    """Makes records of the app stream; *app_id* and *identity_pool_id* are for events and callers that name none."""

    def __init__(self, *, app_id: str, account_id: str, identity_pool_id: str | None) -> None:
        self._app_id, self._account_id, self._identity_pool_id = app_id, account_id, identity_pool_id

    def record(self, data: bytes, partition_key: str, caller: Caller, app_id: str | None, arrival_ms: int, trace_id: str) -> Record:
        """Return the record of *data*; nothing that it contains raises. *app_id*: the only app the caller may write for, None = any."""
        sender = FrameSender(
            self._app_id, self._account_id, trace_id, self._identity_pool_id, app_id, caller.identity_id, caller.identity_pool_id
        )
        said = _object_in(data)
        body = frame(sender, data) if said is None else _event(said, data, sender, arrival_ms, None)
        return Record(body, partition_key, arrival_ms)


def open_record(record: Record, shard_id: str, sequence_number: int) -> list[Record]:
    """Return the events that a record of the app stream holds, each as a record; at least one, and the record itself if it is one event.

    An event of a framed record that brings no id gets one from where it lies, the same at every reading. The arrival is the record's.
    """
    if not is_framed(record.body):
        return [record]
    sender, data = unframe(record.body)
    try:
        parts = take_apart(data)
    except UnreadablePack as error:
        return [Record(_harmless(data, f"the record is {error}"), record.partition_key, record.arrival_ms)]
    opened = []
    for index, (content, key, why) in enumerate(parts):
        place = f"{shard_id}:{sequence_number}:{index}"
        said = _object_in(content)
        if said is None:
            body = _refused(why or _why_unreadable(content), content, _provenance(sender, place))
        else:
            body = _event(said, content, sender, record.arrival_ms, place)
        opened.append(Record(body, key or record.partition_key, record.arrival_ms))
    return opened


class _Object(msgspec.Struct):
    """Any JSON object: every decoder of records asks for at least this much, and does not look closer at what it has no use for."""

    event_type: msgspec.Raw = msgspec.Raw()


_is_object = msgspec.json.Decoder(_Object).decode


def _harmless(data: bytes, why: str) -> bytes:
    """Return bytes that no decoder of records takes for an object, although a less thorough one might read an object in *data*.

    Decoders skip what they have no use for, and so may accept text that is wrong there; with a member of its own around it, and no
    event type beside that, it is no event to any of them. Other bytes stay as they are: the dead letter says what they look like.
    """
    try:
        _is_object(data)
    except _MALFORMED:
        return data
    return _encode({"refused": why, "data": data.decode("utf-8", "backslashreplace")})


def _object_in(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object that *data* is; None if it is anything else, or larger than an event may be."""
    if len(data) > EVENT_LIMIT_BYTES:
        return None
    try:
        said = _decode(data)
    except _MALFORMED:
        return None
    return said if isinstance(said, dict) else None


def _event(said: dict[str, Any], data: bytes, sender: FrameSender, arrival_ms: int, place: str | None) -> bytes:
    provenance = _provenance(sender, given_id(said) or place)
    try:
        return _encode({**event_of(said, sender, arrival_ms), "headwater": provenance})
    except BadRequest as error:
        return _refused(str(error), data, provenance)


def _provenance(sender: FrameSender, event_id: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"v": 1, "door": DOOR, "trace_id": sender.trace_id}
    return made if event_id is None else {**made, "event_id": event_id}


def _refused(why: str, data: bytes, provenance: dict[str, Any]) -> bytes:
    return _encode({"refused": why, "data": data.decode("utf-8", "backslashreplace"), "headwater": provenance})


def _why_unreadable(data: bytes) -> str:
    if len(data) > EVENT_LIMIT_BYTES:
        return f"an event may have {EVENT_LIMIT_BYTES:,} bytes, given {len(data):,} bytes"
    try:
        msgspec.json.decode(data)
    except _MALFORMED as error:
        return f"a part of it cannot be read as JSON: {error}"
    return "it is JSON, but not an object"
