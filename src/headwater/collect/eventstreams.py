"""Event streams: the events of an app, put on another stream of the project as they come, as Pinpoint did."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import msgspec

from headwater.clock import Clock, SystemClock
from headwater.collect.kinesis import open_record
from headwater.collect.shapes import RESERVED_PREFIX
from headwater.control.documents import Documents
from headwater.errors import NotFound, Unavailable
from headwater.record import Record
from headwater.stream import Batch
from headwater.stream.streams import Streams

KIND = "event-stream"
READ_LIMIT = 1_000
_WAIT_S, _PAUSE_S = 0.25, 1.0
_SAVE_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class EventStream(msgspec.Struct, frozen=True):
    """Where the events of an app go. `upto`: by shard of the app stream, the number up to which they were put there."""

    app_id: str
    stream: str
    role_arn: str
    changed_ms: int
    changed_by: str
    upto: dict[str, int]


class _Application(msgspec.Struct):
    app_id: str | None = None


class _Event(msgspec.Struct):
    event_type: str
    application: _Application


_decode_event = msgspec.json.Decoder(_Event).decode
_decode = msgspec.json.Decoder(EventStream).decode
_encode = msgspec.json.encode


class EventStreams:
    """The event streams of all apps, and what copies from the app stream. One per project, in the process that writes the streams.

    Each event is put on the other stream at least once: those of the last second before a crash may be there twice.
    An event stream to the app stream itself copies nothing: the events are there.
    """

    def __init__(self, streams: Streams, documents: Documents, clock: Clock | None = None) -> None:
        self._streams, self._documents, self._clock = streams, documents, clock or SystemClock()
        self._found = {app_id: _decode(body) for app_id, body in documents.all_of(KIND).items()}
        self._unsaved: set[str] = set()
        self._missing: set[str] = set()
        self._changed = asyncio.Event()

    def find(self, app_id: str) -> EventStream | None:
        """Return the app's event stream, None if it has none."""
        return self._found.get(app_id)

    async def put(self, app_id: str, stream: str, role_arn: str, changed_by: str) -> EventStream:
        """Send the events that come from now on to *stream*, and nowhere else; `NotFound` if there is none of that name."""
        self._streams.get(stream)
        app = self._streams.app
        upto = {shard_id: max((await app.stat(shard_id)).next - 1, 0) for shard_id in await app.shards()}
        made = EventStream(app_id, stream, role_arn, self._clock.now_ms(), changed_by, upto)
        await asyncio.to_thread(self._documents.put, app_id, KIND, _encode(made))
        self._found[app_id] = made
        self._changed.set()
        return made

    async def delete(self, app_id: str) -> EventStream:
        """Send the app's events nowhere else from now on, and return what was; `NotFound` if it had no event stream."""
        found = self._found.pop(app_id, None)
        if found is None:
            raise NotFound("event stream of app", app_id[:256])
        self._unsaved.discard(app_id)
        try:
            await asyncio.to_thread(self._documents.delete, app_id, KIND)
        except BaseException:
            self._found[app_id] = found
            raise
        return found

    async def run(self) -> None:
        """Copy until cancelled; a stream that is full or gone is tried again."""
        loop = asyncio.get_running_loop()
        saved_at = loop.time()
        while True:
            copied, copying = 0, self._copying()
            if not copying:
                self._changed.clear()
                await self._changed.wait()
                continue
            for app_id in copying:
                copied += await self._try_copy(app_id, _WAIT_S if len(copying) == 1 else 0)
            if loop.time() - saved_at >= _SAVE_EVERY_S:
                await self.save()
                saved_at = loop.time()
            if not copied:
                await asyncio.sleep(_WAIT_S if len(copying) > 1 else 0.01)

    async def copy(self, app_id: str, wait_s: float = 0) -> int:
        """Put the next events of the app onto its event stream and return how many records of the app stream that took."""
        event_stream = self._found[app_id]
        target, app, taken = self._streams.get(event_stream.stream), self._streams.app, 0
        for shard_id in await app.shards():
            after = event_stream.upto.get(shard_id, 0)
            batch = await app.read(shard_id, after, READ_LIMIT, wait_s)
            if self._found.get(app_id) is not event_stream:
                return taken  # while we waited it was deleted, or sent elsewhere
            if batch.upto <= after:
                continue
            now_ms = self._clock.now_ms()
            opened = _some_at_a_time(batch, app_id, now_ms)
            # Packed records may take long to be taken apart, and callers wait for this loop.
            while (events := await asyncio.to_thread(next, opened, None)) is not None:
                if events:
                    await target.append(events)
            taken += batch.upto - after
            if self._found.get(app_id) is not event_stream:
                return taken
            event_stream = self._found[app_id] = msgspec.structs.replace(event_stream, upto={**event_stream.upto, shard_id: batch.upto})
            self._unsaved.add(app_id)
        return taken

    async def save(self) -> None:
        """Make durable how far the copies came."""
        unsaved, self._unsaved = self._unsaved, set()
        for app_id in unsaved & self._found.keys():
            await asyncio.to_thread(self._documents.put, app_id, KIND, _encode(self._found[app_id]))

    def _copying(self) -> list[str]:
        return [app_id for app_id, found in self._found.items() if found.stream != self._streams.app.name]

    async def _try_copy(self, app_id: str, wait_s: float) -> int:
        try:
            copied = await self.copy(app_id, wait_s)
        except (NotFound, Unavailable, KeyError) as error:
            if app_id not in self._missing and app_id in self._found:
                self._missing.add(app_id)
                _log.warning("events of app %s cannot be put on their event stream, which is tried again: %s", app_id, error)
            await asyncio.sleep(_PAUSE_S)
            return 0
        self._missing.discard(app_id)
        return copied


def _some_at_a_time(batch: Batch, app_id: str, now_ms: int) -> Iterator[list[Record]]:
    """Yield the app's events in the batch, those of packed records each by itself, so that never too many are held."""
    some: list[Record] = []
    for number, record in zip(batch.sequence_numbers, batch.records, strict=True):
        try:
            events = open_record(record, batch.shard_id, number)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is of this record: the pipe makes a dead letter of it, the others go on)
            _log.error("record %s cannot be taken apart, and goes to no event stream: %s: %s", number, type(error).__name__, error)
            continue
        some += [Record(event.body, event.partition_key, now_ms) for event in events if _is_of(app_id, event.body)]
        if len(some) >= READ_LIMIT:
            yield some
            some = []
    yield some


def _is_of(app_id: str, body: bytes) -> bool:
    try:
        event = _decode_event(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return event.application.app_id == app_id and not event.event_type.startswith(RESERVED_PREFIX)
