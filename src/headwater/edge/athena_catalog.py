"""Athena's operations on its catalog: databases and tables as they are now."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.edge.athena_call import Entry, Output, page
from headwater.edge.athena_shapes import (
    DatabaseInput,
    DataCatalogInput,
    ListDatabasesInput,
    ListInput,
    ListTableMetadataInput,
    TableInput,
)
from headwater.edge.credentials import Principal
from headwater.errors import QueryError
from headwater.query.executions import InvalidRequest, MetadataMissing, Queries, TableInfo, matching

NAME = "AwsDataCatalog"
_PARAMETERS = {
    "EXTERNAL_TABLE": {"EXTERNAL": "TRUE", "classification": "parquet"},
    "VIRTUAL_VIEW": {"presto_view": "true"},
}


class CatalogOperations:
    """Look at the catalog."""

    def __init__(self, queries: Queries, *, account_id: str) -> None:
        self._catalog, self._tokens, self._account_id = queries.catalog, queries.tokens, account_id

    def entries(self) -> dict[str, Entry]:
        """Return the operations by name."""
        return {
            "ListDataCatalogs": Entry(ListInput, self.list_catalogs),
            "GetDataCatalog": Entry(DataCatalogInput, self.get_catalog),
            "ListDatabases": Entry(ListDatabasesInput, self.list_databases),
            "GetDatabase": Entry(DatabaseInput, self.get_database),
            "ListTableMetadata": Entry(ListTableMetadataInput, self.list_tables),
            "GetTableMetadata": Entry(TableInput, self.get_table),
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
        return page("DatabaseList", [{"Name": name} for name in names], more)

    def get_database(self, asked: DatabaseInput, caller: Principal) -> Output:
        """Show a database."""
        return {"Database": {"Name": self._database(asked)}}

    def list_tables(self, asked: ListTableMetadataInput, caller: Principal) -> Output:
        """List the tables of a database whose names match."""
        database = self._database(asked)
        try:
            names = matching(self._catalog.tables(database), asked.expression)
        except QueryError as error:
            raise InvalidRequest(str(error)) from None
        some, more = self._page(f"tables {asked.expression}", names, asked)
        return page("TableMetadataList", [_table(self._catalog.info(database, name)) for name in some], more)

    def get_table(self, asked: TableInput, caller: Principal) -> Output:
        """Show a table."""
        return {"TableMetadata": _table(self._catalog.info(self._database(asked), asked.table_name.lower()))}

    def _check(self, name: str) -> None:
        if not self._catalog.is_catalog(name):
            raise InvalidRequest(f"DataCatalog {name} was not found")

    def _database(self, asked: DatabaseInput | ListTableMetadataInput) -> str:
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


def _table(info: TableInfo) -> Output:
    return {
        "Name": info.name,
        "TableType": info.kind,
        "Columns": [{"Name": each.name, "Type": each.type, "Comment": each.comment} for each in info.columns],
        "PartitionKeys": [{"Name": each.name, "Type": each.type, "Comment": each.comment} for each in info.partition_keys],
        "Parameters": _PARAMETERS[info.kind],
    }
