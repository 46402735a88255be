"""Parameters as a JSON request has them: plain values, and objects of one member for what JSON has no word for."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from headwater.errors import BadRequest

Number = TypeVar("Number", int, Decimal)

MOST_DIGITS = 38
"""How many digits a number may have, before and after the point together: as many as a decimal of the engine's."""
MOST_NESTED = 32


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
            return str(_bounded(value))
        case float():
            if math.isfinite(value):
                return f"{value!r}E0" if "e" not in repr(value) else repr(value).replace("e", "E")
            return "nan()" if math.isnan(value) else f"{'-' if value < 0 else ''}infinity()"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case Decimal():
            return f"DECIMAL '{_bounded(value):f}'"
        case datetime():
            moment = _moment(value).replace(tzinfo=None)
            return f"TIMESTAMP '{moment.isoformat(' ', 'microseconds')}{' UTC' if value.tzinfo else ''}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case bytes():
            return f"X'{value.hex()}'"
        case Sequence():
            return f"ARRAY[{', '.join(map(sql_text, value))}]"
    raise BadRequest(f"a {type(value).__name__} is no parameter")


def _value(given: Any, depth: int = 0) -> Any:
    if isinstance(given, list):
        if depth == MOST_NESTED:
            raise BadRequest(f"lists as parameters are nested at most {MOST_NESTED} deep")
        return [_value(each, depth + 1) for each in given]
    if isinstance(given, int):
        return _bounded(given)
    if not isinstance(given, dict):
        return given
    [(kind, text)] = given.items() if len(given) == 1 else [("", "")]
    try:
        match kind:
            case "date":
                return date.fromisoformat(text)
            case "timestamp":
                return _moment(datetime.fromisoformat(text))
            case "decimal":
                return _bounded(Decimal(text))
            case "bytes":
                return base64.b64decode(text, validate=True)
    except (ValueError, TypeError, InvalidOperation):
        raise BadRequest(f"this is no {kind} as a parameter has it: {str(text)[:64]!r}") from None
    except OverflowError:
        raise BadRequest(f"a timestamp is between the years 1 and 9999 in UTC; this is not: {text[:64]!r}") from None
    raise BadRequest("an object as a parameter has one member: date, timestamp, decimal or bytes")


def _bounded(number: Number) -> Number:
    """Return *number*; `BadRequest` for one with more digits than fit, which written out may be a gigabyte: 1e-999999999."""
    if isinstance(number, Decimal):
        _, digits, exponent = number.as_tuple()
        few = isinstance(exponent, int) and max(len(digits) + max(exponent, 0), -exponent) <= MOST_DIGITS
    else:
        few = abs(number) < 10**MOST_DIGITS
    if not few:
        raise BadRequest(f"a number as a parameter has at most {MOST_DIGITS} digits, before and after the point together")
    return number


def _moment(value: datetime) -> datetime:
    """Return a moment in UTC, or as it is where it has no zone; `OverflowError` where UTC has no such year."""
    return value.astimezone(UTC) if value.tzinfo else value
