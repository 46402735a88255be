from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.served import Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("flow") / "piano").start() as served:
        yield served
