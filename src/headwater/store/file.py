"""Files of this machine, named by their paths."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from headwater.store import StoredObject
from headwater.store.durable import make_folders, named_when_whole, sync_folder, write_file


class FileStore:
    """A store whose URLs are absolute paths."""

    def list(self, prefix_url: str) -> list[StoredObject]:
        """Return all files whose path begins with *prefix_url*, sorted; what a crash left half-written is among them."""
        return sorted(self._walk(prefix_url))

    def read(self, url: str) -> bytes:
        """Return the content of a file."""
        return Path(url).read_bytes()

    def write(self, url: str, content: bytes | memoryview | Path, *, lasting: bool = True) -> int:
        """Put a file there, whole, and return its bytes; one that is given is moved."""
        if isinstance(content, Path):
            return _take(content, Path(url), lasting=lasting)
        return write_file(url, content) if lasting else _put(content, Path(url))

    def delete(self, urls: Iterable[str]) -> None:
        """Remove files; one that is not there is no error."""
        for url in urls:
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):  # of objects, a folder is none
                Path(url).unlink()

    def local(self, url: str) -> Path:
        """Return the file itself."""
        path = Path(url)
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "no such file", url)
        return path

    def _walk(self, prefix: str) -> Iterator[StoredObject]:
        # Folders before the last "/" are exact; what comes after is compared, for a prefix may end within a name.
        for parent, _, names in os.walk(prefix.rpartition("/")[0]):
            for name in names:
                path = os.path.join(parent, name)  # noqa: PTH118  # there may be 10,000 of them
                if path.startswith(prefix):
                    with suppress(FileNotFoundError):
                        status = os.stat(path)  # noqa: PTH116
                        yield StoredObject(path, status.st_size, round(status.st_mtime * 1000))


def _put(content: bytes | memoryview, target: Path) -> int:
    _make(target.parent)
    with named_when_whole(target) as temporary:
        return temporary.write_bytes(content)


def _take(source: Path, target: Path, *, lasting: bool) -> int:
    (make_folders if lasting else _make)(target.parent)
    size = source.stat().st_size
    if lasting:
        _sync(source)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with named_when_whole(target) as temporary:
            shutil.copyfile(source, temporary)
            if lasting:
                _sync(temporary)
        source.unlink()
    if lasting:
        sync_folder(target.parent)
    return size


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
