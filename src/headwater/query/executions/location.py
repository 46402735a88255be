"""Where results are said to lie, `s3://bucket/prefix/`, and where they do: beneath one folder of the project."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from headwater.query.executions.errors import InvalidRequest

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
        too_long = len(key.encode()) > _KEY_BYTES or any(len(_segment(part)) > _SEGMENT_BYTES for part in key.split("/"))
    except UnicodeEncodeError:
        too_long = True
    if too_long:
        raise InvalidRequest("outputLocation is not a valid S3 path.")
    return f"s3://{found[1]}/{key}/" if key else f"s3://{found[1]}/"


def file_of(folder: Path, url: str) -> Path:
    """Return the file beneath *folder* that stands for an object; nothing in *url* leads out of it."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return folder.joinpath(bucket, *(_segment(part) for part in key.split("/")))


def _segment(part: str) -> str:
    # A name of its own for every key: no part is empty, means a folder above, or hides; what is plain stays readable.
    encoded = quote(part, safe="-_.=@+ ")
    return f"%2E{encoded[1:]}" if encoded.startswith(".") else encoded or "%"
