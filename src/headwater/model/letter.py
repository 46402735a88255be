"""Why a record became a dead letter, in words a person can act on."""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import json
import math
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from pydantic_core import ErrorDetails, PydanticSerializationError, ValidationError

from headwater.event import EMAIL_PATTERN
from headwater.model.bounds import storable_text
from headwater.model.eventtype import EventType
from headwater.model.wire import FIRST_MS, LAST_MS, MALFORMED
from headwater.packed import UnreadablePack, take_apart

Reason = Literal["not-json", "refused", "envelope", "unknown-format", "clock", "field", "validator", "judge", "fold"]

GIVEN_LIMIT = 256
_NAMED_AT_MOST = 5
_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)


class Letter(NamedTuple):
    """Why a record was rejected.

    reason: `not-json` (the body cannot be read), `refused` (the door that took it could make no event of it), `envelope` (it is no
    event), `unknown-format` (a newer Headwater wrote it), `clock` (its timestamp is outside the window), `field` (an attribute or
    metric is wrong), `validator` (the class's own code failed), `judge` (deciding on it failed, or ended the process), `fold` (its row
    could not be put into a file).
    field, given, expected: of the first thing wrong; `given` is its text, at most 256 characters, None where nothing was given.
    message: one sentence for each thing wrong, at most five.
    """

    reason: Reason
    field: str | None
    given: str | None
    expected: str | None
    message: str


class Fault(NamedTuple):
    """One thing wrong with one field."""

    field: str
    given: str | None
    expected: str


def not_json(error: Exception, body: bytes) -> Letter:
    """Return the letter for a body that is no JSON text, which says what it is instead."""
    try:
        take_apart(body)
    except UnreadablePack as kind:
        return Letter("not-json", None, None, "one JSON object in UTF-8", f"the record is {kind}")
    what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return Letter("not-json", None, None, "one JSON object in UTF-8", f"the body cannot be read as JSON: {what}")


