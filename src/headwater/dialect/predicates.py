"""Predicates: what is true, false or unknown of values: comparisons, AND and OR, IS, BETWEEN, IN, LIKE."""

from __future__ import annotations

from sqlglot import exp

from headwater.dialect import operators
from headwater.dialect.context import Context
from headwater.dialect.errors import QueryFailed
from headwater.dialect.scope import Scope, row_item
from headwater.dialect.types import BOOLEAN, common
from headwater.dialect.value import Value

COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
}  # fmt: skip
_QUANTIFIERS = (exp.Any, exp.All)


class Predicates:
    """Writes predicates; `expressions` writes what they are about."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def comparison(self, symbol: str, node: exp.Expr, scope: Scope) -> Value:
        """Return `a = b` and its kind, also with ANY and ALL of a subquery."""
        left, right = node.this, node.args["expression"]
        if isinstance(right, _QUANTIFIERS):
            inner = right.this.this if isinstance(right.this, exp.Paren) else right.this
            query = self._context.query(inner, scope)
            value = self._context.value(left, scope)
            operators.comparable(symbol, value, Value("", query.columns[0].type), self._context.where(node))
            return Value(f"({value.sql} {symbol} {'ANY' if isinstance(right, exp.Any) else 'ALL'} ({query.sql}))", BOOLEAN)
        return operators.comparison(symbol, self._context.value(left, scope), self._context.value(right, scope), self._context.where(node))

    def logical(self, node: exp.Connector, scope: Scope) -> Value:
        """Return a chain of AND or of OR."""
        # A long chain is a deep tree: taken apart without recursion, and written flat.
        parts: list[exp.Expr] = []
        waiting: list[exp.Expr] = [node]
        while waiting:
            item = waiting.pop()
            if type(item) is type(node):
                waiting += [item.args["expression"], item.this]
            else:
                parts.append(item)
        word = " AND " if isinstance(node, exp.And) else " OR "
        return Value(f"({word.join(self._context.condition(item, scope) for item in parts)})", BOOLEAN)

    def is_null(self, node: exp.Is, scope: Scope) -> Value:
        """Return `a IS NULL`."""
        value, other = self._context.value(node.this, scope), node.expression
        if isinstance(other, exp.Null):
            return Value(f"({value.sql} IS NULL)", BOOLEAN)
        raise QueryFailed("SYNTAX_ERROR", f"{self._context.where(node)}IS takes NULL, NOT NULL and [NOT] DISTINCT FROM here")

    def between(self, node: exp.Between, scope: Scope) -> Value:
        """Return `a BETWEEN b AND c`."""
        if node.args.get("symmetric"):
            raise QueryFailed("SYNTAX_ERROR", f"{self._context.where(node)}BETWEEN SYMMETRIC is not supported; use least and greatest")
        value, low, high = (self._context.value(item, scope) for item in (node.this, node.args["low"], node.args["high"]))
        low, high = (operators.beside(side, value.type) for side in (low, high))
        for side in (low, high):
            if common(value.type, side.type) is None:
                raise QueryFailed(
                    "TYPE_MISMATCH", f"{self._context.where(node)}Cannot check if {value.type} is BETWEEN {low.type} and {high.type}"
                )
        return Value(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", BOOLEAN)

    def among(self, node: exp.In, scope: Scope) -> Value:
        """Return `a IN (...)`, of values or of a subquery."""
        value, where = self._context.value(node.this, scope), self._context.where(node)
        if (inner := node.args.get("query")) is not None:
            query = self._context.query(inner.this if isinstance(inner, exp.Subquery) else inner, scope)
            if len(query.columns) != 1 and value.type.name != "row":
                raise QueryFailed(
                    "TYPE_MISMATCH",
                    f"{where}Multiple columns returned by subquery are not yet supported. Found {len(query.columns)}",
                )
            if len(query.columns) == 1:
                operators.comparable("=", value, Value("", query.columns[0].type), where)
                return Value(f"({value.sql} IN ({query.sql}))", BOOLEAN)
            fields = ", ".join(row_item(value, at).sql for at in range(len(query.columns)))
            return Value(f"(({fields}) IN ({query.sql}))", BOOLEAN)
        others = [operators.beside(self._context.value(item, scope), value.type) for item in node.expressions]
        for other in others:
            if common(value.type, other.type) is None:
                raise QueryFailed(
                    "TYPE_MISMATCH",
                    f"{where}IN value and list items must be the same type or coercible "
                    f"to a common type. Cannot find common type between {value.type} and {other.type}",
                )
        kind, pieces = self._context.aligned([value, *others], node, "IN values")
        return Value(
            f"({pieces[0] if kind.items else value.sql} IN ({', '.join(pieces[1:] if kind.items else [other.sql for other in others])}))",
            BOOLEAN,
        )

    def like(self, node: exp.Expr, scope: Scope) -> Value:
        """Return `a LIKE b`, with or without ESCAPE."""
        like, escape = (node.this, node.args["expression"]) if isinstance(node, exp.Escape) else (node, None)
        if not isinstance(like, exp.Like):
            raise QueryFailed("SYNTAX_ERROR", f"{self._context.where(node)}ESCAPE belongs to LIKE")
        value, pattern = self._context.value(like.this, scope), self._context.value(like.expression, scope)
        for side in (value, pattern):
            if side.type.name not in ("varchar", "char", "unknown"):
                raise QueryFailed(
                    "TYPE_MISMATCH",
                    f"{self._context.where(node)}Left side of LIKE expression must evaluate to a varchar (actual: {side.type})",
                )
        tail = "" if escape is None else f" ESCAPE {self._context.value(escape, scope).sql}"
        word = "NOT LIKE" if like.args.get("negate") else "LIKE"
        return Value(f"({value.sql} {word} {pattern.sql}{tail})", BOOLEAN)
