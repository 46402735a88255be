"""Calls of functions: which signature fits, lambdas, aggregates with DISTINCT, ORDER BY and FILTER, and windows."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from headwater.dialect.casts import cast
from headwater.dialect.context import Context
from headwater.dialect.errors import MalformedQuery, NotSupported, QueryFailed
from headwater.dialect.functions import LIBRARY
from headwater.dialect.scope import Scope
from headwater.dialect.signatures import LAMBDAS, Bound, Signature, bind, cost, resolve
from headwater.dialect.types import INTEGER, UNKNOWN, Type
from headwater.dialect.value import NULL, Value, cast_sql, fill

_FRAME_WORDS = {"UNBOUNDED": "UNBOUNDED", "CURRENT ROW": "CURRENT ROW"}


class Around:
    """What stands around the arguments of an aggregate or a window function."""

    def __init__(self) -> None:
        self.distinct = self.order = self.filter = self.over = self.nulls = ""

    def letters(self) -> dict[str, str]:
        """Return what the letters of a template mean."""
        return {"d": self.distinct, "o": self.order, "w": self.filter + self.over, "n": self.nulls}


class Calls:
    """Writes calls; `expressions` writes their arguments."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def function(self, node: exp.Anonymous, scope: Scope) -> Value:
        """Return a plain call; some names are forms of the language rather than functions."""
        name = str(node.this).lower() if isinstance(node.this, str) else node.name.lower()
        arguments = node.expressions
        match name:
            case "row":
                return self._context.row([self._context.value(item, scope) for item in arguments])
            case "coalesce":
                return self._coalesce(arguments, scope, node)
            case "nullif" if len(arguments) == 2:
                return self._nullif(arguments, scope, node)
            case "try" if len(arguments) == 1:
                inner = self._context.value(arguments[0], scope)
                return Value(f"TRY({inner.sql})", inner.type)
            case "grouping":
                pieces = [self._context.value(item, scope).sql for item in arguments]
                return Value(f"CAST(grouping({', '.join(pieces)}) AS INTEGER)", INTEGER)
            case "current_timestamp" | "localtimestamp":
                return self._context.value(exp.CurrentTimestamp() if name == "current_timestamp" else exp.Localtimestamp(), scope)
        if LIBRARY.use(name) in ("aggregate", "window"):
            return self.aggregate(node, scope)
        return self.call(name, arguments, scope, node)

    def call(self, name: str, arguments: Sequence[exp.Expr], scope: Scope, node: exp.Expr, around: Around | None = None) -> Value:
        """Return the call of a function by name; raise `QueryFailed` where there is none that takes such arguments."""
        where = self._context.where(node)
        if name in LIBRARY.refused:
            near = LIBRARY.refused[name]
            told = f"; the nearest thing is {near}" if near else ", and nothing here does the same"
            raise NotSupported(f"{where}the function {name} is not supported{told}")
        overloads = LIBRARY.signatures.get(name)
        if overloads is None:
            close = difflib.get_close_matches(name, LIBRARY.signatures, n=1, cutoff=0.8)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise QueryFailed("FUNCTION_NOT_FOUND", f"{where}Function '{name}' not registered{hint}")
        given = [None if isinstance(item, exp.Lambda) else self._context.value(item, scope) for item in arguments]
        best = self._best(overloads, given)
        if best is None:
            told = ", ".join(str(value.type) if value else "function" for value in given)
            expected = ", ".join(f"{name}({_told(signature)})" for signature in overloads)
            raise QueryFailed("FUNCTION_NOT_FOUND", f"{where}Unexpected parameters ({told}) for function {name}. Expected: {expected}")
        signature, variables = best
        patterns = signature.patterns(len(arguments)) or ()
        values: list[Value] = []
        for item, value, pattern in zip(arguments, given, patterns, strict=True):
            if isinstance(item, exp.Lambda):
                values.append(self._lambda(item, pattern, variables, scope))
            elif value is not None:
                wanted = resolve(pattern, variables, value.type)
                values.append(value._replace(sql=_coerced(value, wanted, where), type=_kept(value.type, wanted)))
        bound = Bound(name, values, variables, resolve(signature.returns, variables), where)
        return _written(signature, bound, around)

    def aggregate(self, node: exp.Expr, scope: Scope, over: str = "") -> Value:
        """Return an aggregate or window function with all that stands around it but OVER, which is *over*."""
        around, inner = Around(), node
        around.over = over
        order: exp.Order | None = None
        arguments: list[exp.Expr] | None = None
        name = ""
        while arguments is None:
            match inner:
                case exp.Filter():
                    around.filter = f" FILTER (WHERE {self._context.condition(inner.expression.this, scope)})"
                    inner = inner.this
                case exp.IgnoreNulls() | exp.RespectNulls():
                    around.nulls = " IGNORE NULLS" if isinstance(inner, exp.IgnoreNulls) else ""
                    inner = inner.this
                case exp.WithinGroup():
                    order, inner = inner.expression, inner.this
                case exp.GroupConcat():
                    separator = inner.args.get("separator")
                    if inner.args.get("on_overflow"):
                        raise NotSupported(f"{self._context.where(node)}LISTAGG ... ON OVERFLOW is not supported; leave it out")
                    name, arguments = "listagg", [inner.this, *([separator] if separator is not None else [])]
                case exp.Anonymous():
                    name, arguments = inner.name.lower(), list(inner.expressions)
                case _:
                    raise QueryFailed("FUNCTION_NOT_FOUND", f"{self._context.where(node)}{inner.key} is not an aggregate")
        if any(argument is None or (isinstance(argument, exp.Order) and argument.this is None) for argument in arguments):
            raise MalformedQuery(f"{self._context.where(node)}{name} needs something before ORDER BY")
        if name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            arguments = []
        if arguments and isinstance(arguments[-1], exp.Order):
            order, arguments[-1] = arguments[-1], arguments[-1].this
        if arguments and isinstance(arguments[0], exp.Order):
            order, arguments[0] = arguments[0], arguments[0].this
        if arguments and isinstance(arguments[0], exp.Distinct):
            around.distinct = "DISTINCT "
            arguments = [*arguments[0].expressions, *arguments[1:]]
            if len(arguments) > 1 and name == "count":
                raise QueryFailed(
                    "SYNTAX_ERROR", f"{self._context.where(node)}count(DISTINCT ...) takes one value; put several into a row: (a, b)"
                )
        use = LIBRARY.use(name)
        if use == "window" and not over:
            raise QueryFailed("MISSING_OVER", f"{self._context.where(node)}Window function {name} requires an OVER clause")
        if use == "scalar" or use is None:
            if over or around.filter or around.distinct:
                raise QueryFailed("FUNCTION_NOT_AGGREGATE", f"{self._context.where(node)}{name} is not an aggregate or window function")
            return self.call(name, arguments, scope, node)
        if order is not None:
            around.order = " " + self.order(order, scope)
        return self.call(name, arguments, scope, node, around)

    def order(self, order: exp.Order, scope: Scope) -> str:
        """Return ORDER BY within brackets: NULLs last, whichever way it goes, if nothing else is said."""
        values = [(self._context.value(item.this, scope), direction(item)) for item in order.expressions]
        # What is the same for all rows orders nothing, and the engine refuses it.
        items = [f"{value.sql} {how}" for value, how in values if value.constant is None]
        return f"ORDER BY {', '.join(items)}" if items else ""

    def window(self, node: exp.Window, scope: Scope) -> Value:
        """Return a function with OVER."""
        named = node.args.get("alias")
        over = f" OVER ({self.window_body(node, scope)})" if named is None else f" OVER {_quoted(named.name)}"
        return self.aggregate(node.this, scope, over)

    def window_body(self, node: exp.Window, scope: Scope) -> str:
        """Return what stands in the brackets of OVER or of a named window."""
        parts = []
        if (first := node.args.get("first")) is not None and str(first):
            parts.append(_quoted(str(first)))
        if partition := node.args.get("partition_by"):
            parts.append(f"PARTITION BY {', '.join(self._context.value(item, scope).sql for item in partition)}")
        if (order := node.args.get("order")) is not None:
            parts.append(self.order(order, scope))
        if (spec := node.args.get("spec")) is not None:
            parts.append(self._frame(spec, scope))
        return " ".join(parts)

    def _frame(self, spec: exp.WindowSpec, scope: Scope) -> str:
        start = self._edge(spec.args.get("start"), spec.args.get("start_side"), scope)
        kind = str(spec.args.get("kind") or "ROWS").upper()
        if spec.args.get("end") is None:
            return f"{kind} {start}"
        return f"{kind} BETWEEN {start} AND {self._edge(spec.args['end'], spec.args.get('end_side'), scope)}"

    def _edge(self, edge: Any, side: object, scope: Scope) -> str:
        if isinstance(edge, str):
            return _FRAME_WORDS[edge.upper()] + (f" {str(side).upper()}" if edge.upper() == "UNBOUNDED" else "")
        return f"{self._context.value(edge, scope).sql} {str(side).upper()}"

    def _best(self, overloads: list[Signature], given: list[Value | None]) -> tuple[Signature, dict[str, Type]] | None:
        found: list[tuple[int, int, Signature, dict[str, Type]]] = []
        for at, signature in enumerate(overloads):
            patterns = signature.patterns(len(given))
            if patterns is None:
                continue
            variables: dict[str, Type] = {}
            pairs = list(zip(given, patterns, strict=True))
            if any((value is None) != (pattern.name in LAMBDAS) for value, pattern in pairs):
                continue
            if all(value is None or bind(pattern, value.type, variables) for value, pattern in pairs):
                wanted = [UNKNOWN if value is None else resolve(pattern, variables, value.type) for value, pattern in pairs]
                found.append((cost([value.type if value else None for value in given], wanted), at, signature, variables))
        if not found:
            return None
        _, _, signature, variables = min(found, key=lambda item: item[:2])
        return signature, variables

    def _lambda(self, node: exp.Lambda, pattern: Any, variables: dict[str, Type], scope: Scope) -> Value:
        """Return a lambda as the engine writes it, with the type of what it gives; sets the variable that type decides."""
        *takes, gives = pattern.items
        names = [item.name.lower() for item in node.expressions]
        if len(names) != len(takes):
            raise QueryFailed(
                "INVALID_FUNCTION_ARGUMENT",
                f"{self._context.where(node)}Expected a lambda that takes {len(takes)} argument(s) but got {len(names)}",
            )
        fields = LAMBDAS[pattern.name]
        base = scope.depth
        slots = [f'"$x{base}"'] if fields else [f'"$x{base + at}"' for at in range(len(names))]
        pieces = [f"struct_extract({slots[0]}, {field})" for field in fields[: len(names)]] if fields else slots
        for _ in range(2):
            kinds = [resolve(item, variables) for item in takes]
            inside = scope.with_lambda(names, [Value(piece, kind) for piece, kind in zip(pieces, kinds, strict=True)])
            body = self._context.value(node.this, inside)
            before = dict(variables)
            if not bind(gives, body.type, variables):
                raise QueryFailed("TYPE_MISMATCH", f"{self._context.where(node)}the lambda gives {body.type}, which does not fit here")
            if variables == before or gives not in takes:
                break
        wanted = resolve(gives, variables)
        return Value(f"lambda {', '.join(slots)}: {_coerced(body, wanted, '')}", wanted)

    def _coalesce(self, arguments: Sequence[exp.Expr], scope: Scope, node: exp.Expr) -> Value:
        if len(arguments) < 2:
            raise QueryFailed(
                "INVALID_FUNCTION_ARGUMENT", f"{self._context.where(node)}The 'coalesce' function must have at least two arguments"
            )
        values = [self._context.value(item, scope) for item in arguments]
        kind, pieces = self._context.aligned(values, node, "COALESCE operands")
        return Value(f"coalesce({', '.join(pieces)})", kind)

    def _nullif(self, arguments: Sequence[exp.Expr], scope: Scope, node: exp.Expr) -> Value:
        first, second = (self._context.value(item, scope) for item in arguments)
        if second is NULL:
            return first
        self._context.aligned([first, second], node, "NULLIF operands")
        return Value(fill("(CASE WHEN {0} = {1} THEN NULL ELSE {0} END)", [first.sql, second.sql]), first.type)


