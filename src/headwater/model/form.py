"""How msgspec may read a field: only where it surely gives what Pydantic would."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple

import email_validator
from msgspec import UNSET, Meta
from pydantic import EmailStr

from headwater.event import EMAIL_PATTERN
from headwater.model.column import ColumnForm
from headwater.model.eventtype import EventField

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
EXACT_FLOAT = 2**53  # integers up to here are the same number as a float

# What missing fields become if only Pydantic can tell.
ASK = UNSET

# What surely is read as Pydantic reads it. All patterns are plain enough to mean the same to Python and to Arrow (RE2).
# E-mail: lower case throughout (the domain would be lower-cased, and so would `Postmaster`), plain ASCII, short enough for every limit of
# the standard, no `--` (which may hide an international name), no domain that is reserved.
_EMAIL = r"[a-z0-9_]+(?:[.+-][a-z0-9_]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}"
_EMAIL_LENGTH = 60
_INT = r"-?(?:0|[1-9][0-9]{0,17})"
_FLOAT = r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,17})?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATETIME = rf"{_DATE}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,6}})?Z"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_DECIMAL = r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,6})?"
_MAIL = EMAIL_PATTERN.removeprefix("^").removesuffix("$")

_TRUTH_OF = {"true": True, "false": False}.__getitem__

# Keys of Pydantic's core schema that do not change which values are accepted, nor what becomes of them.
_NEUTRAL = frozenset({"type", "metadata", "ref", "serialization"})
_NEUTRAL_CONFIG = frozenset({"title", "extra_fields_behavior", "allow_inf_nan", "from_attributes", "frozen", "hide_input_in_errors"})


class FieldReading(NamedTuple):
    """How a kind of field is read where that is sure.

    text, number: the types msgspec accepts in attributes and in metrics, None where the fast path accepts nothing.
    sure: what text must match as a whole, and unsure: what it must not contain, or Pydantic reads it; None where msgspec has seen to it.
    read: turns sure text into the value, or raises ValueError; None if the text is the value.
    """

    text: Any
    number: Any = None
    sure: str | None = None
    unsure: str | None = None
    read: Callable[[str], Any] | None = None

    @property
    def in_metrics(self) -> bool:
        """Whether apps mostly send it as a metric; a bool cannot be one, so it comes as text."""
        return self.number is not None and self.read is not _TRUTH_OF


class Form(NamedTuple):
    """A field as msgspec reads it; `missing` is what its column takes for a missing one, `ASK` if that is for Pydantic to say."""

    field: EventField
    reading: FieldReading
    missing: Any

    @property
    def required(self) -> bool:
        """Whether msgspec itself may refuse a record without it: it can only come as text, and has no substitute."""
        return self.reading.number is None and self.missing is ASK and self.field.required


def forms_of(schema: Mapping[str, Any], fields: tuple[EventField, ...], declared: Mapping[str, EventField]) -> list[Form] | None:
    """Return how msgspec may read all fields of a class with this core schema, or None if only Pydantic may read it."""
    named: Mapping[str, Any] = {}
    if schema["type"] == "definitions":  # what several fields share is kept aside, by name
        named = {shared["ref"]: shared for shared in schema["definitions"]}
        schema = _resolved(schema["schema"], named)
    if schema["type"] != "model" or schema.get("custom_init") or schema.get("root_model") or schema.get("post_init"):
        return None
    if not _neutral(schema, {"cls", "config", "custom_init", "root_model", "schema"}) or schema["config"].keys() - _NEUTRAL_CONFIG:
        return None
    inner = schema["schema"]
    if inner["type"] != "model-fields" or not _neutral(inner, {"fields", "model_name", "computed_fields"}):
        return None
    if not all(_surely_accepts_system_value(name, inner["fields"][name], field) for name, field in declared.items()):
        return None
    forms = []
    for field in fields:
        part = inner["fields"][field.name]
        known = {"schema", "validation_alias", "serialization_alias", "serialization_exclude", "frozen"}
        form = form_of(part["schema"], field, named) if len(field.keys) == 1 and _neutral(part, known) else None
        if form is None:
            return None
        forms.append(form)
    return forms


def form_of(schema: Mapping[str, Any], field: EventField, named: Mapping[str, Any]) -> Form | None:
    """Return how msgspec may read a field with this core schema, or None; *named* are the schemas it may refer to."""
    missing: Any = ASK
    schema = _resolved(schema, named)
    if schema["type"] == "default":
        if not _neutral(schema, {"schema", "default", "default_factory", "copy_default"}):
            return None
        if "default" in schema:
            missing = _column_value(schema["default"], field.column)
        schema = _resolved(schema["schema"], named)
    nullable = schema["type"] == "nullable"
    if nullable:
        if not _neutral(schema, {"schema"}):
            return None
        schema = _resolved(schema["schema"], named)
    if nullable is not field.column.nullable:
        return None
    if nullable and field.required:
        missing = None
    kind = _KINDS.get(schema["type"])
    found = kind(schema, nullable) if kind is not None else None
    return None if found is None else Form(field, found, missing)


def _surely_accepts_system_value(name: str, part: Mapping[str, Any], field: EventField) -> bool:
    schema = part["schema"]
    if schema["type"] == "default" and _neutral(schema, {"schema", "default", "default_factory", "copy_default"}):
        schema = schema["schema"]
    if schema["type"] == "nullable" and _neutral(schema, {"schema"}):
        schema = schema["schema"]
    if not _neutral(part, {"schema", "validation_alias", "serialization_alias", "serialization_exclude", "frozen"}):
        return False
    if name == "event_type":
        return bool(schema["type"] == "literal" and _neutral(schema, {"expected"}))
    if name == "datetime":
        return bool(schema["type"] == "datetime" and _neutral(schema, {"microseconds_precision"}))
    return bool(schema["type"] == "str" and _neutral(schema, set()))


def _resolved(schema: Mapping[str, Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
    return named.get(schema["schema_ref"], schema) if schema["type"] == "definition-ref" else schema


def _neutral(schema: Mapping[str, Any], known: set[str]) -> bool:
    return not any(value is not None for key, value in schema.items() if key not in known and key not in _NEUTRAL)


def _column_value(default: Any, column: ColumnForm) -> Any:
    try:
        return default if default is None or column.plain is None else column.plain(default)
    except (TypeError, ValueError, AttributeError):  # a default is not validated; let Pydantic and the column have their say
        return ASK


def _str(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    if not _neutral(schema, {"min_length", "max_length", "pattern"}):
        return None
    limits = {name: schema[name] for name in ("min_length", "max_length") if schema.get(name) is not None}
    if nullable and not limits.get("min_length", 0) <= len("null") <= limits.get("max_length", 4):
        return None
    pattern = schema.get("pattern")
    if pattern not in (None, EMAIL_PATTERN):  # engines for regular expressions agree only where the spelling is known to be plain
        return None
    return FieldReading(_or_none(Annotated[str, Meta(**limits)] if limits else str, nullable), sure=None if pattern is None else _MAIL)


def _email(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    function = schema["function"]
    of_email = getattr(function.get("function"), "__func__", None) is EmailStr._validate.__func__  # type: ignore[attr-defined]
    if not of_email or function["type"] != "no-info" or not _neutral(schema, {"function", "schema"}):
        return None
    if schema["schema"]["type"] != "str" or not _neutral(schema["schema"], set()):
        return None
    # Read now, since an events file may add to the list.
    reserved = "|".join(re.escape(domain) for domain in email_validator.SPECIAL_USE_DOMAIN_NAMES)
    unsure = rf"[@.](?:{reserved})$" if reserved else None
    return FieldReading(_or_none(Annotated[str, Meta(max_length=_EMAIL_LENGTH)], nullable), sure=_EMAIL, unsure=unsure)


def _choice(values: list[Any], nullable: bool) -> FieldReading | None:
    if not values or not all(type(value) is str for value in values):
        return None
    return FieldReading(_or_none(Literal[tuple([*values, "null"] if nullable else values)], nullable))


def _literal(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    return _choice(schema["expected"], nullable) if _neutral(schema, {"expected"}) else None


def _enum(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    if not _neutral(schema, {"cls", "members", "sub_type"}):
        return None
    return _choice([member.value if isinstance(member, Enum) else member for member in schema["members"]], nullable)


def _uuid(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    return FieldReading(_or_none(str, nullable), sure=_UUID) if _neutral(schema, set()) else None


def _int(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    bounds = _bounds(schema, int)
    if bounds is None:
        return None
    least = max(INT64_MIN, bounds.get("ge", INT64_MIN), bounds.get("gt", INT64_MIN - 1) + 1)
    most = min(INT64_MAX, bounds.get("le", INT64_MAX), bounds.get("lt", INT64_MAX + 1) - 1)
    if least > INT64_MAX or most < INT64_MIN:
        return None
    # Flutter writes every metric as a float, `3.0`; those without a fraction are the integer.
    low, high = max(-EXACT_FLOAT, least), min(EXACT_FLOAT, most)
    number: Any = Annotated[int, Meta(ge=least, le=most)]
    if low <= high:
        number |= Annotated[float, Meta(ge=float(low), le=float(high))]
    return FieldReading(None if bounds else _or_none(str, nullable), _or_none(number, nullable), sure=_INT, read=int)


def _float(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    bounds = _bounds(schema, float, ignoring="allow_inf_nan")
    if bounds is None or {"ge", "gt"} <= bounds.keys() or {"le", "lt"} <= bounds.keys():
        return None
    number = Annotated[float, Meta(**bounds)] if bounds else float
    return FieldReading(None if bounds else _or_none(str, nullable), _or_none(number, nullable), sure=_FLOAT, read=float)


def _bool(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    if not _neutral(schema, set()):
        return None
    text = Literal["true", "false", "null"] if nullable else Literal["true", "false"]
    return FieldReading(_or_none(text, nullable), _or_none(bool, nullable), read=_TRUTH_OF)


def _datetime(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    text = _or_none(str, nullable)
    return FieldReading(text, sure=_DATETIME, read=dt.datetime.fromisoformat) if _neutral(schema, {"microseconds_precision"}) else None


def _date(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    return FieldReading(_or_none(str, nullable), sure=_DATE, read=dt.date.fromisoformat) if _neutral(schema, set()) else None


def _decimal(schema: Mapping[str, Any], nullable: bool) -> FieldReading | None:
    return FieldReading(_or_none(str, nullable), sure=_DECIMAL, read=Decimal) if _neutral(schema, {"allow_inf_nan"}) else None


def _bounds(schema: Mapping[str, Any], kind: type, ignoring: str = "") -> dict[str, Any] | None:
    if not _neutral(schema, {"ge", "gt", "le", "lt", ignoring}):
        return None
    bounds = {name: schema[name] for name in ("ge", "gt", "le", "lt") if schema.get(name) is not None}
    if not all(type(bound) is int or (kind is float and type(bound) is float) for bound in bounds.values()):
        return None
    return {name: kind(bound) for name, bound in bounds.items()}


def _or_none(kind: Any, nullable: bool) -> Any:
    return kind | None if nullable else kind


_KINDS: dict[str, Callable[[Mapping[str, Any], bool], FieldReading | None]] = {
    "str": _str,
    "function-after": _email,
    "literal": _literal,
    "enum": _enum,
    "uuid": _uuid,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "datetime": _datetime,
    "date": _date,
    "decimal": _decimal,
}
