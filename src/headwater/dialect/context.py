"""What the writers of SQL ask of each other: values, relations and queries are each written by one of them, and hold the others."""

from __future__ import annotations

from typing import Protocol

from sqlglot import exp

from headwater.dialect.scope import Output, Query, Scope
from headwater.dialect.tables import Tables
from headwater.dialect.types import Type
from headwater.dialect.value import Value


class Context(Protocol):
    """One text that is being written. Each writer is given it, and knows no other writer's class."""

    @property
    def tables(self) -> Tables:
        """What table names mean, and how much may be written."""

    @property
    def ctes(self) -> list[dict[str, tuple[str, tuple[Output, ...]]]]:
        """The queries that WITH names here, those of the innermost query last."""

    @property
    def views(self) -> tuple[str, ...]:
        """The views that this text is the inside of, the innermost last."""

    def query(self, node: exp.Expr, outer: Scope | None = None) -> Query:
        """Return the query *node* written out; *outer* is the scope of the query it stands in."""

    def value(self, node: exp.Expr, scope: Scope) -> Value:
        """Return the expression *node*; raise `QueryFailed` for a name or a type that is wrong."""

    def condition(self, node: exp.Expr, scope: Scope, *, of: str = "logical expression") -> str:
        """Return the SQL of a boolean expression."""

    def row(self, values: list[Value]) -> Value:
        """Return a row of *values*, whose fields have no names."""

    def aligned(self, values: list[Value], node: exp.Expr, what: str) -> tuple[Type, list[str]]:
        """Return the type that all *values* can become, and their SQL as that."""

    def where(self, node: exp.Expr) -> str:
        """Return `line 1:8: `, the place of a node: that of its first word whose place is known."""

    def within(self, view: str, text: str, database: str) -> Context:
        """Return the context of a view's own text."""
