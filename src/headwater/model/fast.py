"""The fast path: typed structs decoded by msgspec, columns straight from them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET, Struct, UnsetType

from headwater.model.column import MISFIT, Array
from headwater.model.eventtype import EventType
from headwater.model.form import ASK, Form, forms_of
from headwater.model.wire import (
    NO_APPLICATION,
    NO_CLIENT,
    NO_PROVENANCE,
    NO_SESSION,
    Application,
    ClientPart,
    Provenance,
    SessionPart,
    Timestamp,
)


class FastRows(NamedTuple):
    """Columns of the fields, the class's own choice of `datetime` if it made one, and the rows Pydantic must see instead."""

    arrays: list[Array]
    datetimes: list[dt.datetime | None] | None
    ask: set[int]


class FastType:
    """One event type as msgspec reads it: `struct` for the decoder, `columns` for what it decoded."""

    def __init__(self, event: EventType, tag: str, forms: list[Form]) -> None:
        self.event = event
        self.tag = tag
        self._columns = [_FormColumn(form, number) for number, form in enumerate(forms)]
        self._have_text = _finder(
            [number for number, form in enumerate(forms) if form.reading.in_metrics and form.reading.text is not None]
        )
        self._effective = event.datetime_source != "event_timestamp"
        self.struct = _struct(event, tag, forms)

    def columns(self, rows: Sequence[Any]) -> FastRows:
        """Return the columns of *rows*, at least one."""
        ask: set[int] = set()
        as_text = self._have_text(rows)
        arrays = [column.array(rows, as_text, ask) for column in self._columns]
        return FastRows(arrays, _effective_dates(rows, ask) if self._effective else None, ask)


def fast_types(event: EventType) -> list[FastType]:
    """Return a fast type for each of the class's names, or none if only Pydantic may read it."""
    if event.extra == "allow" or event.rewritten:
        return []
    forms = forms_of(event.cls.__pydantic_core_schema__, event.fields, event.declared)
    return [] if forms is None else [FastType(event, tag, forms) for tag in event.event_types]


class _FormColumn:
    """One field's column. The common case is one list and one pa.array; whatever is unusual fails there and is done row by row."""

    def __init__(self, form: Form, number: int) -> None:
        self._form = form
        self._reading = form.reading
        self._type = form.field.column.type
        self._nullable = form.field.column.nullable
        self._is_int = pa.types.is_int64(self._type)
        self._in_one_cast = self._is_int or pa.types.is_float64(self._type)
        self._sure = re.compile(self._reading.sure or "(?s:.*)")
        self._texts = _lister("attributes", number) if self._reading.text is not None else _absent
        self._numbers = _lister("metrics", number) if self._reading.number is not None else _absent

    def array(self, rows: Sequence[Any], as_text: bool, ask: set[int]) -> Array:
        """Return the column, adding to *ask*; *as_text*: some row has a number, of this field or another, as text in its attributes."""
        texts = self._texts(rows) if as_text or not self._reading.in_metrics else None
        if texts is None or (self._reading.in_metrics and texts.count(UNSET) == len(texts)):
            numbers = self._numbers(rows)
            kinds = set(map(type, numbers)) if self._is_int else _INTEGERS
            if kinds <= _INTEGERS:
                return self._array_of_numbers(numbers, ask)
            if kinds <= _FLOATS and (whole := _whole(numbers)) is not None:
                return whole
            return self._row_by_row(_absent(rows), numbers, ask)
        if self._reading.read is None:
            return self._array_of_texts(texts, ask)
        try:
            return self._read_all(texts)
        except (*MISFIT, KeyError):  # an absent, null or unusual value somewhere: find it
            return self._row_by_row(texts, self._numbers(rows), ask)

    def _array_of_texts(self, texts: list[Any], ask: set[int]) -> Array:
        """Return text that is the value itself. What is not surely right is left in: its row will go."""
        try:
            array: Any = pa.array(texts, self._type)
        except MISFIT:
            array = pa.array([None if text is UNSET else text for text in texts], self._type)
        if self._nullable:
            null = pc.equal(array, _NULL)
            if pc.any(null).as_py():
                array = pc.if_else(null, None, array)
        if self._reading.sure is not None:
            sure: Any = pc.match_substring_regex(array, f"^(?:{self._reading.sure})$")
            if self._reading.unsure is not None:
                sure = pc.and_not(sure, pc.match_substring_regex(array, self._reading.unsure))
            if not pc.all(sure).as_py():
                ask.update(np.flatnonzero(pc.invert(sure.fill_null(True)).to_numpy(zero_copy_only=False)).tolist())
        if self._form.required or self._form.missing is None or UNSET not in texts:
            return cast(Array, array)
        missing = [at for at, text in enumerate(texts) if text is UNSET]
        if self._form.missing is ASK:
            ask.update(missing)
            return cast(Array, array)
        values = array.to_pylist()
        for at in missing:
            values[at] = self._form.missing
        return pa.array(values, self._type)

    def _array_of_numbers(self, numbers: list[Any], ask: set[int]) -> Array:
        try:
            return pa.array(numbers, self._type)
        except MISFIT:
            if self._form.missing is ASK:
                ask.update(at for at, number in enumerate(numbers) if number is UNSET)
            substitute = None if self._form.missing is ASK else self._form.missing
            return pa.array([substitute if number is UNSET else number for number in numbers], self._type)

    def _read_all(self, texts: list[Any]) -> Array:
        """Read text in every row, or raise."""
        if self._reading.sure is not None:
            array = pa.array(texts, pa.string())
            if array.null_count or not pc.all(pc.match_substring_regex(array, f"^(?:{self._reading.sure})$")).as_py():
                raise ValueError
            if self._in_one_cast:
                return array.cast(self._type)
        return pa.array(list(map(cast(Callable[[str], Any], self._reading.read), texts)), self._type)

    def _row_by_row(self, texts: list[Any], numbers: list[Any], ask: set[int]) -> Array:
        values = []
        for position, (text, number) in enumerate(zip(texts, numbers, strict=True)):
            value = self._value(text, number)
            if value is ASK:
                ask.add(position)
                value = None
            values.append(value)
        return pa.array(values, self._type)

    def _value(self, text: Any, number: Any) -> Any:
        if text is not UNSET:
            if text is None or (self._nullable and text == "null"):
                return None
            try:
                return self._reading.read(text) if self._reading.read and self._sure.fullmatch(text) else ASK
            except ValueError:
                return ASK
        if number is UNSET:
            return self._form.missing
        if self._is_int and type(number) is float:
            return int(number) if number.is_integer() else ASK
        return number


