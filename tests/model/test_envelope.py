"""What of a record is read whatever its class: that it is one, its time, and the tables of Headwater's own."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from headwater.model import Models
from headwater.model.decode.verdicts import MINUTES
from headwater.record import Record
from tests.model.bodies import ARRIVAL, DAY, SHARD, decode, event, rows
from tests.model.declared import models as models


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff\xfe",
        b"{",
        b"[" * 5000,
        b"null",
        b"[]",
        b'"text"',
        b'{"event_type":"PracticeEvent"}',
        b'{"event_type":"PracticeEvent","event_timestamp":NaN}',
        b'{"event_type":"PracticeEvent","event_timestamp":' + b"9" * 5000 + b"}",
        b'{"event_type":"PracticeEvent","event_timestamp":1e3}',
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp=2**63),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp="now"),
        event("PracticeEvent", [], {"level": 1}),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, client="me"),
        event(5),
        json.dumps(event("PracticeEvent", {"piece_id": "\ud800"}, {"level": 1})).encode(),
        json.dumps(event("PracticeEvent", {"piece_id": "p"}, {"level": float("nan")})).encode(),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1})["event_type"].encode("utf-16"),
        json.dumps(event("PracticeEvent", {"piece_id": "PIECE"}, {"level": 1})).encode().replace(b"PIECE", b"\xff"),
    ],
)
def test_a_body_that_is_no_event_is_a_letter_and_still_has_key_minute_and_identity(models: Models, body: Any) -> None:
    good = event("PracticeEvent", {"piece_id": "p"}, {"level": 1})

    decoded = decode(models, good, body, good)

    assert list(decoded.letters) == [1]
    assert decoded.letters[1].reason in ("not-json", "envelope")
    assert [len(key) for key in decoded.keys] == [16, 16, 16]
    assert len(decoded.minutes) == 3
    assert decoded.identity(1).arrival_ms == ARRIVAL
    assert list(decoded.places("practice_events")) == [0, 2]


def test_null_in_place_of_an_object_is_as_if_it_were_not_there(models: Models) -> None:
    nothing = dict.fromkeys(("application", "client", "session", "headwater"))

    decoded = decode(models, event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, **nothing), event("x", metrics=None, **nothing))

    for table in ("practice_events", "other_events"):
        [row] = rows(decoded, table)
        assert [row[name] for name in ("app_id", "client_id", "cognito_id", "session_id")] == [None] * 4


def test_a_record_of_a_later_format_waits_as_a_letter(models: Models) -> None:
    later = event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, headwater={"v": 2, "event_id": "e"})

    decoded = decode(models, later, event("_headwater.marriage"))

    assert [letter.reason for letter in decoded.letters.values()] == ["unknown-format", "unknown-format"]
    assert decoded.identity(0).event_id == "e"


@pytest.mark.parametrize("event_type", ["PracticeEvent", "Validated", "x", "_session.start", "_headwater.endpoint"])
def test_the_clients_clock_is_believed_up_to_both_ends_of_the_window_and_no_further(models: Models, event_type: str) -> None:
    attributes = {"PracticeEvent": {"piece_id": "p", "level": "1"}, "Validated": {"word": "w"}}.get(event_type, {})
    times = [ARRIVAL - 30 * DAY - 1, ARRIVAL - 30 * DAY, ARRIVAL + DAY, ARRIVAL + DAY + 1, -(2**63)]

    decoded = decode(models, *(event(event_type, attributes, event_timestamp=time) for time in times))

    assert {index: letter.reason for index, letter in decoded.letters.items()} == {0: "clock", 3: "clock", 4: "clock"}
    assert decoded.minutes == [time // 60_000 % MINUTES for time in times]
    assert decoded.letters[0].given == "2026-10-24T03:06:23.119Z"


def test_an_event_nobody_modelled_is_kept_as_maps(models: Models) -> None:
    decoded = decode(
        models,
        event("app/load page", {"a": "é", "n": None, "list": [1, "x"], "yes": True}, {"m": 1, "none": None}),
        event("_session.start", ..., ...),
        event("odd", {}, {"m": "much"}),
        event("odd", {}, {"m": True}),
    )

    found = rows(decoded, "other_events")
    assert [row["event_type"] for row in found] == ["app/load page", "_session.start"]
    assert found[0]["attributes"] == {"a": "é", "n": None, "list": '[1,"x"]', "yes": "true"}
    assert found[0]["metrics"] == {"m": 1.0, "none": None}
    assert found[1]["attributes"] == {}
    assert [letter.field for letter in decoded.letters.values()] == ["metrics", "metrics"]


def test_an_endpoint_record_becomes_a_row_of_endpoint_updates(models: Models) -> None:
    endpoint = {
        "Address": "token",
        "ChannelType": "APNS",
        "OptOut": "NONE",
        "EndpointStatus": "ACTIVE",
        "EffectiveDate": "2026-11-23T03:06:21.154Z",
        "CreationDate": "not a date",
        "RequestId": "r",
        "CohortId": "42",
        "Demographic": {"Make": "Gecko"},
        "Attributes": {"plan": ["pro"]},
        "User": {"UserId": "u", "UserAttributes": {"x": ["é"]}},
    }

    decoded = decode(
        models,
        event("_headwater.endpoint", {"operation": "delete"}, endpoint=endpoint),
        event("_headwater.endpoint", {"operation": "burn"}, endpoint=endpoint),
        event("_headwater.endpoint", endpoint={"Address": 5}),
    )

    [row] = rows(decoded, "endpoint_updates")
    assert (row["operation"], row["client_id"], row["user_id"], row["address"]) == ("delete", "client", "u", "token")
    assert row["effective_date"] == dt.datetime(2026, 11, 23, 3, 6, 21, 154000, tzinfo=dt.UTC)
    assert row["creation_date"] is None
    assert (row["demographic"], row["location"]) == ('{"Make": "Gecko"}', None)
    assert json.loads(row["user_attributes"]) == {"x": ["é"]}
    assert json.loads(row["profile"]) == endpoint
    assert {index: letter.field for index, letter in decoded.letters.items()} == {1: "attributes.operation", 2: "endpoint.Address"}


def test_an_arrival_that_is_no_time_is_kept_within_the_calendar(models: Models) -> None:
    decoded = models.decode([Record(b"{}", "k", 2**62)], SHARD, [1])

    assert decoded.letters[0].reason == "envelope"
    assert decoded.identity(0).arrival_ms == 253_402_300_799_999
