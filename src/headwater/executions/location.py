"""Where results lie: `s3://bucket/prefix/`."""

from __future__ import annotations

import re

from headwater.executions.errors import InvalidRequest
from headwater.store.local import file_name

_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
_KEY_BYTES = 900  # of the 1,024 that S3 allows, for the name of the file comes after it
_SEGMENT_BYTES = 255


def prefix_of(url: str) -> str:
    """Return the location with one `/` at its end; `InvalidRequest` if it is no place in a bucket."""
    found = _URL.fullmatch(url)
    if found is None or ".." in found[1]:
        raise InvalidRequest("outputLocation is not a valid S3 path.")
    key = (found[2] or "").rstrip("/")
    try:
        too_long = len(key.encode()) > _KEY_BYTES or any(len(file_name(part).encode()) > _SEGMENT_BYTES for part in key.split("/"))
    except UnicodeEncodeError:
        too_long = True
    if too_long:
        raise InvalidRequest("outputLocation is not a valid S3 path.")
    return f"s3://{found[1]}/{key}/" if key else f"s3://{found[1]}/"
