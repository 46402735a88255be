"""A piece of DuckDB SQL with the Athena type of its value, and the ways to put pieces together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headwater.dialect.quoting import literal, quote
from headwater.dialect.types import BIGINT, DOUBLE, INTEGER, INTEGERS, UNKNOWN, VARCHAR, Type, as_decimal, bare

_PLACE = re.compile(r"\{(\d+|[down])\}")
_SHORT = 64


class Value(NamedTuple):
    """An expression: its SQL, which binds as tightly as a name, and its type; `constant` is the value of a literal."""

    sql: str
    type: Type
    constant: str | int | float | bool | None = None


NULL = Value("NULL", UNKNOWN)


def text_value(text: str) -> Value:
    """Return a string literal."""
    return Value(literal(text), VARCHAR._replace(args=(len(text),)), text)


def whole(number: int) -> Value:
    """Return an integer literal; one that does not fit 32 bits is a bigint."""
    kind = INTEGER if -(2**31) <= number < 2**31 else BIGINT
    return Value(str(number) if number >= 0 else f"({number})", kind, number)


def floating(text: str) -> Value:
    """Return a double literal, written so that the engine does not take it for a decimal."""
    number = text if "e" in text.lower() else text + "e0"
    return Value(number, DOUBLE, float(text))


def fail(name: str, message: str, kind: Type = VARCHAR, *, detail: str | None = None) -> str:
    """Return SQL that ends the query with `name: message`, or is nothing within TRY; *detail* is SQL of text put behind the message.

    A cast that cannot work says it: unlike error(), it may stand in TRY and does not make the query volatile.
    """
    told = literal(f"{name}: {message}") if detail is None else f"({literal(f'{name}: {message}')} || {detail})"
    return f"CAST(CAST(CAST({told} AS INTEGER) AS VARCHAR) AS {kind.duckdb})"


def fill(template: str, pieces: Sequence[str], around: Mapping[str, str] | None = None) -> str:
    """Put *pieces* where the template says {0}, {1} ..., and *around* where it says a letter.

    A long piece used more than once is computed once, but not in a template with letters, which is of an aggregate.
    """
    used = _PLACE.findall(template)
    named = {at for at in set(used) if at.isdigit() and used.count(at) > 1 and len(pieces[int(at)]) > _SHORT and around is None}

    def piece(found: re.Match[str]) -> str:
        at = found[1]
        if not at.isdigit():
            return (around or {})[at]
        return f'"${at}"' if at in named else pieces[int(at)]

    text = _PLACE.sub(piece, template)
    for at in sorted(named):
        text = let(int(at), pieces[int(at)], text)
    return text


def let(number: int, piece: str, text: str) -> str:
    """Return *text* with the name `"$number"` in it meaning *piece*."""
    return f'list_extract(list_transform([{piece}], lambda "${number}": {text}), 1)'


def cast_sql(value: Value, wanted: Type) -> str:
    """Return the SQL of *value* as *wanted*, to which it can be coerced; integers of other widths are left to the engine."""
    given = value.type
    if given.duckdb == wanted.duckdb and given.name != "unknown":
        return value.sql
    if given.name in INTEGERS and wanted.name in INTEGERS:
        return value.sql
    if bare(given) == bare(wanted) and given.name != "row":
        return value.sql
    return f"CAST({value.sql} AS {wanted.duckdb})"


def decimal_sql(value: Value) -> str:
    """Return the SQL of an integer or decimal as a decimal."""
    return value.sql if value.type.name == "decimal" else f"CAST({value.sql} AS {as_decimal(value.type).duckdb})"


def name(text: str) -> str:
    """Return *text* as an identifier of the engine's."""
    return quote(text)
