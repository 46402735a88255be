"""Walks the engine's syntax tree: which tables a statement reads, what it says of each one's time, what it may not do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from headwater.errors import QueryError
from headwater.query.predicate import NOW_WORDS, TIME_COLUMNS, Constants, Node, Resolve, cast_to, read_condition
from headwater.query.window import ColumnName, Condition, all_of, any_of, keep

_READING = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_PLAIN_STAR = {"class", "type", "query_location", "query_location_length", "columns", "relation_name"}
_PLAIN_JOINS = {"REGULAR", "CROSS", "NATURAL"}
_TIMESTAMPTZ = {"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"}

TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree"})
"""The table functions a statement may call, by their lower-case names: they compute rows from their arguments."""
FILE_FUNCTIONS = frozenset({"read_csv", "read_csv_auto", "read_json", "read_json_auto", "read_ndjson", "read_parquet"})
"""Those that read files: only for who could read them without us."""
READ_ONLY = "only reading is possible here: SELECT, WITH, VALUES, FROM, DESCRIBE, SUMMARIZE, EXPLAIN or SHOW TABLES"


class Source(NamedTuple):
    """One item of a FROM clause and the lower-case name its columns may be called by."""

    name: str
    node: Node


class Reference(NamedTuple):
    """One place that reads a table: its path as written, and what is known of the rows it can use.

    handed: the time columns that the statement gives out, row by row, as this table has them; what a reader of the statement
    asks of them holds here, too.
    """

    node: Node
    path: tuple[str, ...]
    condition: Condition
    handed: frozenset[ColumnName] = frozenset()


class Select(NamedTuple):
    """One SELECT with the items of its FROM clause; `tables` are those that are tables and not common table expressions."""

    node: Node
    sources: list[Source]
    tables: list[Source]


class _Cte:
    def __init__(self, node: Node, visible: dict[str, _Cte]) -> None:
        self.node, self.visible = node, visible
        self.conditions: list[Condition] = []
        self.handed: list[frozenset[ColumnName]] = []


class Walk:
    """What was found in one statement; raises `QueryError` where it would write or read what is not a table of the lake."""

    def __init__(self, statement: Node, functions: frozenset[str] = TABLE_FUNCTIONS) -> None:
        self._functions = functions
        self.constants = Constants()
        self.references: list[Reference] = []
        self.selects: list[Select] = []
        self._query(statement["node"], {}, None, TIME_COLUMNS)

    def _query(self, node: Node, ctes: dict[str, _Cte], outer: Condition, handed: frozenset[ColumnName]) -> None:
        if node["type"] not in _READING:
            raise QueryError(f"{node['type'].removesuffix('_QUERY_NODE').removesuffix('_NODE')}: {READ_ONLY}")
        visible, own = dict(ctes), []
        for entry in node.get("cte_map", {}).get("map", []):
            inner = entry["value"]["query_node"]
            cte = _Cte(inner, dict(visible))
            if inner["type"] == "RECURSIVE_CTE_NODE":
                cte.visible[inner.get("cte_name", entry["key"]).lower()] = _Cte(inner, {})
            visible[entry["key"].lower()] = cte
            own.append(cte)
        if node["type"] == "SELECT_NODE":
            self._select(node, visible, outer, handed)
        elif _is_plain_union(node):
            shared = _typed_everywhere(node["children"])
            for child in node["children"]:
                self._query(child, visible, keep(outer, shared), handed & shared)
            self._rest(node.get("modifiers"), visible)
        else:
            self._rest({key: value for key, value in node.items() if key not in ("cte_map", "type")}, visible)
        for cte in reversed(own):
            self._query(cte.node, cte.visible, any_of(cte.conditions), frozenset.intersection(TIME_COLUMNS, *cte.handed))

    def _select(self, node: Node, ctes: dict[str, _Cte], outer: Condition, handed: frozenset[ColumnName]) -> None:
        origin = node.get("from_table", {"type": "EMPTY"})
        sources = list(sources_of(origin))
        tables = []
        trusted = joins_are_plain(origin) and "sample" not in node and not _shadowed(node)
        for source in sources:
            condition: Condition = None
            passed: frozenset[ColumnName] = frozenset()
            if trusted and "sample" not in source.node and "column_name_alias" not in source.node:
                resolve = resolver(source, sources)
                condition = read_condition(node.get("where_clause"), resolve, self.constants)
                if outer is not None or handed:
                    passed = _passed_through(node, source, sources)
                    condition = all_of([condition, keep(outer, passed)])
            if source.node["type"] == "SUBQUERY":
                self._query(source.node["subquery"]["node"], ctes, condition, handed & passed)
            elif source.node["type"] == "BASE_TABLE":
                if self._table(source.node, ctes, condition, handed & passed):
                    tables.append(source)
            else:
                self._rest(source.node, ctes)
        self.selects.append(Select(node, sources, tables))
        for join in _joins(origin):
            self._rest(join.get("condition"), ctes)
        self._rest({key: value for key, value in node.items() if key not in ("cte_map", "from_table", "type")}, ctes)

    def _table(self, node: Node, ctes: dict[str, _Cte], condition: Condition, handed: frozenset[ColumnName]) -> bool:
        path = tuple(node["qualified_name"]["path"])
        if len(path) == 1 and path[0].lower() in ctes:
            ctes[path[0].lower()].conditions.append(condition)
            ctes[path[0].lower()].handed.append(handed)
            return False
        self.references.append(Reference(node, path, condition, handed))
        return True

    def _rest(self, part: object, ctes: dict[str, _Cte]) -> None:
        """Find the queries and tables within anything that is not understood more closely: all their rows are needed."""
        if isinstance(part, list):
            for item in part:
                self._rest(item, ctes)
            return
        if not isinstance(part, dict):
            return
        kind = part.get("type")
        if isinstance(kind, str):
            if kind.endswith("_NODE"):
                self._query(part, ctes, None, frozenset())
                return
            if kind == "BASE_TABLE":
                self._table(part, ctes, None, frozenset())
                return
            if kind == "TABLE_FUNCTION" and part["function"].get("function_name", "").lower() not in self._functions:
                name = part["function"].get("function_name")
                raise QueryError(f"the table function {name}() is not available here; there are: {', '.join(sorted(self._functions))}")
            if kind == "SHOW_REF" and "query" not in part:
                raise QueryError("only SHOW TABLES, DESCRIBE <table or query> and SUMMARIZE <table or query> can show something here")
        for item in part.values():
            self._rest(item, ctes)


def resolver(source: Source, sources: list[Source]) -> Resolve:
    """Return the function that says which column of *source*, if of that at all, a column reference means."""
    single = len(sources) == 1
    unique = sum(other.name == source.name for other in sources) == 1

    def resolve(reference: Node) -> str | None:
        if reference.get("class") != "COLUMN_REF":
            return None
        names: list[str] = [name.lower() for name in reference["column_names"]]
        if len(names) == 1 and single:
            return names[0]
        if len(names) == 2 and unique and names[0] == source.name:
            return names[1]
        return None

    return resolve


def mentions(part: object, words: frozenset[str]) -> bool:
    """Return whether any column reference within *part* is one of *words* alone."""
    if isinstance(part, list):
        return any(mentions(item, words) for item in part)
    if not isinstance(part, dict):
        return False
    if part.get("class") == "COLUMN_REF" and len(part["column_names"]) == 1 and part["column_names"][0].lower() in words:
        return True
    return any(mentions(item, words) for item in part.values())


def columns_named(walk: Walk, statement: Node) -> frozenset[str] | None:
    """Return every lower-case name by which the statement could mean a column; None if it may read columns it does not name."""
    rows = {source.name for select in walk.selects for source in select.sources}
    names: set[str] = set()
    parts: list[object] = [statement]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            names.add(part.lower())
        elif isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            whole_row = part.get("class") == "COLUMN_REF" and part["column_names"][-1].lower() in rows
            by_place = part.get("class") in ("STAR", "POSITIONAL_REFERENCE") or "column_name_alias" in part
            if whole_row or by_place or part.get("type") in ("PIVOT", "SHOW_REF") or part.get("ref_type") == "NATURAL":
                return None
            parts += part.values()
    return frozenset(names)


def uses_clock_words(walk: Walk) -> bool:
    """Return whether a condition reads a word like current_date, which a column of that name would take the place of."""
    return any(mentions(expression, NOW_WORDS) for _, expression in walk.constants.expressions)


def sources_of(origin: Node) -> Iterator[Source]:
    """Yield the items of a FROM clause."""
    if origin["type"] == "JOIN":
        yield from sources_of(origin["left"])
        yield from sources_of(origin["right"])
    elif origin["type"] != "EMPTY":
        name = origin.get("alias") or (origin["qualified_name"]["path"][-1] if origin["type"] == "BASE_TABLE" else "")
        yield Source(name.lower(), origin)


def _joins(origin: Node) -> Iterator[Node]:
    if origin["type"] == "JOIN":
        yield origin
        yield from _joins(origin["left"])
        yield from _joins(origin["right"])


def joins_are_plain(origin: Node) -> bool:
    """Return whether rows that a WHERE clause drops can be left out before the joins."""
    # An ASOF join takes the nearest row and a positional one the n-th: with rows left out that would be another row.
    return all(join["ref_type"] in _PLAIN_JOINS for join in _joins(origin))


def _shadowed(node: Node) -> bool:
    """Return whether an output column is called like a time column and is something else."""
    for item in node["select_list"]:
        alias = item.get("alias", "").lower()
        if alias in TIME_COLUMNS and not _is_column(_uncast(item, alias), alias):
            return True
    return False


def _is_column(item: Node, name: str) -> bool:
    return item.get("class") == "COLUMN_REF" and item["column_names"][-1].lower() == name


def _uncast(item: Node, column: str) -> Node:
    """Return what is cast to the type a time column has in the lake, where it changes nothing; anything else as it is."""
    kind = cast_to(item)
    own = kind in _TIMESTAMPTZ if column == "datetime" else kind == "VARCHAR"
    child: Node = item["child"] if own else item
    return child


def _is_plain_union(node: Node) -> bool:
    """Return whether the rows are those of all children, with columns found by name."""
    everything = node.get("setop_type") == "UNION_BY_NAME" and node.get("setop_all") is True
    return everything and all(modifier["type"] == "ORDER_MODIFIER" for modifier in node.get("modifiers", []))


def _typed_everywhere(children: list[Node]) -> frozenset[ColumnName]:
    """Return the time columns that every child casts to their type: without that the union might have another, and compare in that."""

    def typed(child: Node, column: ColumnName) -> bool:
        items = child.get("select_list", [])
        return any(item.get("alias", "").lower() == column and _uncast(item, column) is not item for item in items)

    return frozenset(column for column in TIME_COLUMNS if all(typed(child, column) for child in children))


def _passed_through(node: Node, source: Source, sources: list[Source]) -> frozenset[ColumnName]:
    """Return the time columns that this SELECT hands out row by row as *source*, one of its *sources*, has them."""
    for clause in ("group_expressions", "group_sets", "having", "qualify", "sample"):
        if node.get(clause):
            return frozenset()
    if node.get("aggregate_handling") != "STANDARD_HANDLING" or has_window(node["select_list"]):
        return frozenset()
    for modifier in node.get("modifiers", []):
        if modifier["type"] not in ("ORDER_MODIFIER", "DISTINCT_MODIFIER") or modifier.get("distinct_on_targets"):
            return frozenset()
    resolve = resolver(source, sources)
    passed: set[ColumnName] = set()
    for column in TIME_COLUMNS:
        givers = 0
        for item in node["select_list"]:
            if item["class"] == "STAR":
                plain = item.keys() <= _PLAIN_STAR and not item.get("columns")
                relation = item.get("relation_name", source.name if len(sources) == 1 else None)
                givers += 1 if plain and relation is not None and relation.lower() == source.name else 2
            elif item.get("alias", "").lower() == column:
                givers += 1 if resolve(_uncast(item, column)) == column else 2
            elif not item.get("alias") and _is_column(item, column):
                givers += 1 if resolve(item) == column else 2
        if givers == 1:
            passed.add(column)
    return frozenset(passed)


def has_window(part: object) -> bool:
    """Return whether a window function is called within *part*, subqueries left aside: theirs see rows of their own."""
    if isinstance(part, list):
        return any(has_window(item) for item in part)
    if not isinstance(part, dict) or str(part.get("type", "")).endswith("_NODE"):
        return False
    return part.get("class") == "WINDOW" or any(has_window(item) for item in part.values())
