"""What tests of every room share: what runs where, what is left behind, and the services that several rooms need."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import tools
from tests.processes import LeftRunning

if TYPE_CHECKING:
    from tests.s3server import S3Server

# The same examples in every run, and no verdict that depends on how fast the machine is.
hypothesis.settings.register_profile(
    "headwater", derandomize=True, database=None, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("headwater")

# Browsers take a processor each: one at a time.
_BROWSERS = ("tests/clients/", "tests/example/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make a proof of what needs a tool or the machine for itself."""
    for item in items:
        if item.get_closest_marker("external_service") or item.get_closest_marker("alone"):
            item.add_marker(pytest.mark.proof)


class ByModule(LoadScopeScheduling):
    """Keep the tests of a module in one process, and browsers in one."""

    def _split_scope(self, nodeid: str) -> str:
        return "browsers" if nodeid.startswith(_BROWSERS) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByModule:
    """Part the tests among the processes of a run.

    The groups that xdist knows (``--dist loadgroup``) rest on ids that pytest 9.2 does not let it change.
    """
    return ByModule(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let only proofs ask for more than Python."""
    with tools.allowed(item.get_closest_marker("proof") is not None):
        return (yield)


@pytest.fixture(scope="session")
def left_running() -> Iterator[LeftRunning]:
    """Fail the run when a process that a test started is there after the last test."""
    left = LeftRunning()
    yield left
    left.nothing()


@pytest.fixture(scope="module", autouse=True)
def _left_running(request: pytest.FixtureRequest, left_running: LeftRunning) -> Iterator[None]:
    yield
    left_running.note(request.node.nodeid)


@pytest.fixture
def require_tool() -> Callable[..., str]:
    """Return a function that finds a program, or skips the test and says how to install it; with CI=true it fails instead."""
    return tools.find_tool


@pytest.fixture
def s3_server(tmp_path: Path) -> Iterator[S3Server]:
    """Return a real S3 server that runs, with one bucket."""
    from tests.s3server import S3Server, build

    with S3Server(build(), tmp_path / "s3").start() as server:
        yield server
