"""What people write wrongly is said at once, in one message without a trace."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.process.project import make_project

SERVE = [sys.executable, "-m", "headwater", "serve", "--private-port", "0"]
APP = "9d1f0e3c5a7b4d2e8f6a1b3c5d7e9f01"


def serve(folder: Path, *options: str) -> tuple[int, str]:
    """Serve until it gives up; return its exit code and all it said."""
    done = subprocess.run([*SERVE, "-C", str(folder), *options], capture_output=True, text=True, timeout=240)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_project(tmp_path / "piano", "piano", APP, None, "us-east-1", "000000000000").folder


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[stream]\nretension_hours = 1", "stream.retension_hours: no such setting; did you mean retention_hours?"),
        ("[stream]\nmax_bytes = 5", "stream.max_bytes"),
        ('[pipe]\nbatch_size = "many"', "pipe.batch_size"),
        ("[stream\n", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_named(folder: Path, line: str, said: str) -> None:
    path = folder / "headwater.toml"
    section, _, setting = line.partition("\n")
    path.write_text(path.read_text().replace(section, f"{section}\n{setting}", 1) if setting else line)

    code, output = serve(folder, "--public-port", "0")

    assert code != 0
    assert said in output
    assert "Traceback" not in output


def test_a_taken_port_is_named_with_what_would_work(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, output = serve(folder, "--public-port", port)

    assert code != 0
    assert port in output
    assert "--public-port" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ("from headwater import Event\n\nclass SignUpEvent(Event:\n", "line 3"),
        ("from headwater import Event\n\nclass SignUpEvent(Event):\n    client_id: str\n", "client_id"),
    ],
    ids=["syntax error", "name of a system column"],
)
def test_a_wrong_event_type_is_named(folder: Path, events: str, said: str) -> None:
    (folder / "events.py").write_text(events)

    code, output = serve(folder, "--public-port", "0")

    assert code != 0
    assert "events.py" in output
    assert said in output
    assert "Traceback" not in output
