"""Which syntax trees may run: statements that read, made of known parts, calling functions that only compute."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from headwater.errors import QueryError
from headwater.query.predicate import Node
from headwater.query.scope import TABLE_FUNCTIONS

_STATEMENTS = {"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"}
_TABLES = {"BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SHOW_REF", "SUBQUERY", "TABLE_FUNCTION"}
_PARTS = {"ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER", "ORDER_DEFAULT", "ASCENDING", "DESCENDING"}
_CLASSES = {
    "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA", "OPERATOR",
    "PARAMETER", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW",
}  # fmt: skip


def check(statement: Node) -> None:
    """Raise `QueryError` unless *statement*, one entry of the engine's serialized form, is made of what is known to only read.

    Which tables it names is not looked at here: whoever binds them gives it no others.
    """
    parts: list[tuple[object, str]] = [(statement["node"], "node")]
    while parts:
        part, place = parts.pop()
        if isinstance(part, list):
            parts += [(item, place) for item in part]
        elif isinstance(part, dict):
            _check_part(part, place)
            parts += [(item, key) for key, item in part.items()]


@cache
def functions() -> frozenset[str]:
    """Return the lower-case names of the functions that may be called: they compute something from their arguments, and that is all."""
    text = files(__package__).joinpath("functions.txt").read_text()
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _check_part(part: Node, place: str) -> None:
    kind, sort = part.get("type"), part.get("class")
    if sort is not None:
        if sort not in _CLASSES:
            raise QueryError(f"{sort} is not known here, and so not allowed")
    elif isinstance(kind, str) and kind not in _STATEMENTS and kind not in _TABLES and kind not in _PARTS:
        raise QueryError(f"{kind.removesuffix('_QUERY_NODE').removesuffix('_NODE')} is not a part of a question, and so not allowed")
    if place == "node" and kind not in _STATEMENTS:
        raise QueryError(f"{kind} is no question")
    if "function_name" in part:
        name = str(part["qualified_name"]["path"][-1]).lower()
        if name != str(part["function_name"]).lower() or part.get("export_state"):
            raise QueryError(f"the function {name}() is called in a way that is not known here, and so not allowed")
        if place == "function":
            if name not in TABLE_FUNCTIONS:
                raise QueryError(f"the table function {name}() is not available here; there are: {', '.join(sorted(TABLE_FUNCTIONS))}")
        elif name not in functions():
            raise QueryError(f"there is no function {name}() that may be called here")
    elif sort in ("FUNCTION", "WINDOW") or (kind == "TABLE_FUNCTION" and "function" not in part):
        raise QueryError("a call without a name is not known here, and so not allowed")
