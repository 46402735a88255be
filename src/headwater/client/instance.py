"""From an instance of an event class to what an app would have sent for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from headwater.client.entry import Number, attribute_text
from headwater.errors import BadRequest

# A class that declares these means the columns every table has; they do not travel as attributes.
_SYSTEM = ("event_type", "datetime", "session_id")


class Fields(NamedTuple):
    """An event's name, attributes and metrics, and the session and time that the class itself declares (None where it does not)."""

    name: str
    attributes: dict[str, Any]
    metrics: dict[str, Number]
    session: str | None
    timestamp: datetime | None


def fields_of(instance: BaseModel) -> Fields:
    """Return what the worker reads back as an equal instance; `BadRequest` if the class is no event type."""
    cls = type(instance)
    declared = {name: getattr(instance, name) for name in _SYSTEM if name in cls.model_fields}
    name = declared.get("event_type", cls.__name__)
    if not isinstance(name, str) or name.startswith("_"):
        raise BadRequest(f"{cls.__name__} is no event type; subclass headwater.Event, or declare event_type: Literal[{cls.__name__!r}]")
    attributes: dict[str, Any] = {}
    metrics: dict[str, Number] = {}
    values = {_key(cls, field, info): getattr(instance, field) for field, info in cls.model_fields.items() if field not in _SYSTEM}
    for key, value in {**values, **(instance.model_extra or {})}.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            metrics[key] = value
        else:
            attributes[key] = _sent(value)
    # The last update of the endpoint is for the collector to say.
    own_time = declared.get("datetime") if getattr(cls, "headwater_datetime", "event_timestamp") == "event_timestamp" else None
    return Fields(name, attributes, metrics, declared.get("session_id"), own_time)


def _sent(value: Any) -> Any:
    if isinstance(value, BaseModel):
        members = {_key(type(value), name, info): _sent(getattr(value, name)) for name, info in type(value).model_fields.items()}
        return members | {name: _sent(extra) for name, extra in (value.model_extra or {}).items()}
    if isinstance(value, list | tuple):
        return [_sent(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _sent(item) for key, item in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return _text(value)


def _text(value: Any) -> Any:
    try:
        return attribute_text("", value)
    except BadRequest:
        return str(value)  # URLs, addresses and the like are text in their tables, written as str() writes them


def _key(cls: type[BaseModel], name: str, info: FieldInfo) -> str:
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    if alias is None or cls.model_config.get("validate_by_alias") is False:
        return name
    first = alias.choices[0] if isinstance(alias, AliasChoices) else alias
    if not isinstance(first, str):
        raise BadRequest(f"{cls.__name__}.{name}: attributes have no paths; give it an alias that is one name")
    return first
