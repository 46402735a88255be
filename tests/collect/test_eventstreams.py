"""Event streams: what an app sends is on the stream it names, too."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headwater.clock import ManualClock
from headwater.collect.eventstreams import EventStreams
from headwater.collect.kinesis import open_record
from headwater.control.documents import open_documents
from headwater.errors import NotFound
from headwater.record import Record
from headwater.stream import FIRST_SHARD
from headwater.stream.memory import MemoryStream
from headwater.stream.streams import Streams


def event(app_id: str, event_type: str = "X", **more: Any) -> Record:
    return Record(json.dumps({"event_type": event_type, "application": {"app_id": app_id}, **more}).encode(), "client", 1)


class Place:
    """Streams and documents in a folder, opened again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.app = folder, MemoryStream()
        self.streams: Streams
        self.reopen()

    def reopen(self) -> EventStreams:
        self.streams = Streams(self.folder / "streams", self.app, "app")
        self.documents = open_documents(f"sqlite:///{self.folder}/control.db")
        self.event_streams = EventStreams(self.streams, self.documents, ManualClock())
        return self.event_streams

    async def close(self) -> None:
        self.documents.close()
        await self.streams.close()

    async def bodies(self, name: str) -> list[bytes]:
        return [record.body for record in (await self.streams.get(name).read(FIRST_SHARD, 0, 100, 0)).records]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    await made.streams.create("copy", mode="ON_DEMAND", max_record_kib=1024, tags={})
    yield made
    await made.close()


async def test_the_events_of_the_app_from_now_on_are_copied_as_they_are(place: Place) -> None:
    await place.app.append([event("a", "before")])
    await place.event_streams.put("a", "copy", "role", "me")
    mine = event("a", attributes={"é": "ü"})
    await place.app.append([mine, event("b"), event("a", "_headwater.endpoint"), Record(b"\xff", "k", 1), Record(b"[]", "k", 1)])

    taken = await place.event_streams.copy("a")

    assert taken == 5
    assert await place.bodies("copy") == [mine.body]


async def test_copying_goes_on_where_it_was_saved(place: Place) -> None:
    await place.event_streams.put("a", "copy", "role", "me")
    await place.app.append([event("a", "one")])
    await place.event_streams.copy("a")
    await place.event_streams.save()
    await place.close()

    again = place.reopen()
    await place.app.append([event("a", "two")])
    await again.copy("a")

    assert [json.loads(body)["event_type"] for body in await place.bodies("copy")] == ["one", "two"]
    found = again.find("a")
    assert found is not None
    assert (found.stream, found.role_arn, found.changed_by) == ("copy", "role", "me")


async def test_an_event_stream_must_lead_somewhere(place: Place) -> None:
    with pytest.raises(NotFound):
        await place.event_streams.put("a", "nowhere", "role", "me")
    with pytest.raises(NotFound):
        await place.event_streams.delete("a")


async def test_it_runs_until_it_is_deleted_and_goes_on_when_the_stream_comes_back(place: Place) -> None:
    running = asyncio.create_task(place.event_streams.run())
    await place.event_streams.put("a", "copy", "role", "me")
    await place.app.append([event("a", "one")])
    await arrive(place, 1)

    await place.event_streams.delete("a")
    await place.app.append([event("a", "two")])
    await place.event_streams.put("a", "copy", "role", "me")
    await place.app.append([event("a", "three")])
    await arrive(place, 2)

    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert [json.loads(body)["event_type"] for body in await place.bodies("copy")] == ["one", "three"]


async def arrive(place: Place, count: int) -> None:
    async with asyncio.timeout(5):
        while len(await place.bodies("copy")) < count:
            await asyncio.sleep(0.01)  # the copier's turn, in the same loop


async def test_a_record_at_which_taking_apart_fails_keeps_no_other_from_its_event_stream(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(record: Record, shard_id: str, number: int) -> Any:
        if record.body == b"a library fails here":
            raise ZeroDivisionError
        return open_record(record, shard_id, number)

    monkeypatch.setattr("headwater.collect.eventstreams.open_record", opened)
    await place.event_streams.put("a", "copy", "role", "me")
    before, after = event("a", "before"), event("a", "after")
    await place.app.append([before, Record(b"a library fails here", "k", 1), after])

    taken = await place.event_streams.copy("a")

    assert taken == 3
    assert await place.bodies("copy") == [before.body, after.body]
