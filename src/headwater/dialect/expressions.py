"""Expressions: a tree of Athena's SQL to DuckDB's SQL and the type of its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from headwater.dialect import operators
from headwater.dialect.calls import Calls
from headwater.dialect.casts import cast
from headwater.dialect.context import Context
from headwater.dialect.errors import NotSupported, QueryFailed
from headwater.dialect.exact import exact_cast
from headwater.dialect.functions import arrays, maps
from headwater.dialect.functions.documents import json_path, scalar_at
from headwater.dialect.functions.moments import NOW, at_zone, part
from headwater.dialect.grammar import Lines
from headwater.dialect.literals import interval, typed_literal, unicode_text
from headwater.dialect.predicates import COMPARISONS, Predicates
from headwater.dialect.quoting import literal
from headwater.dialect.scope import Scope, dereference, row_item
from headwater.dialect.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    JSON,
    TIMESTAMPTZ,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    common,
    parse_type,
    row,
)
from headwater.dialect.value import NULL, Value, cast_sql, fill, floating, text_value, whole

_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}


class Expressions:
    """Writes expressions, each by what is registered for the class of its node; the *context* writes the queries in them."""

    def __init__(self, text: str, context: Context, database: str) -> None:
        self._lines = Lines(text)
        self._context = context
        self._database = database
        self.calls = Calls(context)
        self._predicates = predicates = Predicates(context)
        self._last = 0
        self._writers: dict[type[exp.Expr], Callable[[Any, Scope], Value]] = {
            exp.Column: self._column,
            exp.Identifier: self._identifier,
            exp.Dot: self._dot,
            exp.Literal: self._literal,
            exp.Null: lambda _, __: NULL,
            exp.Boolean: lambda node, _: Value("true" if node.this else "false", BOOLEAN, bool(node.this)),
            exp.UnicodeString: lambda node, _: text_value(unicode_text(node)),
            exp.HexString: self._bytes,
            exp.Paren: lambda node, scope: self.value(node.this, scope),
            exp.Neg: lambda node, scope: operators.negated(self.value(node.this, scope), self.where(node)),
            exp.DPipe: lambda node, scope: operators.concatenation(
                self.value(node.this, scope), self.value(node.expression, scope), self.where(node)
            ),
            exp.And: predicates.logical,
            exp.Or: predicates.logical,
            exp.Not: lambda node, scope: Value(f"(NOT {self.condition(node.this, scope)})", BOOLEAN),
            exp.Is: predicates.is_null,
            exp.Between: predicates.between,
            exp.In: predicates.among,
            exp.Like: predicates.like,
            exp.Escape: predicates.like,
            exp.Exists: lambda node, scope: Value(f"EXISTS ({self._context.query(node.this, scope).sql})", BOOLEAN),
            exp.Subquery: self._subquery,
            exp.Case: self._case,
            exp.If: self._if,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Array: self._array,
            exp.Tuple: self._row,
            exp.Bracket: self._subscript,
            exp.Interval: self._interval,
            exp.AtTimeZone: self._at_zone,
            exp.Extract: lambda node, scope: part(self.value(node.expression, scope), node.name, self.where(node)),
            exp.CurrentDate: lambda _, __: Value("current_date", DATE),
            exp.CurrentTimestamp: lambda _, __: Value(NOW, TIMESTAMPTZ),
            exp.Localtimestamp: lambda _, __: Value(f"CAST({NOW} AS TIMESTAMP)", Type("timestamp", (3,))),
            exp.Localtime: lambda _, __: Value(f"CAST({NOW} AS TIME)", Type("time", (3,))),
            exp.CurrentTime: lambda _, __: Value(f"CAST({NOW} AS TIME)", Type("time", (3,))),
            exp.CurrentUser: lambda _, __: text_value("headwater"),
            exp.CurrentCatalog: lambda _, __: text_value("awsdatacatalog"),
            exp.CurrentSchema: lambda _, __: text_value(self._database),
            exp.Trim: self._trim,
            exp.StrPosition: lambda node, scope: self.calls.call("strpos", [node.this, node.args["substr"]], scope, node),
            exp.Substring: self._substring,
            exp.Normalize: lambda node, scope: self.calls.call("normalize", [node.this], scope, node),
            exp.JSONExtract: self._json_query,
            exp.JSONValue: self._json_value,
            exp.Anonymous: lambda node, scope: self.calls.function(node, scope),
            exp.Filter: lambda node, scope: self.calls.aggregate(node, scope),
            exp.GroupConcat: lambda node, scope: self.calls.aggregate(node, scope),
            exp.WithinGroup: lambda node, scope: self.calls.aggregate(node, scope),
            exp.Window: lambda node, scope: self.calls.window(node, scope),
            exp.Placeholder: self._placeholder,
            exp.Parameter: self._placeholder,
        }  # fmt: skip

    def value(self, node: exp.Expr, scope: Scope) -> Value:
        """Return the expression *node*; raise `QueryFailed` for a name or a type that is wrong."""
        found = self._value(node, scope)
        self._context.tables.bounds.check(found.sql)
        return found

    def _value(self, node: exp.Expr, scope: Scope) -> Value:
        if (symbol := _ARITHMETIC.get(type(node))) is not None:
            return operators.arithmetic(symbol, self.value(node.this, scope), self.value(node.expression, scope), self.where(node))
        if (symbol := COMPARISONS.get(type(node))) is not None:
            return self._predicates.comparison(symbol, node, scope)
        writer = self._writers.get(type(node))
        if writer is None:
            raise NotSupported(f"{self.where(node)}this kind of expression is not supported: {node.key.upper()}")
        return writer(node, scope)

    def condition(self, node: exp.Expr, scope: Scope, *, of: str = "logical expression") -> str:
        """Return the SQL of a boolean expression."""
        found = self.value(node, scope)
        if found.type.name not in ("boolean", "unknown"):
            raise QueryFailed("TYPE_MISMATCH", f"{self.where(node)}{of} must evaluate to a boolean: actual type {found.type}")
        return found.sql

    def where(self, node: exp.Expr) -> str:
        """Return `line 1:8: `, the place of a node: that of its first word whose place is known."""
        step: object = node
        while isinstance(step, exp.Expr):
            if isinstance(step, exp.Column | exp.Table) and step.parts:
                step = step.parts[0]
            start = step.meta.get("start") if isinstance(step, exp.Expr) else None
            if isinstance(start, int):
                return f"{self._lines.place(start)}: "
            step = next((child for child in step.iter_expressions()), None) if isinstance(step, exp.Expr) else None
        return ""

    def data_type(self, node: exp.Expr, where: str) -> Type:
        """Return the type that CAST names."""
        written = node.sql(dialect="trino").lower()
        if any(part.this == exp.DType.TEXT for part in node.find_all(exp.DataType)):
            # STRING is of DDL only; the grammar would take it for VARCHAR.
            raise QueryFailed("TYPE_NOT_FOUND", f"{where}Unknown type: string")
        return parse_type(written)

    def aligned(self, values: list[Value], node: exp.Expr, what: str) -> tuple[Type, list[str]]:
        """Return the type that all *values* can become, and their SQL as that."""
        kind: Type = UNKNOWN
        for value in values:
            both = common(kind, value.type)
            if both is None:
                raise QueryFailed(
                    "TYPE_MISMATCH",
                    f"{self.where(node)}All {what} must be the same type or coercible to "
                    f"a common type. Cannot find common type between {kind} and {value.type}",
                )
            kind = both
        return kind, [value.sql if value.type.name == "unknown" else converted(value, kind) for value in values]

    def _column(self, node: exp.Column, scope: Scope) -> Value:
        parts = [part_of for part_of in node.parts if isinstance(part_of, exp.Identifier)]
        if len(parts) != len(node.parts):
            raise QueryFailed("SYNTAX_ERROR", f"{self.where(node)}* is not allowed here")
        return scope.find([part_of.name for part_of in parts], self.where(node))

    def _identifier(self, node: exp.Identifier, scope: Scope) -> Value:
        return scope.find([node.name], self.where(node))

    def _dot(self, node: exp.Dot, scope: Scope) -> Value:
        names: list[str] = []
        inner: exp.Expr = node
        while isinstance(inner, exp.Dot):
            if not isinstance(inner.expression, exp.Identifier):
                raise NotSupported(f"{self.where(node)}functions of catalogs are not supported; write the name of a function alone")
            names.append(inner.expression.name)
            inner = inner.this
        names.reverse()
        if isinstance(inner, exp.Column | exp.Identifier):
            before = [part_of.name for part_of in inner.parts] if isinstance(inner, exp.Column) else [inner.name]
            return scope.find([*before, *names], self.where(node))
        return dereference(self.value(inner, scope), names, self.where(node))

    def _literal(self, node: exp.Literal, _: Scope) -> Value:
        if node.is_string:
            return text_value(node.name)
        if node.name.isdigit():
            # So many digits are more than fit, and reading very many of them takes long.
            number = int(node.name) if len(node.name.lstrip("0")) < 20 else 2**63
            if number > 2**63 - 1:
                raise QueryFailed("INVALID_LITERAL", f"{self.where(node)}Invalid numeric literal: {node.name}")
            return whole(number)
        try:
            return floating(node.name)
        except ValueError as error:
            raise QueryFailed("INVALID_LITERAL", f"{self.where(node)}Invalid numeric literal: {node.name}") from error

    def _bytes(self, node: exp.HexString, _: Scope) -> Value:
        digits = node.name.replace(" ", "")
        return Value(f"unhex({literal(digits)})", VARBINARY)

    def _subquery(self, node: exp.Subquery, scope: Scope) -> Value:
        query = self._context.query(node, scope)
        if len(query.columns) == 1:
            return Value(f"({query.sql})", query.columns[0].type)
        # Several columns are one row.
        names = [f'"{column.sql_name}"' for column in query.columns]
        kind = row(*((column.name, column.type) for column in query.columns))
        parts = ", ".join(f"{name} := s.{name}" for name in names)
        return Value(f"(SELECT struct_pack({parts}) FROM ({query.sql}) AS s)", kind)

    def _case(self, node: exp.Case, scope: Scope) -> Value:
        operand = self.value(node.this, scope) if node.this else None
        conditions, results = [], []
        for branch in node.args["ifs"]:
            if operand is None:
                conditions.append(self.condition(branch.this, scope, of="CASE WHEN clause"))
            else:
                when = self.value(branch.this, scope)
                operators.comparable("=", operand, when, self.where(branch))
                conditions.append(when.sql)
            results.append(self.value(branch.args["true"], scope))
        default = node.args.get("default")
        results.append(self.value(default, scope) if default is not None else NULL)
        kind, pieces = self.aligned(results, node, "CASE results")
        branches = " ".join(f"WHEN {when} THEN {then}" for when, then in zip(conditions, pieces, strict=False))
        return Value(f"(CASE {operand.sql + ' ' if operand else ''}{branches} ELSE {pieces[-1]} END)", kind)

    def _if(self, node: exp.If, scope: Scope) -> Value:
        when = self.condition(node.this, scope, of="IF condition")
        otherwise = node.args.get("false")
        results = [self.value(node.args["true"], scope), self.value(otherwise, scope) if otherwise is not None else NULL]
        kind, pieces = self.aligned(results, node, "IF results")
        return Value(f"(CASE WHEN {when} THEN {pieces[0]} ELSE {pieces[1]} END)", kind)

    def _cast(self, node: exp.Cast, scope: Scope) -> Value:
        kind = self.data_type(node.args["to"], self.where(node))
        if node.meta.get("typed_literal"):
            return typed_literal(node.this.name, kind, self.where(node))
        exact = exact_cast(node, kind, scope, self.value, self.where(node))
        return exact or cast(self.value(node.this, scope), kind, self.where(node), trying=isinstance(node, exp.TryCast))

    def _array(self, node: exp.Array, scope: Scope) -> Value:
        values = [self.value(item, scope) for item in node.expressions]
        kind, pieces = self.aligned(values, node, "ARRAY elements")
        return Value(f"[{', '.join(pieces)}]", array(kind))

    def _row(self, node: exp.Tuple, scope: Scope) -> Value:
        return self.row([self.value(item, scope) for item in node.expressions])

    def row(self, values: list[Value]) -> Value:
        """Return a row of *values*, whose fields have no names."""
        parts = ", ".join(f"field{at} := {value.sql}" for at, value in enumerate(values))
        return Value(f"struct_pack({parts})", row(*((None, value.type) for value in values)))

    def _subscript(self, node: exp.Bracket, scope: Scope) -> Value:
        value = self.value(node.this, scope)
        if len(node.expressions) != 1:
            raise QueryFailed("SYNTAX_ERROR", f"{self.where(node)}a subscript is one value")
        index = self.value(node.expressions[0], scope)
        match value.type.name:
            case "array" if common(index.type, BIGINT) == BIGINT:
                return Value(arrays.subscript(value, index), value.type.items[0])
            case "map" if common(index.type, value.type.items[0]) is not None:
                return Value(maps.subscript(value, Value(cast_sql(index, value.type.items[0]), index.type)), value.type.items[1])
            case "row" if isinstance(index.constant, int) and 0 < index.constant <= len(value.type.items):
                return row_item(value, index.constant - 1)
        raise QueryFailed("TYPE_MISMATCH", f"{self.where(node)}Cannot use {index.type} for subscript of {value.type}")

    def _interval(self, node: exp.Interval, _: Scope) -> Value:
        unit = node.args.get("unit")
        if not isinstance(node.this, exp.Literal) or unit is None:
            raise QueryFailed("SYNTAX_ERROR", f"{self.where(node)}INTERVAL takes a quoted number and a unit: INTERVAL '2' DAY")
        if isinstance(unit, exp.IntervalSpan):
            return interval(node.this.name, unit.this.name, unit.expression.name, self.where(node))
        return interval(node.this.name, unit.name, None, self.where(node))

    def _at_zone(self, node: exp.AtTimeZone, scope: Scope) -> Value:
        value, zone = self.value(node.this, scope), node.args["zone"]
        if not (isinstance(zone, exp.Literal) and zone.is_string):
            raise NotSupported(f"{self.where(node)}AT TIME ZONE takes the name of a zone as a string literal here")
        return at_zone(value, zone.name, self.where(node))

    def _trim(self, node: exp.Trim, scope: Scope) -> Value:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
        letters = node.args.get("expression")
        return self.calls.call(name, [node.this, *([letters] if letters is not None else [])], scope, node)

    def _substring(self, node: exp.Substring, scope: Scope) -> Value:
        arguments = [node.this, node.args["start"], node.args.get("length")]
        return self.calls.call("substring", [item for item in arguments if item is not None], scope, node)

    def _json_value(self, node: exp.JSONValue, scope: Scope) -> Value:
        if node.args.get("on_condition"):
            raise NotSupported(
                f"{self.where(node)}JSON_VALUE ... ON ERROR and ON EMPTY are not supported; use json_extract_scalar and coalesce"
            )
        found = Value(scalar_at(self._json(node, scope), self._sql_path(node.args["path"], node)), VARCHAR)
        returning = node.args.get("returning")
        return cast(found, self.data_type(returning, self.where(node)), self.where(node)) if returning else found

    def _json_query(self, node: exp.JSONExtract, scope: Scope) -> Value:
        if not node.args.get("json_query"):
            raise QueryFailed("SYNTAX_ERROR", f"{self.where(node)}mismatched input '->'")
        if node.args.get("option") or node.args.get("quote") or node.args.get("on_condition"):
            raise NotSupported(f"{self.where(node)}JSON_QUERY takes a document and a path here; use json_extract")
        path = literal(self._sql_path(node.args["expression"], node))
        inside = "(CASE WHEN json_type({0}, {1}) IN ('OBJECT', 'ARRAY') THEN CAST(json_extract({0}, {1}) AS VARCHAR) END)"
        return Value(fill(inside, [self._json(node, scope), path]), VARCHAR)

    def _json(self, node: exp.Expr, scope: Scope) -> str:
        value = self.value(node.this, scope)
        return value.sql if value.type == JSON else f"TRY_CAST({value.sql} AS JSON)"

    def _sql_path(self, node: exp.Expr, near: exp.Expr) -> str:
        if not (isinstance(node, exp.Literal) and node.is_string):
            raise NotSupported(f"{self.where(near)}the JSON path must be a string literal")
        mode, _, path = node.name.strip().partition(" ")
        if mode == "strict":
            raise NotSupported(f"{self.where(near)}strict JSON paths are not supported; lax ones are")
        return json_path(path.strip() if mode == "lax" else node.name, self.where(near))

    def _placeholder(self, node: exp.Expr, _: Scope) -> Value:
        raise QueryFailed("INVALID_PARAMETER_USAGE", f"{self.where(node)}Incorrect number of parameters: too few were given")


def converted(value: Value, kind: Type) -> str:
    """Return the SQL of a value where another of type *kind* may stand in its place."""
    if value.type.duckdb == kind.duckdb:
        return value.sql
    return cast(value, kind, "").sql if kind.name in ("row", "array", "map") else f"CAST({value.sql} AS {kind.duckdb})"
