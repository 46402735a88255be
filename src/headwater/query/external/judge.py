"""Which partitions can have rows for a statement: its conditions on their keys, judged by the engine that will run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import duckdb

from headwater.catalog.shapes import Table
from headwater.errors import QueryError
from headwater.query.columns import quote
from headwater.query.dialect.errors import QueryFailed
from headwater.query.dialect.types import parse_type
from headwater.query.predicate import NOW_WORDS, Node
from headwater.query.statement import text_of

Ask = Callable[..., Any]
"""Run one SQL text with parameters in the engine and return the first value of its first row."""


class Judge:
    """Says which partitions meet what a statement asks of their keys, by asking the engine."""

    def __init__(self, table: Table, asked: list[list[Node]], ask: Ask) -> None:
        self._keys = [(key.name, parse_type(key.type).duckdb) for key in table.partition_keys]
        self._table, self._ask, self._asked = table, ask, asked
        self._texts = [[(_names(part), self._text(part)) for part in parts] for parts in asked]

    def kept(self, keys: Sequence[int], values: Sequence[tuple[str | None, ...]]) -> Sequence[int]:
        """Return the numbers of those *values*, each of the given *keys*, with which any place in the statement can have rows."""
        named = {self._keys[at][0] for at in keys}
        usable = [[text for names, text in parts if names <= named] for parts in self._texts]
        if not values or not usable or not all(usable):
            return range(len(values))
        columns = ", ".join(f"TRY_CAST(unnest(CAST(${at} AS VARCHAR[])) AS {self._keys[key][1]}) AS {quote(self._keys[key][0])}"
                            for at, key in enumerate(keys, 1))  # fmt: skip
        # The last of the rows has no values at all: what is true of it may be true of rows that an outer join makes up.
        lists = [[*(row[at] for row in values), None] for at in range(len(keys))]
        source = f'(SELECT unnest(range({len(values) + 1})) AS "headwater:n", {columns})'
        kept: set[int] = set()
        for parts in usable:
            sure = ", ".join(f'list("headwater:n") FILTER (WHERE {text})' for text in parts)
            try:
                found = self._ask(f"SELECT [{sure}] FROM {source} AS partitions", lists)
            except (duckdb.Error, QueryError):
                # The statement itself will meet the same trouble and say what it is; nothing is left out till then.
                return range(len(values))
            left = set(range(len(values)))
            for numbers in found:
                if len(values) not in (numbers or ()):
                    left &= set(numbers or ())
            kept |= left
        return sorted(kept)

    def injected(self, key: str) -> Sequence[str]:
        """Return the values that every place in the statement says *key* is equal to. Raises `QueryFailed` where one says none."""
        found: dict[str, None] = {}
        for parts in self._asked:
            constants = [constant for part in parts for constant in _equal_to(part, key)]
            if not constants:
                raise QueryFailed(
                    "CONSTRAINT_VIOLATION",
                    f"For the injected projected partition column {key}, the WHERE clause must contain only static equality conditions, "
                    "and at least one such condition must be present.",
                )
            listed = ", ".join(f"CAST({self._text(each)} AS VARCHAR)" for each in constants)
            found.update((value, None) for value in self._ask(f"SELECT [{listed}]") if value is not None)
        return list(found)

    def _text(self, expression: Node) -> str:
        return f"({text_of(expression, self._ask)})"


def _equal_to(condition: Node, key: str) -> list[Node]:
    """Return the constants one of which *key* has where *condition* holds, [] if that does not say so."""

    def is_key(node: Node) -> bool:
        return node.get("class") == "COLUMN_REF" and [name.lower() for name in node["column_names"]] == [key]

    match condition.get("type"):
        case "COMPARE_EQUAL":
            left, right = condition["left"], condition["right"]
            sides = [other for one, other in ((left, right), (right, left)) if is_key(one)]
            return [other for other in sides if not _names(other)]
        case "COMPARE_IN":
            first, *others = condition["children"]
            return others if is_key(first) and not any(_names(other) for other in others) else []
        case "CONJUNCTION_OR":
            found = [_equal_to(child, key) for child in condition["children"]]
            return [each for some in found for each in some] if all(found) else []
    return []


def _names(part: object) -> frozenset[str]:
    """Return the lower-case names of the columns in an expression; words like current_date are none."""
    if isinstance(part, list):
        return frozenset(name for item in part for name in _names(item))
    if not isinstance(part, dict):
        return frozenset()
    if part.get("class") == "COLUMN_REF":
        return frozenset({part["column_names"][-1].lower()}) - NOW_WORDS
    return frozenset(name for item in part.values() for name in _names(item))
