"""Programs that some tests need and not every machine has."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def find_tool(name: str, package: str | None = None) -> str:
    """Return where the program lies; without it the test cannot run here, which says how to install it."""
    path = shutil.which(name)
    return cannot_run(f"{name} is not installed; on Debian: apt-get install {package or name}") if path is None else path


def cannot_run(reason: str) -> NoReturn:
    """Skip the test, loudly; with CI=true, where nothing may be missing, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason=reason)
