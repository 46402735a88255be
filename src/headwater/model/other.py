"""Columns that keep what no class describes: maps from a name to a text or a number."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from headwater.model.column import ColumnForm
from headwater.model.eventtype import EXTRA_TYPE
from headwater.model.system import OTHER_EVENTS

# Every whole number up to here is a double of its own.
_WHOLE = 2**53

# Amplify and the mobile SDKs send these by themselves, so they get a decoder of their own.
AUTOMATIC_EVENTS = (
    "_session.start",
    "_session.stop",
    "_session.pause",
    "_session.resume",
    "_userauth.sign_in",
    "_userauth.sign_up",
    "_userauth.sign_out",
    "_userauth.auth_fail",
    "_monetization.purchase",
    "pageView",
)


def text_pairs(given: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Return name and text of each: text as it is, null as null, anything else as JSON."""
    return [(name, value if value is None or isinstance(value, str) else _json(value)) for name, value in given.items()]


def number_pairs(given: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """Return name and number of each, or raise ValueError for what is no finite number."""
    return [(name, None if value is None else _finite(name, value)) for name, value in given.items()]


def with_exact(attributes: Mapping[str, Any], metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes, and beside them as text the whole numbers among the metrics that a double may round."""
    exact = {name: str(value) for name, value in metrics.items() if type(value) is int and not -_WHOLE <= value <= _WHOLE}
    return {**exact, **attributes} if exact else attributes


EXTRA = ColumnForm(EXTRA_TYPE, text_pairs)
ATTRIBUTES = ColumnForm(OTHER_EVENTS.schema.field("attributes").type, text_pairs)
METRICS = ColumnForm(OTHER_EVENTS.schema.field("metrics").type, number_pairs)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _finite(name: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(number := float(value)):
        return number
    raise ValueError(f"{name[:100]!r} should be a finite number")
