"""Every store, to be held to the same promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.store import FileCache, Store, open_store
from tests.s3server import BUCKET, S3Server

OpenStore = Callable[[], Store]


@pytest.fixture(params=["buckets", "file", pytest.param("s3", marks=pytest.mark.external_service)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[OpenStore, str]:
    """Return what opens a store, again and again, and a URL in it that nothing is under."""
    match request.param:
        case "buckets":
            return lambda: open_store(f"buckets:{tmp_path}/buckets"), f"s3://{BUCKET}"
        case "file":
            return lambda: open_store("file:"), f"{tmp_path}/files"
        case _:
            server: S3Server = request.getfixturevalue("s3_server")
            cache = FileCache(tmp_path / "cache", 100_000_000)
            return lambda: open_store("s3:", access=server.access, cache=cache), f"s3://{BUCKET}"


@pytest.fixture
def store(place: tuple[OpenStore, str]) -> Store:
    return place[0]()


@pytest.fixture
def root(place: tuple[OpenStore, str]) -> str:
    return place[1]
