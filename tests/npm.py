"""Packages of npm for tests, from a committed lock file, installed once into a cache folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cache import made_once, run


def install(folder: Path, npm: str) -> Path:
    """Install what *folder*/package-lock.json names, once for each lock file, and return the folder that holds `node_modules`."""

    def make(fresh: Path) -> None:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(folder / name, fresh)
        run([npm, "ci", "--no-audit", "--no-fund"], fresh, 900)

    return made_once("node", folder / "package-lock.json", make)
