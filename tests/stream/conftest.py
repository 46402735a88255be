"""Where the stream under test lies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.stream import FIRST_SHARD


@pytest.fixture
def quick_disk() -> Iterator[Path]:
    """Return a folder where syncing costs nothing, if the machine has one, for tests that start a stream a thousand times."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of the stream under test."""
    return tmp_path / "stream"


@pytest.fixture
def shard(root: Path) -> Path:
    """Return the folder of its first shard."""
    return root / FIRST_SHARD


@pytest.fixture
def url(root: Path) -> str:
    """Return the url of the stream under test."""
    return root.as_uri()
