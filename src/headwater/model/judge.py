"""Pydantic's verdict on one record: the definition that the fast path must agree with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel, TypeAdapter, ValidationError

from headwater.model import letter as letters
from headwater.model.eventtype import EventType
from headwater.model.letter import Fault, Letter
from headwater.model.wire import MALFORMED, Untyped, effective_date

_parse_json = msgspec.json.Decoder().decode
_datetime = TypeAdapter(dt.datetime)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Accepted(NamedTuple):
    """A record the class accepts: what is to be stored by name, what no field describes, `datetime` if not the event's timestamp."""

    values: Mapping[str, Any]
    extra: Mapping[str, Any]
    datetime: dt.datetime | None


def judge(event: EventType, name: str, record: Untyped) -> Accepted | Letter:
    """Return what the class makes of a record of event type *name* whose envelope and timestamp are in order; never raises."""
    try:
        values, faults = _prepare(event, name, record)
        if faults:
            also, count = _also_wrong(event, values)
            return letters.field_letter(event.cls.__name__, [*faults, *also], len(faults) + count)
        instance = event.validate(values)
        if not isinstance(instance, event.cls):
            raise TypeError(f"a validator returned a {type(instance).__name__}, no {event.cls.__name__}")
        moment = _moment(event, record, instance)
        return moment if isinstance(moment, Letter) else _to_store(event, instance, moment)
    except ValidationError as error:
        return letters.field_letter(event.cls.__name__, *letters.faults_of(event, error))
    except (MemoryError, KeyboardInterrupt):  # neither says anything about the record
        raise
    except BaseException as error:  # noqa: BLE001 - a class's own code may raise anything, SystemExit too, and must not harm the batch
        return letters.broken_validator(event, error)


def _to_store(event: EventType, instance: BaseModel, moment: dt.datetime | None) -> Accepted | Letter:
    """Return what `model_dump()` gives; where it is sure to be what the fields hold, that is not made again."""
    if not event.rewritten:
        return Accepted(instance.__dict__, instance.__pydantic_extra__ or {}, moment)
    dumped = event.cls.__pydantic_serializer__.to_python(instance, by_alias=False, warnings=False)
    if not isinstance(dumped, dict):
        return letters.odd_serializer(event, f"gives a {type(dumped).__name__}, no dictionary")
    extra = {name: value for name, value in dumped.items() if name not in event.stored and name not in event.declared}
    if extra and event.extra != "allow":
        return letters.odd_serializer(event, f"gives {', '.join(map(repr, extra))}, for which there is no column; declare it as a field")
    return Accepted(dumped, extra, moment)


def iso(timestamp_ms: int) -> str:
    """Return the timestamp as Amplify writes it: `2026-11-23T03:06:22.544Z`."""
    moment = _EPOCH + dt.timedelta(milliseconds=timestamp_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{timestamp_ms % 1000:03d}Z" if moment.year > 999 else moment.isoformat()


def _prepare(event: EventType, event_type: str, record: Untyped) -> tuple[dict[str, Any], list[Fault]]:
    attributes, metrics = record.attributes or {}, record.metrics or {}
    values = {**metrics, **attributes}
    for field in event.fields:
        present = False
        for key in field.keys:
            if key not in values:
                continue
            present = True
            value = values[key]
            if isinstance(value, str):
                if field.column.nullable and value == "null":
                    values[key] = None
                elif field.structured:
                    values[key] = _parsed(value)
        if not present and field.required and field.column.nullable:
            values[field.keys[0]] = None
    faults = []
    for name, field in event.declared.items():
        for key in {name, *field.keys} & values.keys():
            given = values.pop(key)
            if event.extra == "forbid":
                faults.append(letters.extra_fault(event, key, given))
        values.update(_system_value(event, event_type, name, field.keys[0], record))
    return values, faults


def _system_value(event: EventType, event_type: str, name: str, key: str, record: Untyped) -> dict[str, Any]:
    if name == "event_type":
        return {key: event_type}
    if name == "session_id":
        session = record.session.session_id if record.session else None
        return {key: session}
    if event.datetime_source == "event_timestamp":
        return {key: iso(record.event_timestamp)}
    effective = effective_date(record.endpoint)
    return {} if effective is None else {key: effective}


def _parsed(text: str) -> Any:
    try:
        return _parse_json(text)
    except MALFORMED:
        return text


def _also_wrong(event: EventType, values: dict[str, Any]) -> tuple[list[Fault], int]:
    try:
        event.validate(values)
    except ValidationError as error:
        return letters.faults_of(event, error)
    return [], 0


def _moment(event: EventType, record: Untyped, instance: BaseModel) -> dt.datetime | Letter | None:
    if "datetime" in event.declared:
        moment: dt.datetime | None = getattr(instance, "datetime")  # noqa: B009 - the class declares it
        if moment is None:
            return _no_datetime(event, None)
        return _utc(event, moment)
    if event.datetime_source == "event_timestamp":
        return None
    effective = effective_date(record.endpoint)
    try:
        moment = _datetime.validate_python(effective)
    except ValidationError:
        return _no_datetime(event, effective)
    return _utc(event, moment)


def _utc(event: EventType, moment: dt.datetime) -> dt.datetime | Letter:
    try:
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except OverflowError:  # the first or last day of the calendar, in another zone
        return _no_datetime(event, str(moment))


def _no_datetime(event: EventType, given: str | None) -> Letter:
    fault = Fault("endpoint.EffectiveDate" if event.datetime_source != "event_timestamp" else "datetime", given, "a date and time")
    return letters.field_letter(event.cls.__name__, [fault])
