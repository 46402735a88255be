"""Names and texts, quoted for SQL."""

from __future__ import annotations


def quote(name: str) -> str:
    """Return *name* as an SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return *text* as an SQL string literal, whatever is in it."""
    return "'" + text.replace("'", "''") + "'"
