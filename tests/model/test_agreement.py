"""The fast path is Pydantic, only faster: same verdict and same value for any class and any record; and no record ever raises."""

from __future__ import annotations

import datetime as dt
import enum
import itertools
import json
import random
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, EmailStr, Field, create_model

from headwater.event import Email, Event
from headwater.model import Decoded, compile_models
from tests.model.bodies import AT, SHARD, event, record

PROPERTY = settings(max_examples=120)


class Mode(enum.Enum):
    SLOW = "slow"
    FAST = "fast"
    NULL = "null"


class Point(BaseModel):
    x: float


FIELDS: list[tuple[Any, Any]] = [
    (str, "d"),
    (Annotated[str, Field(max_length=4)], "d"),
    (Annotated[str, Field(min_length=2, max_length=3)], "dd"),
    (Annotated[str, Field(pattern="^a+$")], "a"),
    (int, 7),
    (Annotated[int, Field(ge=0, lt=10)], 7),
    (Annotated[int, Field(gt=2**53)], 2**60),
    (Annotated[int, Field(multiple_of=2)], 2),
    (float, 1.5),
    (Annotated[float, Field(gt=0, le=1)], 0.5),
    (bool, True),
    (EmailStr, "a@example.com"),
    (Email, "A@B.C"),
    (Literal["a", "b", "null"], "a"),
    (Literal[1, 2], 1),
    (Mode, Mode.FAST),
    (dt.datetime, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    (dt.date, dt.date(2026, 1, 1)),
    (Decimal, Decimal("1.5")),
    (Annotated[Decimal, Field(max_digits=4, decimal_places=2)], Decimal("1.5")),
    (UUID, UUID(int=5)),
    (list[int], []),
    (dict[str, float], {}),
    (Point, Point(x=1)),
]

TEXTS = [
    *[
        "",
        " ",
        "null",
        "NULL",
        "a",
        "aa",
        "b",
        "slow",
        "fast",
        "true",
        "false",
        "True",
        "1",
        "0",
        "yes",
        "é",
        "\x00",
        "a\n",
        "日本語",
        "x" * 70,
    ],
    *[
        "-0",
        "12",
        "012",
        "+1",
        " 3 ",
        "1_0",
        "1.0",
        "1.50",
        "-1.5",
        ".5",
        "5.",
        "1e3",
        "nan",
        "inf",
        "1e400",
        "0.1",
        "12.345",
        "1.123456789",
    ],
    *["9223372036854775807", "9223372036854775808", "999999999999999999", "9007199254740993", "0.30000000000000004", "1" * 40, "3" * 5000],
    *[
        "a@example.com",
        "A@example.com",
        "a@Example.com",
        "a.b+c@d-e.co.uk",
        "a@b.test",
        "a@test",
        "a@b.local",
        "a@example.com\n",
        "postmaster@x.org",
    ],
    *[
        "a@xn--bcher-kva.com",
        "a@b--c.com",
        "a..b@c.de",
        "-a@c.de",
        "a@b.c1",
        "a@-b.com",
        " a@b.com",
        "Bob <a@b.com>",
        "é@b.com",
        "a@bücher.de",
    ],
    *["x" * 51 + "@b.com", "x" * 64 + "@b.com", "a@" + "b" * 57 + ".com", "a@b", "@", "a@b.c", "a@b.c\n", "_@_.com", "a_@b.com", "1@2.com"],
    *[
        "2026-11-23",
        "2026-02-30",
        "0000-01-01",
        "2026-11-23T03:06:22Z",
        "2026-11-23T03:06:22.123456Z",
        "2026-11-23T24:00:00Z",
        "9999-12-31",
    ],
    *["2026-11-23T03:06:60Z", "2026-11-23 03:06:22", "2026-11-23T03:06:22+02:00", "2026-11-23T03:06:22.1234567Z", "1795403182544", "٣"],
    *["5a424b25-c640-48d2-bd5b-528bce957c4f", "5A424B25-C640-48D2-BD5B-528BCE957C4F", "5a424b25c64048d2bd5b528bce957c4f"],
    *["[]", "[1,2]", '["1"]', "{}", '{"x":1}', '{"x":"1"}', '{"x":1e400}', "[1", "[9223372036854775808]", "[null]"],
]
NUMBERS = [
    0,
    1,
    -1,
    2,
    3.0,
    1.5,
    -0.0,
    0.1,
    5e-324,
    1.7976931348623157e308,
    10,
    2**53 + 1,
    2.0**53,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    1e30,
]
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.none(),
    st.booleans(),
    st.text(max_size=8),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from("xy"), st.integers(), max_size=2),
)


