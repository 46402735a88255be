"""Buckets that are folders of this machine, all beneath one."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote

from headwater.store import StoredObject
from headwater.store.file import FileStore
from headwater.store.url import SCHEME, bucket_of, split_url


class LocalStore:
    """Objects beneath *folder*: a bucket is a folder in it, and a key's segments are folders and a file in that."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder.absolute(), FileStore()

    def list(self, prefix_url: str) -> list[StoredObject]:
        """Return all objects whose URL begins with *prefix_url*, sorted by URL."""
        found = (each._replace(url=self._url(Path(each.url))) for each in self._files.list(f"{self._path(prefix_url).parent}/"))
        return sorted(each for each in found if each.url.startswith(prefix_url))

    def read(self, url: str) -> bytes:
        """Return the content of an object."""
        return self.local(url).read_bytes()

    def write(self, url: str, content: bytes | memoryview | Path, *, lasting: bool = True) -> int:
        """Put an object there, whole, and return its bytes; a file that is given is moved."""
        return self._files.write(str(self._path(url)), content, lasting=lasting)

    def delete(self, urls: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""
        self._files.delete(str(self._path(url)) for url in urls)

    def local(self, url: str) -> Path:
        """Return the file itself."""
        try:
            return self._files.local(str(self._path(url)))
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "no such object", url) from None

    def _path(self, url: str) -> Path:
        """Return the file that stands for an object; nothing in *url* leads out of the folder."""
        bucket_of(url)
        bucket, key = split_url(url)
        return self._folder.joinpath(bucket, *(file_name(part) for part in key.split("/")))

    def _url(self, path: Path) -> str:
        bucket, *names = path.relative_to(self._folder).parts
        if names[-1].startswith("."):
            return ""  # not whole yet: the parts of keys have no such names
        return f"{SCHEME}{bucket}/{'/'.join('' if name == '%' else unquote(name) for name in names)}"


def file_name(part: str) -> str:
    """Return the name of a file or folder for a part of a key: never empty, hidden or a folder above; plain ones stay readable."""
    encoded = quote(part, safe="-_.=@+ ")
    return f"%2E{encoded[1:]}" if encoded.startswith(".") else encoded or "%"
