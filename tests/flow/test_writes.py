"""Statements that write, sent by boto3 to a served project: what they answer, what is there afterwards, whatever was killed meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.flow.test_athena import client, ended, put
from tests.served import Served
from tests.waiting import until

SIGNED_UP = "SELECT email FROM sign_up_events ORDER BY email"
UNACCOUNTED = """
    SELECT (SELECT sum(records) FROM fate_counts WHERE fate = 'delivered')
         - (SELECT coalesce(sum(rows), 0) FROM removals WHERE table_name = 'sign_up_events')
         - (SELECT count(*) FROM sign_up_events) - (SELECT count(*) FROM endpoint_updates) AS n
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("flow") / "piano", "query.max_seconds = 90").start() as served:
        yield served


def run(served: Served, query: str, within_s: float = 60) -> dict[str, Any]:
    athena = client(served)
    return ended(athena, athena.start_query_execution(QueryString=query)["QueryExecutionId"], within_s)


def write(served: Served, query: str) -> dict[str, Any]:
    done = run(served, query)
    assert done["Status"]["State"] == "SUCCEEDED", done["Status"]
    return dict(client(served).get_query_results(QueryExecutionId=done["QueryExecutionId"]), execution=done)


def told(served: Served, query: str) -> list[list[str | None]]:
    rows = write(served, query)["ResultSet"]["Rows"][1:]
    return [[datum.get("VarCharValue") for datum in row["Data"]] for row in rows]


def test_a_table_of_ones_own_is_made_filled_changed_and_dropped(served: Served) -> None:
    made = write(served, "CREATE TABLE scores WITH (table_type = 'ICEBERG', is_external = false) AS SELECT 'ada' AS who, 1 AS score")
    added = write(served, "INSERT INTO scores VALUES ('bob', 2), ('cy', 3)")
    changed = write(served, "UPDATE scores SET score = score * 10 WHERE who <> 'ada'")
    merged = write(
        served,
        "MERGE INTO scores t USING (VALUES ('cy', 0), ('dee', 4)) AS s(who, score) ON t.who = s.who WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED THEN INSERT (who, score) VALUES (s.who, s.score)",
    )

    assert [each["UpdateCount"] for each in (made, added, changed, merged)] == [1, 2, 2, 2]
    assert made["ResultSet"]["Rows"] == []
    assert [each["Name"] for each in made["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]] == ["rows"]
    assert (made["execution"]["StatementType"], made["execution"]["SubstatementType"]) == ("DDL", "CREATE_TABLE_AS_SELECT")
    assert "/tables/" in made["execution"]["ResultConfiguration"]["OutputLocation"]
    assert told(served, "SELECT * FROM scores ORDER BY 1") == [["ada", "1"], ["bob", "20"], ["dee", "4"]]
    [version] = told(served, 'SELECT min_by(snapshot_id, committed_at) FROM "scores$snapshots"')
    assert told(served, f"SELECT * FROM scores FOR VERSION AS OF {version[0]}") == [["ada", "1"]]
    write(served, "OPTIMIZE scores REWRITE DATA USING BIN_PACK")
    write(served, "VACUUM scores")
    write(served, "DROP TABLE scores")
    assert run(served, "SELECT * FROM scores")["Status"]["StateChangeReason"].startswith("TABLE_NOT_FOUND")


def test_a_person_is_erased_from_events_and_every_event_is_still_accounted_for(served: Served) -> None:
    put(served, "ada@example.org", "bob@example.org", "eve@example.org")
    served.settle()

    done = write(served, "DELETE FROM sign_up_events WHERE email = 'bob@example.org'")
    put(served, "flo@example.org")
    served.settle()
    fixed = write(served, "UPDATE sign_up_events SET email = 'eva@example.org' WHERE email = 'eve@example.org'")

    assert (done["UpdateCount"], fixed["UpdateCount"]) == (1, 1)
    assert told(served, SIGNED_UP) == [["ada@example.org"], ["eva@example.org"], ["flo@example.org"]]
    assert served.sql(UNACCOUNTED) == [{"n": 0}]
    assert served.sql("SELECT job, table_name, kind, rows FROM removals WHERE table_name = 'sign_up_events'") == [
        {"job": done["execution"]["QueryExecutionId"], "table_name": "sign_up_events", "kind": "DELETE", "rows": 1}
    ]


def test_files_are_unloaded_and_a_list_of_them_is_named(served: Served) -> None:
    done = write(served, "UNLOAD (SELECT 1 AS n) TO 's3://exports/numbers/' WITH (format = 'PARQUET')")
    write(served, "CREATE EXTERNAL TABLE numbers (n int) STORED AS PARQUET LOCATION 's3://exports/numbers/'")

    assert done["execution"]["Statistics"]["DataManifestLocation"].endswith("-manifest.csv")
    assert told(served, "SELECT n FROM numbers") == [["1"]]


def killed(served: Served) -> bool:
    """Kill the worker; False while the one that is known of is dead already."""
    try:
        os.kill(served.roles()["worker"]["pid"], signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_killed_in_the_middle_does_each_change_once(served: Served) -> None:
    write(served, "CREATE TABLE counters AS SELECT n, 0 AS times FROM UNNEST(sequence(1, 50)) AS t(n)")
    athena = client(served)

    for pause_s in (0.0, 0.15, 0.3):
        asked = athena.start_query_execution(QueryString="UPDATE counters SET times = times + 1")["QueryExecutionId"]
        time.sleep(pause_s)
        assert until(lambda: killed(served)), "there is no worker"
        done = ended(athena, asked, 100)
        assert done["Status"]["State"] == "SUCCEEDED", done["Status"]
        served.wait_ready()

    assert told(served, "SELECT count(*), min(times), max(times) FROM counters") == [["50", "3", "3"]]
    assert list((served.folder / "data" / "run" / "spill").glob("*.arrow")) == []
