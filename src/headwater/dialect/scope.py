"""Names in reach of an expression: the columns of what is selected from, of the queries around it, and lambda parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headwater.dialect.errors import QueryFailed
from headwater.dialect.quoting import literal
from headwater.dialect.types import Type
from headwater.dialect.unknown_column import nearest
from headwater.dialect.value import Value


class Field(NamedTuple):
    """A column in reach: its name (None for one without), the names before it (`catalog`, `database`, `table`), its SQL.

    hidden: reachable only with the table's name before it, since USING has merged it into another. apart: no part of `*` or `table.*`.
    """

    name: str | None
    type: Type
    sql: str
    relation: tuple[str, ...] = ()
    hidden: bool = False
    apart: bool = False


class Output(NamedTuple):
    """A column of a query: the name as Athena has it (None for none), its type, and the name it has in the SQL."""

    name: str | None
    type: Type
    sql_name: str


class Query(NamedTuple):
    """A query written out: its SQL, without brackets, and its columns."""

    sql: str
    columns: tuple[Output, ...]


@dataclass
class Scope:
    """What names mean at one place; `parent` is the scope of the query around it, `depth` the number of lambda parameters around it."""

    fields: list[Field] = field(default_factory=list)
    parent: Scope | None = None
    lambdas: dict[str, Value] = field(default_factory=dict)
    depth: int = 0

    def with_lambda(self, names: Sequence[str], values: Sequence[Value]) -> Scope:
        """Return the scope within a lambda."""
        lambdas = {**self.lambdas, **dict(zip(names, values, strict=True))}
        return Scope(self.fields, self.parent, lambdas, self.depth + len(names))

    def find(self, parts: Sequence[str], where: str) -> Value:
        """Return what a dotted name means; raise `QueryFailed` for a name with no meaning, or with two."""
        names = [part.lower() for part in parts]
        if names[0] in self.lambdas:
            return dereference(self.lambdas[names[0]], parts[1:], where)
        scope: Scope | None = self
        while scope is not None:
            for count in range(len(names), 0, -1):
                found = [item for item in scope.fields if _means(item, names[:count])]
                if len(found) > 1:
                    raise QueryFailed("AMBIGUOUS_NAME", f"{where}Column '{'.'.join(parts[:count])}' is ambiguous")
                if found:
                    return dereference(Value(found[0].sql, found[0].type), parts[count:], where)
            scope = scope.parent
        meant = nearest(names[-1], [item.name for item in self.fields if item.name is not None])
        hint = "" if meant is None else f"; did you mean '{meant}'?"
        raise QueryFailed("COLUMN_NOT_FOUND", f"{where}Column '{'.'.join(parts)}' cannot be resolved{hint}")

    def of_relation(self, parts: Sequence[str], where: str) -> list[Field]:
        """Return the columns that `table.*` means."""
        names = tuple(part.lower() for part in parts)
        scope: Scope | None = self
        while scope is not None:
            found = [item for item in scope.fields if item.relation[-len(names) :] == names and not item.apart]
            if found:
                return found
            scope = scope.parent
        raise QueryFailed("TABLE_NOT_FOUND", f"{where}Unable to resolve reference {'.'.join(parts)}")

    def visible(self) -> Iterator[Field]:
        """Yield the columns that `*` means."""
        return (item for item in self.fields if not item.hidden and not item.apart)


def dereference(value: Value, names: Sequence[str], where: str) -> Value:
    """Return the field of a row, or of a row within it."""
    for name in names:
        kind = value.type
        places = [at for at, known in enumerate(kind.fields) if known is not None and known.lower() == name.lower()]
        if kind.name != "row":
            raise QueryFailed("TYPE_MISMATCH", f"{where}Expression of type {kind} is not of type ROW")
        if len(places) != 1:
            raise QueryFailed("COLUMN_NOT_FOUND", f"{where}Column '{name}' cannot be resolved")
        value = row_item(value, places[0])
    return value


def row_item(value: Value, at: int) -> Value:
    """Return the field of a row at a place, counted from 0."""
    return Value(f"struct_extract({value.sql}, {literal(value.type.fields[at] or f'field{at}')})", value.type.items[at])


def _means(item: Field, names: Sequence[str]) -> bool:
    if item.name is None or item.name.lower() != names[-1]:
        return False
    before = tuple(names[:-1])
    return not item.hidden if not before else item.relation[-len(before) :] == before
