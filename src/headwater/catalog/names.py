"""Names of tables inside the code: `table` in the project's own database, `database.table` in any other."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,127}")
"""What a database or a table may be called."""
DEFAULT = "default"
"""The database that every catalog has, as Athena's, beside the project's own."""


def split_name(name: str, own: str) -> tuple[str, str]:
    """Return database and table of a *name*; *own* is the project's own database."""
    database, _, table = name.rpartition(".")
    return database or own, table


def join_name(database: str, table: str, own: str) -> str:
    """Return the name of a table of that *database*."""
    return table if database == own else f"{database}.{table}"
