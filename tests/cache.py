"""What tests install or build once, in a folder that outlives them and that is named by what it was made of."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path


def made_once(name: str, pinned: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder of what *make* fills an empty folder with, once for each content of the file *pinned*."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater-tests"
    folder = cache / f"{name}-{hashlib.sha256(pinned.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        try:
            make(fresh)
            fresh.rename(folder)  # complete or not there
        except OSError:
            if not folder.exists():  # another run was faster
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def run(command: Sequence[str | Path], folder: Path, timeout_s: float, **environment: str) -> None:
    """Run a command that must succeed, and say what it printed if it does not."""
    env = {**os.environ, **environment}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, (done.stderr or done.stdout)[-4000:]
