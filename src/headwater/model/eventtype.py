"""An event class, read once: its fields, its table and how its input is to be prepared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args, get_origin

import pyarrow as pa
from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

from headwater.errors import ModelError
from headwater.event import DatetimeSource, Event
from headwater.model.column import SERIALIZERS, TIMESTAMP, ColumnForm, admits_none, column_of, is_structured, member_columns
from headwater.model.naming import DECLARABLE, OUR_PREFIX, PARTITION_COLUMNS, SYSTEM_COLUMNS, refusal_of_table, table_name
from headwater.model.serializers import returned_by_field, returned_by_model, rewrites
from headwater.model.validator import brief_validator

EXTRA_COLUMN = "extra"
EXTRA_TYPE = pa.map_(pa.string(), pa.string())

SYSTEM_FIELDS = [
    (name, TIMESTAMP if name in ("datetime", "arrival_datetime") else pa.string()) for name in (*SYSTEM_COLUMNS, *PARTITION_COLUMNS)
]

Extra = Literal["forbid", "ignore", "allow"]


class EventTable(NamedTuple):
    """A table and its columns: the system columns, `year, month, day`, then the fields. `event_type` is None for our own tables."""

    name: str
    event_type: str | None
    schema: pa.Schema
    doc: str = ""


class EventField(NamedTuple):
    """A field of the class: the attribute or metric names it reads, best first, and the column its value would have.

    structured: the value is a list, a map or an object, so text in an attribute is parsed as JSON.
    """

    name: str
    keys: tuple[str, ...]
    column: ColumnForm
    structured: bool
    required: bool
    info: FieldInfo


class EventType(NamedTuple):
    """What the decoder and the table know of one event class.

    fields: what is read. stored: the columns that what was read, or computed, goes into, by name; `rewritten` where these are not the
    fields' own values: a serializer changes some, one is excluded or computed. declared: system column -> the key under which the class
    wants its value. validate: gives an instance of the class, or raises `ValidationError`.
    """

    cls: type[BaseModel]
    event_types: tuple[str, ...]
    table: EventTable
    fields: tuple[EventField, ...]
    stored: Mapping[str, ColumnForm]
    rewritten: bool
    declared: Mapping[str, EventField]
    extra: Extra
    datetime_source: DatetimeSource
    validate: Callable[[Any], Any]


def event_names(cls: type[BaseModel]) -> tuple[str, ...]:
    """Return the `event_type` texts that choose this class; none if it is not an event type."""
    if cls.__name__.startswith("_") or cls is Event:
        return ()
    declared = cls.model_fields.get("event_type")
    if declared is not None:
        annotation = declared.annotation
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        if get_origin(annotation) is Literal and all(isinstance(name, str) for name in get_args(annotation)):
            return cast(tuple[str, ...], get_args(annotation))
        if not issubclass(cls, Event):
            return ()
        raise ModelError(f'class {cls.__name__}, field event_type: write event_type: Literal["{cls.__name__}"]')
    return (cls.__name__,) if issubclass(cls, Event) else ()


def read_class(cls: type[BaseModel]) -> EventType:
    """Read one event class, or raise `ModelError` naming class and field and what to write instead."""
    where = f"class {cls.__name__}"
    names = event_names(cls)
    if not names:
        raise ModelError(f'{where}: not an event type; subclass headwater.Event, or declare event_type: Literal["{cls.__name__}"]')
    for name in names:
        if name.startswith(OUR_PREFIX):
            raise ModelError(f"{where}: event types that begin with {OUR_PREFIX!r} are Headwater's own; choose another name")
    declared = {name: _field(cls, name, info, where) for name, info in cls.model_fields.items() if name in DECLARABLE}
    _check_declared(declared, where)
    fields = tuple(_field(cls, name, info, where) for name, info in cls.model_fields.items() if name not in DECLARABLE)
    extra: Extra = cls.model_config.get("extra") or "ignore"
    for name in cls.model_computed_fields:
        if name in (*SYSTEM_COLUMNS, *PARTITION_COLUMNS):
            raise ModelError(f"{where}, computed field {name}: every table has a system column of this name; rename the field")
    if returned_by_model(cls, where):
        raise ModelError(f"{where}: its model_serializer does not give a dictionary, and a row is one; return what the fields are called")
    stored = member_columns(cls, where, DECLARABLE)
    columns = [(name, column.type) for name, column in stored.items()]
    if extra == "allow":
        columns.append((EXTRA_COLUMN, EXTRA_TYPE))
    _check_columns([name for name, _ in columns], where)
    doc = "" if cls.__doc__ is None or cls.__doc__ == Event.__doc__ else cls.__doc__.strip()
    table = EventTable(_table(cls, where), names[0], pa.schema([*SYSTEM_FIELDS, *columns]), doc)
    source: DatetimeSource = getattr(cls, "headwater_datetime", "event_timestamp")
    if source not in get_args(DatetimeSource):
        raise ModelError(f"{where}: datetime={source!r} is unknown; write one of {', '.join(map(repr, get_args(DatetimeSource)))}")
    return EventType(cls, names, table, fields, stored, _is_rewritten(cls), declared, extra, source, brief_validator(cls))


def _is_rewritten(cls: type[BaseModel]) -> bool:
    """Return whether `model_dump()` has to be asked what is stored. Never for `event_type` and `datetime`, which are the event's own."""
    schema = cls.__pydantic_core_schema__
    inner = schema.get("schema", {})
    if schema["type"] != "model" or inner.get("type") != "model-fields":
        return rewrites(schema)
    others = {name: part for name, part in inner["fields"].items() if name not in ("event_type", "datetime")}
    return rewrites({**schema, "schema": {**inner, "fields": others}})


