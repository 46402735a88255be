"""What commands print, on terminals of two widths and in a pipe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from headwater.cli import main
from tests.cli.terminal import on_terminal
from tests.served import Served, invoke, run
from tests.test_docs import commands

pytestmark = pytest.mark.proof  # each command is a process of its own

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("tables",),
    ("keys", "list"),
    ("status",),
    ("identity", "pools"),
    ("identity", "logins"),
    ("check",),
    ("views",),
    ("views", "dead_letters"),
    ("tail", "--from", "beginning", "-n", "3"),
    ("sql", "SELECT * FROM dead_letters"),
    ("sql", "SELECT * FROM sign_up_events"),
    ("sql", "SELECT reason, field, given, expected FROM dead_letters"),
)
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?Z"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("shown") / "app", "lake.fold_seconds = 3600").start() as served:
        put(served)
        served.settle()
        yield served


def put(served: Served) -> None:
    event = {
        "EventType": "SignUpEvent",
        "Timestamp": "2026-11-30T01:19:12.355Z",
        "Session": {"Id": "s", "StartTimestamp": "2026-11-30T01:19:12Z"},
    }
    events = {
        "good": event | {"Attributes": {"email": "ada@example.org"}},
        "bad": event | {"Attributes": {"email": "no address", "more": "m" * 900}},
    }
    served.client().put_events(ApplicationId=served.app_id, EventsRequest={"BatchItem": {"phone": {"Endpoint": {}, "Events": events}}})


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_table_fits_the_terminal(served: Served, width: int, command: tuple[str, ...]) -> None:
    lines = on_terminal(width, *command, "-C", served.folder)

    assert max(map(cell_len, lines)) <= width, "\n".join(lines)
    assert 1 < len(lines) < 60


def test_a_dead_letter_is_one_value_a_line_with_its_body_cut(served: Served) -> None:
    lines = on_terminal(80, "sql", "SELECT * FROM dead_letters", "-C", served.folder)

    assert lines[0].startswith("─ row 1 ")
    assert len(lines) < 45
    assert any(re.match(r'body +{"event_type":"SignUpEvent"', line) for line in lines)
    assert any("--json shows them whole" in line for line in lines)


def test_a_pipe_gets_the_whole_body_in_one_line(served: Served) -> None:
    lines = run("sql", "SELECT body FROM dead_letters", "-C", served.folder).stdout.splitlines()

    assert len(lines) == 4
    assert "m" * 900 in lines[2]


def test_rows_on_their_way_are_counted_and_moments_are_moments(served: Served) -> None:
    rows = {row["name"]: row for row in json.loads(run("tables", "--json", "-C", served.folder).stdout)}
    shown = next(line for line in run("tables", "-C", served.folder).stdout.splitlines() if line.startswith("sign_up_events"))

    assert (rows["sign_up_events"]["rows"], rows["sign_up_events"]["tail_rows"], rows["sign_up_events"]["files"]) == (1, 1, 0)
    assert re.fullmatch(rf"sign_up_events +1 +0 +0 +1 +{TIME}", shown)
    assert re.search(rf"owner +AKIA\w{{16}} +admin,query,send +{TIME}$", run("keys", "list", "-C", served.folder).stdout, re.MULTILINE)


def test_every_command_that_a_person_calls_takes_json() -> None:
    roles = {"headwater collect", "headwater work", "headwater query"}

    without = [path for path, command in commands(main, "headwater") if not any("--json" in option.opts for option in command.params)]

    assert set(without) == roles


def test_json_is_what_programs_get_from_every_command_that_only_looks(served: Served) -> None:
    for command in [*COMMANDS, ("sql", "SELECT 1 AS a"), ("snippet", "curl"), ("types", "--typescript"), ("fold",)]:
        said = run(*command, "--json", "-C", served.folder).stdout
        for line in said.splitlines() if command[0] == "tail" else [said]:
            json.loads(line)


def test_a_key_is_revoked_by_its_name_or_its_id(served: Served) -> None:
    for number, by in enumerate(("name", "access_key_id")):
        key = json.loads(invoke("keys", "create", f"leaver-{number}", "--json", "-C", served.folder).stdout)

        revoked = json.loads(invoke("keys", "revoke", key[by], "--json", "-C", served.folder).stdout)

        assert revoked["name"] == f"leaver-{number}"
        assert revoked["revoked_ms"] >= key["created_ms"]


def test_athenas_sql_is_answered_from_the_folder_too(served: Served) -> None:
    def rows(query: str) -> object:
        return json.loads(run("sql", "--dialect", "athena", "--json", query, "-C", served.folder).stdout)

    assert rows("SELECT email, date_diff('day', datetime, datetime) AS d FROM sign_up_events") == [{"email": "ada@example.org", "d": 0}]
    assert {"tab_name": "sign_up_events"} in rows("SHOW TABLES")  # type: ignore[operator]
    assert {"database_name": "analytics"} in rows("SHOW DATABASES")  # type: ignore[operator]
    assert "col_name" in run("sql", "--dialect", "athena", "DESCRIBE sign_up_events", "-C", served.folder).stdout
    refused = run("sql", "--dialect", "athena", "CREATE TABLE t AS SELECT 1 AS a", "-C", served.folder, check=False)
    assert refused.returncode == 1
    assert "goes through a server" in refused.stderr


def test_output_into_a_file_is_whole_or_not_there(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"

    failed = run(
        "sql", "SELECT 1 // 0 + CAST(email AS INT) FROM sign_up_events", "-o", file, "--format", "csv", "-C", served.folder, check=False
    )

    assert failed.returncode == 1
    assert not file.exists()
    run("sql", "SELECT email FROM sign_up_events", "-o", file, "--format", "csv", "-C", served.folder)
    assert file.read_text() == "email\nada@example.org\n"
