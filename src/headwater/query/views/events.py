"""The tables of a lake that hold events, as one relation: what `$tables` stands for in the view `events`."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.dialect.quoting import literal, quote
from headwater.lake import TableField
from headwater.query.source import Planner

SYSTEM = {
    "event_id": "string",
    "event_type": "string",
    "datetime": "timestamptz",
    "session_id": "string",
    "app_id": "string",
    "client_id": "string",
    "cognito_id": "string",
    "arrival_datetime": "timestamptz",
    "year": "string",
    "month": "string",
    "day": "string",
}
"""The columns by which a table of events is known, and their Iceberg types."""

OURS = frozenset({"endpoint_updates", "identity_log", "dead_letter_log", "fates"})
"""Tables with the same columns whose rows are no events."""

# The type is said although it is that already: so the engine knows it without having seen the table, and leaves files out by it.
_CAST = {"datetime": "TIMESTAMPTZ", "year": "VARCHAR", "month": "VARCHAR", "day": "VARCHAR"}
_OTHER = "other_events"
_MAPS = ("extra", "attributes", "metrics")


def events_sql(planner: Planner) -> str:
    """Return a SELECT over all rows of every table of events that the lake has now: `SYSTEM` and `attributes`, a JSON object."""
    parts = [_part(name, fields) for name in planner.tables() if (fields := _events_of(planner, name))]
    if not parts:
        types = {"string": "VARCHAR", "timestamptz": "TIMESTAMPTZ"}
        columns = [f"CAST(NULL AS {types[kind]}) AS {quote(name)}" for name, kind in SYSTEM.items()]
        parts = [f"SELECT {', '.join(columns)}, CAST(NULL AS JSON) AS attributes WHERE false"]
    return "\n    UNION ALL BY NAME\n    ".join(parts)


def _events_of(planner: Planner, name: str) -> Sequence[TableField] | None:
    """Return the columns of a table if its rows are events, each one in no other table."""
    if name in OURS or "." in name:  # events come into the project's own database only
        return None
    plan = planner.plan(name, 1, 0)  # no day is both: columns alone
    if {field.name: field.type for field in plan.fields if field.name in SYSTEM} != SYSTEM:
        return None
    # A copy that somebody made has the same columns; but it has files although nothing was ever folded into it.
    if plan.folded == 0 and planner.plan(name).files:
        return None
    return plan.fields


def _part(table: str, fields: Sequence[TableField]) -> str:
    columns = [f"CAST({name} AS {_CAST[name]}) AS {name}" if name in _CAST else name for name in SYSTEM]
    return f"SELECT {', '.join(columns)},\n        {_attributes(table, fields)} AS attributes FROM {quote(table)}"


def _attributes(table: str, fields: Sequence[TableField]) -> str:
    """Return an expression for all that the columns hold besides `SYSTEM`, as one JSON object."""
    rest = [field for field in fields if field.name not in SYSTEM]
    # Maps of what no class describes: their entries are attributes, each under its own name. Where two have one name, the later map wins.
    names = [name for name in _MAPS if name == "extra" or table == _OTHER]
    maps = [field for name in reversed(names) for field in rest if field.name == name and field.duckdb.startswith("MAP(VARCHAR,")]
    plain = [field for field in rest if field not in maps]
    members = ", ".join(f"{literal(field.name)}: {quote(field.name)}" for field in plain)
    found = f"to_json({{{members}}})" if plain else "CAST('{}' AS JSON)"
    for field in maps:
        entries = f"to_json({quote(field.name)})"
        found = f"json_merge_patch({found}, coalesce({entries}, CAST('{{}}' AS JSON)))"
    return found
