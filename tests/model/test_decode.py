"""What an event of a class becomes: a row, or a letter that says why not."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import Field

from headwater.event import Email, Event
from headwater.model import Models, Window, compile_models
from tests.model.bodies import DAY, SHARD, decode, event, record, rows
from tests.model.declared import models as models


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
