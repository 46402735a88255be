"""A served project asked through Athena's API: by boto3, by PyAthena and SQLAlchemy, over restarts and crashes."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pandas as pd
import pytest
from botocore.config import Config
from pyathena import connect
from pyathena.cursor import DictCursor
from pyathena.error import OperationalError
from sqlalchemy import create_engine, inspect, text

from tests.executions.conftest import SLOW
from tests.served import Served
from tests.waiting import until

SETTINGS = "query.max_seconds = 30"
WORKGROUPS = """
[[workgroups]]
name = "quick"
output_location = "s3://team/quick/"
time_limit_seconds = 0.5
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("flow") / "piano", SETTINGS) as served:
        path = served.folder / "headwater.toml"
        path.write_text(path.read_text() + WORKGROUPS)
        served.start()
        put(served, "ada@example.org", "grace@example.org")
        yield served


def put(served: Served, *emails: str) -> None:
    now = datetime.now(UTC).isoformat()
    events = {str(uuid.uuid4()): {"EventType": "SignUpEvent", "Timestamp": now, "Attributes": {"email": email}} for email in emails}
    batch = {"device": {"Endpoint": {}, "Events": events}}
    served.client().put_events(ApplicationId=served.app_id, EventsRequest={"BatchItem": batch})


def private(served: Served) -> dict[str, Any]:
    return {
        "endpoint_url": f"http://127.0.0.1:{served.ports[1]}",
        "region_name": "us-east-1",
        "aws_access_key_id": served.owner["access_key_id"],
        "aws_secret_access_key": served.owner["secret_access_key"],
    }


def client(served: Served) -> Any:
    return boto3.client("athena", config=Config(retries={"total_max_attempts": 1}), **private(served))


def ended(athena: Any, execution_id: str, within_s: float = 60) -> dict[str, Any]:
    return reach(athena, execution_id, {"SUCCEEDED", "FAILED", "CANCELLED"}, within_s)


