"""Statements that change the catalog: each is made out here and becomes a job of the worker, who alone writes it."""

from __future__ import annotations

from msgspec.structs import replace

from headwater.catalog.entries import Entries, Entry
from headwater.catalog.shapes import Database, Partition, Table
from headwater.dialect import QueryFailed, Statement
from headwater.dialect.commands import (
    AddColumns,
    AddPartitions,
    ChangeColumn,
    Command,
    CreateDatabase,
    CreateTable,
    CreateView,
    DropColumn,
    DropDatabase,
    DropPartitions,
    DropTable,
    DropView,
    RenamePartition,
    RepairTable,
    ReplaceColumns,
    SetLocation,
    SetProperties,
    TableName,
    UnsetProperties,
)
from headwater.errors import Refused
from headwater.executions import parts
from headwater.executions.catalog import LakeCatalog
from headwater.executions.columns import shown
from headwater.executions.declare import altered, external_table, view
from headwater.executions.execution import ResultColumn
from headwater.executions.jobs import Jobs, StatementJobs
from headwater.executions.live import Live
from headwater.jobs import catalog as jobs
from headwater.query.external import partition_folder, partition_name
from headwater.query.external.projection import is_projected
from headwater.store import Stores

ALTERS = AddColumns | ReplaceColumns | DropColumn | ChangeColumn | SetProperties | UnsetProperties | SetLocation
_TRIES = 5


