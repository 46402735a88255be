"""`headwater snippet` and `headwater types`: what is printed works as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.process.snippet import SNIPPETS, make_snippet
from headwater.settings import load_settings
from tests.served import Served, invoke


def environment(served: Served) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": served.owner["access_key_id"], "AWS_SECRET_ACCESS_KEY": served.owner["secret_access_key"]}
    return {"PATH": os.environ["PATH"], **keys}


def count(served: Served) -> int:
    served.settle()
    # The article's models need a session, so what our snippets send has one.
    rows = served.sql("SELECT count(*) AS n FROM sign_up_events WHERE email = 'ada@example.org' AND session_id IS NOT NULL")
    return int(rows[0]["n"])


@pytest.mark.parametrize("kind", ["boto3", "python"])
def test_the_python_snippets_run_and_their_event_arrives(served: Served, kind: str) -> None:
    before = count(served)

    done = subprocess.run(
        [sys.executable, "-c", invoke("snippet", kind, "-C", served.folder).stdout], env=environment(served), capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert count(served) == before + 1


@pytest.mark.external_service
@pytest.mark.parametrize("with_key", [True, False])
def test_the_curl_snippets_run_and_their_event_arrives(
    served: Served, require_tool: Callable[..., str], monkeypatch: pytest.MonkeyPatch, with_key: bool
) -> None:
    require_tool("curl")
    before = count(served)
    if not with_key:
        monkeypatch.setenv("HEADWATER_APP__WRITE_KEY", "")

    snippet = invoke("snippet", "curl", "-C", served.folder).stdout
    done = subprocess.run(["sh", "-c", snippet], env=environment(served), capture_output=True, text=True)

    assert (served.app_id in snippet, "?key=hw" in snippet) == (True, with_key)
    assert (done.returncode, '"StatusCode":202' in done.stdout) == (0, True), done.stdout + done.stderr
    assert count(served) == before + 1


@pytest.mark.parametrize("kind", SNIPPETS)
def test_every_snippet_has_the_projects_ids_and_where_it_is_served(served: Served, kind: str) -> None:
    app = load_settings(served.folder).app

    running, elsewhere = make_snippet(kind, served.folder), make_snippet(kind, served.folder, "https://events.example.org/")

    assert "<<" not in running.replace("<<END", "")
    assert app.id in running
    assert served.url in running
    assert served.url not in elsewhere
    assert "https://events.example.org" in elsewhere
    if kind.startswith("amplify"):
        assert app.identity_pool_id in running


def test_a_project_that_does_not_run_is_where_its_settings_say(tmp_path: Path) -> None:
    invoke("init", tmp_path / "idle")

    settled = invoke("snippet", "boto3", "-C", tmp_path / "idle").stdout
    unknown = invoke("snippet", "boto3", "-C", tmp_path / "idle", check=False, env={"HEADWATER_PUBLIC__PORT": "0"})
    keyless = invoke("snippet", "client", "-C", tmp_path / "idle", check=False, env={"HEADWATER_APP__WRITE_KEY": ""})

    assert "http://127.0.0.1:8700" in settled
    assert (unknown.returncode, "--url" in unknown.stderr) == (1, True)
    assert (keyless.returncode, "write_key" in keyless.stderr) == (1, True)


def test_types_are_written_and_found_to_be_out_of_date(tmp_path: Path) -> None:
    project, written = tmp_path / "app", tmp_path / "events.ts"
    invoke("init", project)

    printed = invoke("types", "--typescript", "-C", project).stdout
    invoke("types", "--typescript", "-o", written, "-C", project)
    current = invoke("types", "--typescript", "--check", written, "-C", project, check=False)
    events = project / "events.py"
    events.write_text(events.read_text().replace("tempo: float", "speed: float"))
    outdated = invoke("types", "--typescript", "--check", written, "-C", project, check=False)
    missing = invoke("types", "--typescript", "--check", tmp_path / "none.ts", "-C", project, check=False)

    assert written.read_text() == printed
    assert (current.returncode, current.stdout, current.stderr) == (0, "", "")
    assert (outdated.returncode, outdated.stdout) == (1, "")
    assert "+    speed?: number | null;" in outdated.stderr
    assert (missing.returncode, "cannot read" in missing.stderr) == (1, True)
