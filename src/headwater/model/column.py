"""From the annotation of a field to its Arrow column."""

from __future__ import annotations

import datetime as dt
import ipaddress
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypeAlias, Union, get_args, get_origin
from uuid import UUID

import pyarrow as pa
import pydantic
from pydantic import AnyUrl, BaseModel, EmailStr, NameEmail, PlainSerializer, SecretBytes, SecretStr, WrapSerializer
from pydantic.fields import FieldInfo

from headwater.errors import ModelError
from headwater.model.bounds import calendar_date, exact_decimal, utc_moment
from headwater.model.serializers import UNSAID, computed, returned_by_field, returned_by_model, returned_by_notes

Array: TypeAlias = "pa.Array[Any]"

SERIALIZERS = (PlainSerializer, WrapSerializer)

TIMESTAMP = pa.timestamp("us", tz="UTC")

# What pa.array and `plain` raise for a value that does not fit; UnicodeEncodeError and ArrowInvalid are ValueErrors, and a class's own
# validator may have returned something of quite another kind.
MISFIT = (pa.ArrowException, ValueError, TypeError, OverflowError, RecursionError, AttributeError, LookupError)


class ColumnForm(NamedTuple):
    """How values of a field become an Arrow array.

    plain: turns a validated value (never None) into what Arrow takes; None where it is that already.
    """

    type: pa.DataType
    plain: Callable[[Any], Any] | None = None
    nullable: bool = False


_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    dt.datetime: TIMESTAMP,
    dt.date: pa.date32(),
    pydantic.AwareDatetime: TIMESTAMP,
    pydantic.NaiveDatetime: TIMESTAMP,
    pydantic.PastDatetime: TIMESTAMP,
    pydantic.FutureDatetime: TIMESTAMP,
    pydantic.PastDate: pa.date32(),
    pydantic.FutureDate: pa.date32(),
    EmailStr: pa.string(),
}
_BOUNDED: dict[pa.DataType, Callable[[Any], Any]] = {TIMESTAMP: utc_moment, pa.date32(): calendar_date}
_TEXT_LIKE = (str, NameEmail, UUID, AnyUrl, ipaddress.IPv4Address, ipaddress.IPv6Address)
_INSTEAD: dict[Any, str] = {
    bytes: "str",
    complex: "two float fields",
    object: "str",
    Any: "str, or dict[str, str] for an object of any shape",
    dict: "dict[str, str]",
    list: "list[str]",
    tuple: "list[str]",
    set: "list[str]",
    frozenset: "list[str]",
    dt.time: "str",
    dt.timedelta: "float, in seconds, with the unit in the name",
    SecretStr: "str (a table keeps no secrets)",
    SecretBytes: "str (a table keeps no secrets)",
}


def column_of(annotation: Any, metadata: Iterable[Any], where: str) -> ColumnForm:
    """Return the column for a field of this annotation, or raise `ModelError` that begins with *where* and says what to write instead."""
    return _column(annotation, list(metadata), where, ())


def member_columns(
    model: type[BaseModel], where: str, besides: Collection[str] = (), inside: tuple[type[BaseModel], ...] = ()
) -> dict[str, ColumnForm]:
    """Return the columns of what `model_dump()` gives of *model*, by name, but those *besides*; raise `ModelError` as `column_of` does."""
    columns = {}
    for name, info in model.model_fields.items():
        if name not in besides and not info.exclude:
            there = f"{where}, field {name}" if not inside else f"{where}.{name}"
            returned = returned_by_field(model, name, there)
            columns[name] = _dumped(returned, info.annotation, info.metadata, there, (*inside, model))
    for name, annotation in computed(model, where):
        there = f"{where}, computed field {name}" if not inside else f"{where}.{name}"
        columns[name] = _dumped(returned_by_field(model, name, there), annotation, [], there, (*inside, model))
    return columns


def _dumped(returned: list[Any], annotation: Any, metadata: Iterable[Any], where: str, inside: tuple[type[BaseModel], ...]) -> ColumnForm:
    """Return the column of what a serializer *returned*, of the value itself where there is none."""
    if not returned:
        return _column(annotation, list(metadata), where, inside)
    if returned[0] in (UNSAID, Any):
        column = _column(annotation, [note for note in metadata if not isinstance(note, SERIALIZERS)], where, inside)
        if column.type != pa.string():
            raise ModelError(f"{where}: its serializer does not say what it returns; write -> str, or what it is")
        return column
    column = _column(returned[0], [], where, inside)
    return column._replace(nullable=column.nullable or admits_none(annotation))


