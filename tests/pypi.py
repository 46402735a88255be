"""Packages of PyPI for tests of clients whose bounds are narrower than ours: from a committed file with hashes, installed once."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cache import made_once, run

_OPTIONS = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "--no-deps"]


def install(requirements: Path) -> Path:
    """Install exactly what *requirements* names, beside our own packages and not into them; return the folder to import from."""

    def make(fresh: Path) -> None:
        command = [sys.executable, "-m", "pip", "install", *_OPTIONS, "--target", fresh, "-r", requirements.absolute()]
        run(command, fresh, 600)

    return made_once(requirements.stem, requirements, make)
