"""Request bodies into shapes: in one typed pass if nothing is unusual, else event by event."""

from __future__ import annotations

import msgspec

from headwater.collect import lenient
from headwater.collect.shapes import EVENT_LIMIT_BYTES, RESERVED_PREFIX, EventInput, EventsBatch, PutEvents, Refusal
from headwater.endpoint.profile import ProfileUpdate
from headwater.errors import BadRequest


class _Batch(msgspec.Struct, rename="pascal", gc=False):
    events: dict[str, EventInput]
    endpoint: msgspec.Raw = msgspec.Raw(b"{}")


class _Request(msgspec.Struct, rename="pascal", gc=False):
    batch_item: dict[str, _Batch]


_decode_request = msgspec.json.Decoder(_Request).decode
_decode_update = msgspec.json.Decoder(ProfileUpdate).decode
_encode = msgspec.json.Encoder().encode
_NOTHING_SAID = frozenset({b"{}", b"null"})


def decode_put_events(body: bytes) -> PutEvents:
    """Return what an EventsRequest carries, with a refusal in the place of each event that is wrong in itself.

    Raises `BadRequest` only if there is nothing to judge by itself: no JSON, or no BatchItem.
    """
    if b"\\" in body and b"\\u0000" in body:  # maybe in a name, and names are not looked at one by one below; one byte is found much faster
        return lenient.put_events(body)
    try:
        request = _decode_request(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return lenient.put_events(body)
    sized = len(body) > EVENT_LIMIT_BYTES
    batches: dict[str, EventsBatch] = {}
    for endpoint_id, batch in request.batch_item.items():
        events = batch.events
        types = {event.event_type for event in events.values()}
        if any(event_type.startswith(RESERVED_PREFIX) for event_type in types):
            return lenient.put_events(body)
        if sized and any(len(_encode(event)) > EVENT_LIMIT_BYTES for event in events.values()):
            return lenient.put_events(body)
        said = bytes(batch.endpoint)
        batches[endpoint_id] = EventsBatch(None if said in _NOTHING_SAID else _endpoint(said), events)
    return batches


def decode_endpoint_update(body: bytes) -> ProfileUpdate:
    """Return what an EndpointRequest says; `BadRequest` names the field that is wrong, what was given and what was expected."""
    if b"\\u0000" not in body:
        try:
            update = _decode_update(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            pass  # the lenient reading below has the last word, and the better message
        else:
            lenient.check_update(update)
            return update
    return lenient.endpoint_update(lenient.parse(body))


def decode_endpoint_updates(body: bytes) -> list[tuple[str, ProfileUpdate]]:
    """Return (endpoint id, update) for each Item of an EndpointBatchRequest, in order; `BadRequest` if any is wrong."""
    items = lenient.member(lenient.parse(body), "Item", list, "a list of endpoints")
    return [(lenient.member(item, "Id", str, "text"), lenient.endpoint_update(item)) for item in items]


def _endpoint(said: bytes) -> ProfileUpdate | Refusal | None:
    try:
        return decode_endpoint_update(said)
    except BadRequest as error:
        return Refusal(str(error))
