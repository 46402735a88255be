"""What a value may be is decided where events are judged: what is accepted there goes through Arrow, ledger, files, SQL and printing."""

from __future__ import annotations

import datetime as dt
import enum
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, AwareDatetime, BaseModel, EmailStr, Field, NaiveDatetime, create_model, field_validator

from headwater.catalog import open_catalog
from headwater.clock import ManualClock
from headwater.event import Email, Event
from headwater.lake.index import LakeIndex, open_index
from headwater.lake.writer import Lake
from headwater.ledger.sqlite import SqliteLedger
from headwater.model import Models, Window, compile_models
from headwater.pipe import Pipe
from headwater.query import Engine, write
from headwater.record import Record
from headwater.stream.memory import MemoryStream
from headwater.target.lake import LakeTarget, SeenKeys
from tests.model.bodies import ARRIVAL, event, record, rows

OUTSIDE = ["0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59.999999-00:01"]
INSIDE = [
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59+05:00",
    "1582-10-14T00:00:00Z",
    "1969-12-31T23:59:59.999999",
]
DEADLY = ["1e-999999999", "0e-999999999", "-0e-99999", "1e999999999", "0e999999999", "1E+29", "1E+28", "1e-10", "0E-30", "1." + "0" * 60]
NUMBERS = [
    *DEADLY,
    "9" * 29,
    "9" * 30,
    "9" * 5000,
    "-" + "9" * 29 + "." + "9" * 9,
    "NaN",
    "sNaN",
    "Infinity",
    "-0",
    "1e400",
    "5e-324",
    "",
    " 1 ",
]
WHOLE = [*NUMBERS, str(2**63 - 1), str(2**63), str(-(2**63)), str(-(2**63) - 1)]
TEXTS = ["", "\x00", "a\x00b" * 20, "\ud7ff" * 20, "\uffff" * 20, "\U0010ffff" * 20, "x" * 400, "\u202e", "\x1b[2J", "null", "'\"\\"]
DATES = [
    "0001-01-01",
    "9999-12-31",
    "0000-01-01",
    "10000-01-01",
    "-0001-01-01",
    "1582-10-10",
    "-62135596801",
    "253402300800",
    "1e20",
    "inf",
]
TIMES = [*OUTSIDE, *INSIDE, *DATES, "1e400"]


class Mode(enum.Enum):
    DARK = "dark"
    LIGHT = "light"


class Level(enum.IntEnum):
    TOP = 2**63 - 1
    BOTTOM = -(2**63)


class Priced(BaseModel):
    price: Decimal
    at: dt.datetime | None = None


class PlainFloat(BaseModel):
    event_type: Literal["PlainFloat"]
    value: float


def nested(values: list[str]) -> list[str]:
    return [json.dumps([value]) for value in values]


def mapped(values: list[str]) -> list[str]:
    return [json.dumps({"k": value}) for value in values]


