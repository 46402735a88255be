"""What a name in a FROM clause means: a table as it is, as it was, or a table about a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from headwater.catalog.names import join_name
from headwater.dialect.quoting import quote
from headwater.errors import QueryError
from headwater.lake.index import Past

_PAST = re.compile(r"(.+)@(?:(\d{1,19})|(-?\d{1,19})us)")
_ABOUT = re.compile(r"(.+)\$(history|snapshots|files|partitions)")


class Meant(NamedTuple):
    """*table* as it is; as it was, with `past`; or what `about` says about it."""

    table: str
    past: Past | None = None
    about: str | None = None


def meant(name: str) -> Meant:
    """Read a name: `t@123` is t at snapshot 123, `t@123us` t as of that epoch microsecond, `t$files` the files of t."""
    if "@" in name and (found := _PAST.fullmatch(name)):
        return Meant(found[1], Past(int(found[2])) if found[2] else Past(None, int(found[3])))
    if "$" in name and (found := _ABOUT.fullmatch(name)):
        return Meant(found[1], None, found[2])
    return Meant(name)


def name_of(path: Sequence[str], own: str) -> str:
    """Return the lower-case name of the table at *path*, as written in a statement; *own* is the database that need not be named.

    Raises `QueryError` for a path that is no table's.
    """
    if len(path) == 1:
        return path[0].lower()
    if len(path) == 2 and "." not in path[1]:
        return join_name(path[0].lower(), path[1].lower(), own.lower())
    raise QueryError(f"there is no {'.'.join(quote(part) for part in path)}; tables are named {own}.<table>")
