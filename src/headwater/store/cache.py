"""Local copies of objects, for what can only read files: within a bound, fetched once, kept while somebody reads them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from headwater.errors import Unavailable

_SUFFIX = re.compile(r"(?:\.[A-Za-z0-9]{1,12}){1,3}$")
_FETCHES = 16
_SLACK = 0.9
"""Room is made down to this share of the bound, so that not every fetch has to make some."""
_CHECK_EVERY_S = 0.1
_HALF_S = 3600.0
"""A file that was not written to for so long is not being fetched any more."""


class Copy(NamedTuple):
    """An object to have a copy of. *version* tells it from others that had the URL before or have it later."""

    url: str
    size: int
    version: str = ""


Fetch = Callable[[str, Path], None]
"""Writes the content of a URL to a file; raises `FileNotFoundError` or another `OSError`."""
Name = Callable[[Path, Path], None]
"""Makes a file that is whole a copy, under the path that is given second."""
Check = Callable[[], None]
"""Raises what is to end the waiting."""


class FileCache:
    """Copies beneath *folder*, of at most *max_bytes* together. Threads and processes may share it.

    A copy has its name only when it is whole. Which copies are in use is told to other processes by locks on the bytes of one file,
    which the system lets go of when a process ends, however it ends; so a process may have one cache on a folder, and not two.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder.absolute(), max_bytes
        self._lock = threading.Lock()
        self._used: Counter[Path] = Counter()
        self._fetching: dict[Path, Future[None]] = {}
        self._pool = ThreadPoolExecutor(_FETCHES, thread_name_prefix="fetch")
        self._reserved = 0
        self._folder.mkdir(parents=True, exist_ok=True)
        self._locks = os.open(self._folder / ".locks", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def hold(self, copies: Sequence[Copy], fetch: Fetch, check: Check = lambda: None) -> Iterator[Sequence[Path]]:
        """Give the files with these contents, in order; they stay there until the block is left. *check* is called while they come.

        Raises what *fetch* and *check* raise, and `Unavailable` where there is no room: they are more than the bound, or others are in use.
        """
        paths = [self._path(copy) for copy in copies]
        size = sum({path: copy.size for path, copy in zip(paths, copies, strict=True)}.values())
        if size > self._max_bytes:
            raise Unavailable(
                f"{size:,} bytes of the bucket would have to be here at once, and there is room for {self._max_bytes:,} (s3.cache_bytes)"
            )
        wanted = set(paths)
        self._use(wanted)
        try:
            self._get(dict(zip(paths, copies, strict=True)), fetch, check)
            yield paths
        finally:
            self._leave(wanted)

    def get(self, copy: Copy, fetch: Fetch) -> Path:
        """Return a file with the content; it stays there until others need its room."""
        with self.hold([copy], fetch) as [path]:
            return path

    def adopt(self, copy: Copy, file: Path) -> None:
        """Take *file*, which has that content, as the copy; where there is no room for it, it is removed."""
        path = self._path(copy)
        try:
            with self._room(copy.size) as name:
                path.parent.mkdir(exist_ok=True)
                name(file, path)
        except (Unavailable, OSError):
            file.unlink(missing_ok=True)

    def close(self) -> None:
        """Fetch no more, and let go of what is held."""
        self._pool.shutdown(cancel_futures=True)
        os.close(self._locks)

    def _path(self, copy: Copy) -> Path:
        digest = hashlib.sha256(f"{copy.url}\n{copy.size}\n{copy.version}".encode()).hexdigest()[:40]
        found = _SUFFIX.search(copy.url.rpartition("/")[2])
        return self._folder / digest[:2] / f"{digest[2:]}{found[0] if found else ''}"

    def _get(self, copies: dict[Path, Copy], fetch: Fetch, check: Check) -> None:
        while True:
            # A fetch that others wait for may be called off by who began it; then one of them begins it anew.
            with suppress(CancelledError):
                self._get_once(copies, fetch, check)
                return

    def _get_once(self, copies: dict[Path, Copy], fetch: Fetch, check: Check) -> None:
        ours: dict[Path, Future[None]] = {}
        others: list[Future[None]] = []
        with self._lock:
            for path, copy in copies.items():
                if (running := self._fetching.get(path)) is not None:
                    others.append(running)
                elif not _is_there(path, copy.size):
                    ours[path] = self._fetching[path] = Future()
        try:
            self._fetch({path: copies[path] for path in ours}, fetch, check, ours)
        finally:
            with self._lock:
                for path, future in ours.items():
                    del self._fetching[path]
                    future.cancel()  # unless it is done
        for future in others:
            _wait(future, check)

    def _fetch(self, copies: dict[Path, Copy], fetch: Fetch, check: Check, futures: dict[Path, Future[None]]) -> None:
        if not copies:
            return
        with self._room(sum(copy.size for copy in copies.values())) as name:
            running = {path: self._pool.submit(_fetch_one, path, copy, fetch, name) for path, copy in copies.items()}
            try:
                for path, future in running.items():
                    try:
                        _wait(future, check)
                    except OSError as error:
                        if _failed_with(future, error):
                            futures[path].set_exception(error)
                        raise
                    futures[path].set_result(None)
            finally:
                for future in running.values():
                    future.cancel()
                wait(running.values())  # nothing is written any more when this returns

    @contextmanager
    def _room(self, size: int) -> Iterator[Name]:
        """Have room for that many bytes while the block runs, less those of files that were given their names."""
        with self._lock:
            self._reserved += size
            try:
                self._make_room()
            except BaseException:
                self._reserved -= size
                raise
        left = size

        def name(file: Path, path: Path) -> None:
            nonlocal left
            named = file.stat().st_size
            with self._lock:  # whoever makes room counts it once, before and after
                file.replace(path)
                left -= named
                self._reserved -= named

        try:
            yield name
        finally:
            with self._lock:
                self._reserved -= left

    def _make_room(self) -> None:
        files = sorted(_files(self._folder, time.time()))
        total = sum(size for _, size, _ in files) + self._reserved
        if total <= self._max_bytes:
            return
        for _, size, path in files:
            if total <= self._max_bytes * _SLACK:
                break
            if self._remove(path):
                total -= size
        if total > self._max_bytes:
            raise Unavailable(f"other queries use the room for copies of the bucket, {self._max_bytes:,} bytes (s3.cache_bytes); ask again")

    def _remove(self, path: Path) -> bool:
        """Remove a file that nobody uses, and say whether it is gone."""
        if self._used[path] > 0:
            return False
        at = _offset(path)
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
        except OSError:
            return False
        try:
            path.unlink(missing_ok=True)
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, at)
        return True

    def _use(self, paths: Iterable[Path]) -> None:
        with self._lock:
            for path in paths:
                self._used[path] += 1
                if self._used[path] == 1:
                    fcntl.lockf(self._locks, fcntl.LOCK_SH, 1, _offset(path))
                with suppress(FileNotFoundError):
                    os.utime(path)

    def _leave(self, paths: Iterable[Path]) -> None:
        with self._lock:
            for path in paths:
                self._used[path] -= 1
                if not self._used[path]:
                    del self._used[path]
                    fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, _offset(path))


