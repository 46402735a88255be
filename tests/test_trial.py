"""A trial names every item that ends a process, whatever else goes wrong around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.trial import Trial


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    made = Trial("tests.target.lake.trials:as_told")
    yield made
    made.close()


@pytest.mark.parametrize("items", ["", ".", "k", "x", "..k..", "xk", "kx", "x..x.k.x", "kkkk", "xxxx", "x" * 30 + "k" + "." * 30 + "xk"])
def test_a_trial_names_each_item_that_ends_a_process_also_behind_ones_that_fail(trial: Trial, items: str) -> None:
    assert trial.deadly(items.encode()) == {at: "SIGKILL" for at, item in enumerate(items) if item == "k"}


@pytest.mark.parametrize("items", ["e", "r", ".r.", "..e.x.k"])
def test_a_trial_names_each_item_that_has_no_end(items: str) -> None:
    trial = Trial("tests.target.lake.trials:as_told", within_s=1)
    try:
        found = trial.deadly(items.encode())
    finally:
        trial.close()

    endless = {at: "stopped after 1 s without an end" for at, item in enumerate(items) if item in "er"}
    assert found == endless | {at: "SIGKILL" for at, item in enumerate(items) if item == "k"}
