"""How an event class names its table, and which names are taken."""

from __future__ import annotations

import re

SYSTEM_COLUMNS = ("event_id", "event_type", "datetime", "session_id", "app_id", "client_id", "cognito_id", "arrival_datetime")
PARTITION_COLUMNS = ("year", "month", "day")

# These a model may declare, as the models of a Lambda did; they then mean the system column.
DECLARABLE = ("event_type", "datetime", "session_id")

RESERVED_TABLES = frozenset(
    {
        "other_events",
        "endpoint_updates",
        "endpoints",
        "dead_letters",
        "dead_letter_log",
        "fates",
        "fate_counts",
        "removals",
        "identities",
        "identity_log",
        # Not file names on every system.
        "con",
        "nul",
        "aux",
        "prn",
    }
)

ENDPOINT_EVENT = "_headwater.endpoint"
IDENTITY_EVENT = "_headwater.identity"
OUR_PREFIX = "_headwater."

_TABLE = re.compile(r"[a-z][a-z0-9_]{0,99}")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def table_name(class_name: str) -> str:
    """Return the class name in snake_case and plural: `SignInEvent` -> `sign_in_events`, `HTTPStory` -> `http_stories`."""
    name = _WORD_START.sub("_", class_name).lower()
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2:-1] not in "aeiou_":
        return name[:-1] + "ies"
    return name + "s"


def refusal_of_table(name: str) -> str | None:
    """Return why no event type may have a table of this name, or None."""
    if not _TABLE.fullmatch(name):
        return f"{name!r} is no table name (a-z first, then a-z, 0-9 and _, at most 100)"
    if name in RESERVED_TABLES:
        return f"the table name {name!r} is reserved"
    return None
