"""The values that people give to saved queries, as SQL: checked, and quoted in one place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from headwater.dialect.quoting import literal
from headwater.errors import QueryError

_STEPS = "STRUCT(event_type VARCHAR, filters STRUCT(attribute VARCHAR, value VARCHAR)[])[]"
_STEP = re.compile(r"\s*([^\[\],]*[^\[\],\s])\s*((?:\[[^\[\]=]+=[^\[\]]*\])*)\s*")
_FILTER = re.compile(r"\[([^\[\]=]+)=([^\[\]]*)\]")
_UNITS = ("day", "week", "month")
_MOST = 1_000_000


def sql_value(kind: str, text: str) -> str:
    """Return the SQL of the value that *text* means for a parameter of that *kind*. Raises `QueryError` that says what would do."""
    return _KINDS[kind](text)


def _sql(value: Any) -> str:
    """Return plain data as one SQL constant; the only place where a value becomes part of a statement."""
    match value:
        case None:
            return "CAST(NULL AS VARCHAR)"
        case int() | float():
            return repr(value)
        case str():
            if "\0" in value:
                raise QueryError("a value has a NUL character in it, which SQL cannot hold")
            return literal(value)
        case datetime():
            return f"TIMESTAMPTZ {literal(value.isoformat(' '))}"
        case list():
            return f"[{', '.join(map(_sql, value))}]"
        case dict():
            return f"{{{', '.join(f'{literal(name)}: {_sql(item)}' for name, item in value.items())}}}"
    raise TypeError(f"a {type(value).__name__} is no value of a saved query")


def _text(text: str) -> str:
    return _sql(text)


def _text_or_null(text: str) -> str:
    return _sql(None if text == "null" else text)


def _number(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= _MOST:
        raise QueryError(f"{text!r} is no number above 0 and up to {_MOST:,}")
    return _sql(int(number) if number.is_integer() else number)


def _count(text: str) -> str:
    if not (re.fullmatch(r"[0-9]{1,7}", text) and 0 < int(text) <= _MOST):
        raise QueryError(f"{text!r} is no whole number from 1 to {_MOST:,}")
    return _sql(int(text))


def _time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        # Times without a zone are UTC.
        return _sql(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC))
    except (ValueError, OverflowError):
        raise QueryError(
            f"{text!r} is no time; write 2026-11-23 or 2026-11-23T18:30 (UTC), or with an offset, 2026-11-23T18:30+01:00"
        ) from None


def _unit(text: str) -> str:
    if text not in _UNITS:
        raise QueryError(f"{text!r} is none of {', '.join(_UNITS)}")
    return _sql(text)


def _steps(text: str) -> str:
    steps = _listed_steps(text) if text.lstrip().startswith("[") else _written_steps(text)
    if not steps:
        raise QueryError("a funnel needs at least one step")
    return f"CAST({_sql(steps)} AS {_STEPS})"


def _written_steps(text: str) -> list[dict[str, Any]]:
    steps, at = [], 0
    while (found := _STEP.match(text, at)) is not None:
        filters = [{"attribute": name.strip(), "value": value} for name, value in _FILTER.findall(found[2])]
        steps.append({"event_type": found[1], "filters": filters})
        at = found.end()
        if at == len(text):
            return steps
        if text[at] != ",":
            break
        at += 1
    raise QueryError(
        f"the steps {text!r} cannot be read from character {at + 1} on; write SignUpEvent,PracticeEvent[level=3], "
        'or as JSON ["SignUpEvent", {"event_type": "PracticeEvent", "where": {"level": "3"}}]'
    )


def _listed_steps(text: str) -> list[dict[str, Any]]:
    """Read steps as JSON, in which an event type may have any name."""
    try:
        given = json.loads(text)
        found = []
        for step in given:
            event_type, where = (step, {}) if isinstance(step, str) else (step["event_type"], step.get("where", {}))
            if not all(isinstance(part, str) for part in (event_type, *where.values())):
                raise ValueError(step)
            found.append({"event_type": event_type, "filters": [{"attribute": name, "value": value} for name, value in where.items()]})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise QueryError(
            'steps as JSON look like this: ["SignUpEvent", {"event_type": "PracticeEvent", "where": {"level": "3"}}]'
        ) from None
    return found


_KINDS: dict[str, Callable[[str], str]] = {
    "text": _text,
    "text or null": _text_or_null,
    "number": _number,
    "count": _count,
    "time": _time,
    "unit": _unit,
    "steps": _steps,
}
KINDS = frozenset(_KINDS)
