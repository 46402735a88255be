"""A plain object: each known member with each JSON type is what its name says, or an attribute or metric, or named by the letter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.collect import Caller
from headwater.collect.kinesis import KinesisRecords, open_record
from headwater.model import compile_models
from headwater.record import Record
from headwater.stream import FIRST_SHARD

NOW = 1_795_403_182_544
MAKE = KinesisRecords(app_id="declared", account_id="000000000000", identity_pool_id="us-east-1:declared")
MODELS = compile_models([])

TYPES: dict[str, Any] = {
    "text": "iPhone 15",
    "number": 42,
    "fraction": 1.5,
    "true": True,
    "null": None,
    "array": [1, "a"],
    "empty object": {},
    "object": {"of": "its own"},
}
SCALARS = ("text", "number", "fraction", "true")
EMPTY = ("null", "empty object")
OBJECTS = ("application", "client", "session", "device", "endpoint", "client_context", "facets")
NAMES = ("event_version", "awsAccountId", "arrival_timestamp", "headwater", "anything")
IDS = ("event_id", "client_id", "session_id")


def text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def made(said: dict[str, Any] | bytes) -> Record:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    [record] = open_record(MAKE.record(data, "key", Caller("a key"), None, NOW, "trace"), FIRST_SHARD, 1)
    return record


def row(said: dict[str, Any] | bytes) -> dict[str, Any]:
    """Return the row that a plain event becomes, with its attributes and metrics as one."""
    decoded = MODELS.decode([made(said)], FIRST_SHARD, [1])
    assert decoded.letters == {}
    [found] = decoded.tables()["other_events"].to_pylist()
    return {**found, "fields": {**dict(found["metrics"]), **dict(found["attributes"])}}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", [*OBJECTS, *NAMES])
def test_a_member_that_is_none_of_ours_is_an_attribute_or_a_metric(name: str, kind: str) -> None:
    value = TYPES[kind]

    fields = row({"event_type": "X", name: value})["fields"]

    if kind in (*EMPTY, "object") if name == "headwater" else kind in EMPTY and name in OBJECTS:
        assert fields == {}
    else:
        assert fields == {name: value if kind in ("number", "fraction") else text(value)}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", IDS)
def test_an_id_may_be_any_scalar_and_is_text(name: str, kind: str) -> None:
    value = TYPES[kind]

    found = row({"event_type": "X", name: value})

    if kind in SCALARS:
        assert (found[name], found["fields"]) == (text(value), {})
    else:
        assert found["fields"] == ({} if kind == "null" else {name: text(value)})
        assert found[name] == (f"{FIRST_SHARD}:1" if name == "event_id" else None)


@pytest.mark.parametrize("kind", SCALARS)
def test_the_ids_within_client_session_and_headwater_may_be_any_scalar(kind: str) -> None:
    value = TYPES[kind]

    found = row({"event_type": "X", "client": {"client_id": value}, "session": {"session_id": value}, "headwater": {"event_id": value}})

    assert (found["client_id"], found["session_id"], found["event_id"], found["fields"]) == (text(value),) * 3 + ({},)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", ["attributes", "metrics"])
def test_attributes_and_metrics_that_are_no_objects_are_attributes_of_that_name(name: str, kind: str) -> None:
    value = TYPES[kind]
    if (name, kind) == ("metrics", "object"):
        return  # its letter is below

    fields = row({"event_type": "X", name: value})["fields"]

    if kind in EMPTY or kind == "object":
        assert fields == (value or {})
    else:
        assert fields == {name: value if kind in ("number", "fraction") else text(value)}


PINPOINTS = {
    "application": {"app_id": "a", "package_name": "p", "sdk": {"name": "s", "version": "1"}},
    "client": {"client_id": "c", "cognito_id": "i"},
    "session": {"session_id": "s", "start_timestamp": 1, "stop_timestamp": 2, "duration": 1},
    "device": {"locale": {"code": "fr_FR", "country": "FR", "language": "fr"}, "make": "m", "model": "n", "platform": {"name": "linux"}},
    "endpoint": {"Id": "c", "EffectiveDate": "2026-11-23T03:06:21.154Z", "Attributes": {"a": ["b"]}, "User": {"UserId": "u"}},
    "client_context": {"custom": {"endpoint": "{}"}},
    "facets": {"email_channel": {"mail_event": {}}},
}


@pytest.mark.parametrize("name", PINPOINTS)
def test_an_object_of_the_event_streams_shape_is_that(name: str) -> None:
    said = {"event_type": "X", name: PINPOINTS[name]}

    assert row(said)["fields"] == {}
    assert json.loads(made(said).body)[name].items() >= PINPOINTS[name].items()


@pytest.mark.parametrize("name", PINPOINTS)
def test_an_object_with_one_member_more_is_an_attribute_whole(name: str) -> None:
    value = {**PINPOINTS[name], "of my own": 1}

    assert row({"event_type": "X", name: value})["fields"] == {name: text(value)}


@pytest.mark.parametrize("version", ["3.1", "1", 2, None])
def test_a_version_alone_does_not_make_an_event_of_the_event_stream(version: Any) -> None:
    fields = row({"event_type": "X", "event_version": version, "mine": "kept"})["fields"]

    assert fields == {"event_version": version, "mine": "kept"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"event_type": 5}, "event_type"),
        ({"event_type": None}, "event_type"),
        ({"event_type": ["X"]}, "event_type"),
        ({"event_id": "no type"}, "event_type"),
        ({"event_type": "X", "event_timestamp": "yesterday"}, "event_timestamp"),
        ({"event_type": "X", "event_timestamp": True}, "event_timestamp"),
        ({"event_type": "X", "timestamp": {"a": 1}}, "event_timestamp"),
        (b'{"event_type":"X","timestamp":1e400}', "event_timestamp"),
        ({"event_type": "X", "metrics": {"of": "its own"}}, "metrics"),
    ],
)
def test_what_cannot_be_is_named_by_the_letter(said: dict[str, Any] | bytes, field: str) -> None:
    decoded = MODELS.decode([made(said)], FIRST_SHARD, [1])

    assert decoded.letters[0].field == field


def test_a_second_time_is_an_attribute_of_its_own() -> None:
    found = row({"event_type": "X", "event_timestamp": NOW - 1000, "timestamp": "2026-11-23T03:06:00Z"})

    assert found["fields"] == {"timestamp": "2026-11-23T03:06:00Z"}
    assert found["datetime"].timestamp() * 1000 == NOW - 1000


@pytest.mark.parametrize("number", ["1.50", "2e3", "1e400", "0.12345678901234567890", "123456789012345678901234567890", "-0.0"])
def test_numbers_reach_the_stream_as_they_are_written(number: str) -> None:
    body = made(b'{"event_type":"X","n":%s,"list":[%s]}' % (number.encode(), number.encode())).body

    assert b'"n":%s' % number.encode() in body
    assert b'"list":"[%s]"' % number.encode() in body


@pytest.mark.parametrize("number", [2**53, 2**53 + 1, -(2**53) - 1, 2**63, 10**30])
def test_whole_numbers_of_events_that_nobody_modelled_are_kept_exactly(number: int) -> None:
    found = row({"event_type": "X", "order_id": number, "metrics": {"other_id": number}})

    metrics, attributes = dict(found["metrics"]), dict(found["attributes"])
    assert metrics == {"order_id": float(number), "other_id": float(number)}
    assert attributes == ({} if number == 2**53 else {"order_id": str(number), "other_id": str(number)})


def test_an_attribute_of_the_name_of_a_large_number_wins() -> None:
    found = row({"event_type": "X", "order_id": 2**53 + 1, "attributes": {"order_id": "mine"}})

    assert dict(found["attributes"]) == {"order_id": "mine"}
