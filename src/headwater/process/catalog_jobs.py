"""The worker's jobs on the catalog: databases, external tables, views, partitions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import msgspec
from msgspec.structs import replace

from headwater.catalog.entries import Entries, Entry
from headwater.catalog.names import DEFAULT, NAME, join_name, split_name
from headwater.catalog.shapes import Partition, Table
from headwater.clock import Clock
from headwater.errors import Refused
from headwater.jobs import Answer, AnyJob, Done, Handler, JobRun, threaded
from headwater.jobs.catalog import (
    CreateEntry,
    CreatePartitions,
    Deleted,
    DeletePartitions,
    DeleteVersion,
    Made,
    MakeDatabase,
    RemoveDatabase,
    RemoveTable,
    RemoveView,
    ReplacePartition,
    There,
    UpdateEntry,
    UpdatePartitions,
    Version,
)
from headwater.query.external.properties import check_properties
from headwater.store import Stores


class CatalogJobs:
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
        self._there = frozenset[str]()  # the Iceberg tables at the begin of the change that is made

    def handlers(self) -> list[Handler]:
        """Return who does which job."""
        once, alone = self._once, self._alone
        return [
            MakeDatabase.by(threaded(once(self.create_database))),
            RemoveDatabase.by(threaded(alone(self.drop_database))),
            CreateEntry.by(threaded(once(self.create_entry))),
            UpdateEntry.by(threaded(once(self.update_entry))),
            DeleteVersion.by(threaded(once(self.delete_version))),
            RemoveTable.by(threaded(alone(self.drop_table))),
            RemoveView.by(threaded(once(self.drop_view))),
            CreatePartitions.by(threaded(once(self.create_partitions))),
            UpdatePartitions.by(threaded(once(self.update_partitions))),
            ReplacePartition.by(threaded(once(self.rename_partition))),
            DeletePartitions.by(threaded(once(self.delete_partitions))),
        ]

    def create_database(self, job: MakeDatabase, run: JobRun) -> Done:
        """See the job."""
        made = job.database
        _check_name("database", made.name)
        if made.name in self._entries.databases():
            if job.if_not_exists:
                return Done()
            raise Refused("ALREADY_EXISTS", f"Database {made.name} already exists")
        if made.location_uri is not None:
            self._stores.find(made.location_uri)
        self._entries.put_database(replace(made, create_time=self._now()))
        return Done()

    def drop_database(self, job: RemoveDatabase, run: JobRun) -> Done:
        """See the job."""
        name = job.name
        if name not in self._entries.databases():
            if job.if_exists or self._entries.is_begun(_drop(run)):
                return Done()
            raise Refused("SCHEMA_NOT_FOUND", f"Database {name} does not exist")
        if name == self._own:
            raise Refused("NOT_SUPPORTED", f"{name} is the project's own database, where its events are: it cannot be dropped")
        if name == DEFAULT:
            raise Refused("NOT_SUPPORTED", f"{name} is the database that is always there: it cannot be dropped, what is in it can")
        of_lake = [table for table in self._there if split_name(table, self._own)[0] == name]
        if not job.cascade and (of_lake or self._entries.tables(name)):
            raise Refused("SCHEMA_NOT_EMPTY", f"Database {name} is not empty. One or more tables exist.")
        run.at(0, len(of_lake), "tables")
        self._entries.begin(_drop(run))
        for table in of_lake:
            self._drop(table)
        self._entries.delete_database(name)
        return Done()

    def create_entry(self, job: CreateEntry, run: JobRun) -> Made:
        """See the job."""
        database, made = job.database, job.table
        _check_name("table", made.name)
        there = self._entries.table(database, made.name)
        if there is not None or self._of_lake(database, made.name):
            if job.if_not_exists:
                return Made(False)
            kind = "View" if there is not None and there.table.is_view else "Table"
            raise Refused("ALREADY_EXISTS", f"line 1:1: {kind} 'awsdatacatalog.{database}.{made.name}' already exists")
        self._check(made)
        self._entries.create(database, replace(made, create_time=self._now(), update_time=self._now()))
        return Made(True)

    def update_entry(self, job: UpdateEntry, run: JobRun) -> Version:
        """See the job."""
        database, made = job.database, job.table
        before = self._entry(database, made.name)
        if before.table.is_view != made.is_view:
            raise Refused("TYPE_MISMATCH", f"'{database}.{made.name}' is a {'view' if before.table.is_view else 'table'}")
        self._check(made)
        made = replace(made, create_time=before.table.create_time, update_time=self._now())
        return Version(self._entries.update(database, made, expected=job.expected, archive=job.archive))

    def delete_version(self, job: DeleteVersion, run: JobRun) -> Done:
        """See the job."""
        self._entries.delete_version(job.database, job.name, job.version)
        return Done()

    def drop_table(self, job: RemoveTable, run: JobRun) -> Done:
        """See the job."""
        database, name = job.database, job.name
        if self._of_lake(database, name):
            table = join_name(database, name, self._own)
            if table in self._declared:
                raise Refused(
                    "NOT_SUPPORTED",
                    f"{database}.{name} is the table of an event type and cannot be dropped: its next event would make it anew; "
                    "take the class out of the project's events first",
                )
            self._entries.begin(_drop(run))
            self._drop(table)
            return Done()
        found = self._entries.table(database, name)
        if found is not None and found.table.is_view:
            raise Refused("NOT_SUPPORTED", f"'{database}.{name}' is a view: DROP VIEW removes it")
        if found is not None:
            self._entries.begin(_drop(run))
        if not self._entries.delete(database, name) and not (job.if_exists or self._entries.is_begun(_drop(run))):
            raise _missing("Table", database, name)
        return Done()

    def drop_view(self, job: RemoveView, run: JobRun) -> Done:
        """See the job."""
        database, name = job.database, job.name
        found = self._entries.table(database, name)
        if (found is not None and not found.table.is_view) or (found is None and self._of_lake(database, name)):
            raise Refused("NOT_SUPPORTED", f"'{database}.{name}' is a table: DROP TABLE removes it")
        if not self._entries.delete(database, name) and not job.if_exists:
            raise _missing("View", database, name)
        return Done()

    def create_partitions(self, job: CreatePartitions, run: JobRun) -> There:
        """See the job."""
        made = self._made(job.database, job.name, job.partitions)
        return There(self._entries.put_partitions(job.database, job.name, made, new=True))

    def update_partitions(self, job: UpdatePartitions, run: JobRun) -> There:
        """See the job."""
        made = self._made(job.database, job.name, job.partitions)
        return There(self._entries.put_partitions(job.database, job.name, made, new=False))

    def rename_partition(self, job: ReplacePartition, run: JobRun) -> Done:
        """See the job."""
        [made] = self._made(job.database, job.name, [job.partition])
        self._entries.rename_partition(job.database, job.name, job.values, made)
        return Done()

    def delete_partitions(self, job: DeletePartitions, run: JobRun) -> Deleted:
        """See the job."""
        return Deleted(self._entries.delete_partitions(job.database, job.name, job.values))

    def _made(self, database: str, name: str, partitions: Sequence[Partition]) -> list[Partition]:
        keys = len(self._entry(database, name).table.partition_keys)
        for each in partitions:
            if len(each.values) != keys:
                raise Refused("INVALID_PARTITION_VALUE", f"a partition of '{database}.{name}' has {keys} values, given: {each.values}")
            if each.storage_descriptor.location is not None:
                self._stores.find(each.storage_descriptor.location)
        return [replace(each, creation_time=each.creation_time or self._now()) for each in partitions]

    def _check(self, table: Table) -> None:
        if table.is_view:
            return
        check_properties(table)
        if table.storage_descriptor.location is not None:
            self._stores.find(table.storage_descriptor.location)

    def _of_lake(self, database: str, name: str) -> bool:
        return join_name(database, name, self._own) in self._there

    def _entry(self, database: str, name: str) -> Entry:
        if (found := self._entries.table(database, name)) is None:
            raise _missing("Table", database, name)
        return found

    def _now(self) -> float:
        return self._clock.now_ms() // 1000

    def _once(self, do: Callable[[AnyJob, JobRun], Answer]) -> Callable[[AnyJob, JobRun], Answer]:
        """Let it be one transaction with the note that it was done: where the process ended before it said so, it is not done again."""

        def done(job: AnyJob, run: JobRun) -> Answer:
            answer = self._entries.once(f"{type(job).__name__} {run.id}", lambda: msgspec.json.encode(do(job, run)))
            return msgspec.json.decode(answer, type=job.answer())  # type: ignore[no-any-return]

        return self._alone(done)

    def _alone(self, do: Callable[[AnyJob, JobRun], Answer]) -> Callable[[AnyJob, JobRun], Answer]:
        def done(job: AnyJob, run: JobRun) -> Answer:
            with self._lock:
                # Asked for now: whoever writes the index waits for the transaction of the entries, which must not wait for the index.
                self._there = frozenset(self._lake_tables())
                return do(job, run)

        return done


def _drop(run: JobRun) -> str:
    return f"drop {run.id}"


def _check_name(kind: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise Refused("INVALID_PARAMETER_USAGE", f"{name!r} is no name of a {kind}: it may have letters a to z, digits, _ and -, up to 128")


def _missing(kind: str, database: str, name: str) -> Refused:
    return Refused("TABLE_NOT_FOUND", f"line 1:1: {kind} 'awsdatacatalog.{database}.{name}' does not exist")
