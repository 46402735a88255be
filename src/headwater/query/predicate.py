"""A WHERE clause in the engine's own syntax tree -> what it says about `datetime`, `year`, `month` and `day`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

from headwater.query.window import DAY_US, Atom, ColumnName, Condition, all_of, any_of

Node = dict[str, Any]
Resolve = Callable[[Node], str | None]
"""Column reference -> the column of the one source looked at, lower-case; None if it is not, or may not be, that source's."""

Kind = Literal["instant", "timestamp", "date", "date text", "number"]
"""As what a constant is compared: it is read as that, since '2026-11-23 20:00-10' is one day as a date and another as an instant."""

Op = Literal["ge", "le", "eq"]

TIME_COLUMNS: frozenset[ColumnName] = frozenset({"datetime", "year", "month", "day"})

SPANS_US = {
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": DAY_US,
    "week": 7 * DAY_US,
    "month": 31 * DAY_US,
    "quarter": 92 * DAY_US,
    "year": 366 * DAY_US,
}

# Names that are functions without brackets, unless a column is called so.
NOW_WORDS = frozenset({"current_date", "current_timestamp", "current_time", "localtimestamp", "localtime"})
_NOW = NOW_WORDS | {"now", "today", "get_current_timestamp", "transaction_timestamp", "current_localtimestamp"}
_PURE = {
    "+", "-", "*", "date_trunc", "datetrunc", "date_add", "date_sub", "make_date", "make_timestamp", "make_timestamptz", "timezone",
    "to_timestamp", "epoch_ms", "strptime", "date", "trunc", "to_years", "to_quarters", "to_months", "to_weeks", "to_days", "to_hours",
    "to_minutes", "to_seconds", "to_milliseconds", "to_microseconds", "||", "concat",
}  # fmt: skip
_COMPARISONS: dict[str, tuple[Op, Op]] = {
    "COMPARE_EQUAL": ("eq", "eq"),
    "COMPARE_GREATERTHAN": ("ge", "le"),
    "COMPARE_GREATERTHANOREQUALTO": ("ge", "le"),
    "COMPARE_LESSTHAN": ("le", "ge"),
    "COMPARE_LESSTHANOREQUALTO": ("le", "ge"),
}
_INTEGER_TYPES = {"INT", "INTEGER", "BIGINT", "SMALLINT", "LONG", "INT4", "INT8", "INT2", "SHORT"}


class Constants:
    """The constant expressions that conditions compare with, in the order they were met; `varies` = some differ from run to run."""

    def __init__(self) -> None:
        self.expressions: list[tuple[Kind, Node]] = []
        self.varies = False

    def add(self, kind: Kind, expression: Node) -> int:
        """Keep *expression* and return its place."""
        self.expressions.append((kind, expression))
        return len(self.expressions) - 1


def read_condition(expression: Node | None, resolve: Resolve, constants: Constants) -> Condition:
    """Return what must hold wherever *expression* is true; None if nothing is known of it."""
    if expression is None:
        return None
    kind = expression.get("type")
    if kind == "CONJUNCTION_AND":
        return all_of([read_condition(child, resolve, constants) for child in expression["children"]])
    if kind == "CONJUNCTION_OR":
        return any_of([read_condition(child, resolve, constants) for child in expression["children"]])
    if kind == "COMPARE_BETWEEN":
        return all_of(
            [
                _compare("ge", expression["input"], [expression["lower"]], resolve, constants),
                _compare("le", expression["input"], [expression["upper"]], resolve, constants),
            ]
        )
    if kind == "COMPARE_IN":
        target, *values = expression["children"]
        return _compare("eq", target, values, resolve, constants)
    if kind in _COMPARISONS:
        op, flipped = _COMPARISONS[cast(str, kind)]
        left, right = expression["left"], expression["right"]
        found = _compare(op, left, [right], resolve, constants)
        return found if found is not None else _compare(flipped, right, [left], resolve, constants)
    return None