class Changes:
    """Changes databases, external tables and their partitions, and views."""

    def __init__(self, jobs: Jobs, catalog: LakeCatalog, entries: Entries, stores: Stores) -> None:
        self._jobs, self._catalog, self._entries, self._stores = jobs, catalog, entries, stores

    def run(self, live: Live, command: Command, statement: Statement) -> tuple[tuple[ResultColumn, ...], list[str]] | None:
        """Carry out the command and return columns and lines to show; None if it is none of those here.

        Raises `QueryFailed`, or `Refused` from the worker.
        """
        ask, lines = self._jobs.of(live), list[str]()
        match command:
            case CreateDatabase(name, if_not_exists, comment, location, properties):
                made = Database(name, comment, location, dict(properties))
                ask(jobs.MakeDatabase(database=made, if_not_exists=if_not_exists))
            case DropDatabase(name, if_exists, cascade):
                ask(jobs.RemoveDatabase(name=name, if_exists=if_exists, cascade=cascade))
            case CreateTable() if not is_iceberg(command):
                self._create_table(ask, command)
            case CreateView():
                self._create_view(ask, command, statement)
            case DropView((database, name), if_exists):
                ask(jobs.RemoveView(database=database, name=name, if_exists=if_exists))
            case DropTable((database, name), if_exists):
                ask(jobs.RemoveTable(database=database, name=name, if_exists=if_exists))
            case (
                SetLocation(partition=None)
                | AddColumns()
                | ReplaceColumns()
                | DropColumn()
                | ChangeColumn()
                | SetProperties()
                | (UnsetProperties())
            ):
                self._alter(ask, command)
            case AddPartitions() | DropPartitions() | RenamePartition() | SetLocation():
                self._alter_partitions(ask, command)
            case RepairTable(table):
                lines = self._repair(ask, table)
            case _:
                return None
        return ((shown("result"),) if lines else ()), lines

    def _create_table(self, ask: StatementJobs, command: CreateTable) -> None:
        database, name = command.table
        if not command.external:
            raise QueryFailed(
                "NOT_SUPPORTED",
                "CREATE TABLE makes Iceberg tables: TBLPROPERTIES ('table_type'='ICEBERG'); for files that are there it is CREATE EXTERNAL"
                " TABLE",
            )
        made = external_table(command)
        if self._catalog.is_fixed(database, name):
            if command.if_not_exists:
                return
            raise QueryFailed("ALREADY_EXISTS", f"line 1:1: Table 'awsdatacatalog.{database}.{name}' already exists")
        ask(jobs.CreateEntry(database=database, table=made, if_not_exists=command.if_not_exists))

    def _create_view(self, ask: StatementJobs, command: CreateView, statement: Statement) -> None:
        database, name = command.view
        made = view(command, statement)
        if self._catalog.is_fixed(database, name) and not self._catalog.gives_way(name):
            raise QueryFailed("ALREADY_EXISTS", f"line 1:1: Table 'awsdatacatalog.{database}.{name}' already exists")
        there = self._entries.table(database, name)
        if command.replace and there is not None and there.table.is_view:
            ask(jobs.UpdateEntry(database=database, table=made))
        else:
            ask(jobs.CreateEntry(database=database, table=made))

    def _alter(self, ask: StatementJobs, command: ALTERS) -> None:
        for _ in range(_TRIES):
            entry = self._entry(command.table)
            made = altered(entry.table, command)
            assert made is not None
            try:
                ask(jobs.UpdateEntry(database=entry.database, table=made, expected=entry.version))
            except Refused as error:
                if error.code != "CONCURRENT_MODIFICATION":
                    raise
            else:
                return
        raise QueryFailed("CONCURRENT_MODIFICATION", f"{'.'.join(command.table)} is being changed by others; try again")

    def _alter_partitions(self, ask: StatementJobs, command: AddPartitions | DropPartitions | RenamePartition | SetLocation) -> None:
        entry = self._entry(command.table)
        table, database, name = entry.table, entry.database, entry.table.name
        match command:
            case AddPartitions(_, if_not_exists, specs):
                made = [parts.partition_of(table, spec) for spec in specs]
                known = [] if if_not_exists else [each for each in made if self._partition(entry, each.values)]
                if known:
                    told = partition_name(table, known[0].values)
                    raise QueryFailed("FAILED", f"AlreadyExistsException: Partition already exists: {told}", type=1003)
                ask(jobs.CreatePartitions(database=database, name=name, partitions=made))
            case DropPartitions(_, if_exists, specs):
                places = self._entries.places(*command.table)
                for spec in specs:
                    named = [list(place.values) for place in places if parts.meets(table, spec, place.values)]
                    if not named and not if_exists:
                        raise _no_partition(table)
                    for at in range(0, len(named), _AT_ONCE):
                        ask(jobs.DeletePartitions(database=database, name=name, values=named[at : at + _AT_ONCE]))
            case RenamePartition(_, old, new):
                values, before = self._existing(entry, parts.values_of(table, old))
                # The files stay where they are.
                where_it_lies = before.storage_descriptor.location or partition_folder(table, values)
                stays = replace(before.storage_descriptor, location=where_it_lies)
                renamed = replace(before, values=parts.values_of(table, new), storage_descriptor=stays)
                ask(jobs.ReplacePartition(database=database, name=name, values=values, partition=renamed))
            case SetLocation(_, location, spec) if spec is not None:
                _, before = self._existing(entry, parts.values_of(table, spec))
                moved = replace(before, storage_descriptor=replace(before.storage_descriptor, location=location))
                ask(jobs.UpdatePartitions(database=database, name=name, partitions=[moved]))

    def _repair(self, ask: StatementJobs, name: TableName) -> list[str]:
        entry = self._entry(name)
        table = entry.table
        if not table.partition_keys or is_projected(table):
            raise QueryFailed("FAILED", f"SemanticException Table {table.name} has no partitions in the catalog to repair", type=1003)
        known = {place.values for place in self._entries.places(*name)}
        new = [each for each in parts.found_partitions(table, self._stores) if tuple(each.values) not in known]
        if not new:
            return []
        for at in range(0, len(new), _AT_ONCE):
            ask(jobs.CreatePartitions(database=entry.database, name=table.name, partitions=new[at : at + _AT_ONCE]))
        told = [f"{table.name}:{partition_name(table, each.values)}" for each in new]
        return ["\t".join(["Partitions not in metastore:", *told]), *(f"Repair: Added partition to metastore {each}" for each in told)]

    def _entry(self, name: TableName) -> Entry:
        entry = self._entries.table(*name)
        if entry is not None and not entry.table.is_view:
            return entry
        if entry is None and self._catalog.columns(*name) is None:
            raise QueryFailed("TABLE_NOT_FOUND", f"line 1:1: Table 'awsdatacatalog.{name.database}.{name.name}' does not exist")
        raise QueryFailed(
            "NOT_SUPPORTED",
            f"{name.database}.{name.name} is no external table, and MSCK, partitions, SET LOCATION and REPLACE COLUMNS are for those: a"
            " view is made anew by CREATE OR REPLACE VIEW, columns of an Iceberg table are added, changed and dropped one by one",
        )

    def _existing(self, entry: Entry, values: list[str]) -> tuple[list[str], Partition]:
        if (found := self._partition(entry, values)) is None:
            raise _no_partition(entry.table)
        return values, found

    def _partition(self, entry: Entry, values: list[str]) -> Partition | None:
        return self._entries.partition(entry.database, entry.table.name, values)


# So that one job is short, and others get their turn between two.
_AT_ONCE = 500


def is_iceberg(command: CreateTable) -> bool:
    """Return whether a CREATE TABLE asks for an Iceberg table."""
    kinds = [value.upper() for key, value in command.properties.items() if key.lower() == "table_type"]
    return not command.external and kinds == ["ICEBERG"]


def _no_partition(table: Table) -> QueryFailed:
    return QueryFailed("FAILED", f"SemanticException [Error 10006]: Partition not found in {table.name}", type=1003)
