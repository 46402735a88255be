"""One process per lock file; the kernel lets go of it when that process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from headwater.errors import ProjectLocked

# Looking at a lock takes it for a moment: who wants it must not mistake that for a holder.
LOOK_S = 0.2


class FileLock:
    """A lock on a file, held from `acquire` to `release` or to the end of the process (flock: never inherited by our children)."""

    def __init__(self, path: Path, purpose: str) -> None:
        self.path, self.purpose = path, purpose
        self._fd: int | None = None

    def acquire(self, wait_s: float = 0) -> FileLock:
        """Take the lock, trying for *wait_s* seconds, or `LOOK_S` if that is longer; `ProjectLocked` names the process that has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + max(wait_s, LOOK_S)
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(fd, 200, 0).decode(errors="replace").strip() or None
                    os.close(fd)
                    raise ProjectLocked(
                        f"{self.purpose} is already running here ({holder or 'an unknown process'}); "
                        "stop it first, or use -C with another project",
                        holder,
                    ) from None
                time.sleep(0.05)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()}, {self.purpose}\n".encode(), 0)
        self._fd = fd
        return self

    def release(self) -> None:
        """Let go; doing it twice changes nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> FileLock:
        return self.acquire() if self._fd is None else self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Return whether some process holds the lock at *path*."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