def _fetch_one(path: Path, copy: Copy, fetch: Fetch, name: Name) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        fetch(copy.url, temporary)
        if (size := temporary.stat().st_size) != copy.size:
            raise OSError(f"{copy.url} has {size:,} bytes, and should have {copy.size:,}")
        name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _wait(future: Future[None], check: Check) -> None:
    while True:
        try:
            future.result(_CHECK_EVERY_S)
        except TimeoutError:
            if not future.done():
                check()
                continue
            future.result()  # it ended with that very error, or just after the time was up
        return


def _failed_with(future: Future[None], error: OSError) -> bool:
    return future.done() and not future.cancelled() and future.exception() is error


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _files(folder: Path, now_s: float) -> Iterator[tuple[float, int, Path]]:
    """Yield when each copy was last used, its bytes, and its path; remove half ones of processes that died."""
    for parent in folder.iterdir():
        if not parent.is_dir():
            continue
        for path in parent.iterdir():
            with suppress(FileNotFoundError):
                status = path.stat()
                if not path.name.startswith("."):
                    yield status.st_mtime, status.st_size, path
                elif status.st_mtime < now_s - _HALF_S:
                    path.unlink()


def _offset(path: Path) -> int:
    return int(f"{path.parent.name}{path.name}"[:15], 16)
