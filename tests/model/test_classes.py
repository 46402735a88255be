"""What becomes an event type, which table it gets, and what is refused with which advice."""

from __future__ import annotations

import datetime as dt
import enum
import sys
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pyarrow as pa
import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, EmailStr, Field, create_model

from headwater.errors import ModelError
from headwater.event import Email, Event
from headwater.model import compile_models, example_events, load_models
from headwater.model.naming import table_name
from tests.model.bodies import decode, event, rows

SYSTEM = [
    "event_id",
    "event_type",
    "datetime",
    "session_id",
    "app_id",
    "client_id",
    "cognito_id",
    "arrival_datetime",
    "year",
    "month",
    "day",
]

ARTICLE = """
import datetime
from typing import Literal, Union

from pydantic import BaseModel, EmailStr, Extra, field_serializer, validator


class SignUpEvent(BaseModel):
    event_type: Literal['SignUpEvent']
    datetime: datetime.datetime
    session_id: str
    email: EmailStr
    my_value: Union[str, None]

    class Config:
        extra = Extra.forbid

    @validator('my_value', pre=True)
    def none_of_text(cls, value):
        return None if value == 'null' else value

    @field_serializer('datetime')
    def as_text(self, value):
        return value.strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3] + 'Z'
"""


class Color(enum.Enum):
    RED = "red"


class Place(BaseModel):
    city: str
    zoom: int | None = None


class Node(BaseModel):
    child: Node | None = None


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("SignInEvent", "sign_in_events"),
        ("HTTPStory", "http_stories"),
        ("Address", "addresses"),
        ("Play", "plays"),
        ("Level2Switch", "level2_switches"),
    ],
)
def test_a_table_is_named_after_its_class_in_snake_case_and_plural(name: str, table: str) -> None:
    assert table_name(name) == table


def test_a_schema_has_the_system_columns_then_the_partition_columns_then_the_fields() -> None:
    class Everything(Event):
        i: int
        f: float
        b: bool
        s: str | None = None
        moment: dt.datetime
        date: dt.date
        price: Decimal
        small: Decimal = Field(max_digits=5, decimal_places=2)
        color: Color
        choice: Literal["a", "b"]
        email: EmailStr
        mail: Email
        id: UUID
        link: AnyUrl
        tags: list[str]
        place: Place
        scores: dict[str, float]

    schema = compile_models([Everything]).tables["everythings"].schema

    assert schema.names[:11] == SYSTEM
    assert [schema.field(name).type for name in SYSTEM] == [
        pa.timestamp("us", tz="UTC") if name.endswith("datetime") else pa.string() for name in SYSTEM
    ]
    assert {field.name: field.type for field in list(schema)[11:]} == {
        "i": pa.int64(),
        "f": pa.float64(),
        "b": pa.bool_(),
        "s": pa.string(),
        "moment": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
        "price": pa.decimal128(38, 9),
        "small": pa.decimal128(5, 2),
        **dict.fromkeys(("color", "choice", "email", "mail", "id", "link"), pa.string()),
        "tags": pa.list_(pa.string()),
        "place": pa.struct([("city", pa.string()), ("zoom", pa.int64())]),
        "scores": pa.map_(pa.string(), pa.float64()),
    }
    assert all(field.nullable for field in schema)


@pytest.mark.parametrize(
    ("annotation", "advice"),
    [
        (bytes, "write str"),
        (Any, "dict[str, str]"),
        (dict, "dict[str, str]"),
        (list, "list[str]"),
        (set[str], "list[str]"),
        (dt.timedelta, "float, in seconds"),
        (int | str, "choose one"),
        (dict[int, str], "dict[str, str]"),
        (Literal["a", 1], "write them as text"),
        (Node, "contains itself"),
    ],
)
def test_a_type_that_has_no_column_is_refused_with_what_to_write(annotation: Any, advice: str) -> None:
    cls = create_model("BadEvent", __base__=Event, value=(annotation, ...))

    with pytest.raises(ModelError, match="class BadEvent, field value") as refusal:
        compile_models([cls])

    assert advice in str(refusal.value)


