"""What the suite promises of itself: `make test` needs nothing but Python, and nothing is left running."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.left import LeftRunning
from tests.served import free_port
from tests.tools import find_tool


def test_what_needs_a_tool_or_the_machine_for_itself_is_a_proof(request: pytest.FixtureRequest) -> None:
    needing = [item for item in request.session.items for name in ("external_service", "alone") if item.get_closest_marker(name)]

    assert [item.nodeid for item in needing if item.get_closest_marker("proof") is None] == []


def test_a_tool_is_refused_to_what_is_no_proof() -> None:
    with pytest.raises(AssertionError, match="mark this test external_service"):
        find_tool("sh")


def test_a_process_that_is_left_running_is_named_and_ended() -> None:
    left = LeftRunning()
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    subprocess.run([sys.executable, "-c", child], check=True)  # its parent is gone
    left.note("tests/where.py")

    with pytest.raises(pytest.fail.Exception, match=r"tests/where\.py: \d+ .*time\.sleep\(600\)"):
        left.nothing(within_s=0.1)

    left.nothing(within_s=10)


def test_a_port_is_given_once() -> None:
    given = [free_port() for _ in range(200)]

    assert len(set(given)) == 200
