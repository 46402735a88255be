"""What statements did to a table, kept in the table itself: a change asked for twice is done once, and what it removed is known."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec
from pyiceberg.table import Table

from headwater.errors import ModelError
from headwater.ledger import Removal

# Table properties: the newest changes, and how the table was made where that was by SQL.
CHANGES, MADE = "headwater.changes", "headwater.made"
_KEPT = 16


class Change(msgspec.Struct, frozen=True):
    """One statement's change: the id of its execution, its kind (`INSERT`), the rows it was about, those the table has less, and when."""

    id: str
    kind: str
    rows: int
    removed: int
    at_ms: int


def refuse_made(table: Table) -> None:
    """Raise `ModelError` for a table that people made: rows of events have no place in it."""
    if MADE in table.properties:
        raise ModelError(
            f"table {table.name()[-1]} was made by SQL and is no table of events; drop it, or give the event class another table"
        )


def changes_of(table: Table) -> dict[str, Change]:
    """Return the newest changes by their ids, oldest first."""
    return {each.id: each for each in msgspec.json.decode(table.properties.get(CHANGES, "[]"), type=list[Change])}


def noted(table: Table, change: Change) -> str:
    """Return the property with one change more."""
    kept = [each for each in changes_of(table).values() if each.id != change.id]
    return json.dumps(msgspec.to_builtins([*kept, change][-_KEPT:]))


def removals_of(table: str, changes: Iterable[Change]) -> list[Removal]:
    """Return what the ledger is to remember of them."""
    return [Removal(each.id, table, each.kind, each.removed, each.at_ms) for each in changes if each.removed]