def test_a_field_named_like_a_system_column_is_refused_with_the_alias_to_write() -> None:
    cls = create_model("BadEvent", __base__=Event, app_id=(str, ...))

    with pytest.raises(ModelError, match=r'write event_app_id: str = Field\(alias="app_id"\)'):
        compile_models([cls])


def test_two_fields_that_sql_cannot_tell_apart_are_refused() -> None:
    cls = create_model("BadEvent", __base__=Event, userId=(str, ...), userid=(str, ...))

    with pytest.raises(ModelError, match="SQL does not tell it from the column userId"):
        compile_models([cls])


@pytest.mark.parametrize("table", ["other_events", "dead_letters", "endpoints", "fates", "identities", "nul", "Bad", "a b", "x" * 101])
def test_a_reserved_or_impossible_table_name_is_refused(table: str) -> None:
    class Thing(Event, table=table):
        pass

    with pytest.raises(ModelError, match="write class Thing"):
        compile_models([Thing])


def test_two_classes_may_share_neither_table_nor_event_type() -> None:
    class Visit(Event):
        pass

    class Other(Event, table="visits"):
        pass

    class Third(Event):
        event_type: Literal["Visit"]

    with pytest.raises(ModelError, match=r"class Other: the table 'visits' is that of class Visit already"):
        compile_models([Visit, Other])
    with pytest.raises(ModelError, match=r"class Third, field event_type: 'Visit' is that of class Visit already"):
        compile_models([Visit, Third])


def test_event_types_of_our_own_cannot_be_modelled() -> None:
    class Sneaky(Event):
        event_type: Literal["_headwater.endpoint"]

    with pytest.raises(ModelError, match="Headwater's own"):
        compile_models([Sneaky])


def test_a_class_chooses_its_table_its_extras_and_its_datetime() -> None:
    class Login(Event, table="logins", extra="allow", datetime="endpoint.EffectiveDate"):
        user: str

    models = compile_models([Login])

    [row] = rows(decode(models, event("Login", {"user": "u", "more": "x"}, {"count": 2})), "logins")
    assert row["extra"] == {"more": "x", "count": "2"}
    assert row["datetime"] == dt.datetime(2026, 11, 22, 23, 59, 59, 999000, tzinfo=dt.UTC)
    assert (row["year"], row["month"], row["day"]) == ("2026", "11", "22")


def test_a_class_declaring_several_names_receives_them_all() -> None:
    class Page(Event):
        event_type: Literal["app/load page", "pageView"]
        title: str

    models = compile_models([Page])

    decoded = decode(models, event("pageView", {"title": "a"}), event("app/load page", {"title": "b"}))
    assert [(row["event_type"], row["title"]) for row in rows(decoded, "pages")] == [("pageView", "a"), ("app/load page", "b")]


def test_models_in_the_articles_form_are_accepted_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "events.py").write_text(ARTICLE)

    models = load_models(tmp_path / "events.py")

    body = event("SignUpEvent", {"email": "zoe@example.com", "my_value": "null"})
    [row] = rows(decode(models, body), "sign_up_events")
    assert row["email"] == "zoe@example.com"
    assert row["my_value"] is None
    assert row["session_id"] == "session"
    assert row["datetime"] == dt.datetime(2026, 11, 23, 3, 6, 22, 544000, tzinfo=dt.UTC)


