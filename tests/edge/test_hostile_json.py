"""What is not quite JSON, at every door: each body has the answer that the rules say, and none makes an error of ours."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.edge.conftest import DECLARED, Answer
from tests.edge.hostile import AT, BASIC, DOORS, AllDoors

OK, ITEM, BODY, SIZE = "accepted", "refused by itself", "refused with the body", "too large"


class Case(NamedTuple):
    """What becomes of a value: as an attribute, as a property of a Segment message, and as a member that nobody asked for."""

    value: bytes
    attribute: str
    property_: str
    unknown: str


def case(value: bytes, attribute: str, property_: str = "", unknown: str = "") -> Case:
    return Case(value, attribute, property_ or attribute, unknown or (OK if attribute == ITEM else attribute))


CASES = {
    "duplicate keys": case(b'{"x":1,"x":2}', OK),
    "NaN": case(b"NaN", BODY),
    "nan": case(b"nan", BODY),
    "Infinity": case(b"Infinity", BODY),
    "-Infinity": case(b"-Infinity", BODY),
    "1e999": case(b"1e999", OK, ITEM),
    "-1e999": case(b"-1e999", OK, ITEM),
    "1e-999": case(b"1e-999", OK),
    "-0": case(b"-0", OK),
    "2^53+1": case(b"9007199254740993", OK),
    "2^64+1": case(b"18446744073709551617", OK),
    "5,000 digits": case(b"9" * 5_000, OK, ITEM),
    "100,000 digits": case(b"9" * 100_000, ITEM),
    "an exponent of 10,000 digits": case(b"1e" + b"9" * 10_000, OK, ITEM),
    "leading zero": case(b"01", BODY),
    "plus": case(b"+1", BODY),
    "no integer": case(b".5", BODY),
    "no fraction": case(b"1.", BODY),
    "no exponent": case(b"1e", BODY),
    "hexadecimal": case(b"0x10", BODY),
    "thousands": case(b"1_000", BODY),
    "other digits": case("١٢".encode(), BODY),
    "single quotes": case(b"'a'", BODY),
    "a word": case(b"undefined", BODY),
    "True": case(b"True", BODY),
    "a comment": case(b"1/* */", BODY),
    "a comma too many": case(b"[1,]", BODY),
    "a comma too few": case(b"[1 2]", BODY),
    "no key": case(b"{1:2}", BODY),
    "an open list": case(b"[", BODY),
    "an open text": case(b'"', BODY),
    "nothing": case(b"", BODY),
    "a lone high surrogate": case(b'"\\ud800"', ITEM, unknown=BODY),
    "a lone low surrogate": case(b'"\\udc00"', ITEM, unknown=BODY),
    "surrogates the wrong way round": case(b'"\\udc00\\ud800"', ITEM, unknown=BODY),
    "half a surrogate pair": case(b'"\\ud83dx"', ITEM, unknown=BODY),
    "a surrogate pair": case(b'"\\ud83d\\ude00"', OK),
    "bytes that are not UTF-8": case(b'"\xff\xfe"', ITEM),
    "an overlong NUL": case(b'"\xc0\x80"', ITEM),
    "an overlong slash": case(b'"\xc0\xaf"', ITEM),
    "a surrogate in UTF-8": case(b'"\xed\xa0\x80"', ITEM),
    "half a character": case(b'"\xe2\x82"', ITEM),
    "beyond Unicode": case(b'"\xf4\x90\x80\x80"', ITEM),
    "a control character": case(b'"a\x01b"', BODY),
    "a raw line feed": case(b'"a\nb"', BODY),
    "an escaped NUL": case(b'"\\u0000"', OK),
    "a raw NUL": case(b'"\x00"', BODY),
    "an unknown escape": case(b'"\\x41"', BODY),
    "half an escape": case(b'"\\u12"', BODY),
    "a NUL in a name": case(b'{"\\u0000":1}', ITEM),
    "a lone surrogate in a name": case(b'{"\\ud800":1}', ITEM, unknown=BODY),
    "a long text": case(b'"' + b"x" * 65_537 + b'"', ITEM),
    "60,000 letters": case(b'"' + b"x" * 60_000 + b'"', OK),
    "lists at the limit": case(b"[" * 29 + b"]" * 29, OK),
    "lists over the limit": case(b"[" * 30 + b"]" * 30, ITEM),
    "objects over the limit": case(b'{"a":' * 30 + b"1" + b"}" * 30, ITEM),
    "depth 2,000": case(b"[" * 2_000 + b"]" * 2_000, BODY),
    "depth 100,000": case(b"[" * 100_000 + b"]" * 100_000, BODY),
    "depth 100,000 and no end": case(b"[" * 100_000, BODY),
    "20,000 objects in one another": case(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, BODY),
}

WHOLE = {
    "nothing": b"",
    "white space": b" \r\n\t",
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a text": b'"x"',
    "a list": b"[]",
    "a BOM": b"\xef\xbb\xbf@",
    "a BOM alone": b"\xef\xbb\xbf",
    "a byte after it": b"@x",
    "a NUL after it": b"@\0",
    "twice": b"@@",
    "two lines": b"@\n@",
    "one byte too few": b"@"[:0],
    "NULs": bytes(1_000),
    "noise": bytes(range(256)),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllDoors]:
    made = AllDoors(tmp_path_factory.mktemp("edge"))
    yield made
    made.stop()


def outcome(door: str, answer: Answer) -> str:
    """Say what became of the value, and check that the rest of the answer fits."""
    if answer.status == 413:
        assert answer.error_type == "PayloadTooLargeException"
        return SIZE
    if answer.status == 400:
        assert answer.error_type in ("BadRequestException", "SerializationException", "InvalidParameterException"), answer.body
        return BODY
    if door == "PutEvents":
        assert answer.status == 202
        verdicts = answer.json["Results"]["e"]["EventsItemResponse"]
        assert verdicts["w"]["StatusCode"] == 202  # its neighbour is none the worse for it
        return {202: OK, 400: ITEM}[verdicts["v"]["StatusCode"]]
    assert answer.status == (202 if door == "UpdateEndpoint" else 200)
    problems = answer.json.get("problems", []) if door in ("batch", "track") else []
    assert [problem["index"] for problem in problems] in ([], [0])
    return ITEM if problems else OK


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("door", [name for name in DOORS if name != "GetCallerIdentity"])
def test_a_value_is_accepted_or_refused_by_itself_or_with_the_body(served: AllDoors, door: str, name: str) -> None:
    wanted = CASES[name]

    found = outcome(door, DOORS[door].send(served, DOORS[door].body(wanted.value)))

    if door in ("PutRecords", "GetId"):
        assert found == wanted.unknown
    elif door in ("batch", "track"):
        assert found == wanted.property_
    elif door == "UpdateEndpoint":  # it has no parts that could be refused by themselves
        assert found == (BODY if wanted.attribute == ITEM else wanted.attribute)
    else:
        assert found == wanted.attribute


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("door", [name for name in DOORS if name != "GetCallerIdentity"])
def test_a_body_that_is_no_object_is_refused(served: AllDoors, door: str, name: str) -> None:
    good = DOORS[door].body(b'"x"')
    body = good[:-1] if name == "one byte too few" else WHOLE[name].replace(b"@", good)

    answer = DOORS[door].send(served, body)

    assert answer.status == 400
    assert answer.json


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("door", [name for name in DOORS if name != "GetCallerIdentity"])
def test_a_body_in_another_encoding_is_refused(served: AllDoors, door: str, encoding: str) -> None:
    body = DOORS[door].body(b'"x"').decode().encode(encoding)

    assert DOORS[door].send(served, body).status == 400


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidAction"),
        (b"Action=GetCallerIdentity", None),
        (b"Action=GetCallerIdentity&Action=GetCallerIdentity", "ValidationError"),
        (b"Action=GetCallerIdentity&x=%FF", "ValidationError"),
        (b"Action=GetCallerIdentity&x=\xff", "ValidationError"),
        (b"Action=GetCallerIdentity&x=%ED%A0%80", "ValidationError"),
        (b"Action=GetCallerIdentity&" + b"&".join(b"k%d=v" % number for number in range(64)), "ValidationError"),
        (b"Action=GetCallerIdentity%00", "InvalidAction"),
        (b"Action=<script>", "InvalidAction"),
        (b'{"Action":"GetCallerIdentity"}', "ValidationError"),
        (b"Action", "ValidationError"),
        (b"&&&&", "ValidationError"),
        (b"\xef\xbb\xbfAction=GetCallerIdentity", "InvalidAction"),
        (bytes(100), "ValidationError"),
        (b"x=" + b"y" * 65_536, "PayloadTooLargeException"),
    ],
)
def test_a_form_is_read_or_refused(served: AllDoors, body: bytes, code: str | None) -> None:
    answer = DOORS["GetCallerIdentity"].send(served, body)

    assert answer.error_type == code
    assert answer.status == (200 if code is None else 413 if "Large" in code else 400)
    assert b"<script" not in answer.body


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"1e999", "1e999"),
        (b"18446744073709551617", "18446744073709551617"),
        (b"9" * 5_000, "9" * 5_000),
        (b"1.10", "1.10"),
        (b"-0", "-0"),
        (b'{"x":1,"x":2}', '{"x":2}'),
        (b'[1e400,{"a":1.50}]', '[1e400,{"a":1.50}]'),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\u0000"', "\0"),
        (b"true", "true"),
        (b"null", None),
        (b'"' + b"x" * 65_536 + b'"', "x" * 65_536),
    ],
)
def test_a_value_that_is_accepted_is_kept_as_it_was_written(served: AllDoors, written: bytes, kept: str | None) -> None:
    door = DOORS["PutEvents"]

    answer = door.send(served, door.body(written))

    trace_id = answer.headers["x-amzn-RequestId"]
    [value] = [r["attributes"]["a"] for r in served.records() if r["headwater"].get("trace_id") == trace_id and r["attributes"]]
    assert value == kept


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b'"NaN"', b'"Infinity"', b"9" * 400, b"true", b'"0x10"', b'""', b"[1]", b"{}"])
def test_a_metric_that_no_double_can_hold_is_refused_by_itself(served: AllDoors, number: bytes) -> None:
    door = DOORS["PutEvents"]
    body = door.template.replace(b'"Attributes":{"a":@}', b'"Metrics":{"a":%s}' % number)

    assert outcome("PutEvents", door.send(served, body)) == ITEM


def test_of_duplicates_at_every_level_the_last_is_judged_answered_and_stored(served: AllDoors) -> None:
    event = '{"EventType":"%s","EventType":"%s","Timestamp":"' + AT + '"}'
    events = f'{{"v":{event % ("A", "B")},"v":{event % ("C", "last")}}}'
    batch = f'{{"Events":{{"gone":{event % ("D", "E")}}},"Events":{events}}}'
    body = f'{{"BatchItem":{{"x":{batch}}},"BatchItem":{{"y":{{"Events":{{}}}},"y":{batch}}}}}'

    answer = served.signed("POST", f"/v1/apps/{DECLARED.app_id}/events", body.encode())

    assert list(answer.json["Results"]) == ["y"]
    assert list(answer.json["Results"]["y"]["EventsItemResponse"]) == ["v"]
    trace_id = answer.headers["x-amzn-RequestId"]
    assert [
        r["event_type"] for r in served.records() if (r["headwater"].get("event_id"), r["headwater"].get("trace_id")) == ("v", trace_id)
    ] == ["last"]


def many(count: int, member: bytes) -> bytes:
    return b"{" + b",".join(b'"k%d":%s' % (number, member) for number in range(count)) + b"}"


@pytest.mark.parametrize(
    ("body", "status", "refused"),
    [
        (DOORS["PutEvents"].template.replace(b'{"a":@}', many(100_000, b'""')), 202, 1),
        (b'{"BatchItem":{"e":{"Events":%s}}}' % many(100_000, b"{}"), 202, 100_000),
        (b'{"BatchItem":%s}' % many(100_000, b'{"Events":{}}'), 400, 0),
        (b'{"BatchItem":%s}' % many(2_000, b'{"Events":{}}'), 202, 0),
        (b'{"BatchItem":{},"x":%s}' % many(100_000, b"{}"), 202, 0),
    ],
    ids=["attributes", "events", "endpoints", "2,000 endpoints", "others"],
)  # fmt: skip
def test_a_hundred_thousand_keys_are_read_in_reasonable_time(served: AllDoors, body: bytes, status: int, refused: int) -> None:
    begun = time.process_time()  # ours and the server's, whatever else the machine does

    answer = served.signed("POST", f"/v1/apps/{DECLARED.app_id}/events", body)

    assert answer.status == status
    assert answer.body.count(b'"StatusCode":400') == refused
    assert time.process_time() - begun < 10


def test_keys_that_would_collide_in_a_hash_table_do_not(served: AllDoors) -> None:
    # Their numeric values are one and the same to Python's hash of numbers; text is hashed with a secret.
    modulus = (1 << 61) - 1
    names: dict[str, Any] = {str(modulus * number): "" for number in range(1, 40_000)}
    body = {"BatchItem": {"e": {"Events": {"v": {"EventType": "E", "Timestamp": AT, "Attributes": names}}}}}
    begun = time.process_time()

    answer = served.signed("POST", f"/v1/apps/{DECLARED.app_id}/events", json.dumps(body).encode())

    assert answer.json["Results"]["e"]["EventsItemResponse"]["v"]["StatusCode"] == 400
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"\xbf\xff", b"\x9f" * 10_000, b"\x81" * 100_000, b"\x9b" + b"\xff" * 8, bytes(50)])
def test_cbor_that_is_none_is_refused(served: AllDoors, body: bytes) -> None:
    answer = served.kinesis_call("PutRecords", body, content_type="application/x-amz-cbor-1.1")

    assert (answer.status, answer.error_type) in [(400, "SerializationException"), (400, "ValidationException")]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'"\\ud800"', b'{"writeKey":"\\ud800"}', b'{"writeKey":' + b"[" * 5_000, b"\xff"])
def test_a_body_is_no_way_around_the_write_key(served: AllDoors, body: bytes) -> None:
    assert served.ask("POST", "/v1/batch", body).status == 401
    assert served.ask("POST", "/v1/batch", body, BASIC).status == 400
