"""Messages of the Segment API: what becomes an event, what is said of an endpoint, and what becomes of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.collect import Caller
from headwater.collect.segment import Problem, SegmentMessages
from headwater.errors import BadRequest
from headwater.model import compile_models
from headwater.record import Record
from tests.collect.conftest import APP, AT, Bench

AT_MS = 1_795_403_182_544
TRACK = {"type": "track", "messageId": "m1", "anonymousId": "a1", "event": "Song Played", "timestamp": AT}


async def put(bench: Bench, *messages: Any, **batch: Any) -> list[Problem]:
    body = json.dumps({"batch": messages, "writeKey": "hw", **batch}).encode()
    return await SegmentMessages(bench.collector, bench.clock).put_batch(APP, body, Caller("write key"), "trace")


async def recorded(bench: Bench, **said: Any) -> dict[str, Any]:
    assert await put(bench, TRACK | said) == []
    return (await bench.records())[-1]


async def test_a_track_is_an_event_numbers_are_metrics_and_objects_are_json_text(bench: Bench) -> None:
    properties = {
        "title": "Für Elise", "tempo": 72, "accuracy": 0.875, "big": 9007199254740993, "first": True, "nobody": None,
        "notes": ["e", "d#"], "hands": {"left": 1, "right": 2.5},
    }  # fmt: skip
    record = await recorded(bench, userId="u1", properties=properties)

    assert (record["event_type"], record["event_timestamp"]) == ("Song Played", AT_MS)
    assert record["client"] == {"client_id": "a1"}
    assert record["metrics"] == {"tempo": 72, "accuracy": 0.875, "big": 9007199254740993}
    attributes = {"title": "Für Elise", "first": "true", "nobody": None, "notes": '["e","d#"]', "hands": '{"left":1,"right":2.5}'}
    assert record["attributes"] == attributes
    assert record["endpoint"]["User"] == {"UserId": "u1", "UserAttributes": {}}
    assert record["headwater"] == {"v": 1, "event_id": "m1", "door": "segment", "trace_id": "trace"}


@pytest.mark.parametrize(("said", "client_id"), [({"anonymousId": "a", "userId": "u"}, "a"), ({"anonymousId": None, "userId": 5}, "5")])
async def test_the_client_is_the_anonymous_id_else_the_user(bench: Bench, said: dict[str, Any], client_id: str) -> None:
    record = await recorded(bench, **said)

    assert record["client"]["client_id"] == client_id


@pytest.mark.parametrize(
    ("message", "event_type", "attributes", "metrics"),
    [
        ({"type": "page", "name": "Home", "properties": {"path": "/", "h": 9}}, "pageView", {"name": "Home", "path": "/"}, {"h": 9}),
        ({"type": "page", "category": "Docs"}, "pageView", {"category": "Docs"}, {}),
        ({"type": "screen", "name": "Piano", "properties": {"name": "Own"}}, "screenView", {"name": "Own"}, {}),
        ({"type": "group", "groupId": "g1", "traits": {"plan": "x", "seats": 30}}, "group", {"groupId": "g1", "plan": "x"}, {"seats": 30}),
        ({"type": "alias", "userId": "new", "previousId": "old"}, "alias", {"userId": "new", "previousId": "old"}, {}),
    ],
)  # fmt: skip
async def test_the_other_kinds_are_events_of_fixed_types(
    bench: Bench, message: dict[str, Any], event_type: str, attributes: dict[str, str], metrics: dict[str, float]
) -> None:
    assert await put(bench, {"messageId": "m", "anonymousId": "a", "timestamp": AT, **message}) == []

    record = (await bench.records())[-1]
    assert (record["event_type"], record["attributes"], record["metrics"]) == (event_type, attributes, metrics)


async def test_identify_is_an_endpoint_and_no_event(bench: Bench) -> None:
    traits = {"email": "ada@example.org", "age": 36, "instruments": ["piano", "organ"], "address": {"city": "London"}}
    context = {
        "locale": "en-GB", "timezone": "Europe/London", "app": {"version": "1.2"}, "os": {"name": "iOS", "version": "19"},
        "device": {"manufacturer": "Apple", "model": "iPad"}, "location": {"city": "London", "latitude": 51.5},
    }  # fmt: skip

    assert await put(bench, {"type": "identify", "anonymousId": "a1", "userId": "u1", "traits": traits, "context": context}) == []

    [record] = await bench.records()
    profile = json.loads(bench.collector.endpoint(APP, "a1").body)
    assert record["event_type"] == "_headwater.endpoint"
    assert profile["User"] == {
        "UserId": "u1",
        "UserAttributes": {
            "email": ["ada@example.org"],
            "age": ["36"],
            "instruments": ["piano", "organ"],
            "address": ['{"city":"London"}'],
        },
    }
    assert profile["Demographic"] == {
        "AppVersion": "1.2", "Locale": "en-GB", "Make": "Apple", "Model": "iPad", "Platform": "iOS", "PlatformVersion": "19",
        "Timezone": "Europe/London",
    }  # fmt: skip
    assert profile["Location"] == {"City": "London", "Latitude": 51.5}


async def test_what_comes_after_an_identify_carries_what_it_said_and_what_came_before_does_not(bench: Bench) -> None:
    identify = {"type": "identify", "messageId": "i", "anonymousId": "a1", "userId": "u1", "traits": {"name": "Ada"}}

    assert await put(bench, TRACK, identify, TRACK | {"messageId": "m2", "userId": "u1"}) == []

    events = [record for record in await bench.records() if record["event_type"] == "Song Played"]
    assert [event["headwater"]["event_id"] for event in events] == ["m1", "m2"]
    assert "User" not in events[0]["endpoint"]
    assert events[1]["endpoint"]["User"] == {"UserId": "u1", "UserAttributes": {"name": ["Ada"]}}


async def test_two_events_under_one_id_are_two_events(bench: Bench) -> None:
    assert await put(bench, TRACK, TRACK | {"event": "Other"}, TRACK | {"anonymousId": "a2"}) == []

    events = [record for record in await bench.records() if not record["event_type"].startswith("_")]
    assert [(event["event_type"], event["client"]["client_id"]) for event in events] == [
        ("Song Played", "a1"), ("Other", "a1"), ("Song Played", "a2"),
    ]  # fmt: skip


async def test_times_sessions_apps_and_libraries(bench: Bench) -> None:
    context = {
        "sessionId": 1795403182, "library": {"name": "analytics.js", "version": "2.1"},
        "app": {"name": "Piano", "namespace": "org.example.piano", "build": "42"},
    }  # fmt: skip
    late = {name: value for name, value in TRACK.items() if name != "timestamp"}

    await put(bench, late | {"originalTimestamp": AT}, late | {"messageId": "m2"}, context=context, sentAt="2026-11-23T03:06:25Z")

    first, second = [record for record in await bench.records() if not record["event_type"].startswith("_")]
    assert (first["event_timestamp"], second["event_timestamp"]) == (AT_MS, bench.clock.now_ms())
    assert first["session"] == {"session_id": "1795403182"}
    application = first["application"]
    assert application["sdk"] == {"name": "analytics.js", "version": "2.1"}
    assert (application["title"], application["package_name"], application["version_code"]) == ("Piano", "org.example.piano", "42")
    assert first["headwater"]["sent_at"] == "2026-11-23T03:06:25Z"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"anonymousId": None}, "a message needs anonymousId or userId"),
        ({"event": None}, "event must be text of at least one character"),
        ({"event": "_headwater.endpoint"}, "EventType must not start with '_headwater.'"),
        ({"type": "tracks"}, "type must be one of track, identify, page, screen, group, alias"),
        ({"timestamp": "yesterday"}, "Timestamp must be ISO 8601 text"),
        ({"timestamp": 1795403182544}, "Timestamp must be ISO 8601 text"),
        ({"properties": ["a"]}, "properties must be an object"),
        ({"properties": {"score": 10**400}}, "metric 'score' must be a finite number"),
        ({"properties": {"x" * 257: "y"}}, "the name of an attribute or metric may have 256 characters"),
        ({"messageId": "m" * 257}, "messageId may have 256 characters, given 257"),
        ({"anonymousId": "a" * 257}, "an endpoint id has 1 to 256 characters"),
        ({"type": "identify", "traits": {"x": "y" * 70_000}}, "attribute 'x' may have 65,536 characters"),
    ],
)
async def test_a_message_that_is_refused_is_a_dead_letter_and_harms_no_other(bench: Bench, wrong: dict[str, Any], reason: str) -> None:
    message = TRACK | {"messageId": "wrong"} | wrong

    problems = await put(bench, TRACK, message, TRACK | {"messageId": "m3"})

    [problem] = problems
    assert (problem.place, problem.accepted) == (1, False)
    assert problem.reason.startswith(reason)
    bodies = await bench.records()
    events = [body["headwater"]["event_id"] for body in bodies if body.get("event_type") == "Song Played"]
    assert events == ["m1", "m3"]
    letter = bodies[-1]
    assert letter["refused"] == problem.reason
    assert json.loads(letter["data"]) == message
    decoded = compile_models([]).decode([Record(json.dumps(letter).encode(), "refused", AT_MS)], "shard", [1])
    assert [(found.reason, found.message[:200]) for found in decoded.letters.values()] == [("refused", problem.reason[:200])]
    assert decoded.identity(0).app_id == APP


async def test_a_part_that_is_no_json_harms_its_message_only(bench: Bench) -> None:
    bad = rb'{"type":"track","event":"\ud800","anonymousId":"a","properties":{"n":1.50}}'
    body = b'{"batch": [%s, %s]}' % (json.dumps(TRACK).encode(), bad)

    [problem] = await SegmentMessages(bench.collector, bench.clock).put_batch(APP, body, Caller("k"), "trace")

    assert problem == Problem(1, None, "event must be valid Unicode text, given a lone surrogate or bytes that are not UTF-8")
    assert (await bench.records())[-1]["data"].encode() == bad
    assert [record.get("event_type") for record in await bench.records()] == ["_headwater.endpoint", "Song Played", None]


async def test_an_event_counts_even_if_what_it_says_of_its_endpoint_does_not(bench: Bench) -> None:
    problems = await put(bench, TRACK | {"context": {"location": {"latitude": "north"}}})

    assert [(problem.place, problem.accepted) for problem in problems] == [(0, True)]
    assert "Latitude must be a finite number" in problems[0].reason
    assert [record["event_type"] for record in await bench.records()] == ["_headwater.endpoint", "Song Played"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"batch": {}}', b'{"batch": [', b"\xff", b'{"batch": null}', b"[" * 100_000])
async def test_what_is_no_batch_is_refused_whole(bench: Bench, body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"batch must be a list of messages|expected an object with batch|is not JSON"):
        await SegmentMessages(bench.collector, bench.clock).put_batch(APP, body, Caller("k"), "trace")
    assert await bench.records() == []
