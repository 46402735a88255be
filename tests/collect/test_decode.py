"""Which events are refused, with which words, and that a bad one never takes a good one with it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from headwater.collect import EventsBatch, Refusal, decode_endpoint_update, decode_put_events, lenient
from headwater.collect.shapes import EventInput
from headwater.errors import BadRequest

AT = "2026-11-23T03:06:22.544Z"
GOOD = {"EventType": "Good", "Timestamp": AT}


def request(**events: Any) -> bytes:
    return json.dumps({"BatchItem": {"e1": {"Endpoint": {}, "Events": events}}}).encode()


def judged(body: bytes) -> dict[str, Any]:
    [batch] = decode_put_events(body).values()
    return dict(batch.events)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"Timestamp": AT}, "EventType must be text of at least one character, given nothing"),
        ({"EventType": "", "Timestamp": AT}, "EventType must be text"),
        ({"EventType": None, "Timestamp": AT}, "EventType must be text"),
        ({"EventType": ["x"], "Timestamp": AT}, "EventType must be text, given a list"),
        ({"EventType": "_headwater.endpoint", "Timestamp": AT}, "must not start with '_headwater.'"),
        ({"EventType": "x"}, "Timestamp must be ISO 8601 text"),
        ({"EventType": "x", "Timestamp": "soon"}, "given 'soon'"),
        ({"EventType": "x", "Timestamp": 1795403182544}, "given 1795403182544"),
        ({"EventType": "x", "Timestamp": "2026-02-30T00:00:00Z"}, "Timestamp must be"),
        ({**GOOD, "Attributes": ["a"]}, "Attributes must be an object, given a list"),
        ({**GOOD, "Attributes": {"a\0b": "x"}}, "NUL character"),
        ({**GOOD, "Attributes": {"a": {"b\0": "x"}}}, "NUL character"),
        ({**GOOD, "Attributes": {"a": nested(40)}}, "nested too deep"),
        ({**GOOD, "Attributes": {"a": "\ud800"}}, "lone surrogate"),
        ({**GOOD, "Attributes": {"\udfff": "a"}}, "lone surrogate"),
        ({**GOOD, "Attributes": {"a": ["x", "\ud800"]}}, "lone surrogate"),
        ({**GOOD, "Attributes": {"a" * 257: "x"}}, "256 characters, given 257"),
        ({**GOOD, "Attributes": {"a": "x" * 65_537}}, "65,536 characters, given 65,537"),
        ({**GOOD, "Attributes": {f"a{i}": "x" for i in range(501)}}, "at most 500, given 501"),
        ({**GOOD, "Attributes": {f"a{i}": "x" for i in range(250)}, "Metrics": {f"m{i}": 1 for i in range(251)}}, "given 501"),
        ({**GOOD, "Attributes": {f"a{i}": "x" * 60_000 for i in range(20)}}, "1,000,000 bytes"),
        ({**GOOD, "Metrics": {"m": "many"}}, "metric 'm' must be a finite number, given 'many'"),
        ({**GOOD, "Metrics": {"m": "1_000"}}, "must be a finite number"),
        ({**GOOD, "Metrics": {"m": True}}, "given true"),
        ({**GOOD, "Metrics": {"m": [1]}}, "given a list"),
        ({**GOOD, "Metrics": {"m": 10**400}}, "must be a finite number"),
        ({**GOOD, "Metrics": {"m": "1e999"}}, "must be a finite number"),
        ({**GOOD, "Session": "s"}, "Session must be an object"),
        ({**GOOD, "Session": {"StartTimestamp": AT}}, "Session.Id must be text"),
        ({**GOOD, "Session": {"Id": "s", "StartTimestamp": "soon"}}, "Session.StartTimestamp"),
        ({**GOOD, "Session": {"Id": "s", "Duration": 1.5}}, "whole milliseconds"),
        ({**GOOD, "AppTitle": {"a": 1}}, "AppTitle must be text"),
        ("text", "an event must be an object, given 'text'"),
        (None, "an event must be an object, given null"),
    ],
)
def test_a_bad_event_is_refused_with_its_reason_and_alone(bad: Any, says: str) -> None:
    events = judged(request(bad=bad, good=GOOD))

    assert isinstance(events["bad"], Refusal)
    assert says in events["bad"].message
    assert isinstance(events["good"], EventInput)


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_a_number_beyond_all_doubles_spoils_its_event_only(number: str) -> None:
    events = judged(request(bad={**GOOD, "Metrics": {"m": 777}}, good=GOOD).replace(b"777", number.encode()))

    assert isinstance(events["bad"], Refusal)
    assert isinstance(events["good"], EventInput)


def test_bytes_that_are_not_utf_8_spoil_their_event_only() -> None:
    events = judged(request(bad={**GOOD, "Attributes": {"a": "QQQ"}}, good=GOOD).replace(b"QQQ", b"\xff"))

    assert isinstance(events["bad"], Refusal)
    assert isinstance(events["good"], EventInput)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("true", "true"),
        ("false", "false"),
        ("null", None),
        ("5", "5"),
        ("1.50", "1.50"),
        ("-0", "-0"),
        ("1e400", "1e400"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ('[1, 2.50,"é", null]', '[1,2.50,"é",null]'),
        ('{"a": {"b": 9007199254740993}}', '{"a":{"b":9007199254740993}}'),
        ('"\\u00e9\\ud83d\\ude00"', "é😀"),
    ],
)
def test_an_attribute_becomes_text_and_null_stays_null(sent: str, text: str | None) -> None:
    body = request(v=dict(GOOD, Attributes={"a": "QQQ"})).replace(b'"QQQ"', sent.encode())

    assert judged(body)["v"].attributes == {"a": text}


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("1.5", 1.5),
        ("5", 5),
        ("9007199254740993", 9007199254740993),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ('"12"', 12),
        ('" 1.5 "', 1.5),
        ('"1e3"', 1000.0),
    ],
)
def test_a_metric_is_a_number_and_integers_stay_exact(sent: str, number: float) -> None:
    body = request(v=dict(GOOD, Metrics={"m": "QQQ"})).replace(b'"QQQ"', sent.encode())

    [[_, metric]] = judged(body)["v"].metrics.items()

    assert metric == number
    assert type(metric) is type(number)


@pytest.mark.parametrize(
    "timestamp", ["2026-11-23T03:06:22.544123Z", "2026-11-23T04:06:22.544+01:00", "2026-11-23T03:06:22.544", "2026-11-23t03:06:22.544z"]
)
def test_a_timestamp_may_have_microseconds_an_offset_or_none(timestamp: str) -> None:
    event = judged(request(v=dict(GOOD, Timestamp=timestamp)))["v"]

    assert event.timestamp.timestamp() == pytest.approx(1795403182.544, abs=0.001)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b"null",
        b'{"BatchItem":[]}',
        b'{"BatchItem":{"a":NaN}}',
        b'{"BatchItem":{}',
        "{}".encode("utf-16"),
        b"[" * 100_000,
    ],
)
def test_a_body_without_a_batch_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode_put_events(body)


def test_a_batch_without_events_is_refused_and_the_others_are_read() -> None:
    body = json.dumps({"BatchItem": {"a": {"Endpoint": {}}, "b": 5, "c": {"Events": {"v": GOOD}}}}).encode()

    batches = decode_put_events(body)

    assert isinstance(batches["a"].endpoint, Refusal)
    assert isinstance(batches["b"].endpoint, Refusal)
    assert isinstance(batches["c"].events["v"], EventInput)


@pytest.mark.parametrize("endpoint", [{}, None])
def test_an_empty_endpoint_says_nothing(endpoint: Any) -> None:
    for event in (GOOD, dict(GOOD, Attributes={"a": 1})):
        body = json.dumps({"BatchItem": {"e": {"Endpoint": endpoint, "Events": {"v": event}}}}).encode()

        assert decode_put_events(body)["e"].endpoint is None


def test_an_empty_batch_item_is_fine() -> None:
    assert decode_put_events(b'{"BatchItem":{}}') == {}


def test_both_ways_of_reading_agree_on_ordinary_requests() -> None:
    chance = random.Random(7)

    def maybe(share: float, **members: Any) -> dict[str, Any]:
        return members if chance.random() < share else {}

    for _ in range(200):
        events = {
            f"v{i}": {
                "EventType": chance.choice(["SignUp", "app/load page", "_session.stop", "é"]),
                "Timestamp": f"2026-11-{chance.randrange(1, 28):02d}T03:06:22.{chance.randrange(1000):03d}Z",
                **maybe(0.8, Attributes={f"a{k}": chance.choice(["x", 'é\\"', "", None]) for k in range(chance.randrange(4))}),
                **maybe(0.5, Metrics={"m": chance.choice([1, 1.5, -3, 2**53 + 1])}),
                **maybe(0.5, Session={"Id": "s", "StartTimestamp": AT, "StopTimestamp": AT, "Duration": 5}),
                **maybe(0.3, SdkName="amplify-flutter", ClientSdkVersion="2"),
            }
            for i in range(chance.randrange(5))
        }
        body = json.dumps({"BatchItem": {"e": {"Endpoint": {"Address": "x"} if chance.random() < 0.5 else {}, "Events": events}}}).encode()

        typed, read = decode_put_events(body), lenient.put_events(body)

        assert typed == read


def test_the_limits_apply_to_well_formed_requests_of_any_size() -> None:
    exact = {f"a{i}": "x" * 65_536 for i in range(15)}

    events = judged(request(fits=dict(GOOD, Attributes=exact), over=dict(GOOD, Attributes={**exact, "more": "y" * 65_000}), good=GOOD))

    assert [type(events[name]) for name in ("fits", "over", "good")] == [EventInput, Refusal, EventInput]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[]", "an endpoint must be an object"),
        (b'{"Attributes":5}', "Attributes must be an object, given 5"),
        (b'{"User":"u"}', "User must be an object"),
        (b'{"Location":{"Latitude":"north"}}', "Latitude must be a finite number, given 'north'"),
        (b'{"Metrics":{"m":"x"}}', "metric 'm' must be a finite number"),
        (b'{"Metrics":{"m":1e400}}', "must be a finite number"),
        (b'{"Attributes":{"a\\u0000":["x"]}}', "NUL"),
        (b'{"Address":"\\ud800"}', "lone surrogate"),
        (b'{"Address":{}}', "Address must be text"),
        (b"{", "not JSON"),
        (b'{"Attributes":{"' + b"a" * 257 + b'":["x"]}}', "256 characters"),
        (b'{"Address":"' + b"a" * 65_537 + b'"}', "65,536 characters"),
    ],
)
def test_a_wrong_endpoint_is_refused_with_its_reason(body: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        decode_endpoint_update(body)


def test_an_endpoint_of_scalars_is_read_as_text() -> None:
    update = decode_endpoint_update(
        b'{"Attributes":{"n":[1,true,null],"s":"x","gone":null},"Location":{"Latitude":"45.5","Longitude":4},"User":{"UserId":7}}'
    )

    assert update.attributes == {"n": ["1", "true"], "s": ["x"], "gone": None}
    assert update.location is not None
    assert (update.location.latitude, update.location.longitude) == (45.5, 4.0)
    assert update.user is not None
    assert update.user.user_id == "7"


def test_garbage_never_raises_anything_but_a_bad_request() -> None:
    chance = random.Random(11)
    seed_body = request(
        v=dict(GOOD, Attributes={"a": "é", "b": [1, {"c": None}]}, Metrics={"m": 1.5}, Session={"Id": "s", "StartTimestamp": AT})
    )
    for _ in range(3_000):
        body = bytearray(seed_body)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(body))
            if chance.random() < 0.5:
                body[at] = chance.randrange(256)
            else:
                body[at : at + chance.randrange(6)] = chance.choice(
                    [b"", b"null", b"{}", b"[", b'"', b"1e999", b"\\ud800", b"\\u0000", b"\xff\xfe"]
                )

        try:
            batches = decode_put_events(bytes(body))
        except BadRequest:
            continue

        for endpoint_id, batch in batches.items():
            endpoint_id.encode()
            assert isinstance(batch, EventsBatch)
            for event_id, event in batch.events.items():
                event_id.encode()
                assert isinstance(event, EventInput | Refusal)
                if isinstance(event, Refusal):
                    event.message.encode()


@pytest.mark.parametrize("metrics", [{"m": None}, {"m": None, "n": 1}, {"m": None, "n": "2.5"}])
def test_a_metric_may_be_null(metrics: dict[str, Any]) -> None:
    event = judged(request(e={**GOOD, "Metrics": metrics}))["e"]

    assert isinstance(event, EventInput)
    assert event.metrics == {name: value if value is None else float(value) for name, value in metrics.items()}
