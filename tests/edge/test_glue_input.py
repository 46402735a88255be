"""What is wrong inside the databases, tables and partitions that callers of Glue give, said as AWS says it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.edge.athena import REGION, AthenaServed

MISSING = "Value null at '{}' failed to satisfy constraint: Member must not be null"


@pytest.fixture(scope="module")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    served = AthenaServed(tmp_path_factory.mktemp("glue"))
    # boto3 would find most of what is wrong before it asks.
    made = boto3.client(
        "glue", endpoint_url=f"http://127.0.0.1:{served.port}", region_name=REGION, aws_access_key_id=served.keys["admin"].access_key_id,
        aws_secret_access_key=served.keys["admin"].secret_access_key,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )  # fmt: skip
    made.create_database(DatabaseInput={"Name": "shop"})
    made.create_table(DatabaseName="shop", TableInput={"Name": "days", "PartitionKeys": [{"Name": "day", "Type": "string"}]})
    yield made
    made.close()
    served.stop()


def said(glue: Any, operation: str, **asked: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        getattr(glue, operation)(**asked)
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


def table_said(glue: Any, operation: str = "create_table", **table: Any) -> tuple[str, str]:
    return said(glue, operation, DatabaseName="shop", TableInput=table)


@pytest.mark.parametrize("operation", ["create_table", "update_table"])
@pytest.mark.parametrize(
    ("table", "member"),
    [
        ({"Description": "x"}, "tableInput.name"),
        ({"Name": "t", "PartitionKeys": [{"Name": "a"}, {"Type": "int"}]}, "tableInput.partitionKeys.2.member.name"),
        ({"Name": "t", "StorageDescriptor": {"Columns": [{"Type": "int"}]}}, "tableInput.storageDescriptor.columns.1.member.name"),
        (
            {"Name": "t", "StorageDescriptor": {"SortColumns": [{"Column": "a"}]}},
            "tableInput.storageDescriptor.sortColumns.1.member.sortOrder",
        ),
    ],
)
def test_a_member_that_a_table_lacks_is_named_by_its_place(glue: Any, operation: str, table: dict[str, Any], member: str) -> None:
    assert table_said(glue, operation, **table) == ("ValidationException", f"1 validation error detected: {MISSING.format(member)}")


def test_all_that_is_missing_is_told_at_once(glue: Any) -> None:
    code, message = table_said(glue, StorageDescriptor={"Columns": [{}]})

    assert (code, message.split(": ")[0]) == ("ValidationException", "2 validation errors detected")
    assert MISSING.format("tableInput.name") in message
    assert MISSING.format("tableInput.storageDescriptor.columns.1.member.name") in message


def test_databases_and_lists_of_partitions_are_looked_at_alike(glue: Any) -> None:
    missing = said(glue, "create_database", DatabaseInput={"Description": "x"})
    lists = said(glue, "batch_delete_partition", DatabaseName="shop", TableName="days", PartitionsToDelete=[{"Values": ["1"]}, {}])

    assert missing == ("ValidationException", f"1 validation error detected: {MISSING.format('databaseInput.name')}")
    assert lists == ("ValidationException", f"1 validation error detected: {MISSING.format('partitionsToDelete.2.member.values')}")
    code, message = said(glue, "create_database", DatabaseInput={"Name": ""})
    assert code == "ValidationException"
    assert "'databaseInput.name' failed to satisfy constraint: Member must have length greater than or equal to 1" in message


@pytest.mark.parametrize(
    ("table", "member"),
    [
        ({"StorageDescriptor": "s3://files/"}, "tableInput.storageDescriptor"),
        ({"StorageDescriptor": {"Columns": {"id": "int"}}}, "tableInput.storageDescriptor.columns"),
        ({"StorageDescriptor": {"SerdeInfo": ["csv"]}}, "tableInput.storageDescriptor.serdeInfo"),
        ({"StorageDescriptor": {"SkewedInfo": {"SkewedColumnNames": {}}}}, "tableInput.storageDescriptor.skewedInfo.skewedColumnNames"),
        ({"PartitionKeys": ["day"]}, "tableInput.partitionKeys.1.member"),
        ({"TargetTable": "other.t"}, "tableInput.targetTable"),
    ],
)
def test_another_type_than_a_members_is_no_request(glue: Any, table: dict[str, Any], member: str) -> None:
    code, message = _raw(glue, {"DatabaseName": "shop", "TableInput": {"Name": "t", **table}})

    assert code == "SerializationException"
    assert f"'{member}'" in message


def test_numbers_and_texts_are_not_taken_for_each_other(glue: Any) -> None:
    for table, member in (
        ({"Retention": "1"}, "tableInput.retention"),
        ({"Parameters": {"a": 1}}, "tableInput.parameters"),
        ({"Name": 1}, "tableInput.name"),
        ({"StorageDescriptor": {"Compressed": "false"}}, "tableInput.storageDescriptor.compressed"),
    ):
        code, message = _raw(glue, {"DatabaseName": "shop", "TableInput": {"Name": "t", **table}})

        assert (code, f"'{member}'" in message) == ("SerializationException", True), message


def test_a_partition_with_too_few_values_is_refused_by_the_catalog_as_glues_is(glue: Any) -> None:
    code, message = said(glue, "create_partition", DatabaseName="shop", TableName="days", PartitionInput={})

    assert code == "InvalidInputException"
    assert "has 1 values, given: []" in message
    code, message = said(
        glue, "batch_create_partition", DatabaseName="shop", TableName="days",
        PartitionInputList=[{"Values": ["1"], "StorageDescriptor": {"Columns": [{"Type": "int"}]}}],
    )  # fmt: skip
    assert (code, "partitionInputList.1.member.storageDescriptor.columns.1.member.name" in message) == ("ValidationException", True)


def test_a_member_that_is_null_is_not_there(glue: Any) -> None:
    answer = _raw(glue, {"DatabaseName": "shop", "TableInput": {"Name": "nulls", "Parameters": None, "PartitionKeys": None}})

    assert answer == ("", "")
    assert glue.get_table(DatabaseName="shop", Name="nulls")["Table"]["PartitionKeys"] == []


def _raw(glue: Any, body: dict[str, Any]) -> tuple[str, str]:
    """Send CreateTable with a body that boto3 itself would not write, and return the code and message of the failure."""

    def put_body(model: Any, params: dict[str, Any], **_: Any) -> None:
        params["body"] = json.dumps(body).encode()

    glue.meta.events.register("before-call.glue.CreateTable", put_body)
    try:
        glue.create_table(DatabaseName="x", TableInput={})
    except ClientError as error:
        told = error.response["Error"]
        return told["Code"], told["Message"]
    finally:
        glue.meta.events.unregister("before-call.glue.CreateTable", put_body)
    return "", ""
