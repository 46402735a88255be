"""Objects in buckets: what `s3://bucket/key` names, in a folder of this machine or at an S3 server."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from headwater.backend import find_backend
from headwater.errors import Refused
from headwater.store.access import S3Access
from headwater.store.cache import Check, FileCache
from headwater.store.url import SCHEME, bucket_of, join_url

__all__ = ["SCHEME", "FileCache", "RemoteStore", "S3Access", "Store", "StoredObject", "Stores", "bucket_of", "join_url", "open_store"]

SUBMODULES = ("durable", "local")
"""What other rooms may import from beside this module, which would load more than they need."""

BACKENDS = {
    "file": "headwater.store.file:FileStore",
    "buckets": "headwater.store.local:LocalStore",
    "s3": "headwater.store.s3:S3Store",  # needs headwater[s3]
}


class StoredObject(NamedTuple):
    """One object: its URL, its bytes, when it was written (epoch ms), and what tells its content from others it had ("" = never has)."""

    url: str
    size: int
    modified_ms: int
    version: str = ""


class Store(Protocol):
    """Objects by URL; safe to share between threads.

    What is not there raises `FileNotFoundError`; a place that cannot be reached or used now raises another `OSError` that says which.
    """

    def list(self, prefix_url: str) -> list[StoredObject]:
        """Return all objects whose URL begins with *prefix_url*, sorted by URL."""

    def read(self, url: str) -> bytes:
        """Return the content of an object."""

    def write(self, url: str, content: bytes | memoryview | Path, *, lasting: bool = True) -> int:
        """Put an object there, whole when this returns, and return its bytes; when it raises there is none, or the one before.

        A path is that of a file which the store takes: it is moved or copied, and is gone afterwards. It may be of any size.
        *lasting*: it is there after a power cut, too; what can be made again need not wait for that.
        """

    def delete(self, urls: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""

    def local(self, url: str) -> Path:
        """Return a file with the content: open it at once, for a copy may make room for others later."""


class RemoteStore(Store, Protocol):
    """A store of which engines read copies."""

    def hold(self, objects: Sequence[StoredObject], check: Check) -> AbstractContextManager[Sequence[Path]]:
        """Give files with these contents, in order, for as long as the block runs; objects that never change need no `version`.

        *check* is called again and again while they come; what it raises ends that.
        """


class Stores:
    """Which places statements and results may name, and where they lie: some buckets are real, all others are folders, or nothing."""

    def __init__(self, folder: Store | None, remote: RemoteStore | None = None, buckets: Collection[str] = ()) -> None:
        """*remote* holds *buckets*; every other bucket lies in *folder*, None = there are no others."""
        self._folder, self._remote, self._buckets = folder, remote, frozenset(buckets)

    def find(self, url: str) -> Store:
        """Return the store that *url* lies in; raises `Refused` with INVALID_LOCATION where there is none."""
        bucket = bucket_of(url)
        if self._remote is not None and bucket in self._buckets:
            return self._remote
        if self._folder is None:
            known = ", ".join(f"s3://{each}/" for each in sorted(self._buckets))
            raise Refused("INVALID_LOCATION", f"{url} is in no bucket that is known here; there are: {known} (s3.buckets names them)")
        return self._folder

    @contextmanager
    def hold(self, objects: Sequence[StoredObject], check: Check = lambda: None) -> Iterator[dict[str, Path]]:
        """Give files with these contents, by URL, for as long as the block runs; a URL that is a path stands for itself.

        Raises as `find` and `Store.read` do, `Unavailable` where copies have no room, and what *check* raises, which is called meanwhile.
        """
        stores = {each.url: self.find(each.url) for each in objects if each.url.startswith(SCHEME)}
        remote = [each for each in objects if self._remote is not None and stores.get(each.url) is self._remote]
        files = {url: store.local(url) for url, store in stores.items() if store is not self._remote}
        files |= {each.url: Path(each.url) for each in objects if each.url not in stores}
        if self._remote is None or not remote:
            yield files
            return
        with self._remote.hold(remote, check) as copies:
            yield files | {each.url: copy for each, copy in zip(remote, copies, strict=True)}


def open_store(url: str, *, access: S3Access | None = None, cache: FileCache | None = None) -> Store:
    """Open the store that *url* lies in.

    `file:`: files of this machine, named by their paths. `buckets:FOLDER`: every bucket is a folder there. `s3:`: buckets of the server
    that *access* names, whose objects get their local copies in *cache*.
    """
    backend = find_backend("store", BACKENDS, url)
    scheme, _, rest = url.partition(":")
    if scheme == "file":
        return cast(Store, backend())
    return cast(Store, backend(access or S3Access(), cache) if scheme == "s3" else backend(Path(rest)))
