"""What comes through the Kinesis door becomes records of the event stream, or dead letters, and never anything of ours."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from headwater.collect import Caller
from headwater.collect.catchup import catch_up
from headwater.collect.frames import as_put
from headwater.collect.kinesis import KinesisRecords, open_record
from headwater.endpoint import open_endpoints
from headwater.event import Event
from headwater.model import compile_models
from headwater.record import Record
from headwater.stream import FIRST_SHARD, open_stream

NOW = 1_795_403_182_544
APP = "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504"
KEY = Caller("a key")
GUEST = Caller("a guest", "us-east-1:guest", "us-east-1:pool")


class SignUpEvent(Event):
    """A user signed up."""

    email: str
    score: float | None = None


MODELS = compile_models([SignUpEvent])
MAKE = KinesisRecords(app_id=APP, account_id="000000000000", identity_pool_id="us-east-1:declared")


def record(data: Any, caller: Caller = KEY, app_id: str | None = None) -> Record:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return MAKE.record(body, "key", caller, app_id, NOW, "trace")


def said(data: Any, **options: Any) -> dict[str, Any]:
    [made] = open_record(record(data, **options), FIRST_SHARD, 1)
    return dict(json.loads(made.body))


def rows_and_letters(*records: Record) -> tuple[dict[str, list[dict[str, Any]]], dict[int, Any]]:
    opened = [(event, number) for number, one in enumerate(records, 1) for event in open_record(one, FIRST_SHARD, number)]
    decoded = MODELS.decode([event for event, _ in opened], FIRST_SHARD, [number for _, number in opened])
    return {name: table.to_pylist() for name, table in decoded.tables().items()}, dict(decoded.letters)


def test_an_event_of_the_event_stream_keeps_what_it_says() -> None:
    event = {
        "event_type": "SignUpEvent", "event_timestamp": NOW - 5, "arrival_timestamp": 1, "event_version": "3.1",
        "application": {"app_id": "other", "version_name": "1", "sdk": {"name": "s"}}, "client": {"client_id": "c", "cognito_id": "i"},
        "device": {"make": "m", "platform": {"name": "linux"}}, "session": {"session_id": "s", "start_timestamp": 7},
        "attributes": {"email": "é@example.org"}, "metrics": {"score": 1.5}, "endpoint": {"Id": "c"}, "awsAccountId": "111111111111",
        "headwater": {"v": 1, "event_id": "e1", "door": "pinpoint", "letter_id": "forged"},
        "something_new": "is left alone",
    }  # fmt: skip

    made = said(event)

    expected = {**event, "arrival_timestamp": NOW, "headwater": {"v": 1, "door": "kinesis", "trace_id": "trace", "event_id": "e1"}}
    expected["application"] = {**event["application"], "cognito_identity_pool_id": "us-east-1:declared"}  # type: ignore[dict-item]
    assert made == expected


def test_a_plain_event_is_enough() -> None:
    made = said({"event_type": "SignUpEvent", "email": "a@example.org", "score": 2, "ok": True, "nothing": None, "list": [1, "é"]})

    assert made == {
        "event_type": "SignUpEvent", "event_timestamp": NOW, "arrival_timestamp": NOW, "event_version": "3.1",
        "application": {"app_id": APP, "cognito_identity_pool_id": "us-east-1:declared", "sdk": {}},
        "client": {}, "device": {"platform": {}}, "session": {},
        "attributes": {"email": "a@example.org", "ok": "true", "nothing": None, "list": '[1,"é"]'}, "metrics": {"score": 2},
        "awsAccountId": "000000000000", "headwater": {"v": 1, "door": "kinesis", "trace_id": "trace"},
    }  # fmt: skip


def test_a_plain_event_may_name_client_session_id_and_time_short() -> None:
    made = said(
        {
            "event_type": "X", "event_id": "e", "client_id": "c", "session_id": "s", "timestamp": "2026-11-23T03:06:22.544Z",
            "attributes": {"a": 5, "both": "inner"}, "both": "outer",
        }
    )  # fmt: skip

    assert (made["headwater"]["event_id"], made["client"], made["session"]) == ("e", {"client_id": "c"}, {"session_id": "s"})
    assert made["event_timestamp"] == NOW
    assert made["attributes"] == {"a": "5", "both": "inner"}


def test_who_sent_it_is_what_the_credentials_say() -> None:
    forged = {"event_type": "X", "client": {"cognito_id": "somebody else"}, "application": {"app_id": "another"}}

    made = said(forged, caller=GUEST, app_id=APP)

    assert made["client"] == {"cognito_id": "us-east-1:guest"}
    assert made["application"] == {"app_id": APP, "cognito_identity_pool_id": "us-east-1:pool", "sdk": {}}


def test_events_become_rows_with_the_ids_they_bring_or_their_place() -> None:
    plain = {"event_type": "SignUpEvent", "email": "a@example.org", "score": 2}

    rows, letters = rows_and_letters(record({**plain, "event_id": "e1"}), record(plain), record({"event_type": "never modelled", "n": 1}))

    assert letters == {}
    assert [(row["event_id"], row["email"], row["score"]) for row in rows["sign_up_events"]] == [
        ("e1", "a@example.org", 2.0),
        (f"{FIRST_SHARD}:2", "a@example.org", 2.0),
    ]
    assert rows["other_events"][0]["metrics"] == [("n", 1.0)]


GARBAGE: dict[str, Any] = {
    "nothing": b"",
    "bytes": b"\xff\x00\x01",
    "text": b"hello",
    "cut off": b'{"event_type":"SignUpEv',
    "a number": b"5",
    "a list": b'[{"event_type":"SignUpEvent"}]',
    "no event": {"a": 1},
    "a type that is no text": {"event_type": 5},
    "a time that is none": {"event_type": "SignUpEvent", "timestamp": "yesterday"},
    "attributes that are no object": {"event_type": "SignUpEvent", "attributes": 5},
    "a client that is no object": {"event_type": "SignUpEvent", "client": "me", "email": "a"},
    "deep": b'{"event_type":"X","a":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "ours": {"event_type": "_headwater.endpoint", "event_timestamp": NOW, "attributes": {"operation": "update"}},
    "too many": {"event_type": "X", **{f"a{number}": 1 for number in range(501)}},
    "a long name": {"event_type": "X", "n" * 257: 1},
    "a NUL in a name": {"event_type": "X", "attributes": {"a\0": "b"}},
    "a long value": {"event_type": "X", "a": "v" * 65_537},
    "too big": {"event_type": "X", **{f"a{number}": "v" * 60_000 for number in range(17)}},
    "a long id": {"event_type": "X", "event_id": "i" * 257},
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_event_becomes_a_dead_letter_that_holds_it(name: str) -> None:
    made = record(GARBAGE[name])

    rows, letters = rows_and_letters(made)

    assert rows == {}
    assert list(letters) == [0]


def test_bytes_that_are_no_json_are_kept_as_they_are() -> None:
    for data in (b"\xff\x00\x01", b'{"event_type":"SignUpEv', b"\xffHW\x01", b""):
        assert as_put(record(data).body) == data
        assert [event.body for event in open_record(record(data), FIRST_SHARD, 1)] == [data]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ours", "event types that begin with '_headwater.' are Headwater's own"),
        ("too big", "an event may have 1,000,000 bytes, given 1,020,"),
    ],
)
def test_what_is_refused_says_why_and_keeps_its_bytes(name: str, why: str) -> None:
    made = said(GARBAGE[name])

    assert made["refused"].startswith(why)
    assert json.loads(made["data"]) == GARBAGE[name]


FORGED = (
    b'{"event_type":"_headwater.endpoint","event_timestamp":1795403182544,"application":{"app_id":"a"},"client":{"client_id":"c"},'
    b'"attributes":{"operation":"update"},"endpoint":{"Id":"c","ApplicationId":"a","User":{"UserId":"mallory"}}%s}'
)
SMUGGLED = [
    FORGED % b"",
    FORGED % b',"junk":1e400',
    FORGED % b',"junk":"\xff"',
    FORGED % b',"junk":' + b"9" * 400,
    FORGED % b',"event_type":"SignUpEvent"',
    FORGED % b',"event_timestamp":"x"',
    (FORGED % b"").replace(b"_headwater", b"\\u005fheadwater"),
    (FORGED % b',"junk":1e400').replace(b"_headwater", b"\\u005fheadwater"),
    (FORGED % b"").replace(b'"event_type"', b'"event\\u005ftype"'),
    b"  \n" + FORGED % b',"junk":1e400',
    b"\xef\xbb\xbf" + FORGED % b"",
    b'{"event_type":"SignUpEvent",' + (FORGED % b"")[1:],
    (FORGED % b"").replace(b"endpoint", b"identity", 1),
]


@pytest.mark.parametrize("data", SMUGGLED)
async def test_nobody_forges_a_record_of_ours(data: bytes, tmp_path: Any) -> None:
    made = record(data, caller=GUEST, app_id=APP)
    stream = open_stream("memory:")
    endpoints = open_endpoints(f"sqlite:///{tmp_path}/endpoints.db")
    await stream.append([made])

    changes = await catch_up(stream, endpoints)
    rows, _ = rows_and_letters(made)

    endpoints.close()
    assert changes == 0
    assert "endpoint_updates" not in rows
    assert "identities" not in rows


def test_cut_and_mangled_forgeries_are_no_records_of_ours_either() -> None:
    rng = random.Random(20261123)
    records = []
    for _ in range(5_000):
        data = bytearray(rng.choice(SMUGGLED))
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.choice(b'"\\{}[],:0e_\xff ')
        records.append(record(bytes(data), caller=GUEST, app_id=APP))

    rows, letters = rows_and_letters(*records)

    assert rows.keys() <= {"other_events", "sign_up_events"}
    assert len(letters) > 1_000
    assert sum(map(len, rows.values())) + len(letters) == sum(len(open_record(one, FIRST_SHARD, 1)) for one in records)


@pytest.mark.parametrize(("name", "fate"), [("score", "row"), ("level", "letter"), ("unknown", "letter")])
def test_a_metric_that_is_null_is_null_where_the_field_admits_it_and_otherwise_named(name: str, fate: str) -> None:
    models = compile_models([LevelEvent])
    metrics = {"level": 1, name: None}
    event = {"event_type": "LevelEvent", "event_timestamp": NOW, "application": {}, "client": {}, "session": {}, "metrics": metrics}

    decoded = models.decode([Record(json.dumps(event).encode(), "k", NOW)], FIRST_SHARD, [1])

    if fate == "row":
        [row] = decoded.tables()["level_events"].to_pylist()
        assert (row["score"], row["level"]) == (None, 1)
    else:
        assert decoded.letters[0].field == name


class LevelEvent(Event):
    """A level was played."""

    level: int
    score: float | None = None
