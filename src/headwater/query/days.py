"""Puts the day a row's file is for in the place of day arithmetic on its `datetime`: the same values, one per file instead of per row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

from headwater.query.names import name_of as table_name
from headwater.query.predicate import Node, Resolve, call, cast_to, text_constant
from headwater.query.scope import Select, Source, Walk, resolver

DAY_COLUMN = "headwater:day"
BY_DAY = " by day"
"""What the name of a table is followed by, where it is read with `DAY_COLUMN` (a DATE) as one more column."""

_UNITS = {"day", "week", "month", "quarter", "year"}
# Functions of an instant that are the same function of its day, as long as the session's time zone is UTC.
_OF_THE_DAY = {
    "year", "month", "day", "dayofmonth", "quarter", "week", "weekofyear", "yearweek", "isoyear", "dayofweek", "weekday", "isodow",
    "dayofyear", "dayname", "monthname", "last_day",
}  # fmt: skip
_PARTS = {"year", "month", "day", "quarter", "week", "isoyear", "dow", "isodow", "doy", "dayofweek", "dayofyear", "weekday"}
_MIDNIGHT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]00:00(?::00(?:\.0{1,6})?)?)?")
_FLIPPED = {
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
}
_EDGES = set(_FLIPPED)
_FORM_LETTERS = set("YmdjyaAbBuwUWVG%-")


def rewrite_days(walk: Walk, tables: set[str], database: str, name_of: Callable[[Node], str]) -> set[str]:
    """Rewrite the tree of *walk* in place and return the lower-case names of *tables* now read by day.

    *name_of* gives the name an unnamed output column has by its expression; it is written out, so that no result is renamed.
    """
    changed: set[str] = set()
    for select in walk.selects:
        for source in select.tables:
            table = table_name(source.node["qualified_name"]["path"], database)
            if table in tables and _is_safe(select, source, database) and _rewrite(select, source, name_of):
                changed.add(table)
                _read_by_day(source.node)
    return changed


def is_read_by_day(table: Node) -> bool:
    """Return whether a reference to a table was made one to the table by day."""
    return str(table["qualified_name"]["path"][-1]).endswith(BY_DAY)


def _is_safe(select: Select, source: Source, database: str) -> bool:
    """Return whether nothing in the SELECT could see that its table has one more column."""
    if "column_name_alias" in source.node or source.name == database.lower():
        return False
    if any(item.get("alias", "").lower() == "datetime" for item in select.node["select_list"]):
        return False
    for part in _parts(select.node, into_queries=True):
        if part.get("class") == "STAR" or part.get("ref_type") == "NATURAL":
            return False
        if part.get("class") == "COLUMN_REF":
            names = [name.lower() for name in part["column_names"]]
            # The whole row as one value, or a column by the full path of the table, which has another name now.
            if names == [source.name] or (len(names) > 2 and names[0] in (database.lower(), "memory", "temp")):
                return False
    return True


def _rewrite(select: Select, source: Source, name_of: Callable[[Node], str]) -> bool:
    resolve = resolver(source, select.sources)
    found = False
    for item in select.node["select_list"]:
        name = None if item.get("alias") or not _has_day(item, resolve) else name_of(item)
        found |= _replace(item, source.name, resolve)
        if name is not None:
            item["alias"] = name
    for clause in ("where_clause", "group_expressions", "having", "qualify", "modifiers"):
        for expression in _parts(select.node.get(clause), into_queries=False):
            found |= _replace_one(expression, source.name, resolve)
    return found


def _has_day(item: Node, resolve: Resolve) -> bool:
    return any(_of_the_day(part, "", resolve) is not None for part in _parts(item, into_queries=False))


def _replace(item: Node, name: str, resolve: Resolve) -> bool:
    found = False
    for part in _parts(item, into_queries=False):
        found |= _replace_one(part, name, resolve)
    return found


def _replace_one(part: Node, name: str, resolve: Resolve) -> bool:
    new = _of_the_day(part, name, resolve)
    if new is None:
        return False
    alias = part.get("alias")
    part.clear()
    part.update(new)
    if alias:
        part["alias"] = alias
    return True


def _of_the_day(part: Node, name: str, resolve: Resolve) -> Node | None:
    """Return the expression over `DAY_COLUMN` that has the type and value of *part*, if *part* is day arithmetic on `datetime`."""
    day: Node = {"class": "COLUMN_REF", "type": "COLUMN_REF", "column_names": [name, DAY_COLUMN]}
    if cast_to(part) == "DATE" and resolve(part["child"]) == "datetime":
        return day
    if part.get("type") in _EDGES:
        return _day_edge(part, day, resolve)
    match call(part):
        case "date_trunc" | "datetrunc", [unit, column] if resolve(column) == "datetime" and text_constant(unit) in _UNITS:
            return _cast(day if text_constant(unit) == "day" else _call("date_trunc", [unit, day]), "TIMESTAMPTZ")
        case "strftime", [column, form] if resolve(column) == "datetime" and _names_days(text_constant(form)):
            return _call("strftime", [day, form])
        case "date_part" | "datepart", [unit, column] if resolve(column) == "datetime" and (text_constant(unit) or "").lower() in _PARTS:
            return _call("date_part", [unit, day])
        case name_, [column] if name_ in _OF_THE_DAY and resolve(column) == "datetime":
            return _call(name_, [day])
    return None


def _day_edge(part: Node, day: Node, resolve: Resolve) -> Node | None:
    """Return a comparison with midnight as one of days; only from midnight on, and before midnight, are whole days."""
    for column, other, kind in (("left", "right", part["type"]), ("right", "left", _FLIPPED[part["type"]])):
        midnight = _midnight(part[other])
        if midnight is not None and kind in ("COMPARE_GREATERTHANOREQUALTO", "COMPARE_LESSTHAN") and resolve(part[column]) == "datetime":
            return {**part, column: day, other: midnight}
    return None


def _midnight(constant: Node) -> Node | None:
    """Return the date of a literal that is the first moment of a day in UTC."""
    literal = constant["child"] if cast_to(constant) in ("DATE", "TIMESTAMP", "TIMESTAMPTZ") else constant
    found = _MIDNIGHT.fullmatch(text_constant(literal) or "")
    try:
        date.fromisoformat(found[1] if found else "")
    except ValueError:
        return None
    return _cast({"class": "CONSTANT", "type": "VALUE_CONSTANT", "literal": {"kind": "STRING", "text": found[1] if found else ""}}, "DATE")


def _names_days(form: str | None) -> bool:
    """Return whether a strftime format has only fields that every moment of a day shares."""
    if not form:
        return False
    letters = iter(form)
    return all(letter != "%" or next(letters, "") in _FORM_LETTERS - {"-"} for letter in letters)


def _call(name: str, arguments: list[Node]) -> Node:
    return {
        "class": "FUNCTION",
        "type": "FUNCTION",
        "function_name": name,
        "order_bys": {"type": "ORDER_MODIFIER"},
        "distinct": False,
        "is_operator": False,
        "export_state": False,
        "arguments": [{"expression": argument} for argument in arguments],
        "qualified_name": {"path": [name]},
    }


def _cast(child: Node, kind: str) -> Node:
    return {
        "class": "CAST",
        "type": "OPERATOR_CAST",
        "child": child,
        "try_cast": False,
        "type_expr": {"class": "TYPE", "type": "TYPE", "type_name": kind, "qualified_name": {"path": [kind]}},
    }


def _read_by_day(table: Node) -> None:
    path = table["qualified_name"]["path"]
    table.setdefault("alias", path[-1])
    table["qualified_name"]["path"] = [*path[:-1], path[-1].lower() + BY_DAY]
    table["table_name"] = path[-1].lower() + BY_DAY


def _parts(part: object, *, into_queries: bool) -> Iterator[Node]:
    """Yield every node within *part*, children first, so that a node may be replaced when it is met."""
    if isinstance(part, list):
        for item in part:
            yield from _parts(item, into_queries=into_queries)
    elif isinstance(part, dict):
        if not into_queries and part.get("class") == "SUBQUERY":
            yield from _parts(part.get("child"), into_queries=False)
            return
        for item in list(part.values()):
            yield from _parts(item, into_queries=into_queries)
        yield part
