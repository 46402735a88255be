"""The Athena door, as boto3 calls it and byte by byte."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from headwater.edge.athena import REFUSED
from headwater.executions import ExecutionBounds, Workgroup
from tests.edge.athena import ACCOUNT, LOCATION, REGION, AthenaServed, token
from tests.executions.conftest import SLOW

ARN = f"arn:aws:athena:{REGION}:{ACCOUNT}:"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AthenaServed]:
    made = AthenaServed(
        tmp_path_factory.mktemp("athena"),
        bounds=ExecutionBounds(concurrency=2, waiting=4, waiting_each=4),
        workgroups=[Workgroup("declared", "in the file", location="s3://declared/")],
    )
    yield made
    made.stop()


@pytest.fixture
def athena(served: AthenaServed) -> Any:
    return served.client()


def refused(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as error:
        call()
    response: dict[str, Any] = error.value.response
    return response


def message(call: Callable[[], Any]) -> str:
    return str(refused(call)["Error"]["Message"])


def test_every_operation_of_athena_is_offered_or_refused_by_name(served: AthenaServed) -> None:
    names = botocore.session.get_session().get_service_model("athena").operation_names
    offered = {name for name in names if "UnknownOperationException" not in str(served.raw(name, {}))}

    assert offered == set(names) - set(REFUSED)
    assert set(names) >= set(REFUSED)
    status, body = served.raw("StartSession", {})
    assert (status, body) == (
        400,
        {
            "__type": "UnknownOperationException",
            "Message": "StartSession is not offered: there is no Spark here: run SQL with StartQueryExecution",
        },
    )


def test_a_query_and_its_result(served: AthenaServed, athena: Any) -> None:
    began = datetime.now(UTC)
    execution = served.run(
        "SELECT email, count(*) AS n FROM sign_up_events GROUP BY email ORDER BY email",
        "query",
        QueryExecutionContext={"Database": "analytics", "Catalog": "AwsDataCatalog"},
        ResultConfiguration={"OutputLocation": "s3://mine/prefix", "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"}},
    )
    execution_id = execution["QueryExecutionId"]

    assert execution["Status"]["State"] == "SUCCEEDED"
    assert (
        began.timestamp() - 1
        < execution["Status"]["SubmissionDateTime"].timestamp()
        <= execution["Status"]["CompletionDateTime"].timestamp()
    )
    assert execution["ResultConfiguration"] == {"OutputLocation": f"s3://mine/prefix/{execution_id}.csv"}
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "SELECT")
    assert execution["QueryExecutionContext"] == {"Database": "analytics", "Catalog": "AwsDataCatalog"}
    assert execution["WorkGroup"] == "primary"
    assert execution["EngineVersion"] == {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
    assert execution["Statistics"]["DataScannedInBytes"] > 0
    assert execution["Statistics"]["ResultReuseInformation"] == {"ReusedPreviousResult": False}

    result = athena.get_query_results(QueryExecutionId=execution_id)
    assert result["UpdateCount"] == 0
    assert "NextToken" not in result
    assert result["ResultSet"]["Rows"] == [
        {"Data": [{"VarCharValue": "email"}, {"VarCharValue": "n"}]},
        {"Data": [{"VarCharValue": "ada@example.org"}, {"VarCharValue": "1"}]},
        {"Data": [{}, {"VarCharValue": "1"}]},
    ]
    first, second = result["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert first == {
        "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": "email", "Label": "email", "Type": "varchar",
        "Precision": 2_147_483_647, "Scale": 0, "Nullable": "UNKNOWN", "CaseSensitive": True,
    }  # fmt: skip
    assert (second["Type"], second["Precision"], second["CaseSensitive"]) == ("bigint", 19, False)


def test_pages_by_botocores_paginator(served: AthenaServed, athena: Any) -> None:
    execution = served.run("SELECT n FROM UNNEST(sequence(1, 2500)) AS t(n)")
    pages = list(athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution["QueryExecutionId"]))

    assert [len(page["ResultSet"]["Rows"]) for page in pages] == [1000, 1000, 501]
    only = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"], MaxResults=1)
    assert only["ResultSet"]["Rows"] == [{"Data": [{"VarCharValue": "n"}]}]
    assert only["ResultSet"]["ResultSetMetadata"]["ColumnInfo"][0]["Name"] == "n"


def test_show_has_one_datum_a_row_and_ddl_no_update_count(served: AthenaServed, athena: Any) -> None:
    described = served.run("DESCRIBE sign_up_events")
    shown = athena.get_query_results(QueryExecutionId=described["QueryExecutionId"])
    prepared = athena.get_query_results(QueryExecutionId=served.run("CREATE VIEW two AS SELECT 2 AS n")["QueryExecutionId"])

    assert {len(row["Data"]) for row in shown["ResultSet"]["Rows"]} == {1}
    assert [column["Name"] for column in shown["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]] == ["col_name", "data_type", "comment"]
    assert shown["UpdateCount"] == 0
    assert "UpdateCount" not in prepared
    assert prepared["ResultSet"]["Rows"] == []


def test_executions_are_listed_got_together_and_measured(served: AthenaServed, athena: Any) -> None:
    ids = [served.run(f"SELECT {n} AS n")["QueryExecutionId"] for n in range(3)]
    missing = str(uuid.uuid4())

    listed = athena.list_query_executions(MaxResults=2)
    together = athena.batch_get_query_execution(QueryExecutionIds=[*ids, missing])
    measured = athena.get_query_runtime_statistics(QueryExecutionId=ids[0])["QueryRuntimeStatistics"]

    assert listed["QueryExecutionIds"] == [ids[2], ids[1]]
    assert athena.list_query_executions(MaxResults=1, NextToken=listed["NextToken"])["QueryExecutionIds"] == [ids[0]]
    assert [each["Query"] for each in together["QueryExecutions"]] == ["SELECT 0 AS n", "SELECT 1 AS n", "SELECT 2 AS n"]
    assert together["UnprocessedQueryExecutionIds"] == [
        {"QueryExecutionId": missing, "ErrorCode": "QUERY_EXECUTION_NOT_FOUND", "ErrorMessage": f"QueryExecution {missing} was not found"}
    ]
    assert (measured["Rows"]["OutputRows"], measured["Rows"]["OutputBytes"]) == (1, 8)
    assert measured["Timeline"]["TotalExecutionTimeInMillis"] >= measured["Timeline"]["EngineExecutionTimeInMillis"]


def test_a_failed_query_says_why(served: AthenaServed) -> None:
    execution = served.run("SELECT * FROM nothing_such")

    why = execution["Status"]["AthenaError"]
    assert execution["Status"]["State"] == "FAILED"
    assert (why["ErrorCategory"], why["ErrorType"], why["Retryable"]) == (2, 1301, False)
    assert why["ErrorMessage"] == execution["Status"]["StateChangeReason"]


def test_stopping(served: AthenaServed, athena: Any) -> None:
    execution_id = athena.start_query_execution(QueryString=SLOW)["QueryExecutionId"]

    assert athena.stop_query_execution(QueryExecutionId=execution_id)["ResponseMetadata"]["HTTPStatusCode"] == 200
    execution = served.ended(athena, execution_id)

    assert execution["Status"]["State"] == "CANCELLED"
    assert execution["Status"]["StateChangeReason"] == "Query cancelled by user"
    assert "AthenaError" not in execution["Status"]
    athena.stop_query_execution(QueryExecutionId=execution_id)


def test_parameters_and_reuse(served: AthenaServed, athena: Any) -> None:
    first = served.run("SELECT ? AS a", ExecutionParameters=["'x'"])
    reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 60}}
    again = served.run("SELECT ? AS a", ExecutionParameters=["'x'"], ResultReuseConfiguration=reuse)

    assert first["ExecutionParameters"] == ["'x'"]
    assert again["Statistics"]["ResultReuseInformation"] == {"ReusedPreviousResult": True}
    assert again["ResultReuseConfiguration"] == reuse
    assert athena.get_query_results(QueryExecutionId=again["QueryExecutionId"])["ResultSet"]["Rows"][1] == {"Data": [{"VarCharValue": "x"}]}


def test_errors_are_worded_as_athenas(served: AthenaServed) -> None:
    def start(**given: Any) -> tuple[int, Any]:
        return served.raw("StartQueryExecution", {"QueryString": "SELECT 1 AS n", "ClientRequestToken": token()} | given)

    def wrong(text: str, code: str | None = "INVALID_INPUT") -> tuple[int, Any]:
        codes = {} if code is None else {"AthenaErrorCode": code, "ErrorCode": code}
        return 400, {"__type": "InvalidRequestException", **codes, "Message": text}

    violated = "1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: Member must have length"
    assert start(ClientRequestToken="short") == wrong(f"{violated} greater than or equal to 32", None)
    assert start(ClientRequestToken="x" * 129) == wrong(f"{violated} less than or equal to 128", None)
    assert served.raw("StartQueryExecution", {"QueryString": "SELECT 1"}) == wrong("clientRequestToken is null or empty")
    assert start(ResultConfiguration={"OutputLocation": "nowhere"}) == wrong("outputLocation is not a valid S3 path.")
    assert start(WorkGroup="nothing-such") == wrong("WorkGroup is not found.")
    assert served.raw("GetQueryExecution", {"QueryExecutionId": "x"}) == wrong(
        "QueryExecution x was not found", "QUERY_EXECUTION_NOT_FOUND"
    )
    assert served.raw("StartQueryExecution", {"ClientRequestToken": token()}) == wrong(
        "1 validation error detected: Value null at 'queryString' failed to satisfy constraint: Member must not be null", None
    )
    assert served.raw("GetQueryResults", {"QueryExecutionId": "x", "MaxResults": 0}) == wrong(
        "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1"
    )
    status, body = start(QueryString="SELEC 1")
    assert (status, body["__type"], body["AthenaErrorCode"], body["ErrorCode"]) == (
        400, "InvalidRequestException", "MALFORMED_QUERY", "MALFORMED_QUERY",
    )  # fmt: skip
    assert served.raw("GetPreparedStatement", {"StatementName": "mine", "WorkGroup": "primary"}) == (
        400,
        {
            "__type": "ResourceNotFoundException",
            "ResourceName": "mine",
            "Message": "No Prepared Statement with statement name mine exists in WorkGroup primary",
        },
    )
    assert served.raw("GetQueryExecution", b"{")[1]["__type"] == "SerializationException"
    assert served.raw("GetQueryExecution", b"[" * 100_000)[0] == 400


GARBAGE = [
    b"", b"null", b"[]", b'"x"', b"{}", b'{"WorkGroup": 1}', b'{"WorkGroup": "../x"}', b'{"QueryExecutionId": "\\u0000"}',
    b'{"QueryExecutionId": "\\ud800"}', b'{"NextToken": "x", "CatalogName": "AwsDataCatalog", "DatabaseName": "analytics"}',
    b'{"QueryExecutionIds": [], "NamedQueryIds": [null]}', b'{"MaxResults": 1e400}', b'{"MaxResults": -1}', b'{"a": ' * 5_000,
    b'{"ResourceARN": "arn:aws:athena:us-east-1:000000000000:workgroup/", "Tags": [{"Key": ""}]}', b"\xff\xfe{}",
]  # fmt: skip


def test_whatever_is_sent_is_no_error_of_ours(served: AthenaServed) -> None:
    names = set(botocore.session.get_session().get_service_model("athena").operation_names) - set(REFUSED)

    answers = [served.raw(name, body) for name in sorted(names) for body in GARBAGE]

    assert {status for status, _ in answers} == {200, 400}
    assert all("__type" in body for status, body in answers if status == 400)


def test_who_may_not_is_told_so_as_athena_tells_it(served: AthenaServed) -> None:
    status, body = served.raw("StartQueryExecution", {}, "send")
    assert (status, body) == (
        400,
        {
            "__type": "AccessDeniedException",
            "Message": (
                f"User: send is not authorized to perform: athena:StartQueryExecution on resource: {ARN}workgroup/*"
                " because the key allows `send`, and this takes `query` or `admin`: headwater keys create NAME --allow query"
            ),
        },
    )
    status, body = served.raw("GetWorkGroup", {"WorkGroup": "primary"}, secret="w" * 40)
    assert (status, body["__type"], sorted(body)) == (400, "InvalidSignatureException", ["__type", "message"])
    view = {"QueryString": "CREATE VIEW v AS SELECT 1 AS n", "ClientRequestToken": token()}
    assert served.raw("StartQueryExecution", view, "query")[1]["__type"] == "AccessDeniedException"


def test_more_than_may_wait_are_told_to_come_later(served: AthenaServed, athena: Any) -> None:
    held = [athena.start_query_execution(QueryString=SLOW)["QueryExecutionId"] for _ in range(6)]

    status, body = served.raw("StartQueryExecution", {"QueryString": SLOW, "ClientRequestToken": token()})
    for execution_id in held:
        athena.stop_query_execution(QueryExecutionId=execution_id)

    assert (status, body["__type"], body["Reason"]) == (400, "TooManyRequestsException", "CONCURRENT_QUERY_LIMIT_EXCEEDED")


def test_workgroups(served: AthenaServed, athena: Any) -> None:
    primary = athena.get_work_group(WorkGroup="primary")["WorkGroup"]
    assert primary["Configuration"]["EnforceWorkGroupConfiguration"] is False
    assert primary["Configuration"]["ResultConfiguration"] == {"OutputLocation": LOCATION}

    configuration = {
        "ResultConfiguration": {"OutputLocation": "s3://team/", "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"}},
        "BytesScannedCutoffPerQuery": 10_000_000,
        "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
    }
    athena.create_work_group(Name="team", Description="ours", Configuration=configuration, Tags=[{"Key": "a", "Value": "b"}])
    made = athena.get_work_group(WorkGroup="team")["WorkGroup"]
    assert made["Configuration"] == {
        "ResultConfiguration": {"OutputLocation": "s3://team/"},  # not a word of encryption, for there is none
        "ManagedQueryResultsConfiguration": {"Enabled": False},
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": False,
        "RequesterPaysEnabled": False,
        "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3", "EffectiveEngineVersion": "Athena engine version 3"},
        "BytesScannedCutoffPerQuery": 10_000_000,
    }
    execution = served.run("SELECT 1 AS n", WorkGroup="team", ResultConfiguration={"OutputLocation": "s3://mine/"})
    assert execution["ResultConfiguration"]["OutputLocation"].startswith("s3://team/")

    updates = {
        "RemoveBytesScannedCutoffPerQuery": True,
        "EnforceWorkGroupConfiguration": False,
        "ResultConfigurationUpdates": {"RemoveOutputLocation": True},
    }
    athena.update_work_group(WorkGroup="team", State="DISABLED", Description="theirs", ConfigurationUpdates=updates)
    changed = athena.get_work_group(WorkGroup="team")["WorkGroup"]
    assert (changed["State"], changed["Description"]) == ("DISABLED", "theirs")
    assert changed["Configuration"]["ResultConfiguration"] == {}
    assert "BytesScannedCutoffPerQuery" not in changed["Configuration"]
    assert message(lambda: athena.start_query_execution(QueryString="SELECT 1 AS n", WorkGroup="team")) == "WorkGroup team is disabled."
    athena.update_work_group(WorkGroup="team", State="ENABLED")
    assert message(lambda: athena.start_query_execution(QueryString="SELECT 1 AS n", WorkGroup="team")).startswith("No output location")

    assert [each["Name"] for each in athena.list_work_groups()["WorkGroups"]] == ["declared", "primary", "team"]
    page = athena.list_work_groups(MaxResults=2)
    assert [each["Name"] for each in athena.list_work_groups(NextToken=page["NextToken"])["WorkGroups"]] == ["team"]
    assert message(lambda: athena.delete_work_group(WorkGroup="team")) == "WorkGroup team is not empty"
    athena.delete_work_group(WorkGroup="team", RecursiveDeleteOption=True)
    assert message(lambda: athena.get_work_group(WorkGroup="team")) == "WorkGroup is not found."


@pytest.mark.parametrize(
    "configuration",
    [
        {"ResultConfiguration": {"EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": "k"}}},
        {"ManagedQueryResultsConfiguration": {"Enabled": True}},
        {"ExecutionRole": f"arn:aws:iam::{ACCOUNT}:role/spark"},
        {"EnableMinimumEncryptionConfiguration": True},
        {"EngineVersion": {"SelectedEngineVersion": "Athena engine version 2"}},
        {"BytesScannedCutoffPerQuery": 9_999_999},
    ],
)
def test_what_would_be_believed_and_not_done_is_refused(served: AthenaServed, athena: Any, configuration: dict[str, Any]) -> None:
    status, body = served.raw("CreateWorkGroup", {"Name": "refused", "Configuration": configuration})

    assert (status, body["__type"], body["AthenaErrorCode"]) == (400, "InvalidRequestException", "INVALID_INPUT")
    assert "refused" not in [each["Name"] for each in athena.list_work_groups()["WorkGroups"]]


def test_a_key_of_the_clients_own_is_refused_for_results(athena: Any) -> None:
    encryption = {"EncryptionOption": "CSE_KMS", "KmsKey": "arn:aws:kms:us-east-1:000000000000:key/k"}

    assert "not encrypted with CSE_KMS" in message(
        lambda: athena.start_query_execution(
            QueryString="SELECT 1 AS n", ResultConfiguration={"OutputLocation": "s3://mine/", "EncryptionConfiguration": encryption}
        )
    )


def test_what_the_file_declares_is_shown_and_not_changed(athena: Any) -> None:
    assert athena.get_work_group(WorkGroup="declared")["WorkGroup"]["Description"] == "in the file"
    for call in (
        lambda: athena.update_work_group(WorkGroup="declared", State="DISABLED"),
        lambda: athena.delete_work_group(WorkGroup="declared", RecursiveDeleteOption=True),
    ):
        assert message(call) == "WorkGroup declared is declared in headwater.toml; change it there."


def test_tags(athena: Any) -> None:
    athena.create_work_group(Name="tagged", Tags=[{"Key": "a", "Value": "1"}])
    arn = f"{ARN}workgroup/tagged"

    athena.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}])
    athena.untag_resource(ResourceARN=arn, TagKeys=["b", "no such"])
    athena.tag_resource(ResourceARN=f"{ARN}datacatalog/AwsDataCatalog", Tags=[{"Key": "c", "Value": ""}])

    assert athena.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    for missing in (f"{ARN}workgroup/nothing-such", "arn:aws:athena:eu-west-1:000000000000:workgroup/tagged", "x"):
        assert refused(lambda arn=missing: athena.list_tags_for_resource(ResourceARN=arn))["Error"]["Code"] == "ResourceNotFoundException"
    athena.delete_work_group(WorkGroup="tagged")


def test_named_queries(athena: Any) -> None:
    given = set(athena.list_named_queries()["NamedQueryIds"])
    made = athena.create_named_query(Name="mine", Database="analytics", QueryString="SELECT 1", Description="why")["NamedQueryId"]
    missing = str(uuid.uuid4())

    assert athena.get_named_query(NamedQueryId=made)["NamedQuery"] == {
        "NamedQueryId": made, "Name": "mine", "Description": "why", "Database": "analytics", "QueryString": "SELECT 1",
        "WorkGroup": "primary",
    }  # fmt: skip
    athena.update_named_query(NamedQueryId=made, Name="yours", QueryString="SELECT 2")
    together = athena.batch_get_named_query(NamedQueryIds=[made, missing])
    assert [each["Name"] for each in together["NamedQueries"]] == ["yours"]
    assert [each["NamedQueryId"] for each in together["UnprocessedNamedQueryIds"]] == [missing]
    assert set(athena.list_named_queries()["NamedQueryIds"]) - given == {made}
    athena.delete_named_query(NamedQueryId=made)
    assert set(athena.list_named_queries()["NamedQueryIds"]) == given
    names = {each["Name"] for each in athena.batch_get_named_query(NamedQueryIds=sorted(given))["NamedQueries"]}
    assert names >= {"funnel", "sessions"}


def test_prepared_statements(served: AthenaServed, athena: Any) -> None:
    athena.create_prepared_statement(StatementName="mine", WorkGroup="primary", QueryStatement="SELECT ? AS n", Description="why")

    found = athena.get_prepared_statement(StatementName="mine", WorkGroup="primary")["PreparedStatement"]
    assert (found["QueryStatement"], found["WorkGroupName"], found["Description"]) == ("SELECT ? AS n", "primary", "why")
    execution = served.run("EXECUTE mine USING 7")
    rows = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]["Rows"]
    assert rows[1] == {"Data": [{"VarCharValue": "7"}]}
    athena.update_prepared_statement(StatementName="mine", WorkGroup="primary", QueryStatement="SELECT 2 AS n")
    together = athena.batch_get_prepared_statement(PreparedStatementNames=["mine", "other"], WorkGroup="primary")
    assert [each["QueryStatement"] for each in together["PreparedStatements"]] == ["SELECT 2 AS n"]
    assert [each["StatementName"] for each in together["UnprocessedPreparedStatementNames"]] == ["other"]
    assert [each["StatementName"] for each in athena.list_prepared_statements(WorkGroup="primary")["PreparedStatements"]] == ["mine"]
    athena.delete_prepared_statement(StatementName="mine", WorkGroup="primary")
    assert athena.list_prepared_statements(WorkGroup="primary")["PreparedStatements"] == []


def test_the_catalog(athena: Any) -> None:
    catalog = {"CatalogName": "AwsDataCatalog"}

    assert athena.list_data_catalogs()["DataCatalogsSummary"] == [{"CatalogName": "AwsDataCatalog", "Type": "GLUE"}]
    assert athena.get_data_catalog(Name="awsdatacatalog")["DataCatalog"]["Parameters"] == {"catalog-id": ACCOUNT}
    assert athena.list_databases(**catalog)["DatabaseList"] == [{"Name": "analytics"}, {"Name": "default"}]
    assert athena.get_database(**catalog, DatabaseName="Analytics")["Database"] == {"Name": "analytics"}
    table = athena.get_table_metadata(**catalog, DatabaseName="analytics", TableName="sign_up_events")["TableMetadata"]
    assert (table["Name"], table["TableType"]) == ("sign_up_events", "EXTERNAL_TABLE")
    types = {column["Name"]: column["Type"] for column in table["Columns"]}
    assert (types["email"], types["datetime"]) == ("string", "timestamp")
    assert [key["Name"] for key in table["PartitionKeys"]] == ["year", "month", "day"]
    found = athena.list_table_metadata(**catalog, DatabaseName="analytics", Expression="sign_.*")
    assert [each["Name"] for each in found["TableMetadataList"]] == ["sign_up_events"]
    assert athena.list_table_metadata(**catalog, DatabaseName="analytics", Expression="sign")["TableMetadataList"] == []
    for call in (
        lambda: athena.get_database(**catalog, DatabaseName="other"),
        lambda: athena.get_table_metadata(**catalog, DatabaseName="analytics", TableName="other"),
    ):
        assert refused(call)["Error"]["Code"] == "MetadataException"
    assert refused(lambda: athena.list_databases(CatalogName="hive"))["Error"]["Code"] == "InvalidRequestException"
    assert refused(lambda: athena.list_table_metadata(**catalog, DatabaseName="analytics", Expression="("))["Error"]["Code"] == (
        "InvalidRequestException"
    )


def test_where_statements_cannot_be_confined_only_an_admin_runs_them(tmp_path: Path) -> None:
    unconfined = AthenaServed(tmp_path, confined=False)
    try:
        said = refused(lambda: unconfined.run("SELECT 1", "query"))
        assert said["Error"]["Code"] == "AccessDeniedException"
        assert unconfined.run("SELECT 1", "admin")["Status"]["State"] == "SUCCEEDED"
        assert unconfined.client("query").list_work_groups()["WorkGroups"]
    finally:
        unconfined.stop()
