"""Named queries and prepared statements as callers handle them."""

from __future__ import annotations

import uuid

import msgspec

from headwater.clock import Clock
from headwater.executions.errors import InvalidRequest, ResourceMissing
from headwater.executions.given import given_queries
from headwater.executions.saved import NamedQuery, PreparedStatement, Shelf
from headwater.executions.token import Tokens
from headwater.executions.workgroups import Workgroups

PREPARED_LIMIT = 1_000


class Library:
    """What people saved in workgroups, and in `primary` what every project has; a workgroup that does not exist is an `InvalidRequest`."""

    def __init__(
        self,
        named: Shelf[NamedQuery],
        prepared: Shelf[PreparedStatement],
        workgroups: Workgroups,
        tokens: Tokens,
        clock: Clock,
        database: str,
    ) -> None:
        """*database*: the one that what every project has is about."""
        self._named, self._prepared, self._workgroups = named, prepared, workgroups
        self._tokens, self._clock = tokens, clock
        self._given = {query.id: query for query in given_queries(database)}

    def create_named(self, query: NamedQuery) -> str:
        """Keep a new named query and return its id, which is made here; the same token twice is one query."""
        self._workgroups.get(query.workgroup)
        if query.token is not None:
            for known in self._named.all_of(query.workgroup):
                if known.token == query.token:
                    if (known.name, known.query, known.database) != (query.name, query.query, query.database):
                        raise InvalidRequest("Idempotent parameters do not match", "IDEMPOTENT_PARAMETER_MISMATCH")
                    return known.id
        made = msgspec.structs.replace(query, id=str(uuid.uuid4()))
        self._named.put(made.workgroup, made.id, made, self._clock.now_ms())
        return made.id

    def named(self, query_id: str) -> NamedQuery:
        """Return the named query; `InvalidRequest` for an unknown id."""
        found = self._given.get(query_id) or self._named.anywhere(query_id)
        if found is None:
            raise InvalidRequest(f"NamedQuery {query_id} was not found", "NAMED_QUERY_NOT_FOUND")
        return found

    def update_named(self, query_id: str, name: str, query: str, description: str | None) -> None:
        """Replace name, text and description."""
        made = msgspec.structs.replace(self._own(query_id), name=name, query=query, description=description)
        self._named.put(made.workgroup, made.id, made, self._clock.now_ms())

    def delete_named(self, query_id: str) -> None:
        """Forget a named query."""
        self._named.delete(self._own(query_id).workgroup, query_id)

    def named_ids(self, workgroup: str, token: str | None, count: int) -> tuple[list[str], str | None]:
        """Return ids of a workgroup's named queries and the token for more."""
        self._workgroups.get(workgroup)
        after = self._after(f"named {workgroup}", token)
        given = [query.id for query in self._given.values() if query.workgroup == workgroup and query.id > after]
        found = sorted([*given, *(each.id for each in self._named.all_of(workgroup, after, count + 1))])
        ids = found[:count]
        return ids, self._tokens.seal(f"named {workgroup}", [ids[-1]]) if len(found) > count else None

    def create_prepared(self, statement: PreparedStatement) -> None:
        """Keep a new prepared statement; `InvalidRequest` if there is one of that name."""
        self._workgroups.get(statement.workgroup)
        if self._prepared.get(statement.workgroup, statement.name) is not None:
            raise InvalidRequest(f"Prepared Statement {statement.name} already exists in WorkGroup {statement.workgroup}")
        if len(self._prepared.all_of(statement.workgroup)) >= PREPARED_LIMIT:
            raise InvalidRequest(f"There may be {PREPARED_LIMIT} prepared statements in a workgroup.")
        self._put_prepared(statement)

    def prepared(self, workgroup: str, name: str) -> PreparedStatement:
        """Return the prepared statement; `ResourceMissing` if there is none of that name."""
        self._workgroups.get(workgroup)
        found = self._prepared.get(workgroup, name)
        if found is None:
            raise ResourceMissing(f"No Prepared Statement with statement name {name} exists in WorkGroup {workgroup}", name)
        return found

    def update_prepared(self, statement: PreparedStatement) -> None:
        """Replace text and description; `ResourceMissing` if there is none of that name."""
        self.prepared(statement.workgroup, statement.name)
        self._put_prepared(statement)

    def delete_prepared(self, workgroup: str, name: str) -> None:
        """Forget a prepared statement; `ResourceMissing` if there is none of that name."""
        self.prepared(workgroup, name)
        self._prepared.delete(workgroup, name)

    def all_prepared(self, workgroup: str, token: str | None, count: int) -> tuple[list[PreparedStatement], str | None]:
        """Return a workgroup's prepared statements by name and the token for more."""
        self._workgroups.get(workgroup)
        found = self._prepared.all_of(workgroup, self._after(f"prepared {workgroup}", token), count + 1)
        more = self._tokens.seal(f"prepared {workgroup}", [found[count - 1].name]) if len(found) > count else None
        return found[:count], more

    def is_empty(self, workgroup: str) -> bool:
        """Return whether nothing is saved in a workgroup."""
        return not self._named.all_of(workgroup, count=1) and not self._prepared.all_of(workgroup, count=1)

    def forget(self, workgroup: str) -> None:
        """Forget all that is saved in a workgroup."""
        self._named.delete_all(workgroup)
        self._prepared.delete_all(workgroup)

    def _own(self, query_id: str) -> NamedQuery:
        if query_id in self._given:
            raise InvalidRequest(f"{self._given[query_id].name} is one of the queries that every project has; save a copy and change that")
        return self.named(query_id)

    def _put_prepared(self, statement: PreparedStatement) -> None:
        now_ms = self._clock.now_ms()
        self._prepared.put(statement.workgroup, statement.name, msgspec.structs.replace(statement, changed_ms=now_ms), now_ms)

    def _after(self, of: str, token: str | None) -> str:
        return "" if token is None else str(self._tokens.open(of, token)[0])