KINDS: list[tuple[Any, list[Any]]] = [
    (Decimal, NUMBERS),
    (Annotated[Decimal, Field(max_digits=6, decimal_places=2)], NUMBERS),
    (Annotated[Decimal, Field(max_digits=38, decimal_places=38)], NUMBERS),
    (Decimal | None, NUMBERS),
    (list[Decimal], nested(NUMBERS)),
    (dict[str, Decimal], mapped(NUMBERS)),
    (list[dict[str, list[Decimal]]], [json.dumps([{"k": [value]}]) for value in NUMBERS]),
    (Priced, [json.dumps({"price": value}) for value in NUMBERS] + [json.dumps({"price": 1, "at": value}) for value in TIMES]),
    (list[Priced], [json.dumps([{"price": value}]) for value in NUMBERS]),
    (int, WHOLE),
    (list[int], nested(WHOLE)),
    (dict[str, int], mapped(WHOLE)),
    (float, WHOLE),
    (list[float], nested(WHOLE)),
    (bool, [*WHOLE, "true", "t"]),
    (str, TEXTS),
    (list[str], nested(TEXTS)),
    (dict[str, str], [json.dumps({text: text}) for text in TEXTS]),
    (dt.datetime, TIMES),
    (dt.datetime | None, TIMES),
    (AwareDatetime, TIMES),
    (NaiveDatetime, TIMES),
    (list[dt.datetime], nested(TIMES)),
    (dict[str, dt.datetime | None], mapped(TIMES)),
    (dt.date, DATES),
    (list[dt.date], nested(DATES)),
    (UUID, [str(UUID(int=0)), str(UUID(int=2**128 - 1)), "0" * 32, "{" + str(UUID(int=1)) + "}"]),
    (AnyUrl, ["http://ex.org/" + "\ud7ff" * 20, "data:" + "x" * 9000, "http://[::1]/"]),
    (IPv4Address, ["0.0.0.0", "255.255.255.255", "256.0.0.0", "4294967295"]),
    (EmailStr, ["a@example.com", "x" * 64 + "@example.com", "a@" + "b" * 3000 + ".com"]),
    (Email, ["\ud7ff" * 20 + "@b.c", "x" * 250 + "@b.c", "x" * 260 + "@b.c"]),
    (Mode, ["dark", "DARK", ""]),
    (Level, [2**63 - 1, -(2**63), 2**63]),
    (Literal["a", "b", None], ["a", "null", "c"]),
    (Literal["a"] | Literal["b"] | None, ["b", "null", "c"]),
]
METRICS = [0, -0.0, 2**63 - 1, 2**63, -(2**63), 10**30, 1.7976931348623157e308, 5e-324, -62_135_596_801, 253_402_300_800, 2.5]


class Room:
    """Everything between a record and an answer, in one process."""

    def __init__(self, folder: Path, models: Models) -> None:
        (folder / "lake").mkdir(parents=True)
        self.folder, self.models = folder, models
        self.stream, self.clock = MemoryStream(), ManualClock(ARRIVAL)
        self.ledger = SqliteLedger(f"sqlite:///{folder}/ledger.db")
        self.catalog = open_catalog(f"sqlite:///{folder}/catalog.db", str(folder / "lake"))
        self.index = LakeIndex(folder / "catalog.db", "analytics")
        self.lake = Lake(self.ledger, self.catalog, self.index, folder / "lake", "analytics", self.clock)
        for table in models.tables.values():
            self.lake.ensure(table.name, table.schema)
        self.pipe = Pipe("lake", self.stream, LakeTarget("lake", self.ledger, models, SeenKeys(self.ledger), Window(), self.clock))

    async def take(self, records: list[Record]) -> None:
        await self.stream.append(records)
        while await self.pipe.step(0):
            pass

    def fold(self) -> None:
        for table in self.models.tables:
            while self.lake.fold(table):
                pass

    def count(self, table: str) -> int:
        """Ask for every row, in every format, and return how many there are."""
        ledger = SqliteLedger(f"sqlite:///{self.folder}/ledger.db", read_only=True)
        engine = Engine(open_index(self.folder / "catalog.db", "analytics"), ledger, "analytics")
        counts = {form: write(engine.sql(f"SELECT * FROM {table}"), form, io.BytesIO()) for form in ("table", "json", "csv", "parquet")}
        engine.close()
        assert len(set(counts.values())) == 1, counts
        return counts["json"]

    def close(self) -> None:
        self.ledger.close()
        self.index.close()
        self.catalog.close()


# In one class if msgspec can read its field, in another if only Pydantic can: a table for each kind would take minutes.
FAST = [
    number for number, (kind, _) in enumerate(KINDS) if compile_models([create_model("T", __base__=Event, v=(kind, ...))])._decoder.fast
]


def name_of(number: int) -> str:
    return "Fast" if number in FAST else "Slow"


def both() -> list[type[BaseModel]]:
    fields: dict[str, dict[str, Any]] = {"Fast": {}, "Slow": {}}
    for number, (kind, _) in enumerate(KINDS):
        fields[name_of(number)][f"value{number}"] = (kind | None, None)
    return [*(create_model(name, __base__=Event, **members) for name, members in fields.items()), PlainFloat]


def each() -> list[type[BaseModel]]:
    return [*(create_model(f"Kind{number}", __base__=Event, value=(kind, ...)) for number, (kind, _) in enumerate(KINDS)), PlainFloat]


