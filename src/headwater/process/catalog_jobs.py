"""The worker's jobs on the catalog: databases, external tables, views, partitions. Whoever asks has made out what they shall be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from typing import Any

import msgspec

from headwater.catalog.entries import Entries, Entry
from headwater.catalog.names import DEFAULT, NAME, join_name, split_name
from headwater.catalog.shapes import Database, Partition, Table
from headwater.clock import Clock
from headwater.errors import Refused
from headwater.process.job import Job
from headwater.query.external.properties import check_properties
from headwater.store import Stores


class Changes:
    """Changes the catalog, one change at a time.

    *own* is the project's database. *lake_tables* gives the names of the Iceberg tables, *drop* removes one with its files; *declared* are
    those of the event types in the project's code, which statements may not drop.
    """

    def __init__(
        self,
        entries: Entries,
        stores: Stores,
        clock: Clock,
        *,
        own: str,
        lake_tables: Callable[[], Sequence[str]],
        drop: Callable[[str], None],
        declared: Collection[str],
    ) -> None:
        self._entries, self._stores, self._clock, self._own = entries, stores, clock, own
        self._lake_tables, self._drop, self._declared = lake_tables, drop, declared
        self._lock = threading.RLock()

    def jobs(self) -> Mapping[str, Job]:
        """Return the jobs by name."""
        jobs = (
            self.create_database, self.drop_database, self.create_entry, self.update_entry, self.delete_version,
            self.drop_table, self.drop_view, self.create_partitions, self.update_partitions, self.rename_partition, self.delete_partitions,
        )  # fmt: skip
        return {job.__name__: self._job(job) for job in jobs}

    def create_database(self, *, database: dict[str, Any], if_not_exists: bool = False) -> None:
        """Make a database. Raises `Refused`: ALREADY_EXISTS, INVALID_LOCATION, INVALID_PARAMETER_USAGE."""
        made = msgspec.convert(database, Database)
        _check_name("database", made.name)
        if made.name in self._entries.databases():
            if if_not_exists:
                return
            raise Refused("ALREADY_EXISTS", f"Database {made.name} already exists")
        if made.location_uri is not None:
            self._stores.find(made.location_uri)
        self._entries.put_database(msgspec.structs.replace(made, create_time=self._now()))

    def drop_database(self, *, name: str, if_exists: bool = False, cascade: bool = False) -> None:
        """Remove a database, with *cascade* all that is in it, too: Iceberg tables with their files, others without.

        Raises `Refused`: SCHEMA_NOT_FOUND, SCHEMA_NOT_EMPTY, NOT_SUPPORTED for the project's own.
        """
        if name not in self._entries.databases():
            if if_exists:
                return
            raise Refused("SCHEMA_NOT_FOUND", f"Database {name} does not exist")
        if name == self._own:
            raise Refused("NOT_SUPPORTED", f"{name} is the project's own database, where its events are: it cannot be dropped")
        if name == DEFAULT:
            raise Refused("NOT_SUPPORTED", f"{name} is the database that is always there: it cannot be dropped, what is in it can")
        of_lake = [table for table in self._lake_tables() if split_name(table, self._own)[0] == name]
        if not cascade and (of_lake or self._entries.tables(name)):
            raise Refused("SCHEMA_NOT_EMPTY", f"Database {name} is not empty. One or more tables exist.")
        for table in of_lake:
            self._drop(table)
        self._entries.delete_database(name)

    def create_entry(self, *, database: str, table: dict[str, Any], if_not_exists: bool = False) -> bool:
        """Make an external table or a view; return whether it was made.

        Raises `Refused`: SCHEMA_NOT_FOUND, ALREADY_EXISTS, INVALID_LOCATION, INVALID_PARAMETER_USAGE, and INVALID_TABLE_PROPERTY for a
        property that its files cannot be read by.
        """
        made = msgspec.convert(table, Table)
        _check_name("table", made.name)
        there = self._entries.table(database, made.name)
        if there is not None or self._of_lake(database, made.name):
            if if_not_exists:
                return False
            kind = "View" if there is not None and there.table.is_view else "Table"
            raise Refused("ALREADY_EXISTS", f"line 1:1: {kind} 'awsdatacatalog.{database}.{made.name}' already exists")
        self._check(made)
        self._entries.create(database, msgspec.structs.replace(made, create_time=self._now(), update_time=self._now()))
        return True

    def update_entry(self, *, database: str, table: dict[str, Any], expected: int | None = None, archive: bool = True) -> int:
        """Put another definition in the place of a table's or view's and return its version.

        Raises `Refused`: TABLE_NOT_FOUND, CONCURRENT_MODIFICATION, INVALID_LOCATION, INVALID_TABLE_PROPERTY, TYPE_MISMATCH where a view
        would become a table.
        """
        made = msgspec.convert(table, Table)
        before = self._entry(database, made.name)
        if before.table.is_view != made.is_view:
            raise Refused("TYPE_MISMATCH", f"'{database}.{made.name}' is a {'view' if before.table.is_view else 'table'}")
        self._check(made)
        made = msgspec.structs.replace(made, create_time=before.table.create_time, update_time=self._now())
        return self._entries.update(database, made, expected=expected, archive=archive)

    def delete_version(self, *, database: str, name: str, version: int) -> None:
        """Forget an older version of a definition. Raises `Refused`: TABLE_NOT_FOUND, VERSION_NOT_FOUND, NOT_SUPPORTED for the current."""
        self._entries.delete_version(database, name, version)

    def drop_table(self, *, database: str, name: str, if_exists: bool = False) -> None:
        """Remove a table: an Iceberg table with its files, of an external one the definition only.

        Raises `Refused`: TABLE_NOT_FOUND, NOT_SUPPORTED for a table that events come into, and for a view.
        """
        if self._of_lake(database, name):
            table = join_name(database, name, self._own)
            if table in self._declared:
                raise Refused(
                    "NOT_SUPPORTED",
                    f"{database}.{name} is the table of an event type and cannot be dropped: its next event would make it anew; "
                    "take the class out of the project's events first",
                )
            self._drop(table)
            return
        found = self._entries.table(database, name)
        if found is not None and found.table.is_view:
            raise Refused("NOT_SUPPORTED", f"'{database}.{name}' is a view: DROP VIEW removes it")
        if not self._entries.delete(database, name) and not if_exists:
            raise _missing("Table", database, name)

    def drop_view(self, *, database: str, name: str, if_exists: bool = False) -> None:
        """Remove a view. Raises `Refused`: TABLE_NOT_FOUND, NOT_SUPPORTED for a table."""
        found = self._entries.table(database, name)
        if (found is not None and not found.table.is_view) or (found is None and self._of_lake(database, name)):
            raise Refused("NOT_SUPPORTED", f"'{database}.{name}' is a table: DROP TABLE removes it")
        if not self._entries.delete(database, name) and not if_exists:
            raise _missing("View", database, name)

    def create_partitions(self, *, database: str, name: str, partitions: Sequence[dict[str, Any]]) -> list[list[str]]:
        """Add partitions and return the values of those that were there, which stay as they were. Raises `Refused`: TABLE_NOT_FOUND,
        INVALID_LOCATION.
        """
        return self._entries.put_partitions(database, name, self._made(database, name, partitions), new=True)

    def update_partitions(self, *, database: str, name: str, partitions: Sequence[dict[str, Any]]) -> list[list[str]]:
        """Put other definitions in the place of partitions', and return the values of those that were there.

        Raises as `create_partitions` does.
        """
        return self._entries.put_partitions(database, name, self._made(database, name, partitions), new=False)

    def rename_partition(self, *, database: str, name: str, values: Sequence[str], partition: dict[str, Any]) -> None:
        """Put *partition* in the place of the one of *values*.

        Raises `Refused`: TABLE_NOT_FOUND, PARTITION_NOT_FOUND, ALREADY_EXISTS, INVALID_LOCATION.
        """
        [made] = self._made(database, name, [partition])
        self._entries.rename_partition(database, name, values, made)

    def delete_partitions(self, *, database: str, name: str, values: Sequence[Sequence[str]]) -> int:
        """Forget partitions and return how many there were; their files stay. Raises `Refused` TABLE_NOT_FOUND."""
        return self._entries.delete_partitions(database, name, values)

    def _made(self, database: str, name: str, partitions: Sequence[dict[str, Any]]) -> list[Partition]:
        keys = len(self._entry(database, name).table.partition_keys)
        made = [msgspec.convert(each, Partition) for each in partitions]
        for each in made:
            if len(each.values) != keys:
                raise Refused("INVALID_PARTITION_VALUE", f"a partition of '{database}.{name}' has {keys} values, given: {each.values}")
            if each.storage_descriptor.location is not None:
                self._stores.find(each.storage_descriptor.location)
        return [msgspec.structs.replace(each, creation_time=each.creation_time or self._now()) for each in made]

    def _check(self, table: Table) -> None:
        if table.is_view:
            return
        check_properties(table)
        if table.storage_descriptor.location is not None:
            self._stores.find(table.storage_descriptor.location)

    def _of_lake(self, database: str, name: str) -> bool:
        return join_name(database, name, self._own) in self._lake_tables()

    def _entry(self, database: str, name: str) -> Entry:
        if (found := self._entries.table(database, name)) is None:
            raise _missing("Table", database, name)
        return found

    def _now(self) -> float:
        return self._clock.now_ms() // 1000

    def _job(self, change: Callable[..., Any]) -> Job:
        def do(**arguments: Any) -> Any:
            with self._lock:
                return change(**arguments)

        @wraps(change)
        async def job(**arguments: Any) -> Any:
            return await asyncio.to_thread(do, **arguments)

        return job


def _check_name(kind: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise Refused("INVALID_PARAMETER_USAGE", f"{name!r} is no name of a {kind}: it may have letters a to z, digits, _ and -, up to 128")


def _missing(kind: str, database: str, name: str) -> Refused:
    return Refused("TABLE_NOT_FOUND", f"line 1:1: {kind} 'awsdatacatalog.{database}.{name}' does not exist")
