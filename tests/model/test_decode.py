"""What a record becomes: a row, or a letter that says why not."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pytest
from pydantic import BaseModel, EmailStr, Field, field_validator

from headwater.event import Email, Event
from headwater.model import Models, Window, compile_models
from headwater.model.decoded import MINUTES
from headwater.record import Record
from tests.model.bodies import ARRIVAL, AT, SHARD, decode, event, record, rows

DAY = 86_400_000


class SignInEvent(Event):
    email: EmailStr
    is_test_user: bool
    user_type: str | None


class PracticeEvent(Event):
    level: int
    piece_id: str
    accuracy: float | None = None


class Pair(BaseModel):
    a: int
    b: str | None = None


class Shaped(Event):
    tags: list[str]
    pair: Pair | None
    scores: dict[str, float] | None = None


class Validated(Event):
    word: str

    @field_validator("word")
    @classmethod
    def no_vowel(cls, word: str) -> str:
        if word == "boom":
            raise ZeroDivisionError("one by none")
        if "a" in word:
            raise ValueError("no a, please")
        return word.upper()


class Loose(Event, extra="ignore"):
    level: int
    note: str | None = None


CLASSES = [SignInEvent, PracticeEvent, Shaped, Validated, Loose]


@pytest.fixture(params=[True, False], ids=["fast", "pydantic only"])
def models(request: pytest.FixtureRequest) -> Models:
    return compile_models(CLASSES, fast=request.param)


def test_an_event_becomes_a_row_with_the_system_columns(models: Models) -> None:
    decoded = decode(models, event("PracticeEvent", {"piece_id": "gnossienne-1"}, {"level": 3, "accuracy": 0.5}))

    assert rows(decoded, "practice_events") == [
        {
            "event_id": "event",
            "event_type": "PracticeEvent",
            "datetime": dt.datetime(2026, 11, 23, 3, 6, 22, 544000, tzinfo=dt.UTC),
            "session_id": "session",
            "app_id": "app",
            "client_id": "client",
            "cognito_id": "us-west-2:identity",
            "arrival_datetime": dt.datetime(2026, 11, 23, 3, 6, 23, 120000, tzinfo=dt.UTC),
            "year": "2026",
            "month": "11",
            "day": "23",
            "level": 3,
            "piece_id": "gnossienne-1",
            "accuracy": 0.5,
        }
    ]
    assert not decoded.letters
    assert decoded.tables()["practice_events"].schema == models.tables["practice_events"].schema


def test_dates_are_written_without_leading_zeros_for_each_of_several_days(models: Models) -> None:
    days = [1_788_220_800_000, 1_788_220_799_999, 1_796_083_200_000]  # 1 September 2026, the moment before, 1 December
    bodies = [event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp=day) for day in days]

    decoded = models.decode([record(body) for body in bodies], SHARD, [1, 2, 3], Window(past_ms=400 * DAY, ahead_ms=400 * DAY))

    found = [(row["year"], row["month"], row["day"]) for row in rows(decoded, "practice_events")]
    assert found == [("2026", "9", "1"), ("2026", "8", "31"), ("2026", "12", "1")]


@pytest.mark.parametrize(
    ("attributes", "metrics", "expected"),
    [
        ({"level": "3"}, {}, 3),
        ({"level": " +3 "}, {}, 3),
        ({}, {"level": 3.0}, 3),
        ({}, {"level": 9_007_199_254_740_993}, 9_007_199_254_740_993),
        ({"level": "4"}, {"level": 3}, 4),
        ({"level": "4"}, {"level": "wrong"}, 4),
        ({"level": "-9223372036854775808"}, {}, -(2**63)),
    ],
)
def test_numbers_come_from_metrics_or_as_text_and_the_attribute_wins(
    models: Models, attributes: dict[str, Any], metrics: dict[str, Any], expected: int
) -> None:
    plain = event("PracticeEvent", {"piece_id": "p"}, {"level": 1})

    decoded = decode(models, plain, event("PracticeEvent", {"piece_id": "p", **attributes}, metrics), plain)

    assert [row["level"] for row in rows(decoded, "practice_events")] == [1, expected, 1]


@pytest.mark.parametrize(
    ("attributes", "metrics", "given"),
    [
        ({}, {}, None),
        ({"level": "many"}, {}, "many"),
        ({"level": "null"}, {}, "null"),
        ({"level": None}, {}, "null"),
        ({}, {"level": 1.5}, "1.5"),
        ({}, {"level": 2**63}, str(2**63)),
        ({"level": str(2**63)}, {}, str(2**63)),
        ({"level": "x" * 1000}, {}, "x" * 255 + "…"),
        ({"level": "wrong"}, {"level": 3}, "wrong"),
    ],
)
def test_a_number_that_does_not_fit_is_a_letter_and_harms_no_other(
    models: Models, attributes: dict[str, Any], metrics: dict[str, Any], given: str | None
) -> None:
    plain = event("PracticeEvent", {"piece_id": "p"}, {"level": 1})

    decoded = decode(models, plain, event("PracticeEvent", {"piece_id": "p", **attributes}, metrics), plain)

    [(index, letter)] = decoded.letters.items()
    assert (index, letter.reason, letter.field, letter.given) == (1, "field", "level", given)
    assert [row["level"] for row in rows(decoded, "practice_events")] == [1, 1]
    assert list(decoded.places("practice_events")) == [0, 2]


def test_null_as_text_means_null_only_where_the_field_admits_it(models: Models) -> None:
    good = {"email": "a@example.com", "is_test_user": "true"}

    decoded = decode(
        models,
        event("SignInEvent", {**good, "user_type": "null"}),
        event("SignInEvent", {**good, "user_type": None}),
        event("SignInEvent", good),
        event("SignInEvent", {**good, "user_type": "teacher"}),
        event("PracticeEvent", {"piece_id": "null"}, {"level": 1}),
    )

    assert [row["user_type"] for row in rows(decoded, "sign_in_events")] == [None, None, None, "teacher"]
    assert [row["piece_id"] for row in rows(decoded, "practice_events")] == ["null"]


@pytest.mark.parametrize("given", ["true", "TRUE", "1", True, "yes"])
def test_what_pydantic_takes_for_true_is_true(models: Models, given: Any) -> None:
    decoded = decode(models, event("SignInEvent", {"email": "a@example.com", "is_test_user": given}))

    assert [row["is_test_user"] for row in rows(decoded, "sign_in_events")] == [True]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("zoe@example.com", "zoe@example.com"),
        ("Zoe@Example.COM", "Zoe@example.com"),
        ("Postmaster@example.com", "postmaster@example.com"),
        (" zoe@example.com ", "zoe@example.com"),
        ("é@example.com", "é@example.com"),
        ("zoe@bücher.example.com", "zoe@bücher.example.com"),
    ],
)
def test_email_str_keeps_what_pydantic_makes_of_an_address(models: Models, given: str, kept: str) -> None:
    decoded = decode(models, event("SignInEvent", {"email": given, "is_test_user": "true"}))

    assert [row["email"] for row in rows(decoded, "sign_in_events")] == [kept]


@pytest.mark.parametrize("given", ["nope", "a@b.test", "a@localhost", "a..b@example.com", "a@example.com\n", "a@-x.com", ""])
def test_email_str_refuses_what_pydantic_refuses(models: Models, given: str) -> None:
    decoded = decode(models, event("SignInEvent", {"email": given, "is_test_user": "true"}))

    assert decoded.letters[0].field == "email"


def test_email_keeps_an_address_as_it_was_sent() -> None:
    class Contact(Event):
        email: Email

    models = compile_models([Contact])

    decoded = decode(models, event("Contact", {"email": "Zoe@Example.TEST"}), event("Contact", {"email": "a@b.c\n"}))

    assert [row["email"] for row in rows(decoded, "contacts")] == ["Zoe@Example.TEST"]
    assert decoded.letters[1].field == "email"


def test_json_in_an_attribute_becomes_list_map_and_struct(models: Models) -> None:
    decoded = decode(
        models,
        event("Shaped", {"tags": '["a","b"]', "pair": '{"a":1}', "scores": '{"x":1.5}'}),
        event("Shaped", {"tags": [], "pair": "null"}),
        event("Shaped", {"tags": "a,b", "pair": None}),
        event("Shaped", {"tags": "[1]", "pair": None}),
        event("Shaped", {"tags": "[" * 3000, "pair": None}),
        event("Shaped", {"tags": "[]", "pair": json.dumps({"a": 2**64})}),
    )

    found = rows(decoded, "shapeds")
    assert [(row["tags"], row["pair"], row["scores"]) for row in found] == [
        (["a", "b"], {"a": 1, "b": None}, {"x": 1.5}),
        ([], None, None),
    ]
    assert {index: letter.field for index, letter in decoded.letters.items()} == {2: "tags", 3: "tags.0", 4: "tags", 5: "pair"}


def test_extras_are_refused_unless_the_class_ignores_them(models: Models) -> None:
    decoded = decode(
        models,
        event("PracticeEvent", {"piece_id": "p", "pieceid": "q"}, {"level": 1}),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1, "zeal": 1}),
        event("Loose", {"zeal": "much"}, {"level": 1, "note": 5}),
        event("Loose", {"zeal": "much"}, {"level": 1, "more": [1]}),
    )

    assert decoded.letters[0].message == "PracticeEvent: pieceid: expected no attribute of this name (did you mean 'piece_id'?), given 'q'"
    assert decoded.letters[1].field == "zeal"
    assert decoded.letters[2].field == "note"
    assert [row["level"] for row in rows(decoded, "looses")] == [1]


def test_a_record_has_one_letter_that_names_up_to_five_faults(models: Models) -> None:
    decoded = decode(models, event("PracticeEvent", {f"x{i}": "?" for i in range(6)}))

    [letter] = decoded.letters.values()
    assert (letter.reason, letter.field) == ("field", "level")
    assert letter.message.count(";") == 5
    assert letter.message.endswith("and 3 more")


def test_a_validator_of_the_class_is_obeyed_whatever_it_raises(models: Models) -> None:
    decoded = decode(models, *(event("Validated", {"word": word}) for word in ("hello", "alas", "boom")))

    assert [row["word"] for row in rows(decoded, "validateds")] == ["HELLO"]
    assert decoded.letters[1].message == "Validated: word: expected no a, please, given 'alas'"
    assert decoded.letters[2].reason == "validator"
    assert "ZeroDivisionError: one by none" in decoded.letters[2].message


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


@pytest.mark.parametrize(
    "body",
    [
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp=ARRIVAL - 40 * DAY),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp=ARRIVAL + 40 * DAY),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp="yesterday"),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp=2**70),
        event("PracticeEvent", {"piece_id": "p"}, {"level": "high"}),
        event("Validated", {"word": 5}),
        event("nobody/modelled", event_timestamp=ARRIVAL - 31 * DAY),
        event("_headwater.marriage"),
    ],
)
def test_what_a_client_sends_again_has_its_key_in_the_same_bucket_whenever_it_arrives(models: Models, body: Any) -> None:
    first = models.decode([record(body)], SHARD, [1])
    again = models.decode([record(body, arrival_ms=ARRIVAL + 2 * DAY)], SHARD, [2])

    assert (first.keys, first.minutes) == (again.keys, again.minutes)
    assert 0 <= first.minutes[0] < MINUTES


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


def test_the_same_event_has_the_same_key_wherever_it_lies_and_any_difference_another() -> None:
    models = compile_models(CLASSES)
    first = event("PracticeEvent", {"piece_id": "p"}, {"level": 1})
    others = [
        event("x", headwater={"v": 1, "event_id": "event"}),
        {**first, "event_timestamp": AT + 1},
        {**first, "application": {"app_id": "app2"}},
        {**first, "client": {"client_id": "client2"}},
        {**first, "headwater": {"v": 1, "event_id": "event2"}},
        {**first, "client": {"client_id": "clientevent"}, "headwater": {"v": 1, "event_id": ""}},
    ]

    keys = decode(models, first, {**first, "attributes": {}}, {**first, "session": 5}, *others).keys

    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys)) == 1 + len(others)


def test_a_record_without_event_id_is_known_by_its_place(models: Models) -> None:
    body = event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, headwater=...)

    decoded = decode(models, body, body, b"garbage")
    again = models.decode([record(body)], SHARD, [2])

    assert len(set(decoded.keys)) == 3
    assert again.keys == [decoded.keys[1]]
    assert [row["event_id"] for row in rows(decoded, "practice_events")] == [f"{SHARD}:1", f"{SHARD}:2"]
    assert decoded.identity(2).event_id == f"{SHARD}:3"


def test_an_identity_tells_what_a_rejected_record_says_of_itself(models: Models) -> None:
    decoded = decode(models, event("PracticeEvent"), event("PracticeEvent", session=5))

    wrong_field, wrong_envelope = decoded.identity(0), decoded.identity(1)

    assert wrong_field == ("event", "PracticeEvent", "app", "client", "us-west-2:identity", "session", AT, ARRIVAL)
    assert wrong_envelope == ("event", "PracticeEvent", "app", "client", "us-west-2:identity", None, ARRIVAL, ARRIVAL)


def test_a_redriven_record_names_its_letter(models: Models) -> None:
    redriven = event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, headwater={"v": 1, "event_id": "e", "letter_id": "l-1"})

    decoded = decode(models, b"garbage", event("x"), redriven)

    assert decoded.letter_ids == {2: "l-1"}


def test_dropped_records_leave_the_tables_and_empty_tables_go(models: Models) -> None:
    good = [event("PracticeEvent", {"piece_id": str(i)}, {"level": i if i % 2 else str(i)}) for i in range(6)]

    decoded = decode(models, *good, event("x"))

    tables = decoded.tables(drop=[0, 3, 6])
    assert list(tables) == ["practice_events"]
    assert tables["practice_events"].column("level").to_pylist() == [1, 2, 4, 5]
    assert tables["practice_events"].schema == models.tables["practice_events"].schema
    assert decoded.tables().keys() == {"practice_events", "other_events"}


def test_rows_keep_the_order_of_their_records_whichever_path_they_took() -> None:
    models = compile_models(CLASSES)
    bodies = [event("PracticeEvent", {"piece_id": str(i)}, {"level": 1 if i % 3 else "1"}) for i in range(10)]

    decoded = decode(models, *bodies)

    assert [row["piece_id"] for row in rows(decoded, "practice_events")] == [str(i) for i in range(10)]
    assert list(decoded.places("practice_events")) == list(range(10))


def test_a_column_keeps_what_fits_and_a_letter_tells_what_does_not(models: Models) -> None:
    class Priced(Event):
        price: Decimal
        kind: Literal["a", "b"] = "a"
        count: int = Field(default=7, ge=0)
        when: dt.datetime | None = None

    priced = compile_models([Priced])

    decoded = decode(
        priced,
        event("Priced", {"price": "1.50", "when": "2026-11-23T03:06:22.5Z"}),
        event("Priced", {"price": "0.0000000001", "kind": "b"}, {"count": 1}),
        event("Priced", {"price": "3", "when": "2026-11-23T03:06:22+02:00", "kind": "b"}, {"count": 2.0}),
        event("Priced", {"price": "3"}, {"count": -1}),
    )

    found = rows(decoded, "priceds")
    assert [(row["price"], row["kind"], row["count"]) for row in found] == [(Decimal("1.5"), "a", 7), (Decimal(3), "b", 2)]
    assert found[1]["when"] == dt.datetime(2026, 11, 23, 1, 6, 22, tzinfo=dt.UTC)
    assert {index: letter.field for index, letter in decoded.letters.items()} == {1: "price", 3: "count"}


def test_an_endpoints_date_that_is_none_rejects_the_event_of_a_class_that_wants_it() -> None:
    class Visit(Event, datetime="endpoint.EffectiveDate"):
        pass

    models = compile_models([Visit])

    decoded = decode(
        models, *(event("Visit", endpoint={"EffectiveDate": date}) for date in ("2026-11-22", "soon", None)), event("Visit", endpoint=...)
    )

    assert [row["day"] for row in rows(decoded, "visits")] == ["22"]
    assert {letter.field for letter in decoded.letters.values()} == {"endpoint.EffectiveDate"}
    assert len(decoded.letters) == 3


def test_declared_system_fields_take_the_records_own_values_and_an_attribute_cannot_replace_them() -> None:
    class Visit(Event):
        event_type: Literal["Visit"]
        datetime: dt.datetime
        session_id: str
        page: str

    models = compile_models([Visit])

    decoded = decode(
        models,
        event("Visit", {"page": "a"}),
        event("Visit", {"page": "a", "session_id": "forged"}),
        event("Visit", {"page": "a"}, session={}),
    )

    [row] = rows(decoded, "visits")
    assert (row["session_id"], row["datetime"].microsecond) == ("session", 544000)
    assert {index: letter.field for index, letter in decoded.letters.items()} == {1: "session_id", 2: "session_id"}


def test_a_batch_of_nothing_gives_nothing(models: Models) -> None:
    decoded = models.decode([], SHARD, [])

    assert (decoded.tables(), dict(decoded.letters), decoded.keys, decoded.minutes, len(decoded)) == ({}, {}, [], [], 0)


def test_all_rows_of_a_batch_can_be_written_as_one_arrow_stream_per_table(models: Models) -> None:
    decoded = decode(
        models, event("Shaped", {"tags": '["a"]', "pair": '{"a":1}'}), event("Shaped", {"tags": "[]", "pair": None}), event("x", {"a": "b"})
    )

    for name, table in decoded.tables().items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, models.tables[name].schema) as writer:
            writer.write_table(table)
        assert pa.ipc.open_stream(sink.getvalue()).read_all().equals(table)


def test_an_arrival_that_is_no_time_is_kept_within_the_calendar(models: Models) -> None:
    decoded = models.decode([Record(b"{}", "k", 2**62)], SHARD, [1])

    assert decoded.letters[0].reason == "envelope"
    assert decoded.identity(0).arrival_ms == 253_402_300_799_999
