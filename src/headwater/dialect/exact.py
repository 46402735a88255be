"""Whole numbers of events that nobody modelled, as they were sent: beside a metric, a double, stands its exact text as an attribute."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from headwater.dialect.casts import cast
from headwater.dialect.errors import QueryFailed
from headwater.dialect.scope import Scope
from headwater.dialect.types import Type
from headwater.dialect.value import Value

_WHOLE = "'-?[0-9]{16,38}'"  # what a double may round, and a decimal can hold


def exact_cast(node: exp.Cast, wanted: Type, scope: Scope, value: Callable[[exp.Expression, Scope], Value], where: str) -> Value | None:
    """Return `CAST(metrics[…] AS bigint or decimal)` of the exact text where there is one; None for any other cast.

    The text counts only where it rounds to the metric itself, so an attribute that merely has the same name changes nothing.
    """
    inner = node.this
    if wanted.name not in ("bigint", "decimal") or not isinstance(inner, exp.Bracket) or not isinstance(inner.this, exp.Column):
        return None
    if inner.this.name.lower() != "metrics" or len(inner.expressions) != 1:
        return None
    beside = inner.this.copy()
    beside.this.set("this", "attributes")
    try:
        texts = value(beside, scope)
    except QueryFailed:
        return None
    if texts.type.name != "map" or texts.type.items[1].name != "varchar":
        return None
    number, key = value(inner, scope), value(inner.expressions[0], scope)
    if number.type.name != "double" or key.type.name not in ("varchar", "char"):
        return None
    trying = isinstance(node, exp.TryCast)
    text = f"map_extract_value({texts.sql}, {key.sql})"
    is_exact = f"regexp_full_match({text}, {_WHOLE}) AND TRY_CAST({text} AS DOUBLE) = {number.sql}"
    exact, rounded = (cast(Value(sql, kind), wanted, where, trying=trying).sql for sql, kind in ((text, texts.type.items[1]), number[:2]))
    return Value(f"(CASE WHEN {is_exact} THEN {exact} ELSE {rounded} END)", wanted)
