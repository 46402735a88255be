"""What tests of every room share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture
def require_tool() -> Callable[..., str]:
    """Return a function that finds a program, or skips the test and says how to install it; with CI=true it fails instead."""

    def require(name: str, package: str | None = None) -> str:
        path = shutil.which(name)
        if path is not None:
            return path
        message = f"{name} is not installed; on Debian: apt-get install {package or name}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    return require