def envelope(error: Exception, body: bytes, inside: str = "") -> Letter:
    """Return the letter for JSON that is not an event-stream record; *error* is what the decoder said of the part *inside*."""
    if not isinstance(error, msgspec.ValidationError):
        return not_json(error, body)
    match = _AT.match(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    path = ".".join(part for part in (inside, path) if part)
    missing = re.match(r"Object missing required field `(.*)`", what)
    if missing:
        if (refused := _look_up(body, "refused")) is not None:
            return Letter("refused", None, None, None, refused)
        path = f"{path}.{missing[1]}" if path else missing[1]
        expected = "a value (the field is required)"
        return Letter("envelope", path, None, expected, f"{path} is missing; every record of the event stream has it")
    if path == "headwater.v":
        message = "the record was written in a format this Headwater does not know; upgrade, then send the letter again"
        return Letter("unknown-format", path, None, "1", message)
    if what == "Number out of range" and (found := _too_large(body)) is not None:
        where, written = found
        expected = "a number that 64 bits can hold, up to about 1.8e308"
        return Letter("envelope", where, written, expected, f"{_plain(where)}: expected {expected}, given {written}")
    given = _look_up(body, path)
    return Letter(
        "envelope", path or None, given, what, f"{path or 'the record'}: {what}" + (f", given {given!r}" if given is not None else "")
    )


def unknown_kind(event_type: str) -> Letter:
    """Return the letter for a record of our own of a kind that this version does not know."""
    message = f"{event_type!r} is a kind of record this Headwater does not know; upgrade, then send the letter again"
    return Letter("unknown-format", "event_type", shorten(event_type), "a kind of record this version knows", message)


def clock(timestamp_ms: int, arrival_ms: int, past_ms: int, ahead_ms: int) -> Letter:
    """Return the letter for a client's timestamp outside [arrival - past, arrival + ahead]."""
    earliest, latest, given = (_moment(ms) for ms in (arrival_ms - past_ms, arrival_ms + ahead_ms, timestamp_ms))
    expected = f"between {earliest} and {latest}"
    setting = "pipe.past_days" if timestamp_ms < arrival_ms else "pipe.ahead_days"
    why = "the client's clock is wrong, or the event was kept too long"
    message = f"event_timestamp {given} is not {expected}; {why}; how far it may be off is {setting} in headwater.toml"
    return Letter("clock", "event_timestamp", given, expected, message)


def odd_serializer(event: EventType, what: str) -> Letter:
    """Return the letter for an event of which a class's serializer makes something that is no row of its table."""
    return Letter("validator", None, None, None, f"{event.cls.__name__}: its serializer {_plain(shorten(what))}")


def broken_validator(event: EventType, error: BaseException) -> Letter:
    """Return the letter for an exception, other than a refusal, that a class's own code raised."""
    what = _plain(shorten(f"{type(error).__name__}: {error}"))
    if isinstance(error, PydanticSerializationError):
        return Letter("validator", None, None, None, f"{event.cls.__name__}: its serializers failed: {what}")
    message = f"{event.cls.__name__}: its validators raised {what}; a validator refuses by ValueError, anything else is a mistake in it"
    return Letter("validator", None, None, None, message)


def faults_of(event: EventType, error: ValidationError) -> tuple[list[Fault], int]:
    """Return the first things that Pydantic found wrong, in its order, and how many there are."""
    details = error.errors(include_url=False, include_context=False)
    return [_fault(event, detail) for detail in details[:_NAMED_AT_MOST]], len(details)


def field_letter(name: str, faults: Sequence[Fault], count: int = 1) -> Letter:
    """Return the one letter for all the faults of a record of class *name*, of which there are *count*."""
    first = faults[0]
    told = [
        f"{_plain(fault.field)}: expected {_plain(fault.expected)}" + (f", given {fault.given!r}" if fault.given is not None else "")
        for fault in faults[:_NAMED_AT_MOST]
    ]
    more = count - len(told)
    if more > 0:
        told.append(f"and {more} more")
    return Letter("field", first.field, first.given, first.expected, f"{_plain(shorten(name))}: {'; '.join(told)}")


def extra_fault(event: EventType, name: str, given: Any) -> Fault:
    """Return the fault of an attribute or metric the class does not know."""
    near = _nearest(name[:GIVEN_LIMIT], tuple(key for field in event.fields for key in field.keys))
    hint = f"add it to class {event.cls.__name__}, or stop sending it" if near is None else f"did you mean {near!r}?"
    return Fault(shorten(name), text_of(given), f"no attribute of this name ({hint})")


def shorten(text: str) -> str:
    """Return at most 256 characters of *text*, all of which a table can hold."""
    text = storable_text(text[: GIVEN_LIMIT + 1])
    return text if len(text) <= GIVEN_LIMIT else text[: GIVEN_LIMIT - 1] + "…"


def text_of(value: Any) -> str:
    """Return a value as people would write it: text as it is, anything else as JSON, at most 256 characters."""
    if isinstance(value, str):
        return shorten(value)
    try:
        written = msgspec.json.encode(value)
        return shorten(msgspec.json.decode(written, type=str) if written.startswith(b'"') else written.decode())  # moments, decimals
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return f"({type(value).__name__})"


def _fault(event: EventType, detail: ErrorDetails) -> Fault:
    where = [str(part) for part in detail["loc"]]
    name = shorten(".".join(where)) or event.cls.__name__
    kind, said = detail["type"], detail["msg"]
    if kind == "missing":
        return Fault(name, None, "a value (the field is required)")
    if kind == "extra_forbidden" and len(where) == 1:
        return extra_fault(event, where[0], detail["input"])
    return Fault(name, text_of(detail["input"]) if where else None, shorten(_expected(said)))


# How sentences of Pydantic begin, and what stands there for it to be read after "expected".
_BEGINNINGS = (
    ("Input should be ", ""),
    ("Value error, ", ""),
    ("value is not a valid ", "a valid "),
    (f"String should match pattern '{EMAIL_PATTERN}'", "an e-mail address: something@host.domain, no spaces"),
    ("String should match pattern ", "a string that matches "),
    ("String should have ", "a string with "),
    ("List should have ", "a list with "),
    ("Dictionary should have ", "an object with "),
    ("Decimal input should have ", "a decimal with "),
)


def _expected(said: str) -> str:
    for beginning, instead in _BEGINNINGS:
        if said.startswith(beginning):
            said = instead + said.removeprefix(beginning)
            break
    return said.removesuffix(".")


def _plain(text: str) -> str:
    """Return text that cannot break a line or move a cursor; a client may have chosen it."""
    return text if text.isprintable() else repr(text)


@functools.lru_cache(maxsize=1000)  # an app that sends a name once sends it a million times
def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, 1)), None)


class _TooLarge(NamedTuple):
    """A number as it was written, of which nothing but infinity can be made."""

    text: str


def _too_large(body: bytes) -> tuple[str, str] | None:
    """Return where the first number is that is too large for a float, and its text; msgspec does not name members of maps."""

    def number(text: str) -> float | _TooLarge:
        return value if math.isfinite(value := float(text)) else _TooLarge(shorten(text))

    try:
        left: list[tuple[str, Any]] = [("", json.loads(body, parse_float=number))]
    except (ValueError, RecursionError):
        return None
    while left:
        path, value = left.pop()
        if isinstance(value, _TooLarge):
            return shorten(path) or "the record", value.text
        if isinstance(value, dict):
            left += reversed([(f"{path}.{name}" if path else name, part) for name, part in value.items()])
        elif isinstance(value, list):
            left += reversed([(f"{path}[{number}]", part) for number, part in enumerate(value)])
    return None


def _look_up(body: bytes, path: str) -> str | None:
    try:
        value: Any = msgspec.json.decode(body)
    except MALFORMED:
        return None
    for name in path.split(".") if path else []:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return text_of(value)


def _moment(ms: int) -> str:
    if not FIRST_MS <= ms <= LAST_MS:
        return str(ms)
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
