"""Buckets at an S3 server."""

from __future__ import annotations

import errno
import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from headwater.errors import SettingsError
from headwater.store import StoredObject
from headwater.store.access import S3Access
from headwater.store.cache import Check, Copy, FileCache
from headwater.store.url import SCHEME, bucket_of, split_url

try:
    import boto3
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from s3transfer.exceptions import RetriesExceededError  # type: ignore[import-untyped]
except ModuleNotFoundError as error:
    raise SettingsError("buckets of an S3 server need boto3: pip install boto3") from error

# What these say about each request has headers in it.
for _name in ("boto3", "botocore", "s3transfer", "urllib3"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_DELETED_AT_ONCE = 1_000
_MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
_DENIED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}
# A large object goes in parts of 8 MB, two at a time: that is the memory it takes. An upload that fails leaves no object.
_TRANSFER = {"multipart_threshold": 16 << 20, "multipart_chunksize": 8 << 20, "max_concurrency": 2, "max_io_queue": 4}


class S3Store:
    """Objects at the server that *access* names; without *cache* there are no local copies."""

    def __init__(self, access: S3Access, cache: FileCache | None = None) -> None:
        self._access, self._cache = access, cache
        self._client, self._transfer = _client(access), TransferConfig(**_TRANSFER)

    def list(self, prefix_url: str) -> list[StoredObject]:
        """Return all objects whose URL begins with *prefix_url*, sorted by URL."""
        bucket, prefix = split_url(prefix_url)
        found: Any = []
        with self._failures(prefix_url):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                found += page.get("Contents", [])
        return sorted(
            StoredObject(f"{SCHEME}{bucket}/{each['Key']}", each["Size"], _ms(each["LastModified"]), each["ETag"]) for each in found
        )

    def read(self, url: str) -> bytes:
        """Return the content of an object."""
        bucket, key = split_url(url)
        with self._failures(url):
            content: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def write(self, url: str, content: bytes | memoryview | Path, *, lasting: bool = True) -> int:
        """Put an object there, whole, and return its bytes; a file that is given is kept as the local copy, if there is room."""
        bucket_of(url)
        bucket, key = split_url(url)
        if not isinstance(content, Path):
            with self._failures(url):
                if len(content) < _TRANSFER["multipart_threshold"]:
                    self._client.put_object(Bucket=bucket, Key=key, Body=bytes(content))
                else:
                    self._client.upload_fileobj(_Reader(content), bucket, key, Config=self._transfer)
            return len(content)
        size = content.stat().st_size
        with self._failures(url), content.open("rb") as file:
            self._client.upload_fileobj(file, bucket, key, Config=self._transfer)
        try:
            if self._cache is not None:
                self._cache.adopt(self._copy(url), content)
        except OSError:
            pass  # the object is there; who wants a copy fetches it
        content.unlink(missing_ok=True)
        return size

    def delete(self, urls: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""
        by_bucket: dict[str, list[str]] = {}
        for url in urls:
            bucket, key = split_url(url)
            by_bucket.setdefault(bucket, []).append(key)
        for bucket, keys in by_bucket.items():
            for start in range(0, len(keys), _DELETED_AT_ONCE):
                some = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
                with self._failures(f"{SCHEME}{bucket}/"):
                    answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
                for refused in answer.get("Errors", []):
                    raise OSError(f"{SCHEME}{bucket}/{refused['Key']} cannot be deleted: {refused['Code']} ({self._access.place})")

    def local(self, url: str) -> Path:
        """Return a copy of the object as it is now."""
        if self._cache is None:
            raise OSError(f"there is no place for a copy of {url} here")
        return self._cache.get(self._copy(url), self._fetch)

    def hold(self, objects: Sequence[StoredObject], check: Check) -> AbstractContextManager[Sequence[Path]]:
        """Give copies of these objects for as long as the block runs; *check* is called while they come."""
        if self._cache is None:
            raise OSError("there is no place for copies here")
        return self._cache.hold([Copy(each.url, each.size, each.version) for each in objects], self._fetch, check)

    def _fetch(self, url: str, file: Path) -> None:
        bucket, key = split_url(url)
        with self._failures(url), file.open("wb") as sink:
            self._client.download_fileobj(bucket, key, sink, Config=self._transfer)

    def _copy(self, url: str) -> Copy:
        bucket, key = split_url(url)
        with self._failures(url):
            head = self._client.head_object(Bucket=bucket, Key=key)
        return Copy(url, head["ContentLength"], head["ETag"])

    @contextmanager
    def _failures(self, url: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _MISSING:
                raise FileNotFoundError(errno.ENOENT, "no such bucket" if code == "NoSuchBucket" else "no such object", url) from None
            if code in _DENIED:
                raise PermissionError(errno.EACCES, f"{self._access.place} does not let us ({code})", url) from None
            raise OSError(f"{url}: {self._access.place} refuses: {code}") from error
        except (BotoCoreError, RetriesExceededError) as error:
            raise OSError(f"{url} cannot be had now: {self._access.place} cannot be reached ({type(error).__name__})") from error


class _Reader(io.RawIOBase):
    """A file that is in memory, or mapped into it, and is not to be there twice."""

    def __init__(self, content: bytes | memoryview) -> None:
        self._content, self._at = memoryview(content).cast("B"), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, len(self._content))[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        part = self._content[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


@lru_cache(maxsize=8)
def _client(access: S3Access) -> Any:
    """Return a client, which threads may share; making one takes a tenth of a second."""
    session = boto3.Session(
        aws_access_key_id=access.access_key or None, aws_secret_access_key=access.secret_key or None, region_name=access.region
    )
    config = Config(
        s3={"addressing_style": "path" if access.path_style else "virtual"},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=32,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    return session.client("s3", endpoint_url=access.endpoint or None, config=config)


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)
