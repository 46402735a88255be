"""What tests install or build once, in a folder that outlives them and that is named by what it was made of."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.tools import only_in_proofs


def made_once(name: str, pinned: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder of what *make* fills an empty folder with, once for each content of the file *pinned*.

    Who needs it meanwhile waits: several test processes do, and `.ci/run` begins before them.
    """
    only_in_proofs(name)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater-tests"
    folder = cache / f"{name}-{hashlib.sha256(pinned.read_bytes()).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the process that holds it
        if not folder.exists():
            fresh = Path(tempfile.mkdtemp(dir=cache))
            try:
                make(fresh)
                fresh.rename(folder)  # complete or not there
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return folder


def run(command: Sequence[str | Path], folder: Path, timeout_s: float, **environment: str) -> None:
    """Run a command that must succeed, and say what it printed if it does not."""
    env = {**os.environ, **environment}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, (done.stderr or done.stdout)[-4000:]
