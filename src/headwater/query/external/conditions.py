"""A syntax tree -> what it says of a table's partition keys, kept as conditions for the engine itself to judge partitions by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from headwater.query.predicate import NOW_WORDS, Node, call, cast_to
from headwater.query.scope import Source, has_window, joins_are_plain, resolver, sources_of

_FUNCTIONS = {
    "+", "-", "*", "/", "//", "%", "||", "~~", "!~~", "like_escape", "not_like_escape", "lower", "upper", "substr", "substring", "concat",
    "lpad", "rpad", "trim", "ltrim", "rtrim", "length", "replace", "starts_with", "prefix", "suffix", "contains", "regexp_matches",
    "strftime", "strptime", "date_trunc", "date_part", "date_diff", "date_add", "date_sub", "year", "month", "day", "make_date", "date",
    "to_timestamp", "to_years", "to_months", "to_weeks", "to_days", "to_hours", "to_minutes", "to_seconds", "to_milliseconds", "timezone",
    "abs", "floor", "ceil", "round", "trunc", "coalesce", "least", "greatest", "now", "today", "get_current_timestamp",
}  # fmt: skip
_INNER = ("SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE")
_ROWWISE_MODIFIERS = ("ORDER_MODIFIER",)

Is = Callable[[Node], bool]
"""Whether a table in a FROM clause is the one that is looked for."""


class _Query(NamedTuple):
    """A query below, and what must hold of its columns, by their names, in the rows anybody uses."""

    node: Node
    outer: tuple[Node, ...]


def conditions(statement: Node, is_table: Is, keys: Sequence[str]) -> list[list[Node]]:
    """Return for each place that reads the table the conditions that all rows meet which that place can use: expressions over *keys*.

    An empty list of conditions means that nothing is known there.
    """
    found: list[list[Node]] = []
    _Reader(is_table, frozenset(keys), found).query(_Query(statement["node"], ()), {})
    return found


class _Cte:
    def __init__(self, node: Node, visible: dict[str, _Cte], *, recursive: bool) -> None:
        self.node, self.visible, self.recursive = node, visible, recursive
        self.asked: list[tuple[Node, ...]] = []


class _Reader:
    def __init__(self, is_table: Is, keys: frozenset[str], found: list[list[Node]]) -> None:
        self._is_table, self._keys, self._found = is_table, keys, found

    def query(self, query: _Query, ctes: dict[str, _Cte]) -> None:
        node, visible, own = query.node, dict(ctes), []
        for entry in node.get("cte_map", {}).get("map", []):
            inner = entry["value"]["query_node"]
            cte = _Cte(inner, dict(visible), recursive=inner["type"] == "RECURSIVE_CTE_NODE")
            if cte.recursive:
                cte.visible[inner.get("cte_name", entry["key"]).lower()] = cte
            visible[entry["key"].lower()] = cte
            own.append(cte)
        if node["type"] == "SELECT_NODE":
            self._select(query, visible)
        else:
            self._rest({key: value for key, value in node.items() if key not in ("cte_map", "type")}, visible)
        for cte in reversed(own):
            # What one reader does not ask for, another may.
            self.query(_Query(cte.node, cte.asked[0] if len(cte.asked) == 1 and not cte.recursive else ()), cte.visible)

    def _select(self, query: _Query, ctes: dict[str, _Cte]) -> None:
        node = query.node
        origin = node.get("from_table", {"type": "EMPTY"})
        sources = list(sources_of(origin))
        trusted = joins_are_plain(origin) and "sample" not in node
        held = [*_parts(node.get("where_clause")), *self._handed_down(query, sources)]
        for source in sources:
            mine: list[Node] = []
            if trusted and "sample" not in source.node and "column_name_alias" not in source.node:
                mine = [part for part in (_about(each, source, sources) for each in held) if part is not None]
            kind = source.node["type"]
            if kind == "SUBQUERY":
                self.query(_Query(source.node["subquery"]["node"], tuple(mine)), ctes)
            elif kind == "BASE_TABLE":
                self._table(source.node, mine, ctes)
            else:
                self._rest(source.node, ctes)
        self._rest({key: value for key, value in node.items() if key not in ("cte_map", "from_table", "type")}, ctes)
        self._joins(origin, ctes)

    def _table(self, node: Node, held: list[Node], ctes: dict[str, _Cte]) -> None:
        path = node["qualified_name"]["path"]
        if len(path) == 1 and path[0].lower() in ctes:
            ctes[path[0].lower()].asked.append(tuple(held))
        elif self._is_table(node):
            self._found.append([part for part in (_weaker(each, self._keys) for each in held) if part is not None])

    def _joins(self, origin: Node, ctes: dict[str, _Cte]) -> None:
        if origin["type"] == "JOIN":
            self._joins(origin["left"], ctes)
            self._joins(origin["right"], ctes)
            self._rest(origin.get("condition"), ctes)

    def _rest(self, part: object, ctes: dict[str, _Cte]) -> None:
        """Find the queries and tables in what is not looked at more closely: all their rows may be needed."""
        if isinstance(part, list):
            for item in part:
                self._rest(item, ctes)
        elif isinstance(part, dict):
            if part.get("type") in _INNER:
                self.query(_Query(part, ()), ctes)
            elif part.get("type") == "BASE_TABLE":
                self._table(part, [], ctes)
            else:
                for item in part.values():
                    self._rest(item, ctes)

    def _handed_down(self, query: _Query, sources: list[Source]) -> list[Node]:
        """Return what is asked of the SELECT's columns as conditions of its sources' columns, as far as it hands them out row by row."""
        node = query.node
        if not query.outer or node.get("aggregate_handling") != "STANDARD_HANDLING":
            return []
        if any(node.get(clause) for clause in ("group_expressions", "group_sets", "having", "qualify")) or has_window(node["select_list"]):
            return []
        if any(modifier["type"] not in _ROWWISE_MODIFIERS for modifier in node.get("modifiers", [])):
            return []
        columns: dict[str, Node | None] = {}
        for item in node["select_list"]:
            if item.get("class") == "STAR":
                return []  # the dialect writes columns out
            plain = item.get("class") == "COLUMN_REF"
            name = (item.get("alias") or (item["column_names"][-1] if plain else "")).lower()
            columns[name] = {"class": "COLUMN_REF", "type": "COLUMN_REF", "column_names": item["column_names"]} if plain else None
        return [part for part in (_renamed(each, columns) for each in query.outer) if part is not None]


def _parts(where: Node | None) -> list[Node]:
    if where is None:
        return []
    return [part for child in where["children"] for part in _parts(child)] if where.get("type") == "CONJUNCTION_AND" else [where]


def _about(condition: Node, source: Source, sources: list[Source]) -> Node | None:
    """Return the part of *condition* that is about columns of *source* alone, those named without their table; None if nothing is."""
    resolve = resolver(source, sources)

    def bare(node: Node) -> Node | None:
        name = resolve(node)
        if name is None and [each.lower() for each in node["column_names"]] in [[word] for word in NOW_WORDS]:
            return node
        return None if name is None else {"class": "COLUMN_REF", "type": "COLUMN_REF", "column_names": [name]}

    return _weakened(condition, bare)


def _renamed(condition: Node, columns: dict[str, Node | None]) -> Node | None:
    return _weakened(condition, lambda node: columns.get(node["column_names"][-1].lower()))


def _weaker(condition: Node, keys: frozenset[str]) -> Node | None:
    def key(node: Node) -> Node | None:
        name = node["column_names"][-1].lower()
        return node if len(node["column_names"]) == 1 and (name in keys or name in NOW_WORDS) else None

    return _weakened(condition, key)


def _weakened(condition: Node, column: Callable[[Node], Node | None]) -> Node | None:
    """Return a condition that holds wherever *condition* does, with each column as *column* gives it; None if there is none."""
    kind = condition.get("type")
    if kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
        parts = [_weakened(child, column) for child in condition["children"]]
        left = [part for part in parts if part is not None]
        if kind == "CONJUNCTION_OR" and len(left) < len(parts):
            return None
        return None if not left else left[0] if len(left) == 1 else {"class": "CONJUNCTION", "type": kind, "children": left}
    return _exact(condition, column)


def _exact(node: Node, column: Callable[[Node], Node | None]) -> Node | None:
    """Return an expression with its columns as *column* gives them; None for one that has others, or is more than a computation."""
    match node.get("class"):
        case "COLUMN_REF":
            return column(node)
        case "CONSTANT":
            return node
        case "COMPARISON" | "BETWEEN" | "CONJUNCTION" | "OPERATOR" | "CASE":
            pass
        case "CAST":
            if cast_to(node) is None:
                return None
        case "FUNCTION":
            named = call(node)
            if named is None or named[0] not in _FUNCTIONS:
                return None
        case _:
            return None
    made: Node = {}
    for key, value in node.items():
        part = value if key in ("type_expr", "order_bys") else _exact_parts(value, column)
        if part is None and value is not None:
            return None
        made[key] = part
    return made


def _exact_parts(value: object, column: Callable[[Node], Node | None]) -> object | None:
    if isinstance(value, list):
        parts = [_exact_parts(item, column) for item in value]
        return None if any(part is None for part in parts) else parts
    if isinstance(value, dict):
        if "class" in value:
            return _exact(value, column)
        made = {key: _exact_parts(item, column) for key, item in value.items()}
        return None if any(part is None for part in made.values()) else made
    return value
