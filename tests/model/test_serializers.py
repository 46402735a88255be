"""A table keeps what `model_dump()` gives: what a serializer hides is not stored whole, what is excluded is not stored."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

import pyarrow as pa
import pytest
from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    SecretStr,
    WrapSerializer,
    computed_field,
    field_serializer,
    model_serializer,
)

from headwater.errors import ModelError
from headwater.event import Event
from headwater.model import compile_models
from tests.model.bodies import decode, event, rows

SYSTEM = 11

Masked = Annotated[str, PlainSerializer(lambda value: "****" + value[-4:])]


class Card(BaseModel):
    event_type: Literal["Card"]
    number: str
    pin: str = Field(exclude=True)
    password: SecretStr | None = Field(default=None, exclude=True)

    @field_serializer("number")
    def mask(self, value: str):  # type: ignore[no-untyped-def]
        return "****" + value[-4:]


class CardModel(BaseModel):
    event_type: Literal["CardModel"]
    number: str

    @model_serializer(mode="wrap")
    def mask(self, inner: Any) -> dict[str, Any]:
        return {**inner(self), "number": "masked"}


class Basket(BaseModel):
    event_type: Literal["Basket"]
    price: Decimal
    count: int

    @computed_field
    @property
    def total(self) -> Decimal:
        return self.price * self.count

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def large(self) -> bool:
        return self.count > 3


class Owner(BaseModel):
    name: Masked
    secret: str = Field(default="s", exclude=True)

    @computed_field
    @property
    def initial(self) -> str:
        return self.name[0]


class Money(BaseModel):
    amount: Decimal
    currency: str

    @model_serializer
    def text(self) -> str:
        return f"{self.amount} {self.currency}"


class Account(Event):
    owner: Owner
    others: list[Owner] = []  # noqa: RUF012
    by_role: dict[str, Owner] = {}  # noqa: RUF012
    numbers: list[Masked] = []  # noqa: RUF012
    paid: Money | None = None
    opened: dt.datetime
    level: Annotated[int, WrapSerializer(lambda value, inner: f"L{inner(value)}", return_type=str)] = 1
    session_id: str

    @field_serializer("opened")
    def written(self, value: dt.datetime) -> str:
        return value.strftime("%d.%m.%Y")

    @field_serializer("session_id")
    def hidden(self, value: str) -> str:
        return "session"


def stored(cls: type[BaseModel], table: str, attributes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    decoded = decode(compile_models([cls]), event(cls.__name__, attributes, **changes))
    assert decoded.letters == {}
    [row] = rows(decoded, table)
    return dict(list(row.items())[SYSTEM:]) | ({"session_id": row["session_id"]} if cls is Account else {})


def test_a_masked_field_is_stored_masked_and_an_excluded_one_is_no_column() -> None:
    assert stored(Card, "cards", {"number": "4111111111111111", "pin": "1234", "password": "p"}) == {"number": "****1111"}


def test_the_model_serializer_has_the_last_word() -> None:
    assert stored(CardModel, "card_models", {"number": "4111111111111111"}) == {"number": "masked"}


def test_a_computed_field_is_a_column_of_the_type_it_says() -> None:
    schema = compile_models([Basket]).tables["baskets"].schema

    assert stored(Basket, "baskets", {"price": "2.50", "count": "4"}) == {"price": Decimal("2.5"), "count": 4, "total": 10, "large": True}
    assert schema.field("total").type == pa.decimal128(38, 9)


def test_serializers_count_wherever_the_value_lies() -> None:
    owner = '{"name": "Ada Lovelace", "secret": "x"}'
    attributes = {
        "owner": owner,
        "others": f"[{owner}]",
        "by_role": f'{{"admin": {owner}}}',
        "numbers": '["4111111111111111"]',
        "paid": '{"amount": "2.50", "currency": "EUR"}',
        "opened": "2026-11-23T03:06:22Z",
    }
    masked = {"name": "****lace", "initial": "A"}

    assert stored(Account, "accounts", attributes) == {
        "owner": masked,
        "others": [masked],
        "by_role": {"admin": masked},
        "numbers": ["****1111"],
        "paid": "2.50 EUR",
        "opened": "23.11.2026",
        "level": "L1",
        "session_id": "session",
    }


def test_the_column_datetime_stays_the_time_of_the_event_whatever_its_serializer_writes() -> None:
    class SignUpEvent(BaseModel):
        event_type: Literal["SignUpEvent"]
        datetime: dt.datetime
        email: str

        @field_serializer("datetime")
        def written(self, value: dt.datetime) -> str:
            return value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    models = compile_models([SignUpEvent])

    [row] = rows(decode(models, event("SignUpEvent", {"email": "a@b.c"})), "sign_up_events")

    assert row["datetime"] == dt.datetime(2026, 11, 23, 3, 6, 22, 544000, tzinfo=dt.UTC)
    assert models._decoder.fast  # and the class is as fast as without


def test_what_a_serializer_makes_is_judged_by_its_column() -> None:
    class Odd(Event):
        text: str

        @field_serializer("text")
        def other(self, value: str) -> int:
            return {"ok": 5, "large": 10**30, "text": "x"}.get(value, value)  # type: ignore[return-value]

    models = compile_models([Odd])

    decoded = decode(models, *(event("Odd", {"text": text}) for text in ("ok", "large", "text", "ok")))

    assert [row["text"] for row in rows(decoded, "odds")] == [5, 5]
    assert {index: letter.field for index, letter in decoded.letters.items()} == {1: "text", 2: "text"}


@pytest.mark.parametrize("given", [{"more": 1}, ["a"], "raise"])
def test_a_model_serializer_that_gives_no_row_makes_a_letter(given: Any) -> None:
    class Odd(Event):
        text: str

        @model_serializer
        def other(self):  # type: ignore[no-untyped-def]
            if given == "raise":
                raise ZeroDivisionError
            return given

    decoded = decode(compile_models([Odd]), event("Odd", {"text": "x"}))

    assert decoded.letters[0].reason == "validator"
    assert "serializer" in decoded.letters[0].message


def test_extras_that_are_kept_are_those_of_the_dump() -> None:
    class Loose(Event, extra="allow"):
        text: str

        @model_serializer(mode="wrap")
        def mask(self, inner: Any) -> dict[str, Any]:
            return {name: "x" if name == "secret" else value for name, value in inner(self).items()}

    assert stored(Loose, "looses", {"text": "a", "secret": "s", "other": "o"}) == {"text": "a", "extra": {"secret": "x", "other": "o"}}


def unsaid() -> type[BaseModel]:
    class Sale(Event):
        price: Decimal

        @field_serializer("price")
        def rounded(self, value):  # type: ignore[no-untyped-def]
            return round(value)

    return Sale


def for_json() -> type[BaseModel]:
    class Sale(Event):
        number: str

        @field_serializer("number", when_used="json")
        def mask(self, value: str) -> str:
            return "x"

    return Sale


def noted_for_json() -> type[BaseModel]:
    class Sale(Event):
        numbers: list[Annotated[str, PlainSerializer(lambda value: "x", when_used="json-unless-none")]]

    return Sale


def untold() -> type[BaseModel]:
    class Sale(Event):
        @computed_field
        @property
        def total(self) -> Any:
            return 1

    return Sale


def taken() -> type[BaseModel]:
    class Sale(Event):
        @computed_field
        @property
        def year(self) -> str:
            return "2026"

    return Sale


def no_row() -> type[BaseModel]:
    class Sale(Event):
        text: str

        @model_serializer
        def one(self) -> str:
            return self.text

    return Sale


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (unsaid, "class Sale, field price: its serializer does not say what it returns; write -> str, or what it is"),
        (for_json, "class Sale, field number: its serializer is used for JSON alone .* write when_used='always'"),
        (noted_for_json, "class Sale, field numbers, in its list: its serializer is used for JSON alone"),
        (untold, "class Sale, computed field total: it does not say what it returns; write def total"),
        (taken, "class Sale, computed field year: every table has a system column of this name; rename the field"),
        (no_row, "class Sale: its model_serializer does not give a dictionary"),
    ],
)
def test_what_cannot_be_stored_as_it_is_dumped_is_refused_by_name(made: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        compile_models([made()])
