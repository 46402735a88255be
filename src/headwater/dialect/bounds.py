"""How large one statement may become while it is read: its columns, its views, the SQL it is written as, and the time that takes."""

from __future__ import annotations

import time

from headwater.dialect.errors import QueryFailed

MOST_COLUMNS = 100_000
MOST_VIEWS = 1_000
MOST_TEXT = 8 << 20
MOST_SECONDS = 10.0
# How often the clock is looked at: reading one expression takes microseconds.
_LOOK_EVERY = 64


class Bounds:
    """Counts what one statement has come to. Each method raises `QueryFailed` QUERY_TOO_LARGE once that is more than anybody needs.

    A short text can ask for very much: a view that selects twice from a view, `SELECT *` of a table joined with itself, a call whose
    argument is written twice. Each of these doubles what there is, and all of it lies in the memory of the process that reads it.
    """

    def __init__(self) -> None:
        self._columns = self._views = self._values = 0
        self._until = time.thread_time() + MOST_SECONDS

    def add_columns(self, count: int) -> None:
        """Some relation brings *count* columns in reach."""
        self._columns += count
        if self._columns > MOST_COLUMNS:
            raise _too_large(f"its parts have more than {MOST_COLUMNS:,} columns together; name those that are needed instead of *")
        self._look()

    def add_view(self) -> None:
        """One more view is written out in its place."""
        self._views += 1
        if self._views > MOST_VIEWS:
            raise _too_large(f"it reads from views, and through them, more than {MOST_VIEWS:,} times; keep one of them as a table")

    def check(self, sql: str) -> None:
        """A part of it is written as *sql*."""
        if len(sql) > MOST_TEXT:
            raise _too_large(
                f"a part of it becomes more than {MOST_TEXT >> 20} MiB of SQL; compute in a subquery what is used more than once"
            )
        self._values += 1
        if not self._values % _LOOK_EVERY:
            self._look()

    def _look(self) -> None:
        if time.thread_time() > self._until:
            raise _too_large(f"reading it takes more than {MOST_SECONDS:g} s; ask for less at a time")


def _too_large(why: str) -> QueryFailed:
    return QueryFailed("QUERY_TOO_LARGE", f"line 1:1: the statement is too large: {why}")
