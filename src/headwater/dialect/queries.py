"""Queries: SELECT, VALUES, set operations and WITH, each written out with the columns it gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from headwater.dialect.calls import direction
from headwater.dialect.errors import MalformedQuery, NotSupported, QueryFailed
from headwater.dialect.expressions import Expressions, converted
from headwater.dialect.quoting import quote
from headwater.dialect.relations import Relations
from headwater.dialect.scope import Field, Output, Query, Scope
from headwater.dialect.tables import Tables
from headwater.dialect.types import UNKNOWN, Type, common
from headwater.dialect.value import Value

_CLAUSES = {
    "kind", "expressions", "from_", "joins", "where", "group", "having", "windows", "distinct", "order", "limit", "offset", "with_",
    "operation_modifiers",
}  # fmt: skip
_REFUSED = {
    "match": "MATCH_RECOGNIZE is not supported; lag, lead and other window functions find rows that follow each other",
    "laterals": "LATERAL VIEW is not supported; use CROSS JOIN UNNEST",
    "qualify": "QUALIFY is not supported; filter in a query around this one",
    "pivots": "PIVOT is not supported; use sum(...) FILTER (WHERE ...) for each column",
    "sample": "TABLESAMPLE belongs behind a table",
}
_SETS = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}
_LIMIT_DEPTH = 60
_PLACE_DIGITS = 6


class Item:
    """One item of a SELECT list: its value and its name, None for none."""

    def __init__(self, value: Value, name: str | None) -> None:
        self.value, self.name = value, name


class QueryWriter:
    """Writes the queries of one text, and is the `Context` of all that is written of it. *views*: those that it is the inside of."""

    def __init__(self, text: str, tables: Tables, database: str, views: tuple[str, ...] = ()) -> None:
        self.tables, self.views = tables, views
        self.expressions = expressions = Expressions(text, self, database)
        self.value, self.condition, self.row = expressions.value, expressions.condition, expressions.row
        self.aligned, self.where = expressions.aligned, expressions.where
        self.relations = Relations(self, database)
        self.ctes: list[dict[str, tuple[str, tuple[Output, ...]]]] = []
        self._nesting = 0

    def query(self, node: exp.Expr, outer: Scope | None = None) -> Query:
        """Return the query *node* written out; *outer* is the scope of the query it stands in."""
        self._nesting += 1
        if self._nesting > _LIMIT_DEPTH:
            raise QueryFailed("QUERY_TOO_LARGE", f"{self.where(node)}queries are nested more than {_LIMIT_DEPTH} deep")
        with_ = node.args.get("with_")
        if with_ is not None:
            self.ctes.append({})
        try:
            before = self._with(with_, outer) if with_ is not None else ""
            found = self._body(node, outer)
        finally:
            self._nesting -= 1
            if with_ is not None:
                self.ctes.pop()
        self.tables.bounds.check(found.sql)
        return found._replace(sql=before + found.sql)

    def within(self, view: str, text: str, database: str) -> QueryWriter:
        """Return the context of a view's own text."""
        return QueryWriter(text, self.tables, database, (*self.views, view))

    def _with(self, with_: exp.With, outer: Scope | None) -> str:
        parts = []
        recursive = bool(with_.args.get("recursive"))
        for cte in with_.expressions:
            if not isinstance(cte, exp.CTE):
                raise NotSupported("WITH FUNCTION is not supported; write the expression where it is used")
            alias = cte.args["alias"]
            name = alias.name.lower()
            if name in self.ctes[-1]:
                raise QueryFailed("DUPLICATE_NAMED_QUERY", f"{self.where(cte)}WITH query name '{name}' specified more than once")
            sql_name = self.tables.alias(name)
            names = [column.name for column in alias.args.get("columns") or ()]
            if recursive and isinstance(cte.this, exp.Union) and _mentions(cte.this.expression, name):
                parts.append(self._recursive(cte.this, name, sql_name, names, outer))
                continue
            found = self.query(cte.this, outer)
            columns = _renamed(found.columns, names, self.where(cte))
            self.ctes[-1][name] = (sql_name, columns)
            parts.append(f"{quote(sql_name)}{_named_list(columns, found.columns)} AS ({found.sql})")
        return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(parts)} "

    def _recursive(self, union: exp.Union, name: str, sql_name: str, names: list[str], outer: Scope | None) -> str:
        if not names:
            raise QueryFailed("MISSING_COLUMN_ALIASES", f"{self.where(union)}Recursive WITH query '{name}' needs a list of column names")
        start = self.query(union.this, outer)
        columns = _renamed(start.columns, names, self.where(union))
        self.ctes[-1][name] = (sql_name, columns)
        step = self.query(union.expression, outer)
        self._same_width(start, step, union)
        word = "UNION" if union.args.get("distinct") else "UNION ALL"
        # The types are those of the first query; the engine alone would widen them.
        casts = ", ".join(
            f"CAST({quote(found.sql_name)} AS {column.type.duckdb})" for found, column in zip(step.columns, columns, strict=True)
        )
        again = f"SELECT {casts} FROM ({step.sql}) AS {quote(self.tables.alias('step'))}"
        return f"{quote(sql_name)} ({', '.join(quote(column.sql_name) for column in columns)}) AS ({start.sql} {word} {again})"

    def _body(self, node: exp.Expr, outer: Scope | None) -> Query:
        match node:
            case exp.Select():
                return self._select(node, outer)
            case exp.SetOperation():
                return self._set(node, outer)
            case exp.Values():
                return self._values(node, outer)
            case exp.Subquery() | exp.Paren():
                inner = self.query(node.this, outer)
                return self._ordered(inner, node, outer) if _has_tail(node) else inner
            case exp.Table():
                return self._select(exp.select("*").from_(node), outer)
        raise NotSupported(f"{self.where(node)}{node.key.upper()} is not supported as a query")

    def _select(self, node: exp.Select, outer: Scope | None) -> Query:
        for clause, value in node.args.items():
            if value and clause not in _CLAUSES:
                raise NotSupported(_REFUSED.get(clause, f"{self.where(node)}{clause.strip('_').upper()} is not supported in a SELECT"))
        if node.args.get("kind"):
            raise QueryFailed("SYNTAX_ERROR", f"mismatched input '{node.args['kind']}'")
        origin, fields = self.relations.origin(node, outer)
        scope = Scope(fields, outer)
        where = node.args.get("where")
        filtered = f" WHERE {self.condition(where.this, scope, of='WHERE clause')}" if where is not None else ""
        windows = self._windows(node.args.get("windows") or [], scope)
        items = list(self._items(node.expressions, scope))
        if not items:
            raise QueryFailed("SYNTAX_ERROR", f"{self.where(node)}SELECT * needs a FROM")
        grouped = self._group(node.args.get("group"), items, scope)
        having = node.args.get("having")
        held = f" HAVING {self.condition(having.this, scope, of='HAVING clause')}" if having is not None else ""
        outputs = _outputs([(item.name, item.value.type) for item in items])
        listed = ", ".join(f"{item.value.sql} AS {quote(output.sql_name)}" for item, output in zip(items, outputs, strict=True))
        distinct = node.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise QueryFailed("SYNTAX_ERROR", f"{self.where(node)}mismatched input 'ON'")
        ordered = self._order(node.args.get("order"), items, Scope(_order_fields(items), scope))
        head = "SELECT DISTINCT" if distinct is not None else "SELECT"
        sql = f"{head} {listed}{origin}{filtered}{grouped}{held}{windows}{ordered}{self._tail(node)}"
        return Query(sql, outputs)

    def _items(self, nodes: Sequence[exp.Expr], scope: Scope) -> Iterator[Item]:
        for node in nodes:
            if isinstance(node, exp.Star):
                if any(node.args.values()):
                    raise QueryFailed("SYNTAX_ERROR", "* takes no EXCEPT or REPLACE; name the columns")
                if not scope.fields:
                    raise QueryFailed("COLUMN_NOT_FOUND", f"{self.where(node)}SELECT * not allowed in queries without FROM clause")
                yield from self._all(list(scope.visible()))
            elif isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
                parts = [part.name for part in node.parts[:-1]]
                yield from self._all(scope.of_relation(parts, self.where(node)))
            elif isinstance(node, exp.Alias):
                yield Item(self.value(node.this, scope), node.alias)
            else:
                yield Item(self.value(node, scope), _own_name(node))

    def _all(self, fields: Sequence[Field]) -> Iterator[Item]:
        self.tables.bounds.add_columns(len(fields))
        return (Item(Value(field.sql, field.type), field.name) for field in fields)

    def _group(self, group: exp.Group | None, items: list[Item], scope: Scope) -> str:
        if group is None:
            return ""
        if any(value for key, value in group.args.items() if key not in ("expressions", "grouping_sets", "cube", "rollup")):
            raise QueryFailed(
                "SYNTAX_ERROR",
                f"{self.where(group)}GROUP BY takes columns, expressions, places, GROUPING SETS, CUBE and ROLLUP",
            )
        elements = [
            *group.expressions,
            *(group.args.get("grouping_sets") or ()),
            *(group.args.get("cube") or ()),
            *(group.args.get("rollup") or ()),
        ]
        if not elements:
            raise MalformedQuery(f"{self.where(group)}GROUP BY needs columns, expressions, places or grouping sets")
        return f" GROUP BY {', '.join(self._grouping(element, items, scope) for element in elements)}"

    def _grouping(self, node: exp.Expr, items: list[Item], scope: Scope) -> str:
        words: dict[type[exp.Expr], str] = {exp.GroupingSets: "GROUPING SETS", exp.Cube: "CUBE", exp.Rollup: "ROLLUP"}
        if (word := words.get(type(node))) is not None:
            return f"{word} ({', '.join(self._grouping(inner, items, scope) for inner in node.expressions)})"
        if isinstance(node, exp.Tuple):
            return f"({', '.join(self._grouping(inner, items, scope) for inner in node.expressions)})"
        if isinstance(node, exp.Paren):
            return f"({self._grouping(node.this, items, scope)})"
        if isinstance(node, exp.Literal) and not node.is_string:
            return self._placed(node, items, "GROUP BY").value.sql
        return self.value(node, scope).sql

    def _placed(self, node: exp.Literal, items: list[Item], clause: str) -> Item:
        if not node.name.isdigit() or len(node.name) > _PLACE_DIGITS or not 1 <= int(node.name) <= len(items):
            raise QueryFailed("INVALID_COLUMN_REFERENCE", f"{self.where(node)}{clause} position {node.name} is not in select list")
        return items[int(node.name) - 1]

    def _order(self, order: exp.Order | None, items: list[Item], scope: Scope) -> str:
        if order is None:
            return ""
        parts = []
        for item in order.expressions:
            inner = item.this
            if isinstance(inner, exp.Literal) and not inner.is_string:
                self._placed(inner, items, "ORDER BY")
                sql = inner.name
            else:
                value = self.value(inner, scope)
                if value.constant is not None:
                    continue  # the same for all rows, and nothing the engine would order by
                sql = value.sql
                # The place of an output column says the same, and is what DISTINCT needs.
                sql = next((str(at) for at, output in enumerate(items, 1) if output.value.sql == sql), sql)
            parts.append(f"{sql} {direction(item)}")
        return f" ORDER BY {', '.join(parts)}" if parts else ""

    def _windows(self, windows: Sequence[exp.Window], scope: Scope) -> str:
        made = [f"{quote(window.this.name.lower())} AS ({self.expressions.calls.window_body(window, scope)})" for window in windows]
        return f" WINDOW {', '.join(made)}" if made else ""

    def _tail(self, node: exp.Expr) -> str:
        """Return LIMIT and OFFSET."""
        sql = ""
        limit, offset = node.args.get("limit"), node.args.get("offset")
        if isinstance(limit, exp.Fetch):
            options = limit.args.get("limit_options")
            if options is not None and (options.args.get("with_ties") or options.args.get("percent")):
                raise NotSupported("FETCH FIRST ... WITH TIES is not supported; filter on rank() in a query around this one")
            sql += f" LIMIT {self._count(limit.args.get('count') or exp.Literal.number(1), 'FETCH FIRST')}"
        elif limit is not None and limit.expression.name.upper() != "ALL":
            sql += f" LIMIT {self._count(limit.expression, 'LIMIT')}"
        if offset is not None:
            sql += f" OFFSET {self._count(offset.expression, 'OFFSET')}"
        return sql

    def _count(self, node: exp.Expr, clause: str) -> str:
        if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
            return node.name
        if isinstance(node, exp.Placeholder):
            raise QueryFailed("INVALID_PARAMETER_USAGE", "Incorrect number of parameters: too few were given")
        raise QueryFailed("SYNTAX_ERROR", f"{self.where(node)}{clause} takes a whole number")

    def _set(self, node: exp.SetOperation, outer: Scope | None) -> Query:
        # A chain of the same word is a deep tree on its left: taken apart without recursion.
        parts: list[tuple[exp.SetOperation, exp.Expr]] = []
        first: exp.Expr = node
        while isinstance(first, exp.SetOperation) and (first is node or not (_has_tail(first) or first.args.get("with_"))):
            if first.args.get("by_name") or first.args.get("on") or first.args.get("side"):
                raise QueryFailed("SYNTAX_ERROR", f"{self.where(node)}set operations go by place, not by name")
            parts.append((first, first.expression))
            first = first.this
        whole = self.query(first, outer)
        sql = f"({whole.sql})"
        columns = whole.columns
        for operation, right in reversed(parts):
            other = self.query(right, outer)
            self._same_width(whole, other, operation)
            kinds = [common(a.type, b.type) for a, b in zip(columns, other.columns, strict=True)]
            for at, kind in enumerate(kinds):
                if kind is None:
                    raise QueryFailed(
                        "TYPE_MISMATCH",
                        f"{self.where(operation)}column {at + 1} in {_word(operation)} query has incompatible types: "
                        f"{columns[at].type}, {other.columns[at].type}",
                    )
            columns = tuple(column._replace(type=kind or UNKNOWN) for column, kind in zip(columns, kinds, strict=True))
            sql = f"({sql} {_word(operation)}{'' if operation.args.get('distinct') else ' ALL'} ({other.sql}))"
        sql = sql[1:-1]
        if node.args.get("order") is None:
            return Query(sql + self._tail(node), columns)
        return self._ordered(Query(sql, columns), node, outer)

    def _ordered(self, inner: Query, node: exp.Expr, outer: Scope | None) -> Query:
        """Return *inner* with the ORDER BY, LIMIT and OFFSET of *node* around it."""
        alias = self.tables.alias("ordered")
        items = [Item(Value(f"{quote(alias)}.{quote(column.sql_name)}", column.type), column.name) for column in inner.columns]
        order = self._order(node.args.get("order"), items, Scope(_order_fields(items), outer))
        return Query(f"SELECT * FROM ({inner.sql}) AS {quote(alias)}{order}{self._tail(node)}", inner.columns)

    def _values(self, node: exp.Values, outer: Scope | None) -> Query:
        scope = Scope([], outer)
        rows = [
            [self.value(item, scope) for item in (line.expressions if isinstance(line, exp.Tuple) else [line])] for line in node.expressions
        ]
        if len({len(line) for line in rows}) != 1:
            raise QueryFailed("TYPE_MISMATCH", f"{self.where(node)}Values rows have mismatched sizes")
        kinds = [self.aligned(list(column), node, "VALUES rows")[0] for column in zip(*rows, strict=True)]
        columns = tuple(Output(None, kind, f"_col{at}") for at, kind in enumerate(kinds))
        lines = [f"({', '.join(_typed(value, kind) for value, kind in zip(line, kinds, strict=True))})" for line in rows]
        names = ", ".join(quote(column.sql_name) for column in columns)
        query = Query(f"SELECT * FROM (VALUES {', '.join(lines)}) AS {quote(self.tables.alias('rows'))} ({names})", columns)
        return self._ordered(query, node, outer) if _has_tail(node) else query

    def _same_width(self, left: Query, right: Query, node: exp.Expr) -> None:
        if len(left.columns) != len(right.columns):
            raise QueryFailed(
                "TYPE_MISMATCH",
                f"{self.where(node)}{_word(node)} query has different number of fields: {len(left.columns)}, {len(right.columns)}",
            )


