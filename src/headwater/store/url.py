"""The parts of `s3://bucket/key`."""

from __future__ import annotations

import re

from headwater.errors import Refused

SCHEME = "s3://"
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/.*)?", re.DOTALL)


def bucket_of(url: str) -> str:
    """Return the bucket; raises `Refused` with INVALID_LOCATION for what is no place in a bucket."""
    found = _BUCKET.fullmatch(url)
    if found is None or ".." in found[1]:
        raise Refused("INVALID_LOCATION", f"{url!r} is no place in a bucket; one is written s3://bucket/folder/")
    return found[1]


def split_url(url: str) -> tuple[str, str]:
    """Return bucket and key."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    return bucket, key


def join_url(prefix: str, *parts: str) -> str:
    """Return *prefix* with *parts* below it; works for folders of this machine, too."""
    return "/".join((prefix.rstrip("/"), *parts))
