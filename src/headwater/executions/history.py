"""Every execution of the last weeks, as it was last known on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from headwater.executions.database import QueryDatabase
from headwater.executions.execution import Execution, QueryRequest

_encode = msgspec.json.encode


class History:
    """Executions by id, by the token of their request, by workgroup and by what they ask."""

    def __init__(self, database: QueryDatabase) -> None:
        self._database = database

    def add(self, execution: Execution) -> None:
        """Keep a new execution, durably."""
        request = execution.request
        # A result that was used again is no younger for it.
        own = "" if execution.reused else likeness(request)
        with self._database.write() as cursor:
            cursor.execute(
                "INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    execution.id, request.workgroup, execution.submitted_ms, execution.state, request.token, own,
                    execution.completed_ms, execution.size, _encode(execution),
                ),
            )  # fmt: skip

    def put(self, executions: Iterable[Execution]) -> None:
        """Keep what became of executions that are there."""
        rows = [(each.state, each.completed_ms, each.size, _encode(each), each.id) for each in executions]
        with self._database.write() as cursor:
            cursor.executemany("UPDATE executions SET state = ?, completed_ms = ?, size = ?, body = ? WHERE id = ?", rows)

    def find(self, execution_id: str) -> Execution | None:
        """Return the execution, or None."""
        return _first(self._database.read("SELECT body FROM executions WHERE id = ?", execution_id))

    def with_token(self, token: str) -> Execution | None:
        """Return the execution that a request with this token began, or None."""
        return _first(self._database.read("SELECT body FROM executions WHERE token = ?", token))

    def unfinished(self) -> list[Execution]:
        """Return those that neither ended nor were given up."""
        return _all(self._database.read("SELECT body FROM executions WHERE state IN ('QUEUED', 'RUNNING')"))

    def like(self, request: QueryRequest, since_ms: int) -> list[Execution]:
        """Return those that asked the very same in the same workgroup and succeeded since then, newest first."""
        return _all(
            self._database.read(
                "SELECT body FROM executions WHERE likeness = ? AND completed_ms >= ? AND state = 'SUCCEEDED'"
                " ORDER BY completed_ms DESC LIMIT 10",
                likeness(request), since_ms,
            )
        )  # fmt: skip

    def ids(self, workgroup: str, count: int, before: Sequence[str | int] | None) -> list[tuple[int, str]]:
        """Return submission time and id of up to *count* executions of a workgroup, newest first, those *before* a place in that order."""
        at = before or (2**62, "")
        return [
            (row[0], row[1])
            for row in self._database.read(
                "SELECT submitted_ms, id FROM executions WHERE workgroup = ? AND (submitted_ms, id) < (?, ?)"
                " ORDER BY submitted_ms DESC, id DESC LIMIT ?",
                workgroup, at[0], at[1], count,
            )
        ]  # fmt: skip

    def old(self, before_ms: int, *, with_results: bool, count: int = 500) -> list[Execution]:
        """Return up to *count* ended executions that were submitted before then; *with_results*: only those that may have a result."""
        narrowed = " AND state = 'SUCCEEDED' AND size >= 0" if with_results else ""
        return _all(
            self._database.read(
                f"SELECT body FROM executions WHERE submitted_ms < ? AND state NOT IN ('QUEUED', 'RUNNING'){narrowed} LIMIT ?",
                before_ms, count,
            )
        )  # fmt: skip

    def forget(self, ids: Iterable[str]) -> None:
        """Drop executions."""
        with self._database.write() as cursor:
            cursor.executemany("DELETE FROM executions WHERE id = ?", [(each,) for each in ids])

    def forget_workgroup(self, workgroup: str) -> list[Execution]:
        """Drop all of a workgroup's and return them."""
        with self._database.write() as cursor:
            rows = cursor.execute("DELETE FROM executions WHERE workgroup = ? RETURNING body", (workgroup,)).fetchall()
        return _all(rows)


def likeness(request: QueryRequest) -> str:
    """Return what is the same for requests that must have the same answer from the same data."""
    parts = (request.workgroup, request.query, request.catalog or "", request.database or "", request.parameters)
    return hashlib.sha256(_encode(parts)).hexdigest()


def _first(rows: Sequence[tuple[bytes, ...]]) -> Execution | None:
    return msgspec.json.decode(rows[0][0], type=Execution) if rows else None


def _all(rows: Iterable[tuple[bytes, ...]]) -> list[Execution]:
    return [msgspec.json.decode(row[0], type=Execution) for row in rows]
