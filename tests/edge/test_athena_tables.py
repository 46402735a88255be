"""Athena's catalog operations over databases, external tables and views that statements made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.edge.athena import AthenaServed

CATALOG = {"CatalogName": "AwsDataCatalog"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AthenaServed]:
    made = AthenaServed(tmp_path_factory.mktemp("tables"))
    made.stores.find("s3://files/").write("s3://files/t/day=2026-01-02/1.csv", b"1;x\n")
    for statement in (
        "CREATE DATABASE shop COMMENT 'what is sold' WITH DBPROPERTIES ('team'='retail')",
        (
            "CREATE EXTERNAL TABLE shop.orders (id bigint COMMENT 'its number', what string) PARTITIONED BY (day date)"
            " ROW FORMAT DELIMITED FIELDS TERMINATED BY ';' LOCATION 's3://files/t/' TBLPROPERTIES ('k'='v')"
        ),
        "MSCK REPAIR TABLE shop.orders",
        "CREATE VIEW shop.ids AS SELECT id FROM shop.orders",
    ):
        ended = made.run(statement, "admin")
        assert ended["Status"]["State"] == "SUCCEEDED", ended
    yield made
    made.stop()


@pytest.fixture(scope="module")
def athena(served: AthenaServed) -> Any:
    return served.client("query")


def test_databases_are_told_with_what_is_known_of_them(athena: Any) -> None:
    first = athena.list_databases(**CATALOG, MaxResults=2)
    second = athena.list_databases(**CATALOG, MaxResults=2, NextToken=first["NextToken"])

    shop = {"Name": "shop", "Description": "what is sold", "Parameters": {"team": "retail"}}
    assert (first["DatabaseList"], second["DatabaseList"]) == ([{"Name": "analytics"}, {"Name": "default"}], [shop])
    assert "NextToken" not in second
    assert athena.get_database(**CATALOG, DatabaseName="SHOP")["Database"] == shop


def test_an_external_table_is_told_with_where_and_how_it_lies(athena: Any) -> None:
    table = athena.get_table_metadata(**CATALOG, DatabaseName="shop", TableName="orders")["TableMetadata"]

    assert (datetime.now(UTC) - table.pop("CreateTime")).total_seconds() < 600
    assert table == {
        "Name": "orders",
        "TableType": "EXTERNAL_TABLE",
        "Columns": [{"Name": "id", "Type": "bigint", "Comment": "its number"}, {"Name": "what", "Type": "string", "Comment": ""}],
        "PartitionKeys": [{"Name": "day", "Type": "date", "Comment": ""}],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "k": "v",
            "location": "s3://files/t/",
            "inputformat": "org.apache.hadoop.mapred.TextInputFormat",
            "outputformat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "serde.serialization.lib": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            "serde.param.field.delim": ";",
            "serde.param.serialization.format": ";",
        },
    }


def test_a_view_is_told_as_one(athena: Any) -> None:
    found = athena.list_table_metadata(**CATALOG, DatabaseName="shop")["TableMetadataList"]

    assert [(each["Name"], each["TableType"]) for each in found] == [("ids", "VIRTUAL_VIEW"), ("orders", "EXTERNAL_TABLE")]
    assert found[0]["Columns"] == [{"Name": "id", "Type": "bigint", "Comment": ""}]
    assert found[0]["Parameters"]["presto_view"] == "true"


def test_a_query_in_that_database_reads_it(served: AthenaServed, athena: Any) -> None:
    asked = athena.start_query_execution(
        QueryString="SELECT ids.id, what, day FROM ids JOIN orders ON ids.id = orders.id", QueryExecutionContext={"Database": "shop"}
    )
    served.ended(athena, asked["QueryExecutionId"])

    rows = athena.get_query_results(QueryExecutionId=asked["QueryExecutionId"])["ResultSet"]["Rows"]
    assert [[datum.get("VarCharValue") for datum in row["Data"]] for row in rows] == [["id", "what", "day"], ["1", "x", "2026-01-02"]]


def test_who_may_only_query_may_not_change(served: AthenaServed) -> None:
    with pytest.raises(Exception, match="no permission `admin`") as refused:
        served.run("DROP DATABASE shop CASCADE", "query")

    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"  # type: ignore[attr-defined]
