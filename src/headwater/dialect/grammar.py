"""sqlglot's grammar of Trino, kept from knowing functions by other dialects' names: a call stays the call that was written."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.trino import TrinoParser
from sqlglot.tokenizer_core import Token, TokenType

from headwater.dialect.errors import MalformedQuery

_OWN_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM", "LISTAGG", "JSON_QUERY", "JSON_VALUE", "NORMALIZE")
_LITERAL_TYPES = (
    "DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME", "TIMETZ", "JSON", "DECIMAL", "BIGINT", "INT", "SMALLINT", "TINYINT", "DOUBLE", "FLOAT",
    "UUID",
    "VARCHAR", "CHAR", "BOOLEAN", "IPADDRESS",
)  # fmt: skip
# Operators and clauses the base grammar admits and Trino does not, by the words they are written with.
_FOREIGN = {
    TokenType.DCOLON: "::", TokenType.DAMP: "&&", TokenType.ARROW: None, TokenType.CARET: "^", TokenType.AMP: "&", TokenType.TILDE: "~",
    TokenType.QUALIFY: "QUALIFY", TokenType.ILIKE: "ILIKE", TokenType.RLIKE: "RLIKE", TokenType.PIVOT: "PIVOT",
    TokenType.UNPIVOT: "UNPIVOT",
}  # fmt: skip


_STEPS_EACH = 64
_LONGEST_INTERVAL = 64


def _typed_literal(parser: Any, this: Any, to: exp.DataType) -> exp.Expr:
    made = exp.Cast(this=this, to=to)
    made.meta["typed_literal"] = True
    return made


def _with_place(name: str) -> Any:
    parse_one = TrinoParser.FUNCTION_PARSERS[name]

    def parse_with_place(parser: Any) -> Any:
        # Two words back: the name, and the bracket that was just read.
        start = parser._tokens[parser._index - 2].start
        made = parse_one(parser)
        if isinstance(made, exp.Expr):
            made.meta["start"] = start
        return made

    return parse_with_place


def _placeholder(parser: Any) -> exp.Expr:
    made = exp.Placeholder()
    # Parameters are given in the order of the text, which is not that of the tree.
    made.meta["start"] = parser._prev.start
    return made


class _Parser(TrinoParser):
    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {name: _with_place(name) for name in _OWN_SYNTAX}
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        **{name: parse for name, parse in TrinoParser.NO_PAREN_FUNCTION_PARSERS.items() if name in ("ANY", "CASE", "IF")},
    }
    NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {**TrinoParser.NO_PAREN_FUNCTIONS, TokenType.CURRENT_SCHEMA: exp.CurrentSchema}
    TYPE_LITERAL_PARSERS: ClassVar[dict[Any, Any]] = {getattr(exp.DType, name): _typed_literal for name in _LITERAL_TYPES}
    PLACEHOLDER_PARSERS: ClassVar[dict[Any, Any]] = {TokenType.PLACEHOLDER: _placeholder}

    _steps = 0

    def _advance(self, times: int = 1) -> None:
        # A right statement takes two steps a word; what the grammar tries again and again, level by level, takes ever more.
        self._steps += 1
        if self._steps > _STEPS_EACH * len(self._tokens) + _STEPS_EACH:
            raise RecursionError
        super()._advance(times)

    def _parse_interval(self, *how: Any, **more: Any) -> Any:
        # The grammar looks for units in the text, in a way that takes ever longer.
        if self._curr.token_type == TokenType.INTERVAL and any(len(token.text) > _LONGEST_INTERVAL for token in self._ahead(2)):
            self._advance()
            self.raise_error("this is longer than any interval")
        return super()._parse_interval(*how, **more)

    def _ahead(self, count: int) -> list[Token]:
        return self._tokens[self._index + 1 : self._index + 1 + count]

    def _parse_types(
        self, check_func: bool = False, schema: bool = False, allow_identifiers: bool = True, with_collation: bool = False
    ) -> exp.Expr | None:
        # Within an expression these begin a value, as ARRAY[1] does; tried as a type first, each level of it would be read twice.
        if check_func and self._curr.token_type in self.NESTED_TYPE_TOKENS:
            return None
        return super()._parse_types(check_func, schema, allow_identifiers, with_collation)


class AthenaGrammar(Trino):
    """The dialect; subscripts stay as written."""

    INDEX_OFFSET = 0
    Parser = _Parser


_DIALECT = AthenaGrammar()


def tokens(text: str) -> list[Token]:
    """Return the tokens of *text*; raise `MalformedQuery` where it has none, such as a quote that does not end."""
    try:
        return _DIALECT.tokenize(text)
    except TokenError as error:
        raise MalformedQuery(f"line 1:1: {_unfinished(text)}") from error


def parse(text: str, found: list[Token]) -> exp.Expr:
    """Return the tree of the one query in *found*, the tokens of *text*; raise `MalformedQuery` where the grammar ends."""
    for token in found:
        if token.token_type in _FOREIGN and _FOREIGN[token.token_type] is not None and token.text.upper() == _FOREIGN[token.token_type]:
            raise mismatched(text, token)
    try:
        trees = _DIALECT.parser().parse(found, text)
    except ParseError as error:
        raise _mismatch(text, found, error) from error
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        # The grammar stumbles over some texts that are no statements instead of refusing them.
        raise mismatched(text, None) from error
    except RecursionError:
        raise MalformedQuery("line 1:1: statement is too large (stack overflow while parsing)") from None
    if len(trees) != 1 or trees[0] is None:
        raise MalformedQuery("Only one sql statement is allowed. Got: " + text)
    return trees[0]


class Lines:
    """Where the lines of a text begin, for a text of which many places are told."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def place(self, start: int) -> str:
        """Return what `place` does."""
        line = bisect_right(self._starts, start)
        return f"line {line}:{start - self._starts[line - 1] + 1}"


def place(text: str, start: int) -> str:
    """Return `line 1:8`, the place of an offset, as Athena counts: from 1, in characters."""
    line = text.count("\n", 0, start) + 1
    return f"line {line}:{start - (text.rfind(chr(10), 0, start) + 1) + 1}"


def mismatched(text: str, token: Token | None) -> MalformedQuery:
    """Return the error for a token the grammar has no place for; None is the end of the text."""
    if token is None:
        return MalformedQuery(f"{place(text, len(text))}: mismatched input '<EOF>'")
    return MalformedQuery(f"{place(text, token.start)}: mismatched input '{text[token.start : token.end + 1]}'")


def _mismatch(text: str, found: list[Token], error: ParseError) -> MalformedQuery:
    told = error.errors[0] if error.errors else {}
    word, before = told.get("highlight"), told.get("start_context")
    if word is None or before is None:
        return mismatched(text, None)
    for at, token in enumerate(found):
        if text[token.start : token.end + 1] == word and text[: token.start].endswith(before):
            last = at == len(found) - 1
            ends = "but got <Token token_type: TokenType.SENTINEL" in str(told.get("description")) or "Expecting )" in str(
                told.get("description")
            )
            return mismatched(text, None if last and ends else token)
    return mismatched(text, None)


def _unfinished(text: str) -> str:
    for quote, name in (("'", "string"), ('"', "identifier")):
        if text.count(quote) % 2:
            return f"mismatched input '{quote}': the quoted {name} does not end"
    return "the text cannot be read: a comment or a quoted name does not end"