def _outputs(columns: Sequence[tuple[str | None, Type]]) -> tuple[Output, ...]:
    """Return the columns of a query, each with a name of its own in the SQL."""
    taken: set[str] = set()
    found = []
    for at, (name, kind) in enumerate(columns):
        sql_name = name or f"_col{at}"
        while sql_name.lower() in taken:
            sql_name += f"_{at}"
        taken.add(sql_name.lower())
        found.append(Output(name, kind, sql_name))
    return tuple(found)


def _renamed(columns: tuple[Output, ...], names: Sequence[str], where: str) -> tuple[Output, ...]:
    if not names:
        return columns
    if len(names) != len(columns):
        raise QueryFailed(
            "MISMATCHED_COLUMN_ALIASES", f"{where}Column alias list has {len(names)} entries but relation has {len(columns)} columns"
        )
    return _outputs([(name, column.type) for name, column in zip(names, columns, strict=True)])


def _named_list(columns: tuple[Output, ...], given: tuple[Output, ...]) -> str:
    if columns == given:
        return ""
    return f" ({', '.join(quote(column.sql_name) for column in columns)})"


def _order_fields(items: list[Item]) -> list[Field]:
    """Return the output columns as names for ORDER BY; the same column twice is no ambiguity."""
    found = {(item.name.lower(), item.value.sql): Field(item.name, item.value.type, item.value.sql) for item in items if item.name}
    return list(found.values())


def _typed(value: Value, kind: Type) -> str:
    return f"CAST(NULL AS {kind.duckdb})" if value.type.name == "unknown" else converted(value, kind)


def _own_name(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Column | exp.Identifier):
        return node.name
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        return node.expression.name
    return None


def _has_tail(node: exp.Expr) -> bool:
    return any(node.args.get(clause) is not None for clause in ("order", "limit", "offset"))


def _mentions(node: exp.Expr, name: str) -> bool:
    return any(table.name.lower() == name and not table.db for table in node.find_all(exp.Table))


def _word(node: exp.Expr) -> str:
    return next(word for kind, word in _SETS.items() if isinstance(node, kind))
