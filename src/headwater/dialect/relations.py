"""What a query selects from: tables, views, subqueries, UNNEST, VALUES, LATERAL, and joins of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sqlglot import exp

from headwater.dialect.context import Context
from headwater.dialect.errors import NotSupported, QueryFailed
from headwater.dialect.grammar import parse, tokens
from headwater.dialect.quoting import quote
from headwater.dialect.scope import Field, Query, Scope, row_item
from headwater.dialect.statement import CATALOG_NAME
from headwater.dialect.table_functions import called
from headwater.dialect.types import BIGINT, Type, common
from headwater.dialect.value import Value

_SIDES = {"LEFT", "RIGHT", "FULL"}
_VIEWS_DEEP = 16


class Relations:
    """Writes FROM clauses; the *context* writes the queries in them."""

    def __init__(self, context: Context, database: str) -> None:
        self._context, self._database = context, database

    def origin(self, node: exp.Select, outer: Scope | None) -> tuple[str, list[Field]]:
        """Return FROM with all its joins, '' for none, and the columns it brings in reach."""
        source = node.args.get("from_")
        if source is None:
            return "", []
        sql, fields = self._joined(source.this, node.args.get("joins") or [], outer)
        return f" FROM {sql}", fields

    def _joined(self, first: exp.Expr, joins: list[exp.Join], outer: Scope | None) -> tuple[str, list[Field]]:
        sql, fields = self.source(first, Scope([], outer))
        for join in [*(first.args.get("joins") or []), *joins]:
            sql, fields = self._join(sql, fields, join, outer)
        return sql, fields

    def _join(self, sql: str, fields: list[Field], join: exp.Join, outer: Scope | None) -> tuple[str, list[Field]]:
        where = self._context.where(join)
        side, kind, method = (str(join.args.get(part) or "").upper() for part in ("side", "kind", "method"))
        if method or kind in ("SEMI", "ANTI", "STRAIGHT", "STRAIGHT_JOIN", "POSITIONAL", "ASOF") or (side and side not in _SIDES):
            raise NotSupported(f"{where}{(method or kind or side)} JOIN is not supported; say the columns with ON or USING, or use EXISTS")
        crossed = not side and join.args.get("on") is None and not join.args.get("using")
        other, added = self.source(join.this, Scope(fields, outer), crossed=crossed)
        on, using = join.args.get("on"), join.args.get("using")
        if using:
            return self._using(sql, fields, other, added, [name.name for name in using], side, where)
        if on is not None:
            condition = self._context.condition(on, Scope([*fields, *added], outer), of="JOIN ON clause")
            return f"{sql} {side + ' ' if side else ''}JOIN {other} ON {condition}", [*fields, *added]
        if side or kind not in ("", "CROSS"):
            raise QueryFailed("SYNTAX_ERROR", f"{where}{side or kind} JOIN needs ON or USING")
        return f"{sql} CROSS JOIN {other}", [*fields, *added]

    def _using(
        self, sql: str, fields: list[Field], other: str, added: list[Field], names: list[str], side: str, where: str
    ) -> tuple[str, list[Field]]:
        conditions, merged, gone = [], [], set()
        for name in names:
            left, right = (
                [item for item in part if item.name and item.name.lower() == name.lower() and not item.hidden] for part in (fields, added)
            )
            for part, told in ((left, "left"), (right, "right")):
                if len(part) != 1:
                    raise QueryFailed(
                        "COLUMN_NOT_FOUND",
                        f"{where}Column '{name}' is {'missing from' if not part else 'ambiguous in'} {told} side of join",
                    )
            kind = common(left[0].type, right[0].type)
            if kind is None:
                raise QueryFailed("TYPE_MISMATCH", f"{where}Column types of '{name}' do not match: {left[0].type}, {right[0].type}")
            conditions.append(f"{left[0].sql} = {right[0].sql}")
            value = {"RIGHT": right[0].sql, "FULL": f"coalesce({left[0].sql}, {right[0].sql})"}.get(side, left[0].sql)
            merged.append(Field(left[0].name, kind, value))
            gone |= {left[0].sql, right[0].sql}
        rest = [item._replace(hidden=True) if item.sql in gone else item for item in (*fields, *added)]
        return f"{sql} {side + ' ' if side else ''}JOIN {other} ON {' AND '.join(conditions)}", [*merged, *rest]

    def source(self, node: exp.Expr, scope: Scope, *, crossed: bool = False) -> tuple[str, list[Field]]:
        """Return one thing to select from and the columns it brings; *scope* is what a LATERAL one may use.

        *crossed*: it is joined with what is before it by CROSS JOIN, and may be two such joins.
        """
        match node:
            case exp.Table():
                sql, fields = self._table(node, scope)
            case exp.Unnest():
                sql, fields = self._unnest(node, scope, crossed=crossed)
            case exp.Lateral():
                if not isinstance(node.this, exp.Subquery):
                    raise NotSupported(f"{self._context.where(node)}LATERAL takes a query in brackets")
                sql, fields = self._derived(self._context.query(node.this.this, scope), node, prefix="LATERAL ")
            case exp.Subquery() | exp.Paren() if isinstance(node.this, exp.Table | exp.Subquery | exp.Unnest) and (
                node.args.get("joins") or node.this.args.get("joins") or isinstance(node.this, exp.Table)
            ):
                inner, fields = self._joined(node.this, [], scope.parent)
                sql = f"({inner})"
            case exp.Subquery():
                sql, fields = self._derived(self._context.query(_without_alias(node), scope.parent), node)
            case exp.Values():
                sql, fields = self._derived(self._context.query(_without_alias(node), scope.parent), node)
            case _:
                raise NotSupported(f"{self._context.where(node)}{node.key.upper()} cannot be selected from")
        return sql + self._sample(node), fields

    def _sample(self, node: exp.Expr) -> str:
        sample = node.args.get("sample")
        if sample is None:
            return ""
        method, percent = sample.args.get("method"), sample.args.get("percent")
        if method is None or percent is None or method.name.upper() not in ("BERNOULLI", "SYSTEM") or not isinstance(percent, exp.Literal):
            raise QueryFailed("SYNTAX_ERROR", f"{self._context.where(node)}TABLESAMPLE takes BERNOULLI or SYSTEM and a percentage")
        return f" TABLESAMPLE {method.name.upper()} ({percent.name} PERCENT)"

    def _table(self, node: exp.Table, scope: Scope) -> tuple[str, list[Field]]:
        where = self._context.where(node)
        if not isinstance(node.this, exp.Identifier):
            return self._called(node, where)
        name, database = node.name.lower(), (node.db or self._database).lower()
        if node.catalog and node.catalog.lower() != CATALOG_NAME:
            raise QueryFailed("CATALOG_NOT_FOUND", f"{where}Catalog '{node.catalog.lower()}' does not exist")
        if not node.db:
            for known in reversed(self._context.ctes):
                if name in known:
                    sql_name, columns = known[name]
                    return self._derived(Query("", columns), node, sql=quote(sql_name), default=name)
        version, as_of_us = self._moment(node, where)
        found = self._context.tables.find(database, name, where, version=version, as_of_us=as_of_us)
        if found.view is not None:
            return self._derived(self._view(database, name, found.view, where), node, default=name, before=(CATALOG_NAME, database))
        every = [*found.columns, *found.apart]
        return self._aliased(
            found.sql, every, [column for column, _ in every], node, default=name, before=(CATALOG_NAME, database), apart=len(found.apart)
        )

    def _called(self, node: exp.Table, where: str) -> tuple[str, list[Field]]:
        asked = called(node.this, where)
        if asked is None:
            name = node.this.name if isinstance(node.this, exp.Anonymous) else node.this.key
            raise NotSupported(f"{where}the table function {name} is not supported; UNNEST(sequence(...)) makes rows")
        found = self._context.tables.call(*asked, where)
        names = [column for column, _ in found.columns]
        return self._aliased(found.sql, [(column, kind) for column, kind in found.columns], names, node, default=asked[0])

    def _view(self, database: str, name: str, text: str, where: str) -> Query:
        key = f"{database}.{name}"
        if key in self._context.views or len(self._context.views) > _VIEWS_DEEP:
            raise QueryFailed("VIEW_IS_RECURSIVE", f"{where}View '{CATALOG_NAME}.{key}' is recursive")
        self._context.tables.bounds.add_view()
        try:
            return self._context.within(key, text, database).query(parse(text, tokens(text)))
        except QueryFailed as error:
            raise QueryFailed("INVALID_VIEW", f"{where}Failed analyzing stored view '{CATALOG_NAME}.{key}': {error.message}") from error

    def _moment(self, node: exp.Table, where: str) -> tuple[int | None, int | None]:
        """Return the snapshot or the moment that FOR VERSION or FOR TIMESTAMP AS OF names."""
        version = node.args.get("version")
        if version is None:
            return None, None
        if str(version.args.get("kind")).upper() != "AS OF":
            raise NotSupported(f"{where}FOR {version.this} {version.args.get('kind')} is not supported; AS OF is")
        if str(version.this).upper() == "VERSION":
            number = version.expression
            if isinstance(number, exp.Literal) and number.name.isdecimal() and len(number.name) <= _SNAPSHOT_DIGITS:
                return int(number.name), None
            raise QueryFailed(
                "INVALID_ARGUMENTS", f'{where}FOR VERSION AS OF takes the number of a snapshot; "{node.name}$snapshots" lists them'
            )
        return None, _constant_us(version.expression, where)

    def _derived(
        self, query: Query, node: exp.Expr, *, sql: str | None = None, prefix: str = "", default: str = "", before: tuple[str, ...] = ()
    ) -> tuple[str, list[Field]]:
        named = [(column.name, column.type) for column in query.columns]
        sql_names = [column.sql_name for column in query.columns]
        return self._aliased(sql if sql is not None else f"{prefix}({query.sql})", named, sql_names, node, default=default, before=before)

    def _aliased(
        self, sql: str, columns: list[tuple[str | None, Type]] | list[tuple[str, Type]], sql_names: list[str], node: exp.Expr, *,
        default: str = "",
        before: tuple[str, ...] = (),
        apart: int = 0,
    ) -> tuple[str, list[Field]]:  # fmt: skip
        """Return *sql* under a name of its own, and its columns; the last *apart* of them are no part of `*`."""
        alias = node.args.get("alias")
        name = (alias.name if alias is not None else "") or default
        given = [item.name for item in (alias.args.get("columns") or [])] if alias is not None else []
        if given:  # names of one's own are for what `*` means, and leave nothing else
            columns, apart = columns[: len(columns) - apart], 0
        if given and len(given) != len(columns):
            where = self._context.where(node)
            raise QueryFailed(
                "MISMATCHED_COLUMN_ALIASES",
                f"{where}Column alias list has {len(given)} entries but '{name}' has {len(columns)} columns available",
            )
        self._context.tables.bounds.add_columns(len(columns))
        unique = self._context.tables.alias(name or "t")
        path: tuple[str, ...] = () if not name else (name.lower(),) if alias is not None and alias.name else (*before, name.lower())
        fields = [
            Field(given[at] if given else column, kind, f"{quote(unique)}.{quote(sql_names[at])}", path, apart=at >= len(columns) - apart)
            for at, (column, kind) in enumerate(columns)
        ]
        return f"{sql} AS {quote(unique)}", fields

    def _unnest(self, node: exp.Unnest, scope: Scope, *, crossed: bool) -> tuple[str, list[Field]]:
        where = self._context.where(node)
        values = [self._context.value(item, scope) for item in node.expressions]
        lists: list[tuple[str, Type, bool]] = []
        for value in values:
            if value.type.name == "array":
                lists.append((value.sql, value.type.items[0], value.type.items[0].name == "row"))
            elif value.type.name == "map":
                lists += [
                    (f"map_keys({value.sql})", value.type.items[0], False),
                    (f"map_values({value.sql})", value.type.items[1], False),
                ]
            else:
                raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{where}Cannot unnest type: {value.type}")
        lists = _whole(lists, node)
        before = ""
        if crossed:
            # Worked out in a step of their own, for the engine unnests a column row by row; a list that is worked out on the way it may
            # join with the rows by a hash of what it is made of, which puts its elements out of order.
            stage = quote(self._context.tables.alias("lists"))
            before = f"LATERAL (SELECT {', '.join(f'{sql} AS l{at}' for at, (sql, *_) in enumerate(lists))}) AS {stage} CROSS JOIN "
            lists = [(f"{stage}.l{at}", kind, spread) for at, (_, kind, spread) in enumerate(lists)]
        parts: list[str] = []
        outer_parts: list[str] = []
        columns: list[tuple[str | None, Type]] = []
        for at, (sql, kind, spread) in enumerate(lists):
            parts.append(f"unnest({sql}) AS c{at}")
            member = Value(f"c{at}", kind)
            pieces = [row_item(member, place) for place in range(len(kind.items))] if spread else [member]
            names = kind.fields if spread else (None,)
            for piece, name in zip(pieces, names, strict=True):
                outer_parts.append(f"{piece.sql} AS u{len(columns)}")
                columns.append((name, piece.type))
        offset = node.args.get("offset")
        if offset:
            longest = [f"len({sql})" for sql, *_ in lists]
            size = f"greatest({', '.join(longest)})" if len(longest) > 1 else longest[0]
            parts.append(f"unnest(range(1, {size} + 1)) AS o")
            outer_parts.append(f"o AS u{len(columns)}")
            columns.append((None, BIGINT))
        sql = f"{before}LATERAL (SELECT {', '.join(outer_parts)} FROM (SELECT {', '.join(parts)}))"
        # sqlglot takes the last name of the alias away for the ordinality.
        alias = node.args.get("alias")
        if isinstance(offset, exp.Identifier) and alias is not None:
            alias = alias.copy()
            alias.set("columns", [*(alias.args.get("columns") or []), offset])
            node = node.copy()
            node.set("alias", alias)
        return self._aliased(sql, columns, [f"u{at}" for at in range(len(columns))], node)


def _whole(lists: list[tuple[str, Type, bool]], node: exp.Unnest) -> list[tuple[str, Type, bool]]:
    """Return the lists with rows kept whole where there are as many names as lists, and more fields than that.

    Trino gives each field of a row a column; AWS's examples give the row one name: UNNEST(records) AS t(record).
    """
    alias, offset = node.args.get("alias"), node.args.get("offset")
    names = len(alias.args.get("columns") or ()) if alias is not None else 0
    # sqlglot has taken the last name away for the ordinality where there was one.
    names -= bool(offset) and not isinstance(offset, exp.Identifier)
    fields = sum(len(kind.items) if spread else 1 for _, kind, spread in lists)
    return [(sql, kind, False) for sql, kind, _ in lists] if names == len(lists) != fields else lists


def _without_alias(node: exp.Expr) -> exp.Expr:
    """Return the query within a table expression."""
    if isinstance(node, exp.Subquery):
        return node.this if not any(node.args.get(part) for part in ("order", "limit", "offset", "with_")) else _bare(node)
    return _bare(node)


def _bare(node: exp.Expr) -> exp.Expr:
    bare = node.copy()
    bare.set("alias", None)
    bare.set("sample", None)
    return bare


_SNAPSHOT_DIGITS = 19
_MOMENT = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?(?:\s*(?:UTC|Z))?")
_UNITS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400, "WEEK": 604_800}


def _constant_us(node: exp.Expr, where: str) -> int:
    """Return the epoch microseconds of a constant moment: a literal in UTC, current_timestamp, and either moved by an interval."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    match node:
        case exp.Paren():
            return _constant_us(node.this, where)
        case exp.CurrentTimestamp():
            return round((datetime.now(UTC) - epoch) / timedelta(microseconds=1))
        case exp.Add() | exp.Sub() if isinstance(node.expression, exp.Interval) and isinstance(node.expression.args.get("unit"), exp.Var):
            unit = node.expression.args["unit"].name.upper().removesuffix("S")
            if unit in _UNITS and re.fullmatch(r"\d{1,9}", node.expression.this.name):
                moved = int(node.expression.this.name) * _UNITS[unit] * 1_000_000
                return _constant_us(node.this, where) + (moved if isinstance(node, exp.Add) else -moved)
        case exp.Anonymous() if node.name.lower() == "now" and not node.expressions:
            return round((datetime.now(UTC) - epoch) / timedelta(microseconds=1))
        case exp.Cast() if node.meta.get("typed_literal") and (found := _MOMENT.fullmatch(node.this.name.strip())):
            year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
            try:
                made = datetime(year, month, day, hour, minute, second, int((found[7] or "").ljust(6, "0")), tzinfo=UTC)
            except ValueError:
                raise QueryFailed("INVALID_LITERAL", f"{where}'{node.this.name}' is not a valid TIMESTAMP literal") from None
            return round((made - epoch) / timedelta(microseconds=1))
    raise NotSupported(f"{where}FOR TIMESTAMP AS OF takes a TIMESTAMP literal in UTC, or current_timestamp, moved by an INTERVAL or not")
