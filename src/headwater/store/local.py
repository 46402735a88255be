"""Buckets that are folders of this machine, all beneath one."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from headwater.store import StoredObject
from headwater.store.file import FileStore
from headwater.store.url import SCHEME, bucket_of, split_url

# What no name can have, what would hide it or be decoded, and what engines take for a pattern.
_ENCODED = re.compile(r"^\.|^%$|%(?=[0-9A-Fa-f]{2})|[\0-\x1f\x7f-\x9f/*?\[\ud800-\udfff]")


class LocalStore:
    """Objects beneath *folder*: a bucket is a folder in it, and a key's segments are folders and a file in that.

    Files that people put there are objects, too: each name on the disk stands for one part of a key, `part_of` says which. Names that begin
    with a dot, or are no UTF-8, stand for none; nor does what a symbolic link leads out of *folder* to. Where several stand for the same
    part, the first of `file_names` counts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder.absolute(), FileStore()

    def list(self, prefix_url: str) -> list[StoredObject]:
        """Return all objects whose URL begins with *prefix_url*, sorted by URL."""
        bucket_of(prefix_url)
        bucket, prefix = split_url(prefix_url)
        folders = [folder for folder in self._there(bucket, prefix.split("/")[:-1]) if self._is_within(folder)]
        listed = (each for folder in folders for each in self._files.list(f"{folder}/"))
        # Links to folders are not followed there, so that only the last name of a path may be one.
        found = (each._replace(url=self._url(each.url)) for each in listed if not Path(each.url).is_symlink() or self._is_within(each.url))
        return sorted(each for each in found if each.url.startswith(prefix_url))

    def read(self, url: str) -> bytes:
        """Return the content of an object."""
        return self.local(url).read_bytes()

    def write(self, url: str, content: bytes | memoryview | Path, *, lasting: bool = True) -> int:
        """Put an object there, whole, and return its bytes; a file that is given is moved."""
        bucket_of(url)
        bucket, key = split_url(url)
        # An object that is there keeps the name it has, lest there be two files for it.
        target = next(iter(self._files_of(url)), self._folder.joinpath(bucket, *map(file_name, key.split("/"))))
        if not self._is_within(target):
            raise PermissionError(errno.EACCES, "a symbolic link leads out of the folder of buckets", url)
        return self._files.write(str(target), content, lasting=lasting)

    def delete(self, urls: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""
        self._files.delete(str(path) for url in urls for path in self._files_of(url))

    def local(self, url: str) -> Path:
        """Return the file itself."""
        for path in self._files_of(url):
            return path
        raise FileNotFoundError(errno.ENOENT, "no such object", url)

    def _files_of(self, url: str) -> Sequence[Path]:
        """Return the files that stand for an object, of which the first counts; nothing in *url* leads out of the folder."""
        bucket_of(url)
        bucket, key = split_url(url)
        return [path for path in self._there(bucket, key.split("/")) if path.is_file() and self._is_within(path)]

    def _is_within(self, path: Path | str) -> bool:
        """Return whether a path, with all links followed, is in the folder, which may be a link itself."""
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._folder))

    def _there(self, bucket: str, parts: Sequence[str]) -> Sequence[Path]:
        """Return the files or folders that may stand for these parts of a key; where a part has several names, those that are there."""
        places = [self._folder / bucket]
        for part in parts:
            names = file_names(part)
            places = [place / name for place in places for name in names if len(names) == 1 or os.path.lexists(place / name)]
        return places

    def _url(self, path: str) -> str:
        """Return the URL of which `local` finds this file; "" if there is none."""
        bucket, *names = path.removeprefix(f"{self._folder}/").split("/")
        if any(name.startswith(".") for name in names):
            return ""  # hidden, or not whole yet
        try:
            parts = [part_of(name) for name in names]
            url = f"{SCHEME}{bucket}/{'/'.join(parts)}"
            plain = all(file_name(part) == name for part, name in zip(parts, names, strict=True))
        except UnicodeEncodeError:
            return ""
        return url if plain or self._files_of(url)[:1] == [Path(path)] else ""


def file_name(part: str) -> str:
    """Return the name that is given to a file or folder for a part of a key: never empty, hidden or a folder above.

    It is the part itself, as a person would write it, but for a few signs that are encoded as in a URL.
    """
    return _ENCODED.sub(lambda found: "%2E" if found[0] == "." else quote(found[0], safe=""), part) or "%"


def file_names(part: str) -> list[str]:
    """Return all names that stand for a part of a key, the one that new files are given first."""
    literal = [part] if part and not part.startswith(".") and part_of(part) == part else []
    return list(dict.fromkeys((file_name(part), _former_name(part), *literal)))


def part_of(name: str) -> str:
    """Return the part of a key that a name on the disk stands for: what it encodes or, if it encodes nothing, the name itself."""
    part = "" if name == "%" else unquote(name)
    return part if "/" not in part and name in (file_name(part), _former_name(part)) else name


def _former_name(part: str) -> str:
    # Files were named so once, and the names are on disks still: all is encoded but letters and digits of ASCII and a few signs.
    encoded = quote(part, safe="-_.=@+ ")
    return f"%2E{encoded[1:]}" if encoded.startswith(".") else encoded or "%"