def bodies(event_type: Callable[[int], str], field: Callable[[int], str]) -> list[dict[str, Any]]:
    made = []
    for number, (_, values) in enumerate(KINDS):
        made += [event(event_type(number), {field(number): value}) for value in values]
        made += [event(event_type(number), {}, {field(number): value}) for value in METRICS]
    made += [event("PlainFloat", {"value": text}) for text in ("nan", "inf", "-inf", "1e400")]
    made += [event("Nobody's", {text: text}, {"m": number}) for text, number in zip(TEXTS[1:], METRICS, strict=False)]
    return [body | {"headwater": {"v": 1, "event_id": f"e{number}"}} for number, body in enumerate(made)]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "room", compile_models(both()))
    yield made
    made.close()


async def test_whatever_is_accepted_goes_all_the_way_and_the_rest_are_letters(room: Room) -> None:
    sent = bodies(name_of, lambda number: f"value{number}")
    await room.take([record(body) for body in sent])
    tables = ["fasts", "slows", "plain_floats", "other_events"]

    before = {table: room.count(table) for table in tables}
    room.fold()
    after = {table: room.count(table) for table in tables}
    letters = room.count("dead_letter_log")

    assert before == after
    assert sum(after.values()) + letters == len(sent)
    assert room.ledger.backlog() == []
    fates = {(total.fate, total.rule) for total in room.ledger.fate_counts()}
    assert fates == {("delivered", ""), ("dead-lettered", "field")}


def test_both_paths_have_the_same_verdict_and_letters_name_the_field() -> None:
    sent = bodies(lambda number: f"Kind{number}", lambda number: "value")
    records, numbers = [record(body) for body in sent], range(1, len(sent) + 1)

    fast = compile_models(each()).decode(records, "shard", numbers)
    slow = compile_models(each(), fast=False).decode(records, "shard", numbers)

    assert fast.letters == slow.letters
    assert all((letter.field or "").split(".")[0] == "value" and letter.expected for letter in fast.letters.values())
    assert {name: repr(table.to_pylist()) for name, table in fast.tables().items()} == {
        name: repr(table.to_pylist()) for name, table in slow.tables().items()
    }


class Odd(Event):
    """Its validator returns what the field's type does not have."""

    at: dt.datetime | None = None
    on: dt.date | None = None
    price: Decimal | None = None
    name: str | None = None
    tags: list[str] | None = None
    session_id: str

    @field_validator("*", mode="after")
    @classmethod
    def other(cls, value: Any) -> Any:
        odd = {"a": "\ud800", "b": 10**30, "c": object(), "d": ["\ud800"]}
        return odd.get(str(value), value) if isinstance(value, str) else value

    @field_validator("at", "on", "price", "tags", mode="plain")
    @classmethod
    def plain(cls, value: Any) -> Any:
        return {"0": 0, "big": 10**30, "text": "x", "none": None, "half": "\ud800", "inf": float("inf")}.get(value, value)


@pytest.mark.parametrize("value", ["0", "big", "text", "half", "inf"])
@pytest.mark.parametrize("name", ["at", "on", "price", "tags"])
def test_what_a_validator_returns_is_judged_like_what_a_client_sends(name: str, value: str) -> None:
    models = compile_models([Odd])

    decoded = models.decode([record(event("Odd", {name: value})), record(event("Odd"))], "shard", [1, 2])

    assert len(rows(decoded, "odds")) == 1 + (0 not in decoded.letters)
    assert 1 not in decoded.letters
    accepted = {("price", "0")}
    assert (0 not in decoded.letters) == ((name, value) in accepted)


@pytest.mark.parametrize("name", ["name", "session_id"])
def test_half_characters_that_a_validator_makes_are_refused_by_the_name_of_the_field(name: str) -> None:
    body = event("Odd", {"name": "a"}) if name == "name" else event("Odd", session={"session_id": "a"})

    decoded = compile_models([Odd]).decode([record(body), record(event("Odd"))], "shard", [1, 2])

    assert decoded.letters[0].field == name
    assert len(rows(decoded, "odds")) == 1
