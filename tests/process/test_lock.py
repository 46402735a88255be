from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headwater.errors import ProjectLocked
from headwater.process.lock import FileLock, is_held

HOLD = "import sys, time; from pathlib import Path; from headwater.process.lock import FileLock\n"
HOLD += "FileLock(Path(sys.argv[1]), 'the worker').acquire(); print('held', flush=True); time.sleep(600)"


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "a.lock")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    with pytest.raises(ProjectLocked, match=f"the worker is already running here \\(process {holder.pid}, the worker\\)"):
        FileLock(tmp_path / "a.lock", "the worker").acquire()

    assert is_held(tmp_path / "a.lock")


def test_a_killed_holder_holds_nothing(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()

    with FileLock(tmp_path / "a.lock", "the worker").acquire(wait_s=60):
        assert is_held(tmp_path / "a.lock")
    assert not is_held(tmp_path / "a.lock")


def test_a_lock_that_never_was_is_not_held(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "none.lock")


def test_who_only_looks_at_a_lock_does_not_keep_another_from_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    looking = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)  # as `is_held` does for a moment
    done = threading.Timer(0.05, os.close, [looking])
    done.start()

    with FileLock(path, "the worker").acquire():
        held = is_held(path)
    done.join()

    assert held
