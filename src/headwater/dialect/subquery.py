"""The query within a statement, read and written."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from headwater.dialect.allowlist import check
from headwater.dialect.commands import Command
from headwater.dialect.grammar import mismatched, parse, tokens
from headwater.dialect.parameters import bind_parameters
from headwater.dialect.queries import QueryWriter
from headwater.dialect.scope import Query
from headwater.dialect.statement import Catalog, Kind, Statement, TypedColumn
from headwater.dialect.tables import Tables
from headwater.dialect.types import ZONED, Type

QUERY_WORDS = ("SELECT", "WITH", "VALUES", "TABLE", "(")
_CLAUSES = {TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY, TokenType.LIMIT, TokenType.R_PAREN}


class Selected:
    """A query read and written: what a statement that has one in it is made of."""

    def __init__(self, query: Query, tables: Tables, parameters: int) -> None:
        self.query = query
        self.columns = tuple(column_of(column.name or f"_col{at}", column.type) for at, column in enumerate(query.columns))
        self._reads = tuple(tables.reads)
        self._parameters = parameters

    def statement(self, kind: Kind, substatement: str, command: Command | None = None) -> Statement:
        """Return the statement whose query this is."""
        return Statement(kind, substatement, self.query.sql, self.columns, command, self._reads, self._parameters)


def column_of(name: str, kind: Type) -> TypedColumn:
    """Return a column of a result."""
    return TypedColumn(name, str(kind), kind.zone if kind.name == ZONED else "UTC")


def select(text: str, parameters: Sequence[str], catalog: Catalog, database: str, *, making: tuple[str, str] | None = None) -> Selected:
    """Return the query in *text*; *making* is the view, as (database, name), that it is to be."""
    tree = query_tree(text)
    count = bind_parameters(tree, parameters)
    tables = Tables(catalog, making=making)
    return Selected(QueryWriter(text, tables, database).query(tree), tables, count)


def query_tree(text: str) -> exp.Expr:
    """Return the tree of the query in *text*; raise `MalformedQuery` where it is none."""
    found = [token for token in tokens(text) if token.token_type != TokenType.SEMICOLON]
    if not found:
        raise mismatched(text, None)
    _check(text, found)
    tree = parse(text, found)
    if not isinstance(tree, exp.Query | exp.Values | exp.Paren):
        raise mismatched(text, found[0])
    check(tree)
    return tree


def _check(text: str, found: list[Token]) -> None:
    """Refuse what sqlglot reads and Athena does not: a comma before nothing, OFFSET behind LIMIT, FROM first."""
    for token, after in zip(found, [*found[1:], None], strict=True):
        if token.token_type == TokenType.COMMA and (after is None or after.token_type in _CLAUSES):
            raise mismatched(text, after)
    for at in range(len(found) - 2):
        if found[at].token_type == TokenType.LIMIT and found[at + 2].token_type == TokenType.OFFSET:
            raise mismatched(text, found[at + 2])