def _table(cls: type[BaseModel], where: str) -> str:
    chosen = getattr(cls, "headwater_table", None)
    name = chosen or table_name(cls.__name__)
    refusal = refusal_of_table(name)
    if refusal is not None:
        raise ModelError(f'{where}: {refusal}; write class {cls.__name__}(Event, table="another_name")')
    return cast(str, name)


def _field(cls: type[BaseModel], name: str, info: FieldInfo, where: str) -> EventField:
    where = f"{where}, field {name}"
    if (name in SYSTEM_COLUMNS and name not in DECLARABLE) or name in PARTITION_COLUMNS:
        spelled = getattr(info.annotation, "__name__", str(info.annotation))
        raise ModelError(f'{where}: every table has a system column of this name; write event_{name}: {spelled} = Field(alias="{name}")')
    keys: list[str] = []
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    for choice in alias.choices if isinstance(alias, AliasChoices) else [alias or name]:
        if isinstance(choice, AliasPath):
            raise ModelError(f'{where}: attributes have no paths; write Field(alias="...") with the name of one attribute')
        keys.append(choice)
    if cls.model_config.get("validate_by_alias") is False:
        keys = []
    if not keys or cls.model_config.get("validate_by_name") or cls.model_config.get("populate_by_name"):
        keys.append(name)
    column = _read_as(cls, name, info, where)
    return EventField(name, tuple(dict.fromkeys(keys)), column, is_structured(info.annotation), info.is_required(), info)


def _read_as(cls: type[BaseModel], name: str, info: FieldInfo, where: str) -> ColumnForm:
    """Return how the field is read. What is not stored as it was read need not be of a type that a column has."""
    notes = [note for note in info.metadata if not isinstance(note, SERIALIZERS)]
    try:
        return column_of(info.annotation, notes, where)
    except ModelError:
        if not info.exclude and len(notes) == len(info.metadata) and not returned_by_field(cls, name, where):
            raise
        return ColumnForm(pa.string(), nullable=admits_none(info.annotation))


def _check_declared(declared: Mapping[str, EventField], where: str) -> None:
    for name, wanted, spelling in (("datetime", TIMESTAMP, "datetime"), ("session_id", pa.string(), "str")):
        field = declared.get(name)
        if field is not None and field.column.type != wanted:
            raise ModelError(f"{where}, field {name}: it means the system column {name}; write {name}: {spelling}, or rename the field")


def _check_columns(names: list[str], where: str) -> None:
    seen = {name: name for name in (*SYSTEM_COLUMNS, *PARTITION_COLUMNS)}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name or names.count(name) > 1:
            raise ModelError(f"{where}, field {name}: SQL does not tell it from the column {other}; rename the field and give it an alias")