def direction(item: exp.Expr) -> str:
    """Return ASC or DESC and where NULLs go."""
    down = " DESC" if item.args.get("desc") else " ASC"
    return f"{down.strip()} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


def _written(signature: Signature, bound: Bound, around: Around | None) -> Value:
    made = signature.sql if isinstance(signature.sql, str) else signature.sql(bound)
    found = made if isinstance(made, Value) else Value(made, bound.returns)
    if around is not None:
        # What a writer of an aggregate gives is a template, too: the letters are put in here.
        return Value(fill(found.sql, bound.pieces(), around.letters()), found.type)
    return Value(fill(found.sql, bound.pieces()), found.type) if isinstance(signature.sql, str) else found


def _coerced(value: Value, wanted: Type, where: str) -> str:
    if wanted.name in ("array", "map", "row") and value.type.name == wanted.name:
        return cast(value, wanted, where).sql if value.type.duckdb != wanted.duckdb else value.sql
    return cast_sql(value, wanted) if value.type.name != "unknown" or wanted.name != "unknown" else value.sql


def _kept(given: Type, wanted: Type) -> Type:
    """Return the type an argument has once coerced: its own where it was right, with its length, precision and zone."""
    return given if given.name == wanted.name and given.items == wanted.items and given.name != "decimal" else wanted


def _told(signature: Signature) -> str:
    return ", ".join(str(part.type or part.name) for part in signature.parameters)


def _quoted(text: str) -> str:
    return '"' + text.lower().replace('"', '""') + '"'
