"""boto3's own client puts events over HTTP, and SQL shows them."""

from __future__ import annotations

import csv
import io
import json
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

import headwater
from tests.served import Served, invoke, run
from tests.waiting import until

NOW = datetime.now(UTC).replace(microsecond=123000)


def event(event_type: str, attributes: dict[str, str] | None = None, metrics: dict[str, float] | None = None, at: datetime = NOW) -> Any:
    session = {"Id": "s-1", "StartTimestamp": at.isoformat()}
    made: dict[str, Any] = {"EventType": event_type, "Timestamp": at.isoformat(), "Session": session}
    if attributes is not None:
        made["Attributes"] = attributes
    if metrics is not None:
        made["Metrics"] = metrics
    return made


def put(served: Served, endpoint_id: str, events: dict[str, Any], endpoint: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = served.client().put_events(
        ApplicationId=served.app_id, EventsRequest={"BatchItem": {endpoint_id: {"Endpoint": endpoint or {}, "Events": events}}}
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    return dict(answer["EventsResponse"]["Results"][endpoint_id]["EventsItemResponse"])


def test_an_event_is_a_row_with_typed_columns(served: Served) -> None:
    event_id = str(uuid.uuid4())
    attributes = {"email": "Zoë@Example.ORG", "id": "u1", "is_test_user": "true", "user_type": "null"}

    answers = put(served, "boto:1/é x", {event_id: event("SignInEvent", attributes)})

    assert answers == {event_id: {"StatusCode": 202, "Message": "Accepted"}}
    columns = "event_type, datetime, session_id, app_id, client_id, year, month, day, email, id, is_test_user, user_type"
    served.eventually(
        f"SELECT {columns} FROM sign_in_events WHERE event_id = '{event_id}'",
        [
            {
                "event_type": "SignInEvent", "datetime": NOW, "session_id": "s-1", "app_id": served.app_id, "client_id": "boto:1/é x",
                "year": str(NOW.year), "month": str(NOW.month), "day": str(NOW.day),
                "email": "Zoë@example.org", "id": "u1", "is_test_user": True, "user_type": None,
            }
        ],
    )  # fmt: skip


def test_the_same_event_sent_again_is_one_row(served: Served) -> None:
    event_id = str(uuid.uuid4())
    sent = {event_id: event("SignUpEvent", {"email": "ada@example.org"})}

    for _ in range(3):
        put(served, "device-again", sent)

    served.eventually(f"SELECT fate FROM fates WHERE event_id = '{event_id}'", [{"fate": "duplicate"}] * 2)
    served.eventually(f"SELECT count(*) AS n FROM sign_up_events WHERE event_id = '{event_id}'", [{"n": 1}])


def test_a_reused_id_with_another_time_is_another_event(served: Served) -> None:
    for minutes in (1, 2):
        put(served, "device-reuse", {"event1": event("SignUpEvent", {"email": "ada@example.org"}, at=NOW - timedelta(minutes=minutes))})

    served.eventually("SELECT count(*) AS n FROM sign_up_events WHERE client_id = 'device-reuse'", [{"n": 2}])


def test_one_bad_event_harms_no_other_and_says_why(served: Served) -> None:
    good, bad, unnamed = (str(uuid.uuid4()) for _ in range(3))

    answers = put(
        served,
        "device-bad",
        {
            good: event("SignUpEvent", {"email": "ada@example.org"}),
            bad: event("SignUpEvent", {"email": "not an address"}),
            unnamed: event(""),
        },
    )

    assert [answers[i]["StatusCode"] for i in (good, bad, unnamed)] == [202, 202, 400]
    served.eventually(
        f"SELECT event_type, field, given FROM dead_letters WHERE event_id = '{bad}'",
        [{"event_type": "SignUpEvent", "field": "email", "given": "not an address"}],
    )
    served.eventually(f"SELECT count(*) AS n FROM sign_up_events WHERE event_id IN ('{good}', '{bad}', '{unnamed}')", [{"n": 1}])


def test_an_event_nobody_modelled_is_not_lost(served: Served) -> None:
    event_id = str(uuid.uuid4())

    put(served, "device-other", {event_id: event("app/load page", {"a": "b"}, {"m": 1.5})})

    served.eventually(
        f"SELECT event_type, attributes['a'] AS a, metrics['m'] AS m FROM other_events WHERE event_id = '{event_id}'",
        [{"event_type": "app/load page", "a": "b", "m": 1.5}],
    )


def test_a_clock_that_is_far_off_makes_a_dead_letter(served: Served) -> None:
    event_id = str(uuid.uuid4())

    put(served, "device-clock", {event_id: event("SignUpEvent", {"email": "ada@example.org"}, at=NOW - timedelta(days=40))})

    served.eventually(f"SELECT reason FROM dead_letters WHERE event_id = '{event_id}'", [{"reason": "clock"}])


def test_an_endpoint_profile_is_kept_merged_and_queried(served: Served) -> None:
    pinpoint = served.client()
    where = {"ApplicationId": served.app_id, "EndpointId": "device-7"}
    pinpoint.update_endpoint(**where, EndpointRequest={"Address": "ada@example.org", "ChannelType": "EMAIL", "User": {"UserId": "ada"}})
    pinpoint.update_endpoint(**where, EndpointRequest={"Attributes": {"plan": ["gold"]}})

    profile = pinpoint.get_endpoint(**where)["EndpointResponse"]

    assert (profile["Address"], profile["Attributes"], profile["User"]["UserId"]) == ("ada@example.org", {"plan": ["gold"]}, "ada")
    served.eventually(
        "SELECT user_id, channel_type, address FROM endpoints WHERE client_id = 'device-7'",
        [{"user_id": "ada", "channel_type": "EMAIL", "address": "ada@example.org"}],
    )
    served.eventually("SELECT count(*) AS n FROM endpoint_updates WHERE client_id = 'device-7'", [{"n": 2}])


def test_a_key_that_may_only_query_cannot_send_and_a_revoked_one_neither(served: Served) -> None:
    key = json.loads(invoke("keys", "create", "analyst", "--allow", "query", "--json", "-C", served.folder).stdout)
    served_as = served.owner
    served.owner = key
    try:
        with pytest.raises(ClientError) as refused:
            put(served, "device-1", {"e": event("SignUpEvent")})
        invoke("keys", "revoke", "analyst", "-C", served.folder)
        revoked = until(lambda: refusal(served), lambda code: code != "ForbiddenException")  # a key is trusted for a second
    finally:
        served.owner = served_as

    assert refused.value.response["Error"]["Code"] == "ForbiddenException"
    assert revoked == "UnrecognizedClientException"


def refusal(served: Served) -> str:
    with pytest.raises(ClientError) as refused:
        put(served, "device-1", {"e": event("SignUpEvent")})
    return str(refused.value.response["Error"]["Code"])


def test_every_output_format_says_the_same(served: Served, tmp_path: Any) -> None:
    query = "SELECT 1 AS a, 'x,\"y' AS b"

    as_json = json.loads(invoke("sql", query, "--format", "json", "-C", served.folder).stdout)
    as_csv = list(csv.DictReader(io.StringIO(invoke("sql", query, "--format", "csv", "-C", served.folder).stdout)))
    invoke("sql", query, "--format", "parquet", "-o", tmp_path / "out.parquet", "-C", served.folder)
    as_table = invoke("sql", query, "-C", served.folder).stdout

    assert as_json == [{"a": 1, "b": 'x,"y'}]
    assert as_csv == [{"a": "1", "b": 'x,"y'}]
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [{"a": 1, "b": 'x,"y'}]
    assert 'x,"y' in as_table


def test_a_notebook_asks_in_arrow_pandas_and_polars(served: Served) -> None:
    with headwater.open(served.folder) as lake:
        result = "SELECT 41 + 1 AS n"

        assert lake.sql(result).arrow().to_pydict() == {"n": [42]}
        assert lake.sql(result).df()["n"].tolist() == [42]
        assert lake.sql(result).pl()["n"].to_list() == [42]


def test_a_wrong_question_says_what_would_work(served: Served) -> None:
    done = run("sql", "SELECT * FROM sign_up_event", "-C", served.folder, check=False)

    assert done.returncode == 1
    assert "sign_up_events" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_and_health_say_where_and_how(served: Served) -> None:
    status = served.status()

    assert status["running"] is True
    assert status["public_url"] == served.url
    assert set(status["roles"]) == {"collector", "worker", "query"}
    for url in (status["public_url"], status["private_url"]):
        with urllib.request.urlopen(f"{url}/healthz") as answer:
            assert (answer.status, json.load(answer)["ready"]) == (200, True)


def test_a_second_serve_is_refused_and_names_the_first(served: Served) -> None:
    done = run("serve", "-C", served.folder, "--public-port", "0", "--private-port", "0", check=False)

    assert done.returncode == 1
    assert "already running" in done.stderr
    assert served.process is not None
    assert str(served.process.pid) in done.stderr


def test_tail_shows_the_records(served: Served) -> None:
    done = run("tail", "--from", "beginning", "-n", "2", "--json", "-C", served.folder)

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [int(line["sequence_number"]) for line in lines] == [1, 2]
    assert json.loads(lines[0]["data"])["application"]["app_id"] == served.app_id


def test_folding_moves_every_row_into_parquet_and_changes_no_answer(served: Served) -> None:
    before = served.sql("SELECT event_id FROM sign_up_events ORDER BY ALL")

    run("fold", "-C", served.folder)

    [table] = [t for t in json.loads(invoke("tables", "--json", "-C", served.folder).stdout) if t["name"] == "sign_up_events"]
    assert (table["rows"], table["tail_rows"]) == (len(before), 0)
    assert table["files"] >= 1
    assert served.sql("SELECT event_id FROM sign_up_events ORDER BY ALL") == before
    day = NOW
    files = list((served.folder / "data/lake").glob(f"**/sign_up_events/year={day.year}/month={day.month}/day={day.day}/*.parquet"))
    assert files


def test_it_ends_and_answers_without_serve(served: Served) -> None:
    put(served, "device-last", {"last": event("SignUpEvent", {"email": "ada@example.org"})})

    code = served.stop()

    assert code == 0
    assert served.sql("SELECT count(*) AS n FROM sign_up_events WHERE client_id = 'device-last'") == [{"n": 1}]
    tables = json.loads(invoke("tables", "--json", "-C", served.folder).stdout)
    assert {table["name"]: table["tail_rows"] for table in tables if table["tail_rows"]} == {}
