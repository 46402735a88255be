"""Glue's operations that change the catalog: each is a job of the worker."""

from __future__ import annotations

from msgspec.structs import replace

from headwater.catalog.shapes import Table
from headwater.edge.athena.call import AthenaOperation
from headwater.edge.glue.shapes import (
    DatabaseInput,
    GivenPartition,
    GivenTable,
    MadeDatabaseInput,
    MadePartitionInput,
    MadePartitionsInput,
    MadeTableInput,
    PartitionInput,
    PartitionsByValuesInput,
    TableInput,
    TablesByNameInput,
    VersionInput,
    VersionsByNumberInput,
)
from headwater.edge.principal import Principal
from headwater.edge.wire.service import Output
from headwater.errors import BadRequest, Refused
from headwater.executions import QueryRooms
from headwater.jobs import Ask, catalog

_TOLD = {f"{kind}_NOT_FOUND": "EntityNotFoundException" for kind in ("TABLE", "PARTITION", "VERSION")}


class GlueChanges:
    """Databases, tables and partitions made, changed and removed; *ask* lets the worker do it."""

    def __init__(self, queries: QueryRooms, ask: Ask) -> None:
        self._catalog, self._kept, self._ask = queries.catalog, queries.entries, ask

    def entries(self) -> dict[str, AthenaOperation]:
        """Return the operations by name."""
        return {
            "CreateDatabase": AthenaOperation(MadeDatabaseInput, self.create_database),
            "DeleteDatabase": AthenaOperation(DatabaseInput, self.delete_database),
            "CreateTable": AthenaOperation(MadeTableInput, self.create_table),
            "UpdateTable": AthenaOperation(MadeTableInput, self.update_table),
            "DeleteTable": AthenaOperation(TableInput, self.delete_table),
            "BatchDeleteTable": AthenaOperation(TablesByNameInput, self.delete_tables),
            "DeleteTableVersion": AthenaOperation(VersionInput, self.delete_version),
            "BatchDeleteTableVersion": AthenaOperation(VersionsByNumberInput, self.delete_versions),
            "CreatePartition": AthenaOperation(MadePartitionInput, self.create_partition),
            "BatchCreatePartition": AthenaOperation(MadePartitionsInput, self.create_partitions),
            "DeletePartition": AthenaOperation(PartitionInput, self.delete_partition),
            "BatchDeletePartition": AthenaOperation(PartitionsByValuesInput, self.delete_partitions),
        }

    def create_database(self, asked: MadeDatabaseInput, caller: Principal) -> Output:
        """Make a database."""
        made = asked.database_input
        self._ask(catalog.MakeDatabase(database=replace(made, name=made.name.lower())))
        return {}

    def delete_database(self, asked: DatabaseInput, caller: Principal) -> Output:
        """Remove a database with all that is in it."""
        self._ask(catalog.RemoveDatabase(name=asked.name.lower(), cascade=True))
        return {}

    def create_table(self, asked: MadeTableInput, caller: Principal) -> Output:
        """Make an external table or a view."""
        self._ask(catalog.CreateEntry(database=asked.database_name.lower(), table=_table(asked.table_input)))
        return {}

    def update_table(self, asked: MadeTableInput, caller: Principal) -> Output:
        """Put another definition in the place of a table's."""
        database, table = asked.database_name.lower(), _table(asked.table_input)
        if self._catalog.is_of_lake(database, table.name):
            raise BadRequest(f"{database}.{table.name} is an Iceberg table of the lake: change it by SQL")
        expected, archive = _number(asked.version_id), not asked.skip_archive
        self._ask(catalog.UpdateEntry(database=database, table=table, expected=expected, archive=archive))
        return {}

    def delete_table(self, asked: TableInput, caller: Principal) -> Output:
        """Remove a table or a view."""
        self._delete(asked.database_name.lower(), asked.name.lower())
        return {}

    def delete_tables(self, asked: TablesByNameInput, caller: Principal) -> Output:
        """Remove tables and views, and tell of those that cannot be."""
        errors = []
        for name in asked.tables_to_delete:
            try:
                self._delete(asked.database_name.lower(), name.lower())
            except Refused as error:
                errors.append({"TableName": name, "ErrorDetail": _detail(error)})
        return {"Errors": errors}

    def delete_version(self, asked: VersionInput, caller: Principal) -> Output:
        """Forget an older version of a table."""
        self._delete_version(asked.database_name, asked.table_name, asked.version_id)
        return {}

    def delete_versions(self, asked: VersionsByNumberInput, caller: Principal) -> Output:
        """Forget older versions of a table, and tell of those that cannot be."""
        errors = []
        for version_id in asked.version_ids:
            try:
                self._delete_version(asked.database_name, asked.table_name, version_id)
            except Refused as error:
                errors.append({"TableName": asked.table_name, "VersionId": version_id, "ErrorDetail": _detail(error)})
        return {"Errors": errors}

    def create_partition(self, asked: MadePartitionInput, caller: Principal) -> Output:
        """Add a partition."""
        if self._create_partitions(asked.database_name, asked.table_name, [asked.partition_input]):
            raise Refused("ALREADY_EXISTS", "Partition already exists.")
        return {}

    def create_partitions(self, asked: MadePartitionsInput, caller: Principal) -> Output:
        """Add partitions, and tell of those that are there already."""
        there = self._create_partitions(asked.database_name, asked.table_name, asked.partition_input_list)
        detail = {"ErrorCode": "AlreadyExistsException", "ErrorMessage": "Partition already exists."}
        return {"Errors": [{"PartitionValues": values, "ErrorDetail": detail} for values in there]}

    def delete_partition(self, asked: PartitionInput, caller: Principal) -> Output:
        """Forget a partition."""
        database, name = asked.database_name.lower(), asked.table_name.lower()
        if not self._ask(catalog.DeletePartitions(database=database, name=name, values=[asked.partition_values])).count:
            raise Refused("PARTITION_NOT_FOUND", "Cannot find partition.")
        return {}

    def delete_partitions(self, asked: PartitionsByValuesInput, caller: Principal) -> Output:
        """Forget partitions, and tell of those that there are none of."""
        database, name = asked.database_name.lower(), asked.table_name.lower()
        values = [each.values for each in asked.partitions_to_delete]
        missing = [each for each in values if self._kept.partition(database, name, each) is None]
        self._ask(catalog.DeletePartitions(database=database, name=name, values=values))
        detail = {"ErrorCode": "EntityNotFoundException", "ErrorMessage": "Partition not found."}
        return {"Errors": [{"PartitionValues": each, "ErrorDetail": detail} for each in missing]}

    def _delete(self, database: str, name: str) -> None:
        kept = self._kept.table(database, name)
        is_view = kept is not None and kept.table.is_view and not self._catalog.is_of_lake(database, name)
        drop = catalog.RemoveView if is_view else catalog.RemoveTable
        self._ask(drop(database=database, name=name))

    def _delete_version(self, database: str, name: str, version_id: str) -> None:
        # The one version of what is no entry here, a table of the lake, is the newest.
        version = _number(version_id)
        if self._catalog.is_of_lake(database.lower(), name.lower()):
            raise Refused(
                "NOT_SUPPORTED", f"{database}.{name} is an Iceberg table of the lake, whose versions are its snapshots: VACUUM it"
            )
        number = -1 if version is None else version
        self._ask(catalog.DeleteVersion(database=database.lower(), name=name.lower(), version=number))

    def _create_partitions(self, database: str, name: str, given: list[GivenPartition]) -> list[list[str]]:
        return self._ask(catalog.CreatePartitions(database=database.lower(), name=name.lower(), partitions=[*given])).values


def _table(made: GivenTable) -> Table:
    """Return a table's definition; what only an Iceberg table has, nobody but the lake can make."""
    if made.parameters.get("table_type", "").upper() == "ICEBERG":
        raise BadRequest("Iceberg tables are made and changed by SQL here: CREATE TABLE, INSERT, ALTER TABLE")
    return replace(made, name=made.name.lower())


def _number(version_id: str | None) -> int | None:
    # `isdecimal` alone is true of other scripts' digits, and `isdigit` of `²`, which is no number.
    return int(version_id) if version_id is not None and version_id.isascii() and version_id.isdecimal() else None


def _detail(error: Refused) -> dict[str, str]:
    return {"ErrorCode": _TOLD.get(error.code, "InvalidInputException"), "ErrorMessage": str(error)}
