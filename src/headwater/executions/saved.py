"""SQL that people saved: named queries and prepared statements, each in a workgroup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import msgspec

from headwater.executions.database import QueryDatabase

Kind = Literal["named query", "prepared statement"]


class NamedQuery(msgspec.Struct, frozen=True):
    """A query under a name that need not be unique; its id is."""

    id: str
    name: str
    workgroup: str
    database: str
    query: str
    description: str | None = None
    token: str | None = None


class PreparedStatement(msgspec.Struct, frozen=True):
    """A statement with `?` in it, under a name that is unique in its workgroup.

    *trusted*: who saved it may change the catalog and the tables; only then may the statement, whoever runs it.
    """

    name: str
    workgroup: str
    query: str
    description: str | None = None
    changed_ms: int = 0
    trusted: bool = False


_T = TypeVar("_T", NamedQuery, PreparedStatement)


class Shelf(Generic[_T]):
    """All that is saved of one kind; `scope` is a workgroup's name."""

    def __init__(self, database: QueryDatabase, kind: Kind, shape: type[_T]) -> None:
        self._database, self._kind = database, kind
        self._shape: type[_T] = shape

    def get(self, scope: str, name: str) -> _T | None:
        """Return what has that name there, or None."""
        rows = self._database.read("SELECT body FROM saved WHERE kind = ? AND workgroup = ? AND name = ?", self._kind, scope, name)
        return msgspec.json.decode(rows[0][0], type=self._shape) if rows else None

    def anywhere(self, name: str) -> _T | None:
        """Return what has that name wherever it is, or None."""
        rows = self._database.read("SELECT body FROM saved WHERE kind = ? AND name = ?", self._kind, name)
        return msgspec.json.decode(rows[0][0], type=self._shape) if rows else None

    def all_of(self, scope: str, after: str = "", count: int = -1) -> list[_T]:
        """Return up to *count* (-1 = all) in the order of their names, those after *after*."""
        rows = self._database.read(
            "SELECT body FROM saved WHERE kind = ? AND workgroup = ? AND name > ? ORDER BY name LIMIT ?", self._kind, scope, after, count
        )
        return [msgspec.json.decode(row[0], type=self._shape) for row in rows]

    def put(self, scope: str, name: str, item: _T, now_ms: int) -> None:
        """Keep *item* in the place of what was there."""
        with self._database.write() as cursor:
            cursor.execute(
                "INSERT OR REPLACE INTO saved VALUES (?, ?, ?, ?, ?)", (self._kind, scope, name, now_ms, msgspec.json.encode(item))
            )

    def delete(self, scope: str, name: str) -> bool:
        """Forget it; return whether it was there."""
        with self._database.write() as cursor:
            cursor.execute("DELETE FROM saved WHERE kind = ? AND workgroup = ? AND name = ?", (self._kind, scope, name))
            return cursor.rowcount > 0

    def delete_all(self, scope: str) -> None:
        """Forget all that is there."""
        with self._database.write() as cursor:
            cursor.execute("DELETE FROM saved WHERE kind = ? AND workgroup = ?", (self._kind, scope))


class Tags:
    """Tags of what has an ARN."""

    def __init__(self, database: QueryDatabase) -> None:
        self._database = database

    def of(self, arn: str) -> dict[str, str]:
        """Return the tags, by name."""
        return dict(self._database.read("SELECT name, value FROM tags WHERE arn = ? ORDER BY name", arn))

    def put(self, arn: str, tags: dict[str, str]) -> None:
        """Set some tags; others stay."""
        with self._database.write() as cursor:
            cursor.executemany("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", [(arn, name, value) for name, value in tags.items()])

    def delete(self, arn: str, names: Sequence[str] | None = None) -> None:
        """Forget some tags, None: all of them."""
        with self._database.write() as cursor:
            if names is None:
                cursor.execute("DELETE FROM tags WHERE arn = ?", (arn,))
            else:
                cursor.executemany("DELETE FROM tags WHERE arn = ? AND name = ?", [(arn, name) for name in names])
