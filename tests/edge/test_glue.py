"""The Glue door, as boto3 calls it: the catalog that Athena's statements fill, looked at and changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.edge.athena_catalog import CatalogOperations
from headwater.edge.athena_shapes import ListDatabasesInput, ListTableMetadataInput
from headwater.edge.credentials import Principal
from headwater.edge.glue_shapes import PageInput, TablesInput
from headwater.edge.glue_tables import GlueTables
from headwater.query.executions import LakeCatalog
from tests.edge.athena import ACCOUNT, AthenaServed

STORAGE = {
    "Columns": [{"Name": "id", "Type": "bigint", "Comment": "its number"}, {"Name": "what", "Type": "string"}],
    "Location": "s3://files/t/",
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        "Parameters": {"field.delim": ";", "serialization.format": ";"},
    },
}
ORDERS = {
    "Name": "orders",
    "TableType": "EXTERNAL_TABLE",
    "StorageDescriptor": STORAGE,
    "PartitionKeys": [{"Name": "day", "Type": "string"}],
    "Parameters": {"EXTERNAL": "TRUE", "classification": "csv"},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AthenaServed]:
    made = AthenaServed(tmp_path_factory.mktemp("glue"))
    made.stores.find("s3://files/").write("s3://files/t/day=2026-01-02/1.csv", b"1;x\n2;y\n")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def glue(served: AthenaServed) -> Any:
    return served.client("admin", "glue")


@pytest.fixture
def shop(glue: Any) -> Iterator[str]:
    glue.create_database(DatabaseInput={"Name": "Shop", "Description": "what is sold"})
    yield "shop"
    glue.delete_database(Name="shop")


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


def test_databases_are_made_listed_and_removed(glue: Any, shop: str) -> None:
    first = glue.get_databases(MaxResults=1)
    second = glue.get_databases(MaxResults=1, NextToken=first["NextToken"])

    assert [each["Name"] for each in (*first["DatabaseList"], *second["DatabaseList"])] == ["analytics", "shop"]
    found = glue.get_database(Name="SHOP")["Database"]
    assert (found["Name"], found["Description"], found["CatalogId"]) == ("shop", "what is sold", ACCOUNT)
    assert code(lambda: glue.create_database(DatabaseInput={"Name": "shop"})) == "AlreadyExistsException"
    assert code(lambda: glue.get_database(Name="none")) == "EntityNotFoundException"
    assert code(lambda: glue.delete_database(Name="analytics")) == "InvalidInputException"


def test_a_table_that_is_made_here_is_read_by_sql(served: AthenaServed, glue: Any, shop: str) -> None:
    glue.create_table(DatabaseName=shop, TableInput=ORDERS)
    glue.batch_create_partition(
        DatabaseName=shop, TableName="orders",
        PartitionInputList=[{"Values": ["2026-01-02"], "StorageDescriptor": {**STORAGE, "Location": "s3://files/t/day=2026-01-02/"}}],
    )  # fmt: skip

    answer = served.run("SELECT id, what, day FROM shop.orders ORDER BY id")
    rows = served.client().get_query_results(QueryExecutionId=answer["QueryExecutionId"])["ResultSet"]["Rows"]
    table = glue.get_table(DatabaseName=shop, Name="ORDERS")["Table"]

    assert [[cell["VarCharValue"] for cell in row["Data"]] for row in rows[1:]] == [["1", "x", "2026-01-02"], ["2", "y", "2026-01-02"]]
    assert (table["DatabaseName"], table["TableType"], table["VersionId"]) == (shop, "EXTERNAL_TABLE", "0")
    assert table["StorageDescriptor"]["Columns"] == STORAGE["Columns"]
    assert table["StorageDescriptor"]["Location"] == "s3://files/t/"
    assert [each["Values"] for each in glue.get_partitions(DatabaseName=shop, TableName="orders")["Partitions"]] == [["2026-01-02"]]
    assert glue.get_partition(DatabaseName=shop, TableName="orders", PartitionValues=["2026-01-02"])["Partition"]["TableName"] == "orders"


def test_definitions_are_replaced_and_their_versions_kept(glue: Any, shop: str) -> None:
    glue.create_table(DatabaseName=shop, TableInput=ORDERS)

    glue.update_table(DatabaseName=shop, TableInput={**ORDERS, "Description": "newer"}, VersionId="0")

    assert glue.get_table(DatabaseName=shop, Name="orders")["Table"]["Description"] == "newer"
    versions = glue.get_table_versions(DatabaseName=shop, TableName="orders")["TableVersions"]
    assert [(each["VersionId"], each["Table"].get("Description")) for each in versions] == [("1", "newer"), ("0", None)]
    stale = code(lambda: glue.update_table(DatabaseName=shop, TableInput=ORDERS, VersionId="0"))
    assert stale == "ConcurrentModificationException"
    assert code(lambda: glue.create_table(DatabaseName=shop, TableInput=ORDERS)) == "AlreadyExistsException"


def test_the_versions_of_a_table_come_page_by_page(glue: Any, shop: str) -> None:
    glue.create_table(DatabaseName=shop, TableInput=ORDERS)
    for _ in range(4):
        glue.update_table(DatabaseName=shop, TableInput=ORDERS)
    asked = {"DatabaseName": shop, "TableName": "orders"}

    first = glue.get_table_versions(**asked, MaxResults=2)
    glue.update_table(DatabaseName=shop, TableInput=ORDERS)
    second = glue.get_table_versions(**asked, MaxResults=2, NextToken=first["NextToken"])
    third = glue.get_table_versions(**asked, MaxResults=2, NextToken=second["NextToken"])

    assert [[each["VersionId"] for each in found["TableVersions"]] for found in (first, second, third)] == [["4", "3"], ["2", "1"], ["0"]]
    assert "NextToken" not in third


def test_a_version_that_is_no_number_is_none_that_is_expected(glue: Any, shop: str) -> None:
    glue.create_table(DatabaseName=shop, TableInput=ORDERS)

    glue.update_table(DatabaseName=shop, TableInput={**ORDERS, "Description": "newer"}, VersionId="²")

    assert glue.get_table(DatabaseName=shop, Name="orders")["Table"]["Description"] == "newer"
    assert code(lambda: glue.update_table(DatabaseName=shop, TableInput=ORDERS, VersionId="9" * 5000)) == "ValidationException"


def test_a_partition_is_told_whole_whoever_made_it(served: AthenaServed, glue: Any, shop: str) -> None:
    glue.create_table(DatabaseName=shop, TableInput=ORDERS)
    served.run("MSCK REPAIR TABLE shop.orders")
    served.run("ALTER TABLE shop.orders ADD PARTITION (day = 'there') LOCATION 's3://files/elsewhere/'")
    glue.create_partition(DatabaseName=shop, TableName="orders", PartitionInput={"Values": ["bare"]})
    own = {"Columns": [{"Name": "other", "Type": "int"}], "Location": "s3://files/own/"}
    glue.create_partition(DatabaseName=shop, TableName="orders", PartitionInput={"Values": ["own"], "StorageDescriptor": own})

    found = {
        each["Values"][0]: each["StorageDescriptor"] for each in glue.get_partitions(DatabaseName=shop, TableName="orders")["Partitions"]
    }

    assert found == {
        "2026-01-02": {**STORAGE, "Location": "s3://files/t/day=2026-01-02/"},
        "there": {**STORAGE, "Location": "s3://files/elsewhere/"},
        "bare": {**STORAGE, "Location": "s3://files/t/day=bare/"},
        "own": {**STORAGE, **own},
    }
    one = glue.get_partition(DatabaseName=shop, TableName="orders", PartitionValues=["there"])["Partition"]
    assert one["StorageDescriptor"] == found["there"]


def test_partitions_that_there_are_none_of_are_told_when_many_are_removed(glue: Any, shop: str) -> None:
    glue.create_table(DatabaseName=shop, TableInput=ORDERS)
    glue.create_partition(DatabaseName=shop, TableName="orders", PartitionInput={"Values": ["here"]})

    answer = glue.batch_delete_partition(
        DatabaseName=shop, TableName="orders", PartitionsToDelete=[{"Values": ["here"]}, {"Values": ["nowhere"]}]
    )

    assert [(each["PartitionValues"], each["ErrorDetail"]["ErrorCode"]) for each in answer["Errors"]] == [
        (["nowhere"], "EntityNotFoundException")
    ]
    assert glue.get_partitions(DatabaseName=shop, TableName="orders")["Partitions"] == []


@pytest.mark.parametrize("kind", ["uniontype<int,string>", "void", "array<" * 3000 + "int" + ">" * 3000])
def test_a_type_that_nobody_here_knows_hides_no_table(served: AthenaServed, glue: Any, shop: str, kind: str) -> None:
    odd = {**ORDERS, "Name": "odd", "StorageDescriptor": {**STORAGE, "Columns": [{"Name": "either", "Type": kind}]}}
    for table in (ORDERS, odd):
        glue.create_table(DatabaseName=shop, TableInput=table)

    listed = glue.get_tables(DatabaseName=shop)["TableList"]
    told = served.client("query").list_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=shop)["TableMetadataList"]

    assert [each["Name"] for each in listed] == [each["Name"] for each in told] == ["odd", "orders"]
    assert listed[0]["StorageDescriptor"]["Columns"] == [{"Name": "either", "Type": kind}]
    assert told[0]["Columns"] == [{"Name": "either", "Type": kind, "Comment": ""}]
    assert told[0]["PartitionKeys"][0]["Type"] == "string"
    asked = f"SELECT data_type FROM information_schema.columns WHERE table_schema = '{shop}' AND column_name = 'either'"
    ran = served.run(asked)
    assert ran["Status"]["State"] == "SUCCEEDED", ran["Status"]
    rows = served.client("query").get_query_results(QueryExecutionId=ran["QueryExecutionId"])["ResultSet"]["Rows"]
    assert rows[1]["Data"] == [{"VarCharValue": kind}]


class Emptied(LakeCatalog):
    """The catalog, from which somebody removes everything just when its names have been read."""

    def __init__(self, served: AthenaServed) -> None:
        super().__init__(served.engine, "analytics", served.queries.entries)
        self._glue = served.client("admin", "glue")

    def databases(self) -> Sequence[str]:
        found = super().databases()
        self._glue.delete_database(Name="gone")
        return found

    def tables(self, database: str) -> Sequence[str]:
        found = super().tables(database)
        self._glue.delete_table(DatabaseName=database, Name="gone")
        return found


def test_what_vanishes_while_it_is_listed_is_left_out(served: AthenaServed, glue: Any, shop: str) -> None:
    queries = served.queries._replace(catalog=Emptied(served))
    tables = GlueTables(queries, served.engine.metadata, own="analytics", account_id=ACCOUNT)
    athena, caller = CatalogOperations(served.queries._replace(catalog=Emptied(served)), account_id=ACCOUNT), Principal("ada", "", None)

    def listed(run: Callable[..., dict[str, Any]], key: str, asked: Any) -> list[str]:
        with suppress(glue.exceptions.AlreadyExistsException):
            glue.create_database(DatabaseInput={"Name": "gone"})
        for name in ("gone", "orders"):
            with suppress(glue.exceptions.AlreadyExistsException):
                glue.create_table(DatabaseName=shop, TableInput={**ORDERS, "Name": name})
        return [each["Name"] for each in run(asked, caller)[key]]

    assert listed(tables.tables, "TableList", TablesInput(database_name=shop)) == ["orders"]
    assert listed(tables.databases, "DatabaseList", PageInput()) == ["analytics", "shop"]
    asked = ListTableMetadataInput(catalog_name="AwsDataCatalog", database_name=shop)
    assert listed(athena.list_tables, "TableMetadataList", asked) == ["orders"]
    assert listed(athena.list_databases, "DatabaseList", ListDatabasesInput(catalog_name="AwsDataCatalog")) == ["analytics", "shop"]


def test_tables_are_listed_by_name_and_removed(served: AthenaServed, glue: Any, shop: str) -> None:
    for name in ("orders", "old_orders", "people"):
        glue.create_table(DatabaseName=shop, TableInput={**ORDERS, "Name": name})
    served.run("CREATE VIEW shop.ids AS SELECT id FROM shop.orders")

    assert [each["Name"] for each in glue.get_tables(DatabaseName=shop, Expression=".*orders")["TableList"]] == ["old_orders", "orders"]
    assert glue.get_table(DatabaseName=shop, Name="ids")["Table"]["TableType"] == "VIRTUAL_VIEW"
    glue.delete_table(DatabaseName=shop, Name="ids")
    errors = glue.batch_delete_table(DatabaseName=shop, TablesToDelete=["orders", "old_orders", "none"])["Errors"]
    assert [(each["TableName"], each["ErrorDetail"]["ErrorCode"]) for each in errors] == [("none", "EntityNotFoundException")]
    assert [each["Name"] for each in glue.get_tables(DatabaseName=shop)["TableList"]] == ["people"]
    assert code(lambda: glue.delete_table(DatabaseName=shop, Name="none")) == "EntityNotFoundException"


def test_a_table_of_the_lake_is_iceberg_and_changed_by_sql_only(glue: Any) -> None:
    table = glue.get_table(DatabaseName="analytics", Name="sign_up_events")["Table"]

    assert table["Parameters"]["table_type"] == "ICEBERG"
    assert table["Parameters"]["metadata_location"].endswith(".metadata.json")
    assert "email" in {column["Name"] for column in table["StorageDescriptor"]["Columns"]}
    made = {**ORDERS, "Name": "sign_up_events"}
    assert code(lambda: glue.update_table(DatabaseName="analytics", TableInput=made)) == "InvalidInputException"
    iceberg = {"Name": "ours", "Parameters": {"table_type": "ICEBERG", "metadata_location": "s3://files/m.json"}}
    assert code(lambda: glue.create_table(DatabaseName="analytics", TableInput=iceberg)) == "InvalidInputException"


def test_the_place_that_clients_empty_is_no_place_of_the_lake(glue: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    table = glue.get_table(DatabaseName="analytics", Name="sign_up_events")["Table"]
    location, metadata = table["StorageDescriptor"]["Location"], table["Parameters"]["metadata_location"]

    assert location.endswith("/empty/analytics/sign_up_events")
    assert not metadata.startswith(location)


def test_a_query_key_looks_and_does_not_change(served: AthenaServed) -> None:
    glue = served.client("query", "glue")

    assert glue.get_user_defined_functions(Pattern="*")["UserDefinedFunctions"] == []
    assert glue.get_tables(DatabaseName="analytics")["TableList"]
    assert code(lambda: glue.create_database(DatabaseInput={"Name": "mine"})) == "AccessDeniedException"
    assert code(lambda: glue.get_tables(DatabaseName="none")) == "EntityNotFoundException"
    assert (
        code(lambda: glue.get_partitions(DatabaseName="analytics", TableName="sign_up_events", Expression="a = 'b'"))
        == "InvalidInputException"
    )
