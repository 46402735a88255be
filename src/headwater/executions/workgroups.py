"""The workgroups there are: `primary`, those of headwater.toml, and those that callers made."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headwater.clock import Clock
from headwater.executions.database import QueryDatabase
from headwater.executions.errors import InvalidRequest
from headwater.executions.workgroup import PRIMARY, Workgroup

LIMIT = 1_000


class Workgroups:
    """Workgroups by name; every one that is returned is as it is now."""

    def __init__(self, database: QueryDatabase, declared: Sequence[Workgroup], *, location: str, clock: Clock) -> None:
        """*location*: where `primary` puts results unless somebody says otherwise."""
        self._database, self._clock = database, clock
        self._changing = threading.Lock()  # what is changed is what was read, whoever else changes something
        started_ms = clock.now_ms()
        self._declared = {
            each.name: msgspec.structs.replace(each.changed({}), declared=True, created_ms=each.created_ms or started_ms)
            for each in declared
        }
        if PRIMARY not in self._declared and self.find(PRIMARY) is None:
            self._put(Workgroup(PRIMARY, location=location, enforce=False, created_ms=started_ms))

    def find(self, name: str) -> Workgroup | None:
        """Return the workgroup, or None."""
        if name in self._declared:
            return self._declared[name]
        rows = self._database.read("SELECT body FROM workgroups WHERE name = ?", name)
        return msgspec.json.decode(rows[0][0], type=Workgroup) if rows else None

    def get(self, name: str) -> Workgroup:
        """Return the workgroup; `InvalidRequest` if there is none of that name."""
        found = self.find(name)
        if found is None:
            raise InvalidRequest("WorkGroup is not found.")
        return found

    def all(self) -> list[Workgroup]:
        """Return all workgroups by name."""
        kept = [msgspec.json.decode(row[0], type=Workgroup) for row in self._database.read("SELECT body FROM workgroups")]
        found = {each.name: each for each in kept} | self._declared
        return [found[name] for name in sorted(found)]

    def create(self, workgroup: Workgroup) -> None:
        """Keep a new workgroup; `InvalidRequest` if there is one of that name, or too many."""
        with self._changing:
            if self.find(workgroup.name) is not None:
                raise InvalidRequest("WorkGroup is already created")
            if len(self.all()) >= LIMIT:
                raise InvalidRequest(f"There may be {LIMIT} workgroups.")
            self._put(msgspec.structs.replace(workgroup.changed({}), created_ms=self._clock.now_ms()))

    def update(self, name: str, changes: Mapping[str, Any]) -> None:
        """Set some fields of a workgroup anew."""
        with self._changing:
            self._put(self._own(name).changed(changes))

    def delete(self, name: str) -> None:
        """Forget a workgroup; `primary` stays."""
        if self._own(name).name == PRIMARY:
            raise InvalidRequest("The primary workgroup cannot be deleted.")
        with self._changing, self._database.write() as cursor:
            cursor.execute("DELETE FROM workgroups WHERE name = ?", (name,))

    def _own(self, name: str) -> Workgroup:
        found = self.get(name)
        if found.declared:
            raise InvalidRequest(f"WorkGroup {name} is declared in headwater.toml; change it there.")
        return found

    def _put(self, workgroup: Workgroup) -> None:
        with self._database.write() as cursor:
            cursor.execute("INSERT OR REPLACE INTO workgroups VALUES (?, ?)", (workgroup.name, msgspec.json.encode(workgroup)))
