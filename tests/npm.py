"""Packages of npm for tests, from a committed lock file, installed once into a cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


def install(folder: Path, npm: str) -> Path:
    """Install what *folder*/package-lock.json names, once for each lock file, and return the folder that holds `node_modules`."""
    lock = (folder / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater-tests"
    installed = cache / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not installed.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(folder / name, fresh)
        done = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=fresh, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr[-4000:]
        try:
            fresh.rename(installed)  # complete or not there, also if two runs install at once
        except OSError:
            shutil.rmtree(fresh)
    return installed