@st.composite
def classes(draw: st.DrawFn) -> type[Event]:
    fields: dict[str, Any] = {}
    for number, (annotation, default) in enumerate(draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=5))):
        nullable = draw(st.booleans())
        kind = annotation | None if nullable else annotation
        alias: dict[str, Any] = {"alias": f"key-{number}"} if draw(st.integers(0, 3)) == 0 else {}
        absent = draw(st.sampled_from(["required", "required", "default", "factory", "none"]))
        if absent == "default":
            alias["default"] = default
        elif absent == "factory":
            alias["default_factory"] = lambda default=default: default
        elif absent == "none":
            alias["default"] = None
        fields[f"field{number}"] = (kind, Field(**alias))
    if draw(st.booleans()):
        fields["session_id"] = (draw(st.sampled_from([str, str | None])), ...)
    if draw(st.booleans()):
        fields["datetime"] = (dt.datetime, ...)
    chosen: dict[str, Any] = {"extra": draw(st.sampled_from(["forbid", "ignore", "allow"]))}
    if draw(st.integers(0, 3)) == 0:
        chosen["datetime"] = "endpoint.EffectiveDate"
    return create_model("RandomEvent", __base__=Event, __cls_kwargs__=chosen, **fields)


@st.composite
def bodies(draw: st.DrawFn, cls: type[Event]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    for name, info in cls.model_fields.items():
        if name in ("datetime", "session_id") and draw(st.integers(0, 4)):
            continue  # the record's own; as an attribute it is an extra
        where = draw(st.sampled_from(["attributes", "attributes", "metrics", "both", "nowhere"]))
        if where in ("attributes", "both"):
            attributes[info.alias or name] = draw(VALUES)
        if where in ("metrics", "both"):
            metrics[info.alias or name] = draw(st.one_of(st.sampled_from(NUMBERS), VALUES))
    if draw(st.integers(0, 6)) == 0:
        attributes["more"] = draw(VALUES)
    changes: dict[str, Any] = {"attributes": attributes, "metrics": metrics}
    if draw(st.integers(0, 5)) == 0:
        name = draw(
            st.sampled_from(["session", "client", "application", "headwater", "endpoint", "attributes", "metrics", "event_timestamp"])
        )
        changes[name] = draw(
            st.sampled_from([..., None, {}, 5, "x", [], {"session_id": None}, {"EffectiveDate": "2026-11-23"}, AT + 10**12])
        )
    return event("RandomEvent") | {name: value for name, value in changes.items() if value is not ...}


def outcome(decoded: Decoded) -> dict[str, Any]:
    return {
        # as text, so that 1, 1.0 and True, or 0.0 and -0.0, are not taken for the same
        "rows": {name: [repr(row) for row in table.to_pylist()] for name, table in decoded.tables().items()},
        "places": {name: list(decoded.places(name)) for name in decoded.tables()},
        "letters": dict(decoded.letters),
        "keys": decoded.keys,
        "minutes": decoded.minutes,
        "identities": [decoded.identity(index) for index in range(len(decoded))],
        "letter_ids": decoded.letter_ids,
    }


@PROPERTY
@given(data=st.data())
def test_the_fast_path_gives_the_same_verdicts_values_and_keys_as_pydantic(data: st.DataObject) -> None:
    cls = data.draw(classes())
    records = [record(body) for body in data.draw(st.lists(bodies(cls), min_size=1, max_size=6))]
    numbers = range(1, len(records) + 1)

    fast = compile_models([cls]).decode(records, SHARD, numbers)
    slow = compile_models([cls], fast=False).decode(records, SHARD, numbers)

    assert outcome(fast) == outcome(slow)


@pytest.mark.parametrize("nullable", [False, True], ids=["plain", "nullable"])
@pytest.mark.parametrize("number", range(len(FIELDS)))
def test_every_kind_of_field_agrees_on_every_awkward_value_one_by_one_and_together(number: int, nullable: bool) -> None:
    annotation, default = FIELDS[number]
    kinds = [(annotation | None if nullable else annotation, absent) for absent in (..., default)]
    for kind, absent in kinds:
        cls = create_model("RandomEvent", __base__=Event, value=(kind, absent))
        fast, slow = compile_models([cls]), compile_models([cls], fast=False)
        records = [record(event("RandomEvent", {"value": value})) for value in [*TEXTS, *NUMBERS, None, True, [1], {"x": 1}]]
        records += [record(event("RandomEvent", {}, {"value": value})) for value in [*NUMBERS, None, True, "1"]]
        records.append(record(event("RandomEvent")))
        numbers = range(1, len(records) + 1)

        together = outcome(fast.decode(records, SHARD, numbers))

        assert together == outcome(slow.decode(records, SHARD, numbers))
        accepted = set(itertools.chain(*together["places"].values()))
        alone = {index for index, one in enumerate(records) if not fast.decode([one], SHARD, [1]).letters}
        assert alone == accepted


def test_the_fast_path_really_takes_the_common_forms() -> None:
    class Common(Event):
        a: str
        b: EmailStr
        c: bool
        d: int
        e: float
        f: str | None = None

    models = compile_models([Common])
    text = event("Common", {"a": "x", "b": "zoe@example.com", "c": "true", "d": "1", "e": "1.5"})
    number = event("Common", {"a": "x", "b": "zoe@example.com", "c": "true"}, {"d": 1.0, "e": 1})

    decoded = models._decoder.decode([record(body).body for body in (text, number)])

    [fast] = models._decoder.fast.values()
    assert fast.columns(decoded).ask == set()


MUTABLE = json.dumps(event("RandomEvent", {"a": "x", "b": '{"x": 1}'}, {"c": 1.5})).encode()


class RandomEvent(Event):
    a: str
    b: Point | None
    c: float


RANDOM = compile_models([RandomEvent])


@PROPERTY
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_random_bytes_never_raise(garbage: list[bytes]) -> None:
    decoded = RANDOM.decode([record(body) for body in garbage], SHARD, range(1, len(garbage) + 1))

    assert len(decoded.letters) + sum(table.num_rows for table in decoded.tables().values()) == len(garbage)


def test_mutated_records_never_raise_never_harm_another_and_agree_with_pydantic() -> None:
    chance = random.Random(11)
    fast, slow = compile_models([RandomEvent]), compile_models([RandomEvent], fast=False)
    tokens = [
        b"null",
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\\",
        b"\xff",
        b"\\ud800",
        b"1e999",
        b"-",
        b"\x00",
        b"_headwater.endpoint",
        b"9" * 400,
    ]
    for _ in range(60):
        mutants = []
        for _ in range(20):
            body = bytearray(MUTABLE)
            for _ in range(chance.randrange(1, 4)):
                at, length = chance.randrange(len(body)), chance.randrange(0, 12)
                body[at : at + length] = chance.choice(tokens) if chance.random() < 0.7 else chance.randbytes(2)
            mutants += [record(bytes(body)), record(MUTABLE)]
        numbers = range(1, len(mutants) + 1)

        decoded = fast.decode(mutants, SHARD, numbers)

        assert set(range(1, len(mutants), 2)) <= set(decoded.places("random_events"))
        assert outcome(decoded) == outcome(slow.decode(mutants, SHARD, numbers))
