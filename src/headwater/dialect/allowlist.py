"""What of sqlglot's trees is Athena's: a part that nobody here reads is refused, so that no word of a query is silently dropped."""

from __future__ import annotations

from sqlglot import exp

from headwater.dialect.errors import NotSupported

_TAIL = {"order", "limit", "offset", "with_"}
_PARTS: dict[type[exp.Expr], set[str]] = {
    exp.Alias: {"this", "alias"},
    exp.Anonymous: {"this", "expressions"},
    exp.AtTimeZone: {"this", "zone"},
    exp.Between: {"this", "low", "high", "symmetric"},
    exp.Bracket: {"this", "expressions"},
    exp.CTE: {"this", "alias"},
    exp.Case: {"this", "ifs", "default"},
    exp.Cast: {"this", "to"},
    exp.Column: {"this", "table", "db", "catalog"},
    exp.CurrentDate: set(),
    exp.CurrentTimestamp: set(),
    exp.Distinct: {"expressions", "on"},
    exp.Filter: {"this", "expression"},
    exp.From: {"this"},
    exp.GroupConcat: {"this", "separator", "on_overflow"},
    exp.IgnoreNulls: {"this"},
    exp.In: {"this", "expressions", "query"},
    exp.Is: {"this", "expression"},
    exp.Join: {"this", "on", "using", "side", "kind", "method"},
    exp.Lambda: {"this", "expressions"},
    exp.Lateral: {"this", "alias"},
    exp.Like: {"this", "expression", "negate"},
    exp.Limit: {"expression"},
    exp.Offset: {"expression"},
    exp.Order: {"this", "expressions"},
    exp.Ordered: {"this", "desc", "nulls_first"},
    exp.SetOperation: {"this", "expression", "distinct", "by_name", "side", "kind", "on", *_TAIL},
    exp.Subquery: {"this", "alias", "sample", "joins", *_TAIL},
    exp.Substring: {"this", "start", "length"},
    exp.StrPosition: {"this", "substr"},
    exp.Table: {"this", "alias", "db", "catalog", "sample", "joins", "version"},
    exp.TableAlias: {"this", "columns"},
    exp.TableSample: {"method", "percent"},
    exp.Trim: {"this", "expression", "position"},
    exp.TryCast: {"this", "to", "safe", "requires_string"},
    exp.Unnest: {"expressions", "alias", "offset"},
    exp.Values: {"expressions", "alias", *_TAIL},
    exp.Version: {"this", "expression", "kind"},
    exp.Where: {"this"},
    exp.Window: {"this", "partition_by", "order", "spec", "alias", "over", "first"},
    exp.WindowSpec: {"kind", "start", "start_side", "end", "end_side"},
    exp.With: {"expressions", "recursive"},
}


def _parts(kind: type[exp.Expr]) -> set[str] | None:
    return _PARTS.get(kind) or next((parts for known, parts in _PARTS.items() if issubclass(kind, known)), None)


def check(tree: exp.Expr) -> None:
    """Raise `NotSupported` for the first part of *tree* that would otherwise be left out."""
    met: dict[type[exp.Expr], set[str] | None] = {}
    for node in tree.walk():
        kind = type(node)
        if kind not in met:
            met[kind] = _parts(kind)
        known = met[kind]
        if known is None:
            continue
        for part, value in node.args.items():
            if value and part not in known:
                raise NotSupported(f"{node.key.upper()} with {part.strip('_').upper()} is not supported")