def call(expression: Node) -> tuple[str, list[Node]] | None:
    """Return name and arguments of a plain function call, None for anything else."""
    if expression.get("class") != "FUNCTION" or len(expression["qualified_name"]["path"]) != 1:
        return None
    if expression.get("filter") or expression.get("distinct"):
        return None
    arguments = expression.get("arguments", [])
    if any("name" in argument for argument in arguments):
        return None
    return expression["function_name"].lower(), [argument["expression"] for argument in arguments]


def text_constant(expression: Node) -> str | None:
    """Return the text of a string literal, None for anything else."""
    literal = expression.get("literal", {})
    return literal["text"] if expression.get("class") == "CONSTANT" and literal.get("kind") == "STRING" else None


def cast_to(expression: Node) -> str | None:
    """Return the upper-case name of the type of a CAST to a plain type, None for anything else."""
    if expression.get("class") != "CAST":
        return None
    kind = expression["type_expr"]
    if kind.get("class") != "TYPE" or len(kind["qualified_name"]["path"]) != 1 or kind.get("children"):
        return None
    return str(kind["type_name"]).upper()


def _compare(op: Op, target: Node, values: list[Node], resolve: Resolve, constants: Constants) -> Condition:
    found = _target(target, resolve)
    if found is None:
        return None
    column, span_us, kind = found
    if op != "eq" and kind in ("number", "date text"):
        return None
    # A constant must stay one when it is read apart from the query, and a subquery or a column is none.
    sorts = [_constant(value) for value in values]
    if "none" in sorts:
        return None
    now = "now" in sorts
    constants.varies |= now or "parameter" in sorts
    return Atom(column, op, tuple(constants.add(kind, value) for value in values), span_us, now)


def _target(expression: Node, resolve: Resolve) -> tuple[ColumnName, int, Kind] | None:
    """Return the column, by less than how much a function moves it down, and as what the result is compared."""
    if expression.get("class") == "COLUMN_REF":
        return _column(resolve(expression))
    if kind := cast_to(expression):
        inner = resolve(expression["child"])
        if inner == "datetime":
            return ("datetime", DAY_US, "date") if kind == "DATE" else ("datetime", 0, "timestamp") if kind == "TIMESTAMP" else None
        return _column(inner) if kind in _INTEGER_TYPES else None
    match call(expression):
        case ("year" | "month" | "day" | "dayofmonth") as name, [column] if resolve(column) == "datetime":
            return _column("day" if name == "dayofmonth" else name)
        case "date_part" | "datepart", [part, column] if resolve(column) == "datetime":
            unit = (text_constant(part) or "").lower()
            return _column(unit) if unit != "datetime" else None
        case "date_trunc" | "datetrunc", [part, column] if resolve(column) == "datetime":
            span = SPANS_US.get((text_constant(part) or "").lower())
            return None if span is None else ("datetime", span, "instant")
        case "strftime", [column, form] if resolve(column) == "datetime" and text_constant(form) == "%Y-%m-%d":
            return "datetime", DAY_US, "date text"
    return None


def _column(name: str | None) -> tuple[ColumnName, int, Kind] | None:
    if name not in TIME_COLUMNS:
        return None
    return name, 0, "instant" if name == "datetime" else "number"


def _constant(expression: Node) -> Literal["fixed", "parameter", "now", "none"]:
    kind = expression.get("class")
    if kind == "CONSTANT":
        return "fixed"
    if kind == "PARAMETER":
        return "parameter"
    if kind == "COLUMN_REF":
        return "now" if [name.lower() for name in expression["column_names"]] in [[word] for word in NOW_WORDS] else "none"
    if kind == "CAST":
        return _constant(expression["child"]) if cast_to(expression) else "none"
    named = call(expression)
    if named is None or named[0] not in _PURE | _NOW:
        return "none"
    kinds = {"now" if named[0] in _NOW else "fixed", *(_constant(argument) for argument in named[1])}
    order: tuple[Literal["none", "now", "parameter", "fixed"], ...] = ("none", "now", "parameter", "fixed")
    return next(sort for sort in order if sort in kinds)
