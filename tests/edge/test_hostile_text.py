"""Nasty text in every field of an event: boto3 sends it to a served project, and SQL gives it back as it was, or a rule refused it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from headwater.collect.shapes import NAME_LIMIT
from tests.edge.naughty import NAUGHTY
from tests.served import Served, run

NOW = datetime.now(UTC).isoformat()
ACCEPTED = {"StatusCode": 202, "Message": "Accepted"}
MODEL = '''

class NoteEvent(Event):
    """A text that must be there, and one that may be null."""

    note: str
    maybe: str | None
'''


def too_long(text: str) -> str | None:
    return f"may have {NAME_LIMIT} characters" if len(text) > NAME_LIMIT else None


def as_name(text: str) -> str | None:
    """Return the rule that refuses it as the name of an attribute."""
    return too_long(text) or ("must not have a NUL character" if "\0" in text else None)


def as_endpoint(text: str) -> str | None:
    """Return the rule that refuses it as the id of an endpoint."""
    return None if 0 < len(text) <= NAME_LIMIT and "\0" not in text else f"an endpoint id has 1 to {NAME_LIMIT} characters and no NUL"


def as_type(text: str) -> str | None:
    """Return the rule that refuses it as the type of an event."""
    return None if text else "EventType must be text of at least one character"


def never(text: str) -> str | None:
    return None


class Project:
    """A served project, and what was answered for the event of each text, by field and place in the list."""

    def __init__(self, served: Served) -> None:
        self.served, self.answers = served, dict[str, list[dict[str, Any]]]()

    def put(self, field: str, event: Callable[[str, int], dict[str, Any]], **more: Any) -> None:
        """Send an event for each text, all of one field in one request, each under an id that says which it is."""
        events = {f"{field}-{number}": {"Timestamp": NOW, **event(text, number)} for number, text in enumerate(NAUGHTY)}
        results = self._send({f"of {field}": {"Endpoint": {}, "Events": events}}, **more)
        self.answers[field] = [results[f"of {field}"]["EventsItemResponse"][event_id] for event_id in events]

    def put_under_ids(self) -> None:
        """Send events whose ids are the texts."""
        events = {text: {"EventType": "ById", "Timestamp": NOW} for text in NAUGHTY}
        answered = self._send({"of ids": {"Endpoint": {}, "Events": events}})["of ids"]["EventsItemResponse"]
        self.answers["event id"] = [answered[text] for text in NAUGHTY]

    def put_for_endpoints(self) -> None:
        """Send an event for each endpoint whose id is one of the texts, and one for each user who is called so."""
        batches = {
            text: {"Endpoint": {}, "Events": {f"endpoint id-{number}": {"EventType": "ByEndpoint", "Timestamp": NOW}}}
            for number, text in enumerate(NAUGHTY)
        }
        answered = self._send(batches)
        self.answers["endpoint id"] = [answered[text]["EventsItemResponse"][f"endpoint id-{n}"] for n, text in enumerate(NAUGHTY)]
        users = {
            f"user-{number}": {"Endpoint": {"User": {"UserId": text, "UserAttributes": {"said": [text, "and", text]}}}, "Events": {}}
            for number, text in enumerate(NAUGHTY)
        }
        answered = self._send(users)
        self.answers["user"] = [answered[f"user-{number}"]["EndpointItemResponse"] for number in range(len(NAUGHTY))]
        named = {
            f"trait-{number}": {"Endpoint": {"User": {"UserAttributes": {text: ["x"]}}}, "Events": {}}
            for number, text in enumerate(NAUGHTY)
        }
        answered = self._send(named)
        self.answers["user attribute"] = [answered[f"trait-{number}"]["EndpointItemResponse"] for number in range(len(NAUGHTY))]

    def _send(self, batches: dict[str, Any]) -> dict[str, Any]:
        answer = self.served.client().put_events(ApplicationId=self.served.app_id, EventsRequest={"BatchItem": batches})
        return dict(answer["EventsResponse"]["Results"])

    def check(self, field: str, rule: Callable[[str], str | None], found: dict[int, Any], wanted: Callable[[str], Any]) -> None:
        """Compare what SQL found, by place in the list, with what each text was to become: *wanted*, or the refusal of *rule*."""
        for number, (text, answer) in enumerate(zip(NAUGHTY, self.answers[field], strict=True)):
            refused = rule(text)
            if refused is None:
                assert answer == ACCEPTED, (field, text)
                assert found.pop(number) == wanted(text), (field, text)
            else:
                assert answer["StatusCode"] == 400, (field, text)
                assert refused in answer["Message"], (field, text)
                assert answer["Message"].isprintable(), (field, text)
        assert found == {}, field

    def column(self, table: str, column: str, field: str) -> dict[int, Any]:
        """Return the column by place in the list, of the events of that field."""
        rows = self.served.sql(f"SELECT event_id, {column} AS it FROM {table} WHERE starts_with(event_id, '{field}-')")
        found = {int(row["event_id"].rpartition("-")[2]): row["it"] for row in rows}
        assert len(found) == len(rows)
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with Served(tmp_path_factory.mktemp("hostile") / "notes") as served:
        events = served.folder / "events.py"
        events.write_text(events.read_text() + MODEL)
        served.start()
        project = Project(served)
        project.put("value", lambda text, _: {"EventType": "NoteEvent", "Attributes": {"note": text, "maybe": text}})
        project.put("map value", lambda text, _: {"EventType": "Free", "Attributes": {"said": text}})
        project.put("name", lambda text, number: {"EventType": "Named", "Attributes": {text: str(number)}})
        project.put("type", lambda text, _: {"EventType": text})
        project.put("session", lambda text, _: {"EventType": "Visit", "Session": {"Id": text, "StartTimestamp": NOW}})
        project.put("title", lambda text, _: {"EventType": "App", "AppTitle": text, "AppPackageName": text, "SdkName": text})
        project.put_under_ids()
        project.put_for_endpoints()
        served.settle()
        yield project


@pytest.fixture(scope="module", params=["waiting in the ledger", "in Parquet"])
def kept(project: Project, request: pytest.FixtureRequest) -> Project:
    if request.param == "in Parquet":
        run("fold", "-C", project.served.folder)
    return project


def test_there_are_enough_of_them() -> None:
    assert len(set(NAUGHTY)) == len(NAUGHTY) >= 150


def test_values_of_a_modelled_event(kept: Project) -> None:
    kept.check("value", never, kept.column("note_events", "note", "value"), lambda text: text)
    kept.check("value", never, kept.column("note_events", "maybe", "value"), lambda text: None if text == "null" else text)


def test_values_of_an_event_that_nobody_modelled(kept: Project) -> None:
    found = kept.column("other_events", "attributes", "map value")

    kept.check("map value", never, {number: dict(pairs) for number, pairs in found.items()}, lambda text: {"said": text})


def test_names_of_attributes(kept: Project) -> None:
    found = kept.column("other_events", "attributes", "name")

    kept.check("name", as_name, {number: [name for name, _ in pairs] for number, pairs in found.items()}, lambda text: [text])


def test_event_types(kept: Project) -> None:
    kept.check("type", as_type, kept.column("other_events", "event_type", "type"), lambda text: text)


def test_session_ids(kept: Project) -> None:
    kept.check("session", never, kept.column("other_events", "session_id", "session"), lambda text: text)


def test_endpoint_ids(kept: Project) -> None:
    kept.check("endpoint id", as_endpoint, kept.column("other_events", "client_id", "endpoint id"), lambda text: text)


def test_event_ids(kept: Project) -> None:
    rows = kept.served.sql("SELECT event_id FROM other_events WHERE event_type = 'ById'")
    places = {text: number for number, text in enumerate(NAUGHTY)}

    kept.check("event id", never, {places[row["event_id"]]: row["event_id"] for row in rows}, lambda text: text)


def test_users_and_what_is_said_of_them(kept: Project) -> None:
    rows = kept.served.sql("SELECT client_id, user_id, user_attributes FROM endpoints")
    users = {
        int(row["client_id"][5:]): (row["user_id"], json.loads(row["user_attributes"])["said"])
        for row in rows
        if row["client_id"].startswith("user-")
    }
    names = {
        int(row["client_id"][6:]): list(json.loads(row["user_attributes"]))
        for row in rows
        if row["client_id"][:6] == "trait-" and row["user_attributes"]
    }

    kept.check("user", never, users, lambda text: (text, [text, "and", text]))
    kept.check("user attribute", as_name, names, lambda text: [text])


def test_what_the_app_says_of_itself_is_in_the_stream(project: Project) -> None:
    kinesis, found = project.served.client("kinesis"), dict[int, Any]()
    place = {"StreamName": "app", "ShardId": kinesis.list_shards(StreamName="app")["Shards"][0]["ShardId"]}
    iterator = kinesis.get_shard_iterator(**place, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
        for record in (json.loads(each["Data"]) for each in answer["Records"]):
            event_id = record["headwater"].get("event_id", "")
            if event_id.startswith("title-"):
                app = record["application"]
                found[int(event_id[6:])] = (app["title"], app["package_name"], app["sdk"]["name"])
        iterator = answer["NextShardIterator"]
        if not answer["MillisBehindLatest"]:
            break

    project.check("title", never, found, lambda text: (text, text, text))


def test_nothing_became_a_dead_letter_and_the_counts_agree(project: Project) -> None:
    assert project.served.sql("SELECT reason, field, given FROM dead_letters") == []
    [row] = project.served.sql("SELECT count(*) AS n FROM other_events")
    accepted = sum(
        answer == ACCEPTED
        for field, answers in project.answers.items()
        for answer in answers
        if field not in ("value", "user", "user attribute")
    )
    assert row["n"] == accepted


def test_the_files_have_names_of_our_own(project: Project) -> None:
    run("fold", "-C", project.served.folder)
    lake = project.served.folder / "data" / "lake"

    names = [path.relative_to(lake).as_posix() for path in lake.rglob("*")]

    assert len(names) > 10
    assert [name for name in names if not re.fullmatch(r"[a-zA-Z0-9_=./-]+", name) or ".." in name] == []
    ours = {"data", "metadata", "analytics"} | {row["name"] for row in project.served.sql("SHOW TABLES")}
    folders = {folder for name in names for folder in name.split("/")[:-1]}
    assert {name for name in folders if not re.fullmatch(r"(year|month|day)=\d{1,4}", name)} <= ours


def test_the_log_has_no_line_that_a_client_wrote(project: Project) -> None:
    log = project.served.log.read_text()

    assert "\x1b]0;title" not in log
    assert "DROP TABLE" not in log
    assert "Traceback" not in log
