"""Packages of PyPI for tests of clients whose bounds are narrower than ours: from a committed file with hashes, installed once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def install(requirements: Path) -> Path:
    """Install exactly what *requirements* names, beside our own packages and not into them; return the folder to import from."""
    pinned = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater-tests"
    installed = cache / f"{requirements.stem}-{pinned}"
    if not installed.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        options = [
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--no-deps",
            "--target",
            str(fresh),
        ]
        command = [sys.executable, "-m", "pip", "install", *options, "-r", str(requirements)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-4000:]
        try:
            fresh.rename(installed)  # complete or not there, also if two runs install at once
        except OSError:
            shutil.rmtree(fresh)
    return installed
