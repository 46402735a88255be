"""Glue's operations that look at the catalog."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from headwater.catalog.names import join_name
from headwater.catalog.shapes import EXTERNAL, VIEW, Partition, SerDe, Storage, Table, told
from headwater.edge.athena.call import AthenaOperation, page
from headwater.edge.athena.catalog import there
from headwater.edge.glue.shapes import (
    DatabaseInput,
    PageInput,
    PartitionInput,
    PartitionsInput,
    TableInput,
    TablesInput,
    VersionsInput,
)
from headwater.edge.principal import Principal
from headwater.edge.wire.service import Output
from headwater.errors import BadRequest, Refused
from headwater.executions import QueryRooms, TableInfo, matching
from headwater.query.external import partition_folder

PAGE = 100
# What regular expressions repeat by a star: any letter, a set, a group, a kind of letters.
_STAR = re.compile(r"([.)\]]|\\.)\*|\*")
EMPTY = "empty"
"""A folder of the lake that does not exist."""


class GlueTables:
    """Databases, tables, versions and partitions as they are."""

    def __init__(self, queries: QueryRooms, metadata: Callable[[str], str | None], *, own: str, account_id: str) -> None:
        self._catalog, self._entries_, self._tokens = queries.catalog, queries.entries, queries.tokens
        self._metadata, self._own, self._account_id = metadata, own, account_id

    def entries(self) -> dict[str, AthenaOperation]:
        """Return the operations by name."""
        return {
            "GetDatabase": AthenaOperation(DatabaseInput, self.database),
            "GetDatabases": AthenaOperation(PageInput, self.databases),
            "GetTable": AthenaOperation(TableInput, self.table),
            "GetTables": AthenaOperation(TablesInput, self.tables),
            "GetTableVersion": AthenaOperation(VersionsInput, self.version),
            "GetTableVersions": AthenaOperation(VersionsInput, self.versions),
            "GetPartition": AthenaOperation(PartitionInput, self.partition),
            "GetPartitions": AthenaOperation(PartitionsInput, self.partitions),
            "GetUserDefinedFunctions": AthenaOperation(PageInput, self.functions),
        }

    def database(self, asked: DatabaseInput, caller: Principal) -> Output:
        """Show a database."""
        return {"Database": self._database(asked.name.lower())}

    def databases(self, asked: PageInput, caller: Principal) -> Output:
        """List the databases."""
        names, more = self._page("glue databases", self._catalog.databases(), asked)
        return page("DatabaseList", there(names, self._database), more)

    def table(self, asked: TableInput, caller: Principal) -> Output:
        """Show a table."""
        return {"Table": self._table(asked.database_name.lower(), asked.name.lower())}

    def tables(self, asked: TablesInput, caller: Principal) -> Output:
        """List the tables of a database whose names match."""
        database = asked.database_name.lower()
        self._database(database)
        names = matching(self._catalog.tables(database), _glob(asked.expression))
        some, more = self._page(f"glue tables {database} {asked.expression}", names, asked)
        return page("TableList", there(some, lambda name: self._table(database, name)), more)

    def version(self, asked: VersionsInput, caller: Principal) -> Output:
        """Show a version of a table."""
        for found in self._versions(asked):
            if found["VersionId"] == asked.version_id:
                return {"TableVersion": found}
        raise Refused("TABLE_NOT_FOUND", f"{asked.database_name}.{asked.table_name} has no version {asked.version_id}")

    def versions(self, asked: VersionsInput, caller: Principal) -> Output:
        """List the versions of a table, the newest first."""
        of, count = f"glue versions {asked.database_name}.{asked.table_name}".lower(), min(asked.max_results or PAGE, PAGE)
        found = self._versions(asked)
        if asked.next_token is not None:
            last = int(self._tokens.open(of, asked.next_token)[0])
            found = [each for each in found if int(each["VersionId"]) < last]
        more = self._tokens.seal(of, [int(found[count - 1]["VersionId"])]) if len(found) > count else None
        return page("TableVersions", found[:count], more)

    def partition(self, asked: PartitionInput, caller: Principal) -> Output:
        """Show a partition."""
        database, name = asked.database_name.lower(), asked.table_name.lower()
        found = self._partitions(database, name, [asked.partition_values])
        if not found:
            raise Refused("PARTITION_NOT_FOUND", "Cannot find partition.")
        return {"Partition": found[0]}

    def partitions(self, asked: PartitionsInput, caller: Principal) -> Output:
        """List the partitions of a table."""
        if asked.expression:
            raise BadRequest("partitions are not filtered by an expression here: leave it out, or ask in SQL")
        database, name = asked.database_name.lower(), asked.table_name.lower()
        self._table(database, name)
        places = self._entries_.places(database, name)
        token = 0 if asked.next_token is None else int(self._tokens.open(f"glue partitions {database}.{name}", asked.next_token)[0])
        end = token + (asked.max_results or 1000)
        more = self._tokens.seal(f"glue partitions {database}.{name}", [end]) if end < len(places) else None
        return page("Partitions", self._partitions(database, name, [place.values for place in places[token:end]]), more)

    def functions(self, asked: PageInput, caller: Principal) -> Output:
        """There are none."""
        return {"UserDefinedFunctions": []}

    def _database(self, name: str) -> Output:
        return {**told(self._catalog.database(name)), "CatalogId": self._account_id}

    def _table(self, database: str, name: str) -> Output:
        self._database(database)
        kept = self._entries_.table(database, name)
        of_ours = {"DatabaseName": database, "CatalogId": self._account_id, "IsRegisteredWithLakeFormation": False}
        if kept is None or self._catalog.is_of_lake(database, name):
            return {**self._of_lake(database, self._catalog.info(database, name)), **of_ours, "VersionId": "0"}
        return {**told(kept.table), **of_ours, "VersionId": str(kept.version)}

    def _of_lake(self, database: str, info: TableInfo) -> Output:
        """Return an Iceberg table as Glue has them: all columns are the table's own, and the files are named by its metadata."""
        metadata = self._metadata(join_name(database, info.name, self._own))
        every = (*info.columns, *info.partition_keys)
        columns: list[Output] = [{"Name": each.name, "Type": each.type, "Comment": each.comment} for each in every]
        table: Output = {**told(Table(info.name)), "TableType": VIEW}
        table["StorageDescriptor"]["Columns"] = columns
        if metadata is None:
            return table
        for column in columns:
            column["Parameters"] = {"iceberg.field.current": "true"}
        # Readers go by the metadata. Some clients empty the location before they drop a table (dbt does): there is nothing in this one.
        table["StorageDescriptor"]["Location"] = f"{metadata.rpartition('/metadata/')[0]}/{EMPTY}/{database}/{info.name}"
        parameters = {"EXTERNAL": "TRUE", "table_type": "ICEBERG", "metadata_location": metadata}
        return {**table, "TableType": EXTERNAL, "Parameters": parameters}

    def _versions(self, asked: VersionsInput) -> list[Output]:
        database, name = asked.database_name.lower(), asked.table_name.lower()
        newest = self._table(database, name)
        of_ours = {"DatabaseName": database, "CatalogId": self._account_id}
        older = [
            {"Table": {**told(each.table), **of_ours, "VersionId": str(each.version)}, "VersionId": str(each.version)}
            for each in self._entries_.versions(database, name)
            if str(each.version) != newest["VersionId"]
        ]
        return [{"Table": newest, "VersionId": newest["VersionId"]}, *older]

    def _partitions(self, database: str, name: str, asked: Iterable[Sequence[str]]) -> list[Output]:
        """Return the partitions with those values, as far as there are any."""
        kept = self._entries_.table(database, name)
        if kept is None:
            return []
        of_ours = {"DatabaseName": database, "TableName": name, "CatalogId": self._account_id}
        found = [self._entries_.partition(database, name, values) for values in asked]
        return [{**told(each), "StorageDescriptor": _storage(kept.table, each), **of_ours} for each in found if each is not None]

    def _page(self, of: str, names: Sequence[str], asked: PageInput) -> tuple[list[str], str | None]:
        count = min(asked.max_results or PAGE, PAGE)
        after = "" if asked.next_token is None else str(self._tokens.open(of, asked.next_token)[0])
        found = [name for name in names if name > after]
        return found[:count], self._tokens.seal(of, [found[count - 1]]) if len(found) > count else None


def _glob(expression: str | None) -> str | None:
    """Return a pattern of names as a regular expression: a `*` behind a plain letter, or before all, stands for any text, as in Hive's."""
    return None if expression is None else _STAR.sub(lambda found: found[0] if found[1] else ".*", expression)


def _storage(table: Table, partition: Partition) -> Output:
    """Return where and how a partition lies, whole as other engines need it: what it does not say itself is the table's."""
    own, base = partition.storage_descriptor, table.storage_descriptor
    beneath = own.location is None and base.location is not None and len(partition.values) == len(table.partition_keys)
    location = partition_folder(table, partition.values) if beneath else own.location
    if own in (Storage(), Storage(location=own.location)):
        return told(replace(base, location=location))
    filled = replace(
        own,
        location=location,
        columns=own.columns or base.columns,
        input_format=own.input_format or base.input_format,
        output_format=own.output_format or base.output_format,
        serde_info=base.serde_info if own.serde_info == SerDe() else own.serde_info,
    )
    return told(filled)
