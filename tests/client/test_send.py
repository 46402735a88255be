"""`headwater send`: what a person or a script at the command line sees."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headwater.client import NotDelivered
from tests.served import Served, free_port, invoke


def send(served: Served, *arguments: str, check: bool = True) -> dict[str, Any]:
    return dict(json.loads(invoke("send", *arguments, "--json", "-C", served.folder, check=check).stdout))


def test_one_event_is_sent_and_said_to_be_accepted(served: Served) -> None:
    said = invoke("send", "SignUpEvent", "email=Zoë@example.org", "--user-id", "zoë-cli", "-C", served.folder).stdout

    served.settle()
    [row] = served.sql("SELECT event_id, email FROM sign_up_events WHERE client_id = 'zoë-cli'")
    assert row["email"] == "Zoë@example.org"
    assert said == f"accepted: SignUpEvent {row['event_id']}\nstored in the table sign_up_events\n"


def test_a_number_is_a_metric_unless_the_class_says_text(served: Served) -> None:
    verdict = send(
        served, "LessonEvent", "price=1.50", "began_at=2026-11-23T10:00:00Z", "due=2026-11-24", "teacher=" + "0" * 32, "page=https://x.org/",
        "paid=true", "grade=3", "share=0.5", "hand=left", "kind=null", "remark=007", "room=12",
        "--data", '{"bars": [{"no": 1, "hand": null}], "scores": {"ada": 1}}',
    )  # fmt: skip

    served.settle()
    [row] = served.sql(f"SELECT grade, share, kind, note, paid, extra, scores FROM lesson_events WHERE event_id = '{verdict['event_id']}'")
    assert (row["grade"], row["share"], row["kind"], row["note"], row["paid"]) == (3, 0.5, None, "007", True)
    assert (dict(row["extra"]), dict(row["scores"])) == ({"room": "12"}, {"ada": 1.0})
    assert verdict["dead_letter"] is None


def test_an_event_that_events_py_refuses_is_accepted_and_said_to_become_a_dead_letter(served: Served) -> None:
    done = invoke("send", "SignUpEvent", "email=nobody", "--event-id", "dead-1", "-C", served.folder, check=False)

    served.settle()
    [letter] = served.sql("SELECT message FROM dead_letters WHERE event_id = 'dead-1'")
    assert done.stdout == "accepted: SignUpEvent dead-1\n"
    assert done.returncode == 1
    assert letter["message"] in done.stderr
    assert "email: expected an e-mail address: something@host.domain, no spaces, given 'nobody'" in done.stderr


def test_a_field_without_its_name_is_told_how_one_is_written(served: Served) -> None:
    done = invoke("send", "SignUpEvent", "ada@example.org", "-C", served.folder, check=False)

    assert done.stderr == "Error: 'ada@example.org' is no KEY=VALUE, such as email=…\n"
    assert done.returncode == 1


NOW, GOOD = datetime.now(UTC), {"email": "ada@example.org"}
MATRIX: dict[str, dict[str, Any]] = {
    "a row": {"event_type": "SignUpEvent", "attributes": GOOD, "timestamp": NOW.isoformat()},
    "a field is wrong": {"event_type": "SignUpEvent", "attributes": {"email": "nobody"}},
    "a field is missing": {"event_type": "SignUpEvent"},
    "a field too many": {"event_type": "SignUpEvent", "attributes": {"email": "ada@example.org", "more": "1"}},
    "long ago": {"event_type": "SignUpEvent", "attributes": GOOD, "timestamp": (NOW - timedelta(days=400)).isoformat()},
    "far ahead": {"event_type": "SignUpEvent", "attributes": GOOD, "timestamp": (NOW + timedelta(days=40)).isoformat()},
    "nobody modelled it": {"event_type": "Whatever", "attributes": {"a": "1"}, "metrics": {"n": 1}},
    "its own time and session": {
        "event_type": "app/visit", "session_id": "s", "attributes": {"page": "/"}, "timestamp": "2026-11-23T05:00:00+00:00",
    },
    "no session": {"event_type": "app/visit", "attributes": {"page": "/"}},
    "twice": {"event_type": "SignUpEvent", "event_id": "matrix-0", "attributes": {"email": "nobody"}, "timestamp": NOW.isoformat()},
}  # fmt: skip


def test_what_send_says_of_each_event_is_what_became_of_it(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "matrix.jsonl"
    lines = [{"event_id": f"matrix-{number}"} | line for number, line in enumerate(MATRIX.values())]
    path.write_text("\n".join(map(json.dumps, lines)))

    said = send(served, "--file", str(path), check=False)

    query = "SELECT event_id, message FROM dead_letters WHERE event_id LIKE 'matrix-%'"
    letters = {row["event_id"]: row["message"] for row in served.sql(query)}
    assert {each["event_id"]: each["reason"] for each in said["dead_letters"]} == letters
    assert {list(MATRIX)[int(name.removeprefix("matrix-"))] for name in letters} == {
        "a field is wrong", "a field is missing", "a field too many", "long ago", "far ahead", "no session",
    }  # fmt: skip
    assert "pipe.past_days" in letters["matrix-4"]
    assert "pipe.ahead_days" in letters["matrix-5"]


@pytest.mark.parametrize("name", ["SignupEvent", "SignUpEvnt", "signupevent"])
def test_a_type_that_is_nearly_a_known_one_is_said_to_be_so(served: Served, name: str) -> None:
    verdict = send(served, name, "email=ada@example.org")

    assert verdict["stored"] is True
    assert verdict["hint"] == f"{name} is no event type of events.py, so it goes to the table other_events; did you mean SignUpEvent?"


def test_a_known_type_has_no_hint_and_a_session_of_its_own(served: Served) -> None:
    verdict = send(served, "SignUpEvent", "email=session@example.org")

    served.settle()
    assert verdict["hint"] is None
    [row] = served.sql("SELECT session_id FROM sign_up_events WHERE email = 'session@example.org'")
    assert len(row["session_id"]) == 36


def test_a_refused_event_ends_with_1_and_says_why(served: Served) -> None:
    done = invoke("send", "_headwater.x", "-C", served.folder, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "not accepted: EventType must not start with '_headwater.', given '_headwater.x'\n"


def test_a_file_is_sent_line_by_line_and_again_without_doubles(served: Served, tmp_path: Path) -> None:
    lines: list[Any] = [
        {"event_type": "SignUpEvent", "event_id": f"file-{n}", "client_id": "from-file", "session_id": "s", "user_id": "ada",
         "timestamp": "2026-11-23T05:00:00+00:00", "attributes": {"email": f"u{n}@example.org"}}
        for n in range(2500)
    ]  # fmt: skip
    lines[1000] = {"event_type": "_headwater.x"}
    lines.append({"client_id": "from-file", "endpoint": {"Attributes": {"plan": ["gold"]}, "User": {"UserAttributes": {"age": ["9"]}}}})
    wrong = [
        "no json",
        "[]",
        '{"typo": 1}',
        '{"attributes": {}}',
        '{"event_type": "A", "timestamp": "yesterday"}',
        '{"endpoint": {"X": 1}}',
        '{"endpoint": {"User": 5}}',
        '{"endpoint": {"User": {"UserAttributes": "gold"}}}',
        '{"endpoint": {"Metrics": [1]}}',
        '{"endpoint": {"User": null}}',
        "",
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines), *wrong]))

    for _ in range(2):
        said = send(served, "--file", str(path), check=False)

        assert said["accepted"] == 2500
        assert [refusal["line"] for refusal in said["refused"]] == [1001, *range(2502, 2512)]
    served.settle()
    assert served.sql("SELECT count(*) AS n, count(DISTINCT email) AS emails FROM sign_up_events WHERE client_id = 'from-file'") == [
        {"n": 2499, "emails": 2499}
    ]
    served.eventually(
        "SELECT user_id, attributes FROM endpoints WHERE client_id = 'from-file'", [{"user_id": "ada", "attributes": '{"plan":["gold"]}'}]
    )


def test_what_a_client_could_not_deliver_can_be_sent_from_a_file(served: Served, tmp_path: Path) -> None:
    from headwater import Client

    client = Client(f"http://127.0.0.1:{free_port()}", served.app_id, write_key="hw")
    client.record("SignUpEvent", {"email": "lost@example.org"}, user_id="lost", session="s-7")
    client.update_endpoint("lost", attributes={"plan": "gold"})
    try:
        client.close(0)
    except NotDelivered as lost:
        path = tmp_path / "lost.jsonl"
        path.write_text("\n".join(map(json.dumps, lost.events)))

    assert send(served, "--file", str(path)) == {"accepted": 2, "refused": [], "dead_letters": []}
    served.settle()
    assert served.sql("SELECT email, session_id FROM sign_up_events WHERE client_id = 'lost'") == [
        {"email": "lost@example.org", "session_id": "s-7"}
    ]
    served.eventually("SELECT attributes FROM endpoints WHERE client_id = 'lost'", [{"attributes": '{"plan":["gold"]}'}])


def test_the_key_of_the_command_line_is_made_once_and_may_only_send(served: Served) -> None:
    for _ in range(2):
        send(served, "Ping")

    keys = json.loads(invoke("keys", "list", "--json", "-C", served.folder).stdout)
    assert [key["allow"] for key in keys if key["name"] == "cli"] == ["send"]


def test_a_key_of_aws_in_the_environment_is_for_url_only(served: Served, tmp_path: Path) -> None:
    wrong = {"AWS_ACCESS_KEY_ID": "AKIAOFSOMEBODYELSE", "AWS_SECRET_ACCESS_KEY": "x"}
    right = {"AWS_ACCESS_KEY_ID": served.owner["access_key_id"], "AWS_SECRET_ACCESS_KEY": served.owner["secret_access_key"]}
    elsewhere = ["send", "Ping", "n=1", "--url", served.url, "--app-id", served.app_id]

    here = invoke("send", "Ping", "-C", served.folder, env=wrong)
    there = [invoke(*elsewhere, "-C", tmp_path, check=False, env=keys) for keys in (right, wrong, dict.fromkeys(wrong))]

    assert here.returncode == 0, here.stderr
    assert [done.returncode for done in there] == [0, 1, 1]
    assert "security token" in there[1].stderr
    assert "--key-id" in there[2].stderr


def test_a_project_that_is_not_served_is_said_so(tmp_path: Path) -> None:
    invoke("init", tmp_path / "idle")

    done = invoke("send", "Ping", "-C", tmp_path / "idle", check=False)

    assert done.returncode == 1
    assert "headwater serve" in done.stderr


def test_a_server_out_of_reach_is_given_up_in_time(tmp_path: Path) -> None:
    arguments = ["--url", f"http://127.0.0.1:{free_port()}", "--app-id", "ab" * 16, "--key-id", "A", "--secret", "b", "--timeout", "0.3"]

    done = invoke("send", "Ping", *arguments, "-C", tmp_path, check=False)

    assert done.returncode == 1
    assert "ConnectionRefusedError" in done.stderr