_INTEGERS = {int, type(None), UnsetType}
_FLOATS = {float, type(None)}
_NULL = pa.scalar("null", pa.string())


def _whole(numbers: list[Any]) -> Array | None:
    """Return integers that were written as floats, None if one has a fraction."""
    try:
        return pa.array(numbers, pa.float64()).cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def _lister(part: str, number: int) -> Callable[[Sequence[Any]], list[Any]]:
    """Return what lists a field of all rows: spelled out, since `attrgetter` takes twice as long. *number* is ours, never a client's."""
    return cast(Callable[[Sequence[Any]], list[Any]], eval(f"lambda rows: [row.{part}.f{number:d} for row in rows]"))  # noqa: S307


def _finder(numbers: list[int]) -> Callable[[Sequence[Any]], bool]:
    """Return what tells whether any of those fields is in the attributes of any row."""
    if not numbers:
        return lambda _rows: False
    first, *others = (f"f{number:d} is not UNSET" for number in numbers)
    test = " or ".join((f"(given := row.attributes).{first}", *(f"given.{other}" for other in others)))
    source = f"lambda rows: [True for row in rows if {test}] != []"
    return cast(Callable[[Sequence[Any]], bool], eval(source, {"UNSET": UNSET}))  # noqa: S307


def _absent(rows: Sequence[Any]) -> list[Any]:
    return [UNSET] * len(rows)


def _effective_dates(rows: Sequence[Any], ask: set[int]) -> list[dt.datetime | None]:
    moments: list[dt.datetime | None] = []
    for position, row in enumerate(rows):
        text = row.endpoint.effective_date
        try:
            moments.append(dt.datetime.fromisoformat(text) if _SURE_MOMENT.fullmatch(text) else None)
        except ValueError:
            moments.append(None)
        if moments[-1] is None:
            ask.add(position)
    return moments


_SURE_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z")


def _struct(event: EventType, tag: str, forms: list[Form]) -> type[Struct]:
    """Build the struct of one event type.

    Where extras are refused, a field that has no fast form in one of the two maps is simply unknown there, so msgspec refuses it. Where
    they are ignored, such a field must not be skipped like an extra: `UnsetType` is a type no JSON value has.
    """
    texts: list[Any] = []
    numbers: list[Any] = []
    names: dict[str, str] = {}
    ignoring = event.extra == "ignore"
    for position, form in enumerate(forms):
        attribute = f"f{position}"
        names[attribute] = form.field.keys[0]
        text, number = form.reading.text, form.reading.number
        absent = None if form.missing is None else UNSET
        if text is not None:
            texts.append((attribute, text) if form.required else (attribute, text | UnsetType, absent if number is None else UNSET))
        elif ignoring:
            texts.append((attribute, UnsetType, UNSET))
        if number is not None:
            numbers.append((attribute, number | UnsetType, absent))
        elif ignoring:
            numbers.append((attribute, UnsetType, UNSET))
    name = event.cls.__name__
    options: dict[str, Any] = {"gc": False, "frozen": True, "kw_only": True, "forbid_unknown_fields": not ignoring, "rename": names}
    attributes = msgspec.defstruct(f"{name}Attributes", texts, **options)
    metrics = msgspec.defstruct(f"{name}Metrics", numbers, **options)
    session: Any = ("session", SessionPart, NO_SESSION)
    if "session_id" in event.declared and not event.declared["session_id"].column.nullable:
        session = ("session", msgspec.defstruct(f"{name}Session", [("session_id", str)], gc=False, frozen=True))
    members: list[Any] = [
        ("event_timestamp", Timestamp),
        ("application", Application, NO_APPLICATION),
        ("client", ClientPart, NO_CLIENT),
        session,
        ("attributes", attributes) if any(form.required for form in forms) else ("attributes", attributes, attributes()),
        ("metrics", metrics, metrics()),
        ("headwater", Provenance, NO_PROVENANCE),
    ]
    if event.datetime_source != "event_timestamp":
        members.insert(-1, ("endpoint", _EFFECTIVE))
    return msgspec.defstruct(name, members, gc=False, kw_only=True, tag_field="event_type", tag=tag)


_EFFECTIVE = msgspec.defstruct("Effective", [("effective_date", str)], rename={"effective_date": "EffectiveDate"}, gc=False, frozen=True)
