"""SQL text -> what it reads and the text to run, by the engine's own parser: no second grammar that could see it differently."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from headwater.errors import QueryError
from headwater.query.days import is_read_by_day, rewrite_days
from headwater.query.names import name_of
from headwater.query.predicate import Constants, Kind, Node
from headwater.query.scope import READ_ONLY, TABLE_FUNCTIONS, Reference, Walk, columns_named, uses_clock_words

Ask = Callable[[str, list[Any]], Any]
"""Run one SQL text with parameters in the engine and return the first value of its first row."""

_EXPLAIN = re.compile(
    r"(?is)(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(explain(?:\s+analyze)?(?:\s*\(\s*(?:analyze|format\s+\w+)(?:\s*,\s*\w+(?:\s+\w+)?)*\s*\))?)\s+(.*)"
)
_READ_AS: dict[Kind, str] = {
    "instant": "epoch_us(CAST({0} AS TIMESTAMPTZ))",
    "timestamp": "epoch_us(CAST({0} AS TIMESTAMP))",
    "date": "epoch_us(CAST(CAST({0} AS DATE) AS TIMESTAMP))",
    "date text": "CASE WHEN strftime(TRY_CAST({0} AS DATE), '%Y-%m-%d') = CAST({0} AS VARCHAR)"
    " THEN epoch_us(CAST(TRY_CAST({0} AS DATE) AS TIMESTAMP)) END",
    "number": "TRY_CAST(CAST({0} AS VARCHAR) AS INTEGER)",
}


class ConstantQuery(NamedTuple):
    """One SELECT that gives all constants the conditions compare with; *parameters* of the user's query that it takes."""

    text: str
    parameters: tuple[str, ...]
    varies: bool


class ParsedStatement(NamedTuple):
    """One read-only statement.

    text: what runs over the plain tables. by_day: what runs instead where every table in `by_day_tables` can be read by day;
    it reads `plain_tables` as they are, too.
    columns: lower-case names among which are those of all columns it reads, None for every column.
    clock_words: a condition reads a word like current_date.
    """

    kind: Literal["query", "explain", "show tables"]
    text: str
    references: tuple[Reference, ...]
    constants: ConstantQuery | None
    by_day: str | None
    by_day_tables: frozenset[str]
    plain_tables: frozenset[str]
    columns: frozenset[str] | None
    clock_words: bool


def parse(
    text: str,
    database: str,
    ask: Ask,
    fixed_names: frozenset[str],
    check: Callable[[Node], None],
    functions: frozenset[str] = TABLE_FUNCTIONS,
) -> ParsedStatement:
    """Return what *text* reads; raise `QueryError` unless it is one statement that only reads.

    *fixed_names* (lower-case) are tables and views that are not in the lake. *check* raises `QueryError` for trees it does not like.
    *functions*: the table functions that may be called.
    """
    kind: Literal["query", "explain"] = "query"
    prefix, run = "", text
    try:
        found = _serialized(text, ask)
        if found is None and (explain := _EXPLAIN.fullmatch(text)):
            kind, prefix, run = "explain", explain[1] + " ", explain[2]
            found = _serialized(run, ask)
        if found is None:
            raise QueryError(f"{READ_ONLY} (and PIVOT with its values named: PIVOT t ON column IN (...) USING ...)")
        if _shows_tables(found["node"]):
            return ParsedStatement("show tables", text, (), None, None, frozenset(), frozenset(), None, False)
        walk = Walk(found, functions)
        check(found)
        constants = _constant_query(walk.constants, ask)
        clock_words = uses_clock_words(walk)
        columns = columns_named(walk, found)
        names = {name_of(reference.path, database) for reference in walk.references} - fixed_names
        rewritten = rewrite_days(walk, names, database, lambda item: text_of(item, ask))
        by_day = _checked_text(found, ask) if rewritten else None
    except RecursionError:
        raise QueryError("the statement is nested too deeply") from None
    return ParsedStatement(
        kind,
        prefix + run,
        tuple(walk.references),
        constants,
        None if by_day is None else prefix + by_day,
        frozenset(rewritten),
        frozenset(name_of(ref.path, database) for ref in walk.references if not is_read_by_day(ref.node)),
        columns,
        clock_words,
    )


def tree_of(statement: ParsedStatement, ask: Ask) -> Node:
    """Return the syntax tree of a statement that was read before."""
    explain = _EXPLAIN.fullmatch(statement.text) if statement.kind == "explain" else None
    tree = _serialized(explain[2] if explain else statement.text, ask)
    assert tree is not None
    return tree


def _serialized(text: str, ask: Ask) -> Node | None:
    """Return the syntax tree of the one statement in *text*, None if it is not one the engine calls a SELECT."""
    answer = json.loads(ask("SELECT json_serialize_sql(CAST(? AS VARCHAR), skip_null := true, skip_empty := true)", [text]))
    if answer["error"]:
        if answer["error_type"] == "not implemented":
            return None
        raise QueryError(str(answer["error_message"]))
    statements = answer.get("statements", [])
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements were given; exactly one can be answered at a time")
    statement: Node = statements[0]
    return statement


def _shows_tables(node: Node) -> bool:
    origin = node.get("from_table", {})
    return origin.get("type") == "SHOW_REF" and origin.get("table_name", "").strip('"') == "tables" and "query" not in origin


def _constant_query(constants: Constants, ask: Ask) -> ConstantQuery | None:
    if not constants.expressions:
        return None
    columns, parameters = [], set()
    for kind, expression in constants.expressions:
        renamed = json.loads(json.dumps(expression))
        parameters |= _rename_parameters(renamed)
        columns.append(_READ_AS[kind].format(f"({text_of(renamed, ask)})"))
    return ConstantQuery(f"SELECT [{', '.join(columns)}]", tuple(sorted(parameters)), constants.varies)


def _rename_parameters(part: object) -> set[str]:
    """Give numbered parameters names, so that some of them can be given without the others; return what they were called."""
    if isinstance(part, list):
        return {name for item in part for name in _rename_parameters(item)}
    if not isinstance(part, dict):
        return set()
    if part.get("class") == "PARAMETER":
        name = part["identifier"]
        part["identifier"] = "p_" + name
        return {name}
    return {name for item in part.values() for name in _rename_parameters(item)}


def text_of(expression: Node, ask: Ask) -> str:
    """Return *expression* as the engine writes it, without its alias."""
    bare = {key: value for key, value in expression.items() if key != "alias"}
    node = {
        "type": "SELECT_NODE",
        "cte_map": {},
        "select_list": [bare],
        "from_table": {"type": "EMPTY"},
        "aggregate_handling": "STANDARD_HANDLING",
    }
    return _deserialized({"node": node}, ask).removeprefix("SELECT ")


def _checked_text(statement: Node, ask: Ask) -> str | None:
    """Return the text of a tree, or None if that text would be read as another tree."""
    text = _deserialized(statement, ask)
    again = _serialized(text, ask)
    return text if again is not None and _bare(again["node"]) == _bare(statement["node"]) else None


def _deserialized(statement: Node, ask: Ask) -> str:
    return str(ask("SELECT json_deserialize_sql(CAST(? AS JSON))", [json.dumps({"error": False, "statements": [statement]})]))


def _bare(part: object) -> object:
    """Return the tree without the places in the text, and without what is written in several ways."""
    if isinstance(part, list):
        return [_bare(item) for item in part]
    if isinstance(part, dict):
        return {
            key: _bare(value)
            for key, value in part.items()
            if not key.startswith("query_location") and key not in ("is_operator", "export_state")
        }
    return part
