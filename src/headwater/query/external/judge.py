"""Which partitions can have rows for a statement: its conditions on their keys, judged by the engine that will run it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import duckdb

from headwater.dialect.errors import QueryFailed
from headwater.dialect.quoting import quote
from headwater.dialect.types import Type
from headwater.query.predicate import NOW_WORDS, Node
from headwater.query.session import Session
from headwater.query.statement import text_of

# As many values as take two megabytes to tell by their numbers.
_AT_ONCE = 250_000


class Judge:
    """Says which partitions or files meet what a statement asks of their *keys*, by asking the engine."""

    def __init__(self, keys: Sequence[tuple[str, Type]], asked: list[list[Node]], session: Session) -> None:
        self._keys = [(name, kind.duckdb) for name, kind in keys]
        self._session, self._asked = session, asked
        self._texts = [[(_names(part), self._text(part)) for part in parts] for parts in asked]

    def asks(self, names: Collection[str]) -> bool:
        """Return whether the statement asks anything of one of these keys."""
        return any(not asked.isdisjoint(names) for parts in self._texts for asked, _ in parts)

    def kept(self, keys: Sequence[int], values: Sequence[tuple[str | None, ...]]) -> Sequence[int]:
        """Return the numbers of those *values*, each of the given *keys*, with which any place in the statement can have rows.

        Raises `QueryError` where they cannot be judged with the time and memory that a query may use.
        """
        named = {self._keys[at][0] for at in keys}
        usable = [[text for names, text in parts if names <= named] for parts in self._texts]
        if not values or not usable or not all(usable):
            return range(len(values))
        kept: list[int] = []
        for at in range(0, len(values), _AT_ONCE):
            some = values[at : at + _AT_ONCE]
            # The last of the rows has no values at all: what is true of it may be true of rows that an outer join makes up.
            lists = [[*(row[place] for row in some), None] for place in range(len(keys))]
            try:
                found = self._session.evaluate(self._kept_sql(keys, usable, len(some)), lists)
            except duckdb.Error:
                # The statement itself will meet the same trouble and say what it is; nothing is left out till then.
                return range(len(values))
            kept += sorted(at + number for number in found or ())
        return kept

    def _kept_sql(self, keys: Sequence[int], places: list[list[str]], count: int) -> str:
        """Return a SELECT of the numbers below *count* with which all texts of one of *places* hold; those of row *count* say nothing."""
        columns = ", ".join(f"TRY_CAST(unnest(CAST(${at} AS VARCHAR[])) AS {self._keys[key][1]}) AS {quote(self._keys[key][0])}"
                            for at, key in enumerate(keys, 1))  # fmt: skip
        told = {text: f"c{at}" for at, text in enumerate(dict.fromkeys(text for texts in places for text in texts))}
        judged = ", ".join(f"CAST({text} AS BOOLEAN) AS {name}" for text, name in told.items())
        held = " OR ".join(f"({' AND '.join(f'(j.{told[text]} OR e.{told[text]})' for text in texts)})" for texts in places)
        return (
            f'WITH partitions AS (SELECT unnest(range({count + 1})) AS "headwater:n", {columns}),'
            f' judged AS MATERIALIZED (SELECT "headwater:n" AS n, {judged} FROM partitions)'
            f" SELECT list(j.n) FROM judged AS j, (SELECT * FROM judged WHERE n = {count}) AS e WHERE j.n < {count} AND ({held})"
        )

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
            found.update((value, None) for value in self._session.evaluate(f"SELECT [{listed}]") if value is not None)
        return list(found)

    def _text(self, expression: Node) -> str:
        return f"({text_of(expression, self._session.ask)})"


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