def reach(athena: Any, execution_id: str, states: set[str], within_s: float = 60) -> dict[str, Any]:
    def ask() -> dict[str, Any]:
        return dict(athena.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"])

    execution = until(ask, lambda execution: execution["Status"]["State"] in states, within_s)
    assert execution["Status"]["State"] in states, execution
    return execution


def rows(athena: Any, query: str, **asked: Any) -> list[list[str | None]]:
    execution_id = athena.start_query_execution(QueryString=query, **asked)["QueryExecutionId"]
    execution = ended(athena, execution_id)
    assert execution["Status"]["State"] == "SUCCEEDED", execution
    found = athena.get_query_results(QueryExecutionId=execution_id)["ResultSet"]["Rows"]
    return [[datum.get("VarCharValue") for datum in row["Data"]] for row in found]


def test_what_was_put_is_there_a_moment_later(served: Served) -> None:
    athena = client(served)
    put(served, "late@example.org")
    query = "SELECT count(*) AS n FROM sign_up_events WHERE email = 'late@example.org'"

    assert until(lambda: rows(athena, query), lambda found: found == [["n"], ["1"]]) == [["n"], ["1"]]


def test_pyathena_reads_rows_and_types(served: Served) -> None:
    with connect(schema_name="analytics", work_group="primary", **private(served)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT email, datetime, true AS yes FROM sign_up_events WHERE email = %(email)s", {"email": "ada@example.org"})
        [row] = cursor.fetchall()
        assert (row[0], row[2]) == ("ada@example.org", True)
        assert isinstance(row[1], datetime)
        assert [column[0] for column in cursor.description or []] == ["email", "datetime", "yes"]
        by_name = connection.cursor(DictCursor).execute("SELECT count(*) AS n FROM sign_up_events")
        assert by_name.fetchone()["n"] >= 2
        many = connection.cursor().execute("SELECT n FROM UNNEST(sequence(1, 3000)) AS t(n) ORDER BY n")
        assert [row[0] for row in many] == list(range(1, 3001))
        with pytest.raises(OperationalError, match="TABLE_NOT_FOUND"):
            cursor.execute("SELECT * FROM nothing_such")


def test_sqlalchemy_looks_at_the_tables_and_selects(served: Served) -> None:
    key = f"{served.owner['access_key_id']}:{served.owner['secret_access_key']}"
    url = f"awsathena+rest://{key}@athena.us-east-1.amazonaws.com:443/analytics?work_group=primary&endpoint_url=http%3A%2F%2F127.0.0.1%3A{served.ports[1]}"
    engine = create_engine(url)

    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT email FROM sign_up_events WHERE email LIKE :like ORDER BY email"), {"like": "%e@example.org"}
        )
        assert "grace@example.org" in [row[0] for row in found]
        frame = pd.read_sql_query(text("SELECT n, n * 1.5 AS x FROM UNNEST(sequence(1, 3)) AS t(n) ORDER BY n"), connection)
        assert frame.to_dict("list") == {"n": [1, 2, 3], "x": [1.5, 3.0, 4.5]}
    looked = inspect(engine)
    assert "sign_up_events" in looked.get_table_names()
    assert "email" in [column["name"] for column in looked.get_columns("sign_up_events")]
    engine.dispose()


def test_a_workgroup_of_the_file_holds_its_limit(served: Served) -> None:
    athena = client(served)

    execution_id = athena.start_query_execution(QueryString=SLOW, WorkGroup="quick")["QueryExecutionId"]
    execution = ended(athena, execution_id)

    assert execution["Status"]["StateChangeReason"] == "Query timeout"
    assert execution["ResultConfiguration"]["OutputLocation"] == f"s3://team/quick/{execution_id}.csv"
    assert athena.get_work_group(WorkGroup="quick")["WorkGroup"]["State"] == "ENABLED"


def test_all_places_may_be_taken_and_cancelling_frees_them(served: Served) -> None:
    athena = client(served)
    slow = [athena.start_query_execution(QueryString=SLOW)["QueryExecutionId"] for _ in range(4)]
    for execution_id in slow:
        reach(athena, execution_id, {"RUNNING"})

    # What a statement is read with takes no place of a query.
    waiting = athena.start_query_execution(QueryString="SELECT * FROM dead_letters CROSS JOIN identities")["QueryExecutionId"]
    assert athena.get_query_execution(QueryExecutionId=waiting)["QueryExecution"]["Status"]["State"] == "QUEUED"
    assert {reach(athena, each, {"RUNNING", "FAILED"})["Status"]["State"] for each in slow} == {"RUNNING"}  # nobody waited for their end
    for execution_id in slow:
        athena.stop_query_execution(QueryExecutionId=execution_id)

    assert rows(athena, "SELECT 1 AS n") == [["n"], ["1"]]
    assert {ended(athena, execution_id)["Status"]["State"] for execution_id in slow} == {"CANCELLED"}


def test_metrics_tell_what_became_of_queries(served: Served) -> None:
    import urllib.request

    rows(client(served), "SELECT 1 AS n")
    with urllib.request.urlopen(f"http://127.0.0.1:{served.ports[1]}/metrics") as answer:
        lines = answer.read().decode().splitlines()

    [count] = [line for line in lines if line.startswith("headwater_queries_total{") and "primary" in line and "SUCCEEDED" in line]
    assert float(count.split()[-1]) >= 1


def test_a_query_role_that_is_killed_fails_what_ran_and_remembers_the_rest(served: Served) -> None:
    athena = client(served)
    done = athena.start_query_execution(QueryString="SELECT 7 AS n")["QueryExecutionId"]
    ended(athena, done)
    slow = athena.start_query_execution(QueryString=SLOW, ClientRequestToken="k" * 32)["QueryExecutionId"]
    reach(athena, slow, {"RUNNING"})
    pid = served.roles()["query"]["pid"]

    os.kill(pid, signal.SIGKILL)
    role = until(lambda: served.roles()["query"], lambda role: role["pid"] not in (pid, None) and role["state"] == "ready")
    assert role["state"] == "ready" and role["pid"] != pid, served.roles()

    failed = athena.get_query_execution(QueryExecutionId=slow)["QueryExecution"]["Status"]
    assert (failed["State"], failed["AthenaError"]["Retryable"], failed["AthenaError"]["ErrorCategory"]) == ("FAILED", True, 1)
    assert athena.start_query_execution(QueryString=SLOW, ClientRequestToken="k" * 32)["QueryExecutionId"] == slow
    kept = athena.get_query_results(QueryExecutionId=done)["ResultSet"]["Rows"]
    assert kept[1] == {"Data": [{"VarCharValue": "7"}]}
    assert rows(athena, "SELECT 1 AS n") == [["n"], ["1"]]


def test_the_history_outlives_the_whole_project_stopping(served: Served) -> None:
    athena = client(served)
    done = athena.start_query_execution(QueryString="SELECT 7 AS n")["QueryExecutionId"]
    before = ended(athena, done)

    assert served.stop() == 0
    served.start()

    assert client(served).get_query_execution(QueryExecutionId=done)["QueryExecution"] == before
