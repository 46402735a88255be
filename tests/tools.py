"""Programs that some tests need and not every machine has."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import NoReturn

import pytest

_allowed = True


@contextlib.contextmanager
def allowed(may: bool) -> Iterator[None]:
    """Say whether the test may need more than Python: only proofs may."""
    global _allowed
    before, _allowed = _allowed, may
    try:
        yield
    finally:
        _allowed = before


def find_tool(name: str, package: str | None = None) -> str:
    """Return where the program lies; without it the test cannot run here, which says how to install it."""
    only_in_proofs(name)
    path = shutil.which(name)
    return cannot_run(f"{name} is not installed; on Debian: apt-get install {package or name}") if path is None else path


def cannot_run(reason: str) -> NoReturn:
    """Skip the test, loudly; with CI=true, where nothing may be missing, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason=reason)


def only_in_proofs(wanted: str) -> None:
    """Fail a test that needs *wanted* and is no proof."""
    assert _allowed, f"`make test` needs nothing but Python: mark this test external_service ({wanted})"