def test_deprecation_warnings_are_silenced_only_while_the_file_is_imported(tmp_path: Path) -> None:
    (tmp_path / "events.py").write_text(ARTICLE)
    load_models(tmp_path / "events.py")

    with pytest.warns(DeprecationWarning, match="old"):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def test_an_events_file_may_import_from_its_own_folder_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for folder, field in (("one", "a"), ("two", "b")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "shared.py").write_text(f"from headwater import Event\n\nclass Shared(Event):\n    {field}: str\n")
        (tmp_path / folder / "events.py").write_text("from shared import Shared\n\nclass MoreEvent(Shared):\n    c: int\n")
    path = list(sys.path)

    one, two = (load_models(tmp_path / folder / "events.py") for folder in ("one", "two"))

    assert one.tables["more_events"].schema.names[11:] == ["a", "c"]
    assert two.tables["shareds"].schema.names[11:] == ["b"]
    assert sys.path == path
    assert "shared" not in sys.modules


def test_helper_classes_and_names_with_an_underscore_are_no_event_types(tmp_path: Path) -> None:
    (tmp_path / "events.py").write_text(
        "from pydantic import BaseModel\nfrom headwater import Event\n\nclass _Common(Event):\n    a: str\n\n"
        "class Place(BaseModel):\n    city: str\n\nclass Visit(_Common):\n    place: Place\n"
    )

    models = load_models(tmp_path / "events.py")

    assert set(models.event_types) == {"Visit"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nothing_of_this_name", r"events\.py: importing it failed: ModuleNotFoundError.*\(line 1\)"),
        ("x = 1\nx = (", "importing it failed: SyntaxError"),
        ("from headwater import Event\n\nclass A(Event):\n    x: bytes\n", r"events\.py: class A, field x: .* write str"),
        (
            "from headwater import Event\n\nclass A(Event):\n    event_type: str\n",
            r'events\.py: class A, field event_type: write .*Literal\["A"\]',
        ),
        ("from headwater import Event\n\nclass A(Event, datetime='x'):\n    pass\n", "datetime='x' is unknown"),
    ],
)
def test_a_mistake_in_the_events_file_is_told_with_file_and_place(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "events.py").write_text(text)

    with pytest.raises(ModelError, match=says):
        load_models(tmp_path / "events.py")


def test_a_missing_events_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        load_models(tmp_path / "events.py")


def test_the_example_events_compile_and_all_have_a_fast_path(tmp_path: Path) -> None:
    (tmp_path / "events.py").write_text(example_events())

    models = load_models(tmp_path / "events.py")

    assert set(models.event_types) == {"SignUpEvent", "SignInEvent", "PracticeEvent"}
    assert len(models._decoder.fast) == 3


def test_a_strange_config_or_a_validator_leaves_everything_to_pydantic() -> None:
    class Stripped(Event):
        model_config = ConfigDict(str_strip_whitespace=True)
        name: str

    models = compile_models([Stripped])

    [row] = rows(decode(models, event("Stripped", {"name": " a "})), "strippeds")
    assert row["name"] == "a"
    assert not models._decoder.fast


def test_importing_the_event_class_does_not_import_arrow() -> None:
    import subprocess

    code = "import sys, headwater.event; sys.exit('pyarrow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fields_that_share_a_type_keep_the_fast_path() -> None:
    class Mixed(Event):
        first: Color
        second: Color | None
        third: Color = Color.RED

    models = compile_models([Mixed])

    [row] = rows(decode(models, event("Mixed", {"first": "red", "second": "null"})), "mixeds")
    assert (row["first"], row["second"], row["third"]) == ("red", None, "red")
    assert len(models._decoder.fast) == 1


def test_a_reserved_domain_that_the_events_file_adds_is_refused_by_the_fast_path_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Contact(Event):
        email: EmailStr

    monkeypatch.setattr("email_validator.SPECIAL_USE_DOMAIN_NAMES", ["example.com"])
    monkeypatch.setattr("email_validator.syntax.SPECIAL_USE_DOMAIN_NAMES", ["example.com"], raising=False)

    decoded = decode(compile_models([Contact]), event("Contact", {"email": "a@example.com"}), event("Contact", {"email": "a@b.org"}))

    assert list(decoded.letters) == [0]
