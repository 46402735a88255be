"""Parameters as a JSON request has them: plain values, and objects of one member for what JSON has no word for."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from headwater.errors import BadRequest


def values(given: Any) -> Any:
    """Return parameters as Python values, a list or a mapping as they came; `BadRequest` for what is none.

    `{"date": "2026-11-23"}`, `{"timestamp": "2026-11-23T10:00:00+00:00"}`, `{"decimal": "1.50"}`, `{"bytes": "<base64>"}`: what they say.
    """
    if isinstance(given, Mapping):
        return {name: _value(each) for name, each in given.items()}
    return None if given is None else [_value(each) for each in given]


def texts(given: Any) -> tuple[str, ...]:
    """Return values as Athena's SQL writes them; `BadRequest` for parameters with names, which it has not."""
    if isinstance(given, Mapping):
        raise BadRequest("parameters of Athena's SQL have no names: give a list, and `?` in the statement")
    return tuple(map(sql_text, given or ()))


def sql_text(value: Any) -> str:
    """Return a value as a literal of Athena's SQL."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            if math.isfinite(value):
                return f"{value!r}E0" if "e" not in repr(value) else repr(value).replace("e", "E")
            return "nan()" if math.isnan(value) else f"{'-' if value < 0 else ''}infinity()"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case Decimal():
            return f"DECIMAL '{value:f}'"
        case datetime():
            moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return f"TIMESTAMP '{moment.isoformat(' ', 'microseconds')}{' UTC' if value.tzinfo else ''}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case bytes():
            return f"X'{value.hex()}'"
        case Sequence():
            return f"ARRAY[{', '.join(map(sql_text, value))}]"
    raise BadRequest(f"a {type(value).__name__} is no parameter")


def _value(given: Any) -> Any:
    if isinstance(given, list):
        return [_value(each) for each in given]
    if not isinstance(given, dict):
        return given
    [(kind, text)] = given.items() if len(given) == 1 else [("", "")]
    try:
        match kind:
            case "date":
                return date.fromisoformat(text)
            case "timestamp":
                return datetime.fromisoformat(text)
            case "decimal":
                return Decimal(text)
            case "bytes":
                return base64.b64decode(text, validate=True)
    except (ValueError, TypeError, InvalidOperation):
        raise BadRequest(f"this is no {kind} as a parameter has it: {str(text)[:64]!r}") from None
    raise BadRequest("an object as a parameter has one member: date, timestamp, decimal or bytes")
