"""Athena's operations on its catalog: databases and tables as they are now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from headwater.catalog.shapes import Database, Storage
from headwater.edge.athena.call import AthenaOperation, page
from headwater.edge.athena.shapes import (
    AthenaDatabaseInput,
    AthenaTableInput,
    DataCatalogInput,
    ListDatabasesInput,
    ListInput,
    ListTableMetadataInput,
)
from headwater.edge.principal import Principal
from headwater.edge.wire.service import Output
from headwater.errors import QueryError
from headwater.executions import InvalidRequest, MetadataMissing, QueryRooms, TableInfo, matching

NAME = "AwsDataCatalog"


class CatalogOperations:
    """Look at the catalog."""

    def __init__(self, queries: QueryRooms, *, account_id: str) -> None:
        self._catalog, self._tokens, self._account_id = queries.catalog, queries.tokens, account_id

    def entries(self) -> dict[str, AthenaOperation]:
        """Return the operations by name."""
        return {
            "ListDataCatalogs": AthenaOperation(ListInput, self.list_catalogs),
            "GetDataCatalog": AthenaOperation(DataCatalogInput, self.get_catalog),
            "ListDatabases": AthenaOperation(ListDatabasesInput, self.list_databases),
            "GetDatabase": AthenaOperation(AthenaDatabaseInput, self.get_database),
            "ListTableMetadata": AthenaOperation(ListTableMetadataInput, self.list_tables),
            "GetTableMetadata": AthenaOperation(AthenaTableInput, self.get_table),
        }

    def list_catalogs(self, asked: ListInput, caller: Principal) -> Output:
        """List the one catalog."""
        return {"DataCatalogsSummary": [{"CatalogName": NAME, "Type": "GLUE"}]}

    def get_catalog(self, asked: DataCatalogInput, caller: Principal) -> Output:
        """Show the catalog."""
        self._check(asked.name)
        parameters = {"catalog-id": self._account_id}
        return {"DataCatalog": {"Name": NAME, "Description": "Headwater's lake", "Type": "GLUE", "Parameters": parameters}}

    def list_databases(self, asked: ListDatabasesInput, caller: Principal) -> Output:
        """List the databases."""
        self._check(asked.catalog_name)
        names, more = self._page("databases", self._catalog.databases(), asked)
        return page("DatabaseList", there(names, lambda name: _database(self._catalog.database(name))), more)

    def get_database(self, asked: AthenaDatabaseInput, caller: Principal) -> Output:
        """Show a database."""
        return {"Database": _database(self._catalog.database(self._database(asked)))}

    def list_tables(self, asked: ListTableMetadataInput, caller: Principal) -> Output:
        """List the tables of a database whose names match."""
        database = self._database(asked)
        try:
            names = matching(self._catalog.tables(database), asked.expression)
        except QueryError as error:
            raise InvalidRequest(str(error)) from None
        some, more = self._page(f"tables {asked.expression}", names, asked)
        return page("TableMetadataList", there(some, lambda name: _table(self._catalog.info(database, name))), more)

    def get_table(self, asked: AthenaTableInput, caller: Principal) -> Output:
        """Show a table."""
        return {"TableMetadata": _table(self._catalog.info(self._database(asked), asked.table_name.lower()))}

    def _check(self, name: str) -> None:
        if not self._catalog.is_catalog(name):
            raise InvalidRequest(f"DataCatalog {name} was not found")

    def _database(self, asked: AthenaDatabaseInput | ListTableMetadataInput) -> str:
        self._check(asked.catalog_name)
        name = asked.database_name.lower()
        if name not in self._catalog.databases():
            raise MetadataMissing("database", asked.database_name)
        return name

    def _page(self, of: str, names: Sequence[str], asked: ListInput) -> tuple[list[str], str | None]:
        count = asked.max_results or 50
        after = "" if asked.next_token is None else str(self._tokens.open(of, asked.next_token)[0])
        found = [name for name in names if name > after]
        return found[:count], self._tokens.seal(of, [found[count - 1]]) if len(found) > count else None


def there(names: Iterable[str], show: Callable[[str], Output]) -> list[Output]:
    """Return what *show* tells of each name; what others have removed since the names were read is left out."""
    found = []
    for name in names:
        with suppress(MetadataMissing):
            found.append(show(name))
    return found


def _database(database: Database) -> Output:
    described = {} if database.description is None else {"Description": database.description}
    return {"Name": database.name, **described, **({"Parameters": database.parameters} if database.parameters else {})}


def _table(info: TableInfo) -> Output:
    made = None if info.entry is None else info.entry.create_time
    return {
        "Name": info.name,
        "TableType": info.kind,
        "Columns": [{"Name": each.name, "Type": each.type, "Comment": each.comment} for each in info.columns],
        "PartitionKeys": [{"Name": each.name, "Type": each.type, "Comment": each.comment} for each in info.partition_keys],
        "Parameters": {**info.parameters, **({} if info.entry is None else _storage(info.entry.storage_descriptor))},
        **({} if made is None else {"CreateTime": made}),
    }


def _storage(storage: Storage) -> dict[str, str]:
    """Return what Athena tells among the parameters of how and where files lie."""
    told = {
        "location": storage.location,
        "inputformat": storage.input_format,
        "outputformat": storage.output_format,
        "serde.serialization.lib": storage.serde_info.serialization_library,
        **{f"serde.param.{name}": value for name, value in storage.serde_info.parameters.items()},
    }
    return {name: value for name, value in told.items() if value is not None}
