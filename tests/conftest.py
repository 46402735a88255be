"""What tests of every room share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tools import find_tool

if TYPE_CHECKING:
    from tests.s3server import S3Server


@pytest.fixture
def require_tool() -> Callable[..., str]:
    """Return a function that finds a program, or skips the test and says how to install it; with CI=true it fails instead."""
    return find_tool


@pytest.fixture
def s3_server(tmp_path: Path) -> Iterator[S3Server]:
    """Return a real S3 server that runs, with one bucket."""
    from tests.s3server import S3Server, build

    server = S3Server(build(), tmp_path / "s3").start()
    yield server
    server.stop()
