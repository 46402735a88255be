"""The Glue door, as boto3 calls it: the catalog that Athena's statements fill, looked at and changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.edge.athena.catalog import CatalogOperations
from headwater.edge.athena.shapes import ListDatabasesInput, ListTableMetadataInput
from headwater.edge.glue.shapes import PageInput, TablesInput
from headwater.edge.glue.tables import GlueTables
from headwater.edge.principal import Principal
from headwater.executions import LakeCatalog
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
UNSAID = {
    "Compressed": False, "NumberOfBuckets": 0, "BucketColumns": [], "SortColumns": [], "Parameters": {}, "StoredAsSubDirectories": False,
}  # fmt: skip
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

    assert [each["Name"] for each in (*first["DatabaseList"], *second["DatabaseList"])] == ["analytics", "default"]
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
        "2026-01-02": {**UNSAID, **STORAGE, "Location": "s3://files/t/day=2026-01-02/"},
        "there": {**UNSAID, **STORAGE, "Location": "s3://files/elsewhere/"},
        "bare": {**UNSAID, **STORAGE, "Location": "s3://files/t/day=bare/"},
        "own": {**UNSAID, **STORAGE, **own},
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
    assert listed(tables.databases, "DatabaseList", PageInput()) == ["analytics", "default", "shop"]
    asked = ListTableMetadataInput(catalog_name="AwsDataCatalog", database_name=shop)
    assert listed(athena.list_tables, "TableMetadataList", asked) == ["orders"]
    assert listed(athena.list_databases, "DatabaseList", ListDatabasesInput(catalog_name="AwsDataCatalog")) == [
        "analytics",
        "default",
        "shop",
    ]


AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
EVERY_FIELD = {
    "Name": "orders", "Description": "what", "Owner": "ada", "LastAccessTime": AT, "LastAnalyzedTime": AT, "Retention": 7,
    "StorageDescriptor": {
        "Columns": [{"Name": "id", "Type": "string", "Comment": "", "Parameters": {"a": "b"}}, {"Name": "n", "Type": "int"}],
        "Location": "s3://files/t/", "InputFormat": "in", "OutputFormat": "out", "Compressed": True, "NumberOfBuckets": 4,
        "SerdeInfo": {"Name": "s", "SerializationLibrary": "a.b.C", "Parameters": {"c": "d"}}, "BucketColumns": ["id"],
        "SortColumns": [{"Column": "id", "SortOrder": 0}], "Parameters": {"e": "f"},
        "SkewedInfo": {"SkewedColumnNames": ["id"], "SkewedColumnValues": ["1"], "SkewedColumnValueLocationMaps": {"1": "x"}},
        "StoredAsSubDirectories": True,
    },
    "PartitionKeys": [{"Name": "day", "Type": "string", "Comment": "its day"}], "ViewOriginalText": "", "ViewExpandedText": "",
    "TableType": "EXTERNAL_TABLE", "Parameters": {"EXTERNAL": "TRUE"},
    "TargetTable": {"CatalogId": ACCOUNT, "DatabaseName": "other", "Name": "t", "Region": "us-east-1"},
}  # fmt: skip
LIKE_DEFAULTS = {
    "Name": "orders", "Description": "", "Retention": 0, "PartitionKeys": [], "TableType": "EXTERNAL_TABLE", "Parameters": {},
    "StorageDescriptor": {
        "Columns": [{"Name": "id", "Type": "string", "Comment": "", "Parameters": {}}], "Location": "s3://files/t/", "Compressed": False,
        "NumberOfBuckets": -1, "SerdeInfo": {"Parameters": {}}, "BucketColumns": [], "SortColumns": [], "Parameters": {},
        "StoredAsSubDirectories": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("given", [EVERY_FIELD, LIKE_DEFAULTS, ORDERS], ids=["every field", "like defaults", "some"])
@pytest.mark.parametrize("changed", [False, True], ids=["made", "changed"])
def test_what_is_told_of_a_table_has_all_that_was_given_for_it(glue: Any, shop: str, given: dict[str, Any], changed: bool) -> None:
    glue.create_table(DatabaseName=shop, TableInput={"Name": "orders", "StorageDescriptor": STORAGE} if changed else given)
    if changed:
        glue.update_table(DatabaseName=shop, TableInput=given)

    told = glue.get_table(DatabaseName=shop, Name="orders")["Table"]
    version = glue.get_table_versions(DatabaseName=shop, TableName="orders")["TableVersions"][0]["Table"]

    assert {name: told[name] for name in given} | {"StorageDescriptor": None} == {**given, "StorageDescriptor": None}
    storage = given["StorageDescriptor"]
    assert {name: told["StorageDescriptor"][name] for name in storage} == storage
    assert version == told


def test_the_fields_that_clients_read_are_there_though_nobody_gave_them(served: AthenaServed, glue: Any, shop: str) -> None:
    glue.create_table(DatabaseName=shop, TableInput={"Name": "bare", "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "string"}]}})
    served.run("CREATE EXTERNAL TABLE shop.made (a string) STORED AS PARQUET LOCATION 's3://files/t/'")
    served.run("CREATE VIEW shop.seen AS SELECT a FROM shop.made")

    for database, name in ((shop, "bare"), (shop, "made"), (shop, "seen"), ("analytics", "sign_up_events")):
        table = glue.get_table(DatabaseName=database, Name=name)["Table"]
        assert table["PartitionKeys"] == []
        assert (table["Retention"], table["IsRegisteredWithLakeFormation"], table["CatalogId"]) == (0, False, ACCOUNT)
        assert UNSAID.keys() | {"Columns", "SerdeInfo"} <= table["StorageDescriptor"].keys()
        assert all({"Name", "Type"} <= column.keys() for column in table["StorageDescriptor"]["Columns"])
    assert glue.get_table(DatabaseName=shop, Name="made")["Table"]["StorageDescriptor"]["NumberOfBuckets"] == -1


def test_what_is_told_of_a_partition_and_of_a_database_has_all_that_was_given(glue: Any, shop: str) -> None:
    storage = EVERY_FIELD["StorageDescriptor"]
    glue.create_table(DatabaseName=shop, TableInput=ORDERS)
    given = {"Values": ["1"], "LastAccessTime": AT, "LastAnalyzedTime": AT, "Parameters": {"rows": "1"}, "StorageDescriptor": storage}
    glue.create_partition(DatabaseName=shop, TableName="orders", PartitionInput=given)
    database = {"Name": "whole", "Description": "", "LocationUri": "s3://files/", "Parameters": {}, "CreateTableDefaultPermissions": []}
    glue.create_database(DatabaseInput=database)

    partition = glue.get_partition(DatabaseName=shop, TableName="orders", PartitionValues=["1"])["Partition"]
    found = glue.get_database(Name="whole")["Database"]
    glue.delete_database(Name="whole")

    assert {name: partition[name] for name in given} == given
    assert {name: found[name] for name in database} == database


@pytest.mark.parametrize(
    ("field", "value"),
    [("ViewDefinition", {"IsProtected": True}), ("FederatedTable", {"Identifier": "x"}), ("StorageDescriptor", {"AdditionalLocations": ["s3://files/u/"]})],
)  # fmt: skip
def test_a_field_that_would_not_be_kept_is_refused_by_name(glue: Any, shop: str, field: str, value: Any) -> None:
    with pytest.raises(ClientError) as error:
        glue.create_table(DatabaseName=shop, TableInput={**ORDERS, field: value})

    assert error.value.response["Error"]["Code"] == "InvalidInputException"
    assert (next(iter(value)) if field == "StorageDescriptor" else field) in error.value.response["Error"]["Message"]


def test_a_property_that_is_not_used_is_refused_here_as_in_sql(glue: Any, shop: str) -> None:
    made = {**ORDERS, "Parameters": {"skip.footer.line.count": "2"}}

    assert code(lambda: glue.create_table(DatabaseName=shop, TableInput=made)) == "InvalidInputException"
    glue.create_table(DatabaseName=shop, TableInput=ORDERS)
    assert code(lambda: glue.update_table(DatabaseName=shop, TableInput=made)) == "InvalidInputException"


def test_older_versions_are_removed_one_by_one_or_together(glue: Any, shop: str) -> None:
    glue.create_table(DatabaseName=shop, TableInput=ORDERS)
    for _ in range(4):
        glue.update_table(DatabaseName=shop, TableInput=ORDERS)
    asked = {"DatabaseName": shop, "TableName": "orders"}

    glue.delete_table_version(**asked, VersionId="1")
    errors = glue.batch_delete_table_version(**asked, VersionIds=["0", "1", "4", "x"])["Errors"]

    assert [(each["VersionId"], each["ErrorDetail"]["ErrorCode"]) for each in errors] == [
        ("1", "EntityNotFoundException"), ("4", "InvalidInputException"), ("x", "EntityNotFoundException"),
    ]  # fmt: skip
    assert [each["VersionId"] for each in glue.get_table_versions(**asked)["TableVersions"]] == ["4", "3", "2"]
    assert code(lambda: glue.delete_table_version(**asked, VersionId="1")) == "EntityNotFoundException"
    assert code(lambda: glue.delete_table_version(**asked, VersionId="4")) == "InvalidInputException"
    assert code(lambda: glue.delete_table_version(DatabaseName=shop, TableName="none", VersionId="0")) == "EntityNotFoundException"


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("*orders", ["old_orders", "orders"]), ("*rder*", ["old_orders", "orders", "orders_2"]), ("orders*", ["orders", "orders_2"]),
        ("orders", ["orders"]), (".*orders", ["old_orders", "orders"]), ("orders.*", ["orders", "orders_2"]), ("^old.*$", ["old_orders"]),
        ("orders|people", ["orders", "people"]), ("[o-p]*", []), ("[a-z_]*", ["old_orders", "orders", "people"]), ("*", None),
    ],
)  # fmt: skip
def test_names_are_matched_by_regular_expressions_and_by_stars(glue: Any, shop: str, expression: str, names: list[str] | None) -> None:
    every = ["old_orders", "orders", "orders_2", "people"]
    for name in every:
        glue.create_table(DatabaseName=shop, TableInput={**ORDERS, "Name": name})

    found = glue.get_tables(DatabaseName=shop, Expression=expression)["TableList"]

    assert [each["Name"] for each in found] == (every if names is None else names)


def test_athena_says_of_a_table_of_the_lake_that_it_is_iceberg(served: AthenaServed) -> None:
    athena = served.client("query")

    told = athena.get_table_metadata(CatalogName="AwsDataCatalog", DatabaseName="analytics", TableName="sign_up_events")["TableMetadata"]

    assert told["Parameters"]["table_type"] == "ICEBERG"


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
