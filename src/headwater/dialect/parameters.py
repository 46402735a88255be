"""Parameters: SQL texts put in the places of `?`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from headwater.dialect.errors import MalformedQuery, QueryFailed
from headwater.dialect.grammar import parse, tokens

_NO_VALUES = (exp.Column, exp.Star, exp.Alias, exp.Placeholder, exp.Query, exp.Identifier)


def bind_parameters(tree: exp.Expr, given: Sequence[str]) -> int:
    """Put *given* in the places of `?`, in the order of the text, and return how many there are; raise `QueryFailed` for other counts.

    Without any `?` what is given does not matter.
    """
    found = sorted(tree.find_all(exp.Placeholder), key=lambda node: node.meta.get("start", 0))
    if found and len(found) != len(given):
        raise QueryFailed(
            "INVALID_PARAMETER_USAGE", f"line 1:1: Incorrect number of parameters: expected {len(found)} but found {len(given)}"
        )
    for node, text in zip(found, given, strict=False):
        node.replace(_value(text))
    return len(found)


def _value(text: str) -> exp.Expr:
    """Return the expression *text* is; text that is none, or names a column, is a string."""
    written = f"SELECT {text}"
    try:
        tree = parse(written, tokens(written))
    except MalformedQuery:
        return exp.Literal.string(text)
    plain = (
        isinstance(tree, exp.Select)
        and len(tree.expressions) == 1
        and not any(value for key, value in tree.args.items() if key != "expressions")
    )
    if not plain or any(isinstance(part, _NO_VALUES) for part in tree.expressions[0].walk()):
        return exp.Literal.string(text)
    value: exp.Expr = tree.expressions[0]
    value = value.copy()
    for part in value.walk():
        part.meta.pop("start", None)
    return exp.Paren(this=value) if not isinstance(value, exp.Literal) else value
