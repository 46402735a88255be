"""Text -> whole numbers, exactly: the engine's own cast would round 2.5 to 3."""

from __future__ import annotations

from headwater.dialect.types import Type

_WHOLE = r"'[-+]?\d+'"


def integer_sql(text: str, kind: Type, *, strict: bool) -> str:
    """Return the text of an expression as an integer of *kind*; what is none is an error if *strict*, else NULL. '' is NULL."""
    if not strict:
        return f"TRY_CAST(CASE WHEN regexp_full_match(trim({text}), {_WHOLE}) THEN trim({text}) END AS {kind.duckdb})"
    bad = f"error('HIVE_BAD_DATA: Error parsing field value ''' || {text} || ''' as {kind}')"
    whole = f"WHEN regexp_full_match({text}, {_WHOLE}) THEN CAST({text} AS {kind.duckdb})"
    return f"CASE WHEN {text} = '' THEN NULL {whole} WHEN {text} IS NOT NULL THEN {bad} END"
