from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.chaos import SETTINGS, VICTIMS, run_chaos
from tests.served import Served

pytestmark = pytest.mark.proof


def test_what_was_acknowledged_is_there_once_whoever_was_killed(tmp_path: Path) -> None:
    with Served(tmp_path / "project", SETTINGS).start() as served:
        outcome = run_chaos(served, seconds=20, seed=20261123)

    assert outcome.wrong == []
    assert set(outcome.kills) == set(VICTIMS)
    assert outcome.acked > 200
    assert outcome.dead_letters > 0
    assert outcome.duplicates_recognised > 0
