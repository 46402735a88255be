"""MERGE: the rows of the table afterwards, each with what happened to it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from headwater.dialect import commands
from headwater.dialect.errors import NotSupported, QueryFailed
from headwater.dialect.grammar import parse, tokens
from headwater.dialect.lexer import Reader
from headwater.dialect.parameters import bind_parameters
from headwater.dialect.quoting import quote
from headwater.dialect.scope import Scope
from headwater.dialect.statement import Catalog, Pin, Statement, TypedColumn
from headwater.dialect.types import VARCHAR
from headwater.dialect.utility import table_name
from headwater.dialect.value import fail
from headwater.dialect.writes import ChangedTable, stored

_ACTION = TypedColumn("$action", "varchar")
_TWICE = fail("MERGE_TARGET_ROW_MULTIPLE_MATCHES", "One MERGE target table row matched more than one source row", VARCHAR)


class _Branch:
    """One WHEN: on which pairs of rows it is taken, what it is called, and the values it gives columns of the table."""

    def __init__(self, matched: bool, test: str, action: str, values: dict[str, str]) -> None:
        self.matched, self.test, self.action, self.values = matched, test, action, values


def merge(reader: Reader, parameters: Sequence[str], catalog: Catalog, database: str, pin: Pin | None = None) -> Statement:
    """Read MERGE INTO table USING source ON condition WHEN ...; see `commands.Merge` for what is selected."""
    text = reader.text
    reader.expect("MERGE", "INTO")
    table = table_name(reader, database)
    tree = parse(text, [token for token in tokens(text) if token.text != ";"])
    if not isinstance(tree, exp.Merge):
        raise reader.mismatch()
    count = bind_parameters(tree, parameters)
    target = ChangedTable(reader, table, catalog, database, pin)
    if alias := tree.this.alias:
        target.scope.fields = [field._replace(relation=(alias.lower(),)) for field in target.scope.fields]
    source, fields = target.queries.relations.source(tree.args["using"], Scope([]))
    both = Scope([*target.scope.fields, *fields])
    on = target.queries.condition(tree.args["on"], both, of="MERGE ON clause")
    branches = [_branch(when, target, both, Scope(list(fields))) for when in tree.args["whens"].expressions]
    sql, changing = _sql(target, source, on, branches)
    return target.statement("MERGE", sql, commands.Merge(table), count, _ACTION, changing=changing)


def _branch(when: exp.When, target: ChangedTable, both: Scope, source: Scope) -> _Branch:
    if when.args.get("source"):
        raise NotSupported("WHEN NOT MATCHED BY SOURCE is not supported; DELETE or UPDATE with NOT EXISTS does it")
    expressions = target.queries.expressions
    matched, then = bool(when.args.get("matched")), when.args["then"]
    scope = both if matched else source
    extra = when.args.get("condition")
    test = "true" if extra is None else f"({expressions.condition(extra, scope)}) IS TRUE"
    match then:
        case exp.Update():
            values = {}
            for item in then.expressions:
                name = item.this.name.lower()
                if name not in target.columns:
                    raise QueryFailed("COLUMN_NOT_FOUND", f"Merge column name does not exist in target table: {name}")
                values[name] = stored(expressions.value(item.expression, scope), target.columns[name], name)
            return _Branch(matched, test, "update", values)
        case exp.Insert():
            names = [item.name.lower() for item in then.this.expressions] if then.this is not None else list(target.columns)
            given = then.expression.expressions
            if len(names) != len(given) or not set(names) <= target.columns.keys():
                raise QueryFailed("COLUMN_NOT_FOUND", "Merge insert columns do not fit the target table")
            return _Branch(
                matched, test, "insert",
                {name: stored(expressions.value(item, scope), target.columns[name], name) for name, item in zip(names, given, strict=True)},
            )  # fmt: skip
    return _Branch(matched, test, "delete", {})


def _sql(target: ChangedTable, source: str, on: str, branches: list[_Branch]) -> tuple[str, str]:
    """Return the target's rows joined with what matches them, and after them what is inserted; and where those are that change."""
    alias = quote(target.alias)
    table = target.source.rsplit(" AS ", 1)[0]
    numbered = f'(SELECT *, row_number() OVER () AS "$row" FROM {table}) AS {alias}'
    marked = f'{numbered} LEFT JOIN ({source} CROSS JOIN (SELECT true AS "$there") AS "$source") ON {on}'
    hit = '"$source"."$there" IS NOT NULL'
    taken = [branch for branch in branches if branch.matched]
    action = _case([(f"{hit} AND {branch.test}", f"'{branch.action}'") for branch in taken], "NULL")
    once = (
        f'CASE WHEN {hit} AND ({action}) IS NOT NULL AND count("$source"."$there") '
        f'OVER (PARTITION BY {alias}."$row") > 1 THEN {_TWICE} ELSE {action} END'
    )
    columns = [
        _case(
            [(f"{hit} AND {branch.test}", branch.values.get(name, f"{alias}.{quote(name)}")) for branch in taken], f"{alias}.{quote(name)}"
        )
        + f" AS {quote(name)}"
        for name in target.columns
    ]
    sql = f"SELECT {', '.join(columns)}, {once} AS {quote(_ACTION.name)} FROM {marked}"
    changing = f"FROM {marked} WHERE {hit} AND ({action}) IS NOT NULL"
    new = [branch for branch in branches if not branch.matched]
    if not new:
        return sql, changing
    values = [
        _case([(branch.test, branch.values.get(name, "NULL")) for branch in new], "NULL") + f" AS {quote(name)}" for name in target.columns
    ]
    missing = f"NOT EXISTS (SELECT 1 FROM {target.everything} WHERE {on}) AND ({' OR '.join(branch.test for branch in new)})"
    return f"{sql} UNION ALL SELECT {', '.join(values)}, 'insert' FROM {source} WHERE {missing}", changing


def _case(cases: list[tuple[str, str]], otherwise: str) -> str:
    return f"CASE {' '.join(f'WHEN {when} THEN {then}' for when, then in cases)} ELSE {otherwise} END" if cases else otherwise