def is_structured(annotation: Any) -> bool:
    """Return whether the value is a list, a map or an object, so that text in an attribute is parsed as JSON."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return is_structured(annotation.__origin__)
    if isinstance(annotation, NewType):
        return is_structured(annotation.__supertype__)
    if type(annotation).__name__ == "TypeAliasType":
        return is_structured(annotation.__value__)
    if origin in (Union, types.UnionType):
        return any(map(is_structured, get_args(annotation)))
    kind = origin or annotation
    return isinstance(kind, type) and issubclass(kind, (list, tuple, set, frozenset, dict, BaseModel))


def admits_none(annotation: Any) -> bool:
    """Return whether None is one of the values."""
    if get_origin(annotation) is Annotated:
        return admits_none(annotation.__origin__)
    return annotation in (None, type(None), Any) or (
        get_origin(annotation) in (Union, types.UnionType, Literal) and any(map(admits_none, get_args(annotation)))
    )


def to_array(values: Sequence[Any], column: ColumnForm) -> tuple[Array, dict[int, str]]:
    """Return the values as one array, and position -> reason for those that do not fit (null in the array)."""
    plain = column.plain
    try:
        if plain is None:
            return pa.array(values, column.type), {}
        return pa.array([None if value is None else plain(value) for value in values], column.type), {}
    except MISFIT:
        return _one_by_one(values, column)


def _one_by_one(values: Sequence[Any], column: ColumnForm) -> tuple[Array, dict[int, str]]:
    fitting: list[Any] = []
    misfits: dict[int, str] = {}
    for position, value in enumerate(values):
        try:
            kept = value if value is None or column.plain is None else column.plain(value)
            pa.array([kept], column.type)
        except MISFIT as misfit:
            misfits[position] = str(misfit)
            kept = None
        fitting.append(kept)
    return pa.array(fitting, column.type), misfits


def _column(annotation: Any, metadata: list[Any], where: str, inside: tuple[type[BaseModel], ...]) -> ColumnForm:
    origin = get_origin(annotation)
    if returned := returned_by_notes(metadata, where):
        return _dumped(returned, annotation, [note for note in metadata if not isinstance(note, SERIALIZERS)], where, inside)
    if origin is Annotated:
        return _column(annotation.__origin__, [*annotation.__metadata__, *metadata], where, inside)
    if isinstance(annotation, NewType):
        return _column(annotation.__supertype__, metadata, where, inside)
    if type(annotation).__name__ == "TypeAliasType":  # `type X = ...`, which this Python may be too old to have a name for
        return _column(annotation.__value__, metadata, where, inside)
    if origin in (Union, types.UnionType):
        return _union(annotation, metadata, where, inside)
    if origin is Literal:
        return _choices(get_args(annotation), where)
    if origin is list or (origin is tuple and get_args(annotation)[1:] == (...,)):
        item = _column(get_args(annotation)[0], [], f"{where}, in its list", inside)
        return ColumnForm(pa.list_(item.type), _list_plain(item.plain))
    if origin is dict:
        key, value = get_args(annotation)
        return _map(key, value, where, inside)
    if annotation in _SCALARS:
        kind = _SCALARS[annotation]
        return ColumnForm(kind, _BOUNDED.get(kind))
    if annotation is Decimal:
        digits, places = _decimal(metadata, where)
        return ColumnForm(pa.decimal128(digits, places), partial(exact_decimal, digits=digits, places=places))
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return _choices(tuple(member.value for member in annotation), where)
        if issubclass(annotation, BaseModel):
            return _struct(annotation, where, inside)
        if issubclass(annotation, _TEXT_LIKE):
            return ColumnForm(pa.string(), str)
    raise _unsupported(annotation, origin, where)


def _union(annotation: Any, metadata: list[Any], where: str, inside: tuple[type[BaseModel], ...]) -> ColumnForm:
    members = [member for member in get_args(annotation) if member is not type(None)]
    nullable = len(members) < len(get_args(annotation))
    columns = [_column(member, metadata, where, inside) for member in members] if len(members) == 1 or all(map(_is_choice, members)) else []
    if len({column.type for column in columns}) != 1:
        spelled = " | ".join(_spell(member) for member in members)
        raise ModelError(f"{where}: a column has one type, not {spelled}; choose one, and add '| None' if it may be missing")
    return columns[0]._replace(nullable=nullable or any(column.nullable for column in columns))


def _is_choice(annotation: Any) -> bool:
    return get_origin(annotation) is Literal or (isinstance(annotation, type) and issubclass(annotation, Enum))


def _choices(given: tuple[Any, ...], where: str) -> ColumnForm:
    values = [value for value in given if value is not None]
    for kind, arrow in ((str, pa.string()), (bool, pa.bool_()), (int, pa.int64()), (float, pa.float64())):
        if values and all(
            type(value) is kind or (kind is not bool and isinstance(value, kind) and not isinstance(value, bool)) for value in values
        ):
            return ColumnForm(arrow, _choice, nullable=len(values) < len(given))
    raise ModelError(f"{where}: the choices {', '.join(map(repr, given)) or '(none)'} are not all of one type; write them as text")


def _choice(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _map(key: Any, value: Any, where: str, inside: tuple[type[BaseModel], ...]) -> ColumnForm:
    keys = _column(key, [], f"{where}, in its keys", inside)
    if keys.type != pa.string() or keys.nullable:
        raise ModelError(f"{where}: the keys of a map are text; write dict[str, {_spell(value)}]")
    items = _column(value, [], f"{where}, in its values", inside)
    key_plain, plain = keys.plain or _same, items.plain or _same

    def pairs(given: dict[Any, Any]) -> list[tuple[str, Any]]:
        return [(key_plain(name), None if item is None else plain(item)) for name, item in given.items()]

    return ColumnForm(pa.map_(pa.string(), items.type), pairs)


def _struct(model: type[BaseModel], where: str, inside: tuple[type[BaseModel], ...]) -> ColumnForm:
    if model in inside:
        raise ModelError(f"{where}: {model.__name__} contains itself, a column cannot; write dict[str, str] or str holding JSON")
    if returned := returned_by_model(model, where):
        return _column(returned[0], [], where, (*inside, model))
    columns = member_columns(model, where, inside=(*inside, model))
    if not columns:
        raise ModelError(f"{where}: {model.__name__} has no fields to keep; write dict[str, str]")

    def members(value: BaseModel | dict[str, Any]) -> dict[str, Any]:
        held = value if isinstance(value, dict) else value.__dict__
        return {
            name: given if column.plain is None or given is None else column.plain(given)
            for name, column in columns.items()
            for given in (held.get(name),)
        }

    return ColumnForm(pa.struct([(name, column.type) for name, column in columns.items()]), members)


def _list_plain(plain: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def items_of(given: Any) -> list[Any]:
        if isinstance(given, str | bytes | Mapping):
            raise TypeError(f"a {type(given).__name__} is no list")
        return list(given) if plain is None else [None if item is None else plain(item) for item in given]

    return items_of


def _decimal(metadata: list[Any], where: str) -> tuple[int, int]:
    digits = places = None
    for note in metadata:
        notes = note.metadata if isinstance(note, FieldInfo) else [note]
        for constraint in notes:
            digits = getattr(constraint, "max_digits", None) or digits
            given = getattr(constraint, "decimal_places", None)
            places = given if given is not None else places
    if digits is None or places is None:
        digits = 38
    places = 9 if places is None else places
    if not (0 <= places <= digits <= 38):
        raise ModelError(f"{where}: a decimal column has at most 38 digits, not max_digits={digits}, decimal_places={places}")
    return digits, places


def _unsupported(annotation: Any, origin: Any, where: str) -> ModelError:
    instead = _INSTEAD.get(annotation) or _INSTEAD.get(origin)
    if instead is None and isinstance(annotation, type):
        instead = "a pydantic.BaseModel with the same fields" if typing.get_type_hints(annotation) else "str"
    return ModelError(f"{where}: there is no column for {_spell(annotation)}; write {instead or 'str'}")


def _spell(annotation: Any) -> str:
    return (
        annotation.__name__ if isinstance(annotation, type) and get_origin(annotation) is None else str(annotation).removeprefix("typing.")
    )


def _same(value: Any) -> Any:
    return value
