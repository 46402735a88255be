"""Files that are whole and synced, or not there: the one way objects, lake files and Iceberg metadata are written to a folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Folders whose names this process knows to be durable, by path and inode: one that was removed and made again is another.
_synced: set[tuple[str, int]] = set()


def write_file(path: str, content: bytes | memoryview) -> int:
    """Write a new file that is durable under its name when this returns; return its size in bytes.

    Temporary name, sync, rename, sync of the folder: a crash leaves at most a hidden `.….tmp` file beside it.
    The file is read-only from then on. Raises `OSError` if there is no room or no access, and then leaves nothing.
    """
    target = Path(path)
    make_folders(target.parent)
    with named_when_whole(target) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            left = memoryview(content).cast("B")
            size = len(left)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fchmod(descriptor, 0o444)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_folder(target.parent)
    return size


@contextmanager
def named_when_whole(target: Path) -> Iterator[Path]:
    """Give the path of a hidden file beside *target*, which takes its name at the end; what fails with `OSError` leaves nothing."""
    temporary = target.with_name(f".{target.name[:50]}.{uuid.uuid4().hex}.tmp")  # a letter has up to 4 bytes, a name up to 255
    try:
        yield temporary
        temporary.rename(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def make_folders(folder: Path) -> None:
    """Create *folder* and its missing parents so that they survive a power cut.

    A folder that is there already may be one that a process made and was killed before it synced the name: each process makes sure once.
    """
    if not folder.is_dir():
        make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
    known = (str(folder), folder.stat().st_ino)
    if known not in _synced:
        # Where we may not write we have made no folder, so there and above nothing of ours needs a sync.
        if folder.parent != folder and os.access(folder.parent, os.R_OK | os.W_OK):
            make_folders(folder.parent)
            sync_folder(folder.parent)
        _synced.add(known)


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
