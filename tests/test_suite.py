"""What the suite promises of itself: `make test` needs nothing but Python, and nothing is left running."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import LeftRunning
from tests.served import alive, free_port
from tests.tools import find_tool
from tests.waiting import until

ROOT = Path(__file__).parents[1]


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


STARTS_AND_DIES = """
import os, subprocess, sys
from tests.processes import ending_with_us
started = subprocess.Popen(ending_with_us(sys.executable, "-c", "import time; time.sleep(600)"), stdout=2)
print(started.pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent is gone")
def test_a_server_ends_with_the_run_that_started_it() -> None:
    done = subprocess.run([sys.executable, "-c", STARTS_AND_DIES], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    assert until(lambda: not alive(int(done.stdout)))


def test_a_port_is_given_once() -> None:
    given = [free_port() for _ in range(200)]

    assert len(set(given)) == 200
