"""The doors to streams: Kinesis, and what of Pinpoint leads to streams, on the rooms they need."""

from __future__ import annotations

from typing import NamedTuple

from headwater.clock import Clock
from headwater.collect.eventstreams import EventStreams
from headwater.collect.kinesis import KinesisRecords
from headwater.control import Apps
from headwater.control.documents import Documents
from headwater.edge.kinesis import Kinesis
from headwater.edge.kinesis.names import StreamNames
from headwater.edge.pinpoint.rest import PinpointRest
from headwater.edge.wire.routing import Route
from headwater.stream.streams import Streams


class StreamRooms(NamedTuple):
    """What the doors stand on. *iterator_key*: 32 bytes that shard iterators are sealed with."""

    streams: Streams
    records: KinesisRecords
    event_streams: EventStreams
    documents: Documents
    iterator_key: bytes


def stream_routes(rooms: StreamRooms, apps: Apps, *, region: str, account_id: str, clock: Clock) -> list[Route]:
    """Return the routes of both doors."""
    names = StreamNames(rooms.streams, region=region, account_id=account_id)
    kinesis = Kinesis(names, rooms.records, iterator_key=rooms.iterator_key, clock=clock)
    rest = PinpointRest(apps, rooms.documents, rooms.event_streams, names, region=region, account_id=account_id, clock=clock)
    return [*kinesis.routes(), *rest.routes()]
