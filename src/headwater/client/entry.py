"""One event, or one change of an endpoint, as it waits to be sent: written out once, when it is recorded."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from headwater.client.failure import Line
from headwater.errors import BadRequest

EVENT_LIMIT_BYTES = 1_000_000

Number = int | float
"""What may be a metric; a bool is an attribute."""


class QueuedEvent(NamedTuple):
    """`number` counts up by one in the order of recording; `event` is the JSON of the event, or None for a change of the endpoint alone."""

    number: int
    endpoint_id: str
    event_id: str | None
    event: bytes | None
    user_id: str | None = None
    endpoint: Mapping[str, Any] | None = None

    @property
    def size_bytes(self) -> int:
        """About what it adds to a request."""
        return len(self.event or b"") + 2 * len(self.endpoint_id) + 128

    def line(self) -> Line:
        """Return it as `headwater send --file` takes it."""
        line: Line = {"client_id": self.endpoint_id}
        if self.event is None:
            return {**line, "endpoint": dict(self.endpoint or {})}
        event = json.loads(self.event)
        line |= {"event_id": self.event_id, "event_type": event["EventType"], "timestamp": event["Timestamp"]}
        optional = {
            "session_id": event.get("Session", {}).get("Id"),
            "user_id": self.user_id,
            "attributes": event.get("Attributes"),
            "metrics": event.get("Metrics"),
        }
        return line | {name: value for name, value in optional.items() if value is not None}


def encode_event(
    name: str,
    attributes: Mapping[str, Any] | None,
    metrics: Mapping[str, Number] | None,
    session: str | None,
    timestamp: datetime | None,
) -> bytes:
    """Return the event as PutEvents wants it; `BadRequest` names what cannot be sent and says what can."""
    if not isinstance(name, str) or not name:
        raise BadRequest(f"an event's name is text of at least one character, given {name!r}")
    if session is not None and not isinstance(session, str):
        raise BadRequest(f"a session is named by text, given {session!r}")
    event: dict[str, Any] = {"EventType": name, "Timestamp": moment_text(timestamp)}
    if attributes:
        event["Attributes"] = {_name(key): attribute_text(key, value) for key, value in attributes.items()}
    if metrics:
        event["Metrics"] = {_name(key): _metric(key, value) for key, value in metrics.items()}
    if session is not None:
        event["Session"] = {"Id": session}
    encoded = encode(event)
    if len(encoded) > EVENT_LIMIT_BYTES:
        raise BadRequest(f"an event may have {EVENT_LIMIT_BYTES:,} bytes, {name!r} has {len(encoded):,}")
    return encoded


def encode(value: object) -> bytes:
    """Return the value as JSON; `BadRequest` if it holds what JSON, or UTF-8, cannot say."""
    try:
        return _encode(value).encode()
    except (ValueError, TypeError, RecursionError) as error:  # a lone surrogate, NaN, an object of some class, a circle
        raise BadRequest(f"this cannot be sent: {error}") from None


def moment_text(moment: datetime | None) -> str:
    """Return the moment (None: now) in milliseconds, which is what the stream keeps; `BadRequest` if it has no time zone."""
    if moment is None:
        moment = datetime.now(UTC)
    if moment.tzinfo is None:
        raise BadRequest(f"a timestamp needs a time zone, given {moment.isoformat()}; for the system's own zone: .astimezone()")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def attribute_text(name: str, value: Any) -> str | None:
    """Return an attribute's value as text: `true`, `12`, ISO 8601 dates, JSON for lists and objects; None stays None."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(_finite(name, value))
    if isinstance(value, Mapping | list | tuple):
        return encode(value).decode()
    try:
        return str(_plain(value))
    except TypeError as error:
        raise BadRequest(f"attribute {name!r}: {error}") from None


def list_of_texts(name: str, values: Any) -> list[str]:
    """Return the values of an endpoint's attribute, one or several, as texts."""
    found = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    return [text for text in (attribute_text(name, value) for value in found) if text is not None]


def new_event_id() -> str:
    """Return an id no other event has."""
    return str(uuid.uuid4())


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise BadRequest(f"the name of an attribute or metric is text, given {name!r}")
    return name


def _metric(name: str, value: object) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"metric {name!r} must be an int or a float, given {value!r}; anything else is an attribute")
    return _finite(name, value)


def _finite(name: str, value: Number) -> Number:
    if isinstance(value, float) and not math.isfinite(value):
        raise BadRequest(f"{name!r} must be a finite number, given {value!r}")
    return value


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no text, number, bool, date, list or dict; write str(…) of it, or what you mean")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode
