"""Saved queries as table functions: `TABLE(funnel(steps => 'SignUpEvent,PracticeEvent', days => 7))`."""

from __future__ import annotations

from sqlglot import exp

from headwater.dialect.errors import NotSupported, QueryFailed

Called = tuple[str, dict[str, str]]
"""The lower-case name of what is called, and its arguments by name, as people write values: text without quotes."""


def called(table: exp.Expr, where: str) -> Called | None:
    """Return what `TABLE(name(argument => constant, ...))` calls, None for anything else."""
    inner = table.expressions[0] if isinstance(table, exp.Anonymous) and len(table.expressions) == 1 else None
    if inner is None or table.name.upper() != "TABLE" or not isinstance(inner, exp.Anonymous):
        return None
    arguments: dict[str, str] = {}
    for argument in inner.expressions:
        if not isinstance(argument, exp.Kwarg):
            raise NotSupported(f"{where}{inner.name} takes its arguments by name: {inner.name}(name => value)")
        name = argument.this.name.lower()
        if name in arguments:
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{where}Duplicate argument specification for name: {name.upper()}")
        arguments[name] = _constant(argument.expression, where)
    return inner.name.lower(), arguments


def _constant(node: exp.Expr, where: str) -> str:
    match node:
        case exp.Paren():
            return _constant(node.this, where)
        case exp.Null():
            return "null"
        case exp.Literal():
            return str(node.this)
        case exp.Boolean():
            return str(node.this).lower()
        case exp.Neg() if isinstance(node.this, exp.Literal):
            return f"-{node.this.this}"
        case exp.Cast() if node.meta.get("typed_literal"):  # DATE '2026-11-23', TIMESTAMP '2026-11-23 18:30:00'
            return str(node.this.name).strip().replace(" UTC", "+00:00").replace(" ", "T", 1)
    raise NotSupported(f"{where}an argument of a saved query is a constant: text, a number, DATE '…' or TIMESTAMP '…'")
