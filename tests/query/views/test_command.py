"""`headwater views` on a project that is served by real processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pyathena import connect
from pyathena.error import OperationalError

from tests.served import Served, invoke, run

MODELS = """
from headwater import Event


class Sitting(Event, table="sessions"):
    n: int


class PracticeEvent(Event):
    level: int
"""


EVENTS = [
    *("event_id", "event_type", "datetime", "person", "session_id", "app_id", "client_id", "cognito_id"),
    *("arrival_datetime", "attributes", "year", "month", "day"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("views") / "my-app") as served:
        (served.folder / "events.py").write_text(MODELS)
        served.start()
        send(served, "one", "Sitting", n=1.0)
        send(served, "one", "PracticeEvent", level=1.0)
        send(served, "two", "PracticeEvent", level=1.0)
        served.settle()
        yield served


def send(served: Served, device: str, event_type: str, **metrics: float) -> None:
    number = send.__dict__["number"] = send.__dict__.get("number", 0) + 1
    event = {"EventType": event_type, "Timestamp": f"2026-11-23T09:{number:02d}:00Z", "Metrics": metrics}
    served.client().put_events(
        ApplicationId=served.app_id, EventsRequest={"BatchItem": {device: {"Endpoint": {}, "Events": {f"e{number}": event}}}}
    )


def test_the_list_has_every_view_and_saved_query_with_a_sentence(served: Served) -> None:
    found = {row["name"]: row for row in json.loads(invoke("views", "--format", "json", "-C", served.folder).stdout)}

    assert found["funnel"]["kind"] == "saved query"
    assert found["events"] == {
        "name": "events",
        "kind": "view",
        "answers": "One row for each event of every type: all tables of events in one.",
    }
    assert found["sessions"]["answers"].endswith("In SQL, this is your own table.")
    assert "daily_active_users" in invoke("views", "-C", served.folder).stdout
    assert "views, too: headwater views" in invoke("tables", "-C", served.folder).stdout
    assert "sessions" in {row["name"] for row in json.loads(invoke("tables", "--json", "-C", served.folder).stdout)}


def test_a_saved_query_runs_and_shows_the_sql_that_it_runs(served: Served) -> None:
    asked = ["views", "funnel", "--set", "steps=Sitting[n=1],PracticeEvent", "--set", "days=7"]

    found = invoke(*asked, "--format", "csv", "-C", served.folder).stdout
    shown = invoke(*asked, "--show", "-C", served.folder).stdout

    assert found.splitlines() == ["step,event_type,users,of_first,of_previous", "1,Sitting,1,1.0,", "2,PracticeEvent,1,1.0,1.0"]
    assert run("sql", "-", "--format", "csv", "-C", served.folder, input=shown).stdout == found


def test_a_view_runs_also_where_a_table_has_its_name(served: Served) -> None:
    asked = invoke("views", "sessions", "--format", "json", "-C", served.folder)

    assert sorted(row["events"] for row in json.loads(asked.stdout)) == [1, 2]
    assert "In SQL, sessions is your own table" in asked.stderr
    assert served.sql("SELECT n FROM sessions") == [{"n": 1}]
    assert served.sql("SELECT users, events FROM daily_active_users") == [{"users": 2, "events": 3}]


def test_what_is_wrong_is_said_without_a_trace(served: Served) -> None:
    for arguments, message in (
        (["funnel"], "funnel needs steps"),
        (["funel"], "did you mean funnel?"),
        (["funnel", "--set", "steps"], "write NAME=VALUE"),
        (["retention", "--set", "unit=year"], "'year' is none of day, week, month"),
    ):
        done = run("views", *arguments, "-C", served.folder, check=False)

        assert done.returncode != 0
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_views_are_there_for_clients_of_athena_and_a_view_of_their_own_wins(served: Served) -> None:
    athena = connect(
        schema_name="analytics",
        s3_staging_dir="s3://views/",
        endpoint_url=f"http://127.0.0.1:{served.ports[1]}",
        region_name="us-east-1",
        aws_access_key_id=served.owner["access_key_id"],
        aws_secret_access_key=served.owner["secret_access_key"],
        poll_interval=0.05,
    ).cursor()

    def ask(query: str) -> list[tuple[Any, ...]]:
        return list(athena.execute(query).fetchall())

    assert ask("SELECT users, events FROM daily_active_users") == [(2, 3)]
    levels = "SELECT json_extract_scalar(attributes, '$.level'), count(*) FROM events WHERE event_type = 'PracticeEvent' GROUP BY 1"
    assert ask(levels) == [("1", 2)]
    assert [column[0] for column in athena.execute("SELECT * FROM events LIMIT 1").description or []] == EVENTS
    athena.execute("CREATE VIEW top_events AS SELECT 'mine' AS whose")
    assert ask("SELECT * FROM top_events") == [("mine",)]
    assert ask("SELECT users FROM daily_active_users") == [(2,)]
    with pytest.raises(OperationalError, match="already exists"):
        athena.execute("CREATE VIEW identities AS SELECT 'mine' AS whose")
    athena.execute("DROP VIEW top_events")
    assert ask("SELECT events FROM top_events") == [(2,), (1,)]
