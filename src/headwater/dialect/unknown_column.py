"""What to say where a statement names a column that its tables do not have: the nearest one that they do have."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

_UNKNOWN = (
    re.compile(r'Referenced column "(?P<name>.+?)" (?:was )?not found'),
    re.compile(r'(?:Table|Values list) "(?P<of>.+?)" does not have a column named "(?P<name>.+?)"'),
)
_MOST_LISTED = 40


def unknown_column(message: str) -> str | None:
    """Return the column that the engine's *message* says it does not know, None if it says something else."""
    found = next(filter(None, (pattern.search(message) for pattern in _UNKNOWN)), None)
    return None if found is None else found["name"]


def nearest(name: str, columns: Sequence[str]) -> str | None:
    """Return the column that was probably meant by *name*."""
    by_lower = {column.lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), by_lower, 1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def explained(name: str, columns_of: Mapping[str, Sequence[str]]) -> str:
    """Return what to say of the unknown column *name* of a statement over these tables, each with its columns."""
    everything = list(dict.fromkeys(column for columns in columns_of.values() for column in columns))
    meant = nearest(name, everything)
    told = f'there is no column "{name}"'
    if meant is not None:
        return f'{told}; did you mean "{meant}"?'
    if not name.isidentifier():
        told = f"{told} (text stands in single quotes: '{name}')"
    listed = "; ".join(f"{table} has {', '.join(columns[:_MOST_LISTED])}" for table, columns in columns_of.items())
    return f"{told}; {listed}" if listed else told
