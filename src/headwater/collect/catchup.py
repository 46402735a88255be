"""Bringing the endpoint store up to the end of the stream, at the start of a collector."""

from __future__ import annotations

import logging

import msgspec

from headwater.collect.links import identity_change
from headwater.collect.records import ENDPOINT_EVENT_TYPE
from headwater.control.identities import Identities
from headwater.endpoint import Endpoints, Profile, ProfileChange
from headwater.record import Record
from headwater.stream import Stream

_log = logging.getLogger(__name__)

_MARK = b'"' + ENDPOINT_EVENT_TYPE.encode() + b'"'
_READ_AT_ONCE = 5_000


class _Application(msgspec.Struct, gc=False):
    app_id: str


class _Client(msgspec.Struct, gc=False):
    client_id: str


class _Attributes(msgspec.Struct, gc=False):
    operation: str | None = None


class _EndpointRecord(msgspec.Struct, gc=False):
    event_type: str
    application: _Application
    client: _Client
    attributes: _Attributes
    endpoint: msgspec.Raw


class _User(msgspec.Struct, rename="pascal", gc=False):
    user_id: str | None = None


class _Owner(msgspec.Struct, rename="pascal", gc=False):
    user: _User | None = None


_decode_record = msgspec.json.Decoder(_EndpointRecord).decode
_decode_owner = msgspec.json.Decoder(_Owner).decode


async def catch_up(stream: Stream, endpoints: Endpoints, identities: Identities | None = None) -> int:
    """Apply the endpoint records that *endpoints* has not applied yet, in the order of the stream; return how many there were.

    The identity changes among those records are applied to *identities*; what it has of them already changes nothing.
    """
    applied, count = endpoints.applied(), 0
    for shard_id in await stream.shards():
        position = applied.get(shard_id, 0)
        while True:
            batch = await stream.read(shard_id, after=position, limit=_READ_AT_ONCE, wait_s=0)
            if batch.upto <= position:
                break
            changes = [change for record in batch.records if (change := _change(record)) is not None]
            if identities is not None:
                links = [link for record in batch.records if (link := identity_change(record)) is not None]
                if links:
                    identities.apply(links)
            endpoints.apply(endpoints.begin(), {shard_id: batch.upto}, changes)
            position, count = batch.upto, count + len(changes)
    return count


def _change(record: Record) -> ProfileChange | None:
    if _MARK not in record.body:  # spares decoding nearly all records
        return None
    try:
        said = _decode_record(record.body)
        if said.event_type != ENDPOINT_EVENT_TYPE:
            return None
        app_id, endpoint_id = said.application.app_id, said.client.client_id
        if said.attributes.operation == "delete":
            return ProfileChange(app_id, endpoint_id, None)
        body = bytes(said.endpoint)
        owner = _decode_owner(body).user
    except msgspec.DecodeError as error:
        # An event whose attributes hold the mark as text ends here too when its other fields are not an endpoint record's.
        _log.warning("a record that mentions %s is not an endpoint record: %s", ENDPOINT_EVENT_TYPE, type(error).__name__)
        return None
    return ProfileChange(app_id, endpoint_id, Profile(app_id, endpoint_id, owner.user_id if owner is not None else None, body))
