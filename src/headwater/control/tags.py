"""What the tags of apps, pools, streams and workgroups may be, by the rules that AWS has for all its services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from headwater.errors import BadRequest

_VALID = re.compile(r"[\w\s.:/=+\-@%]*")
_RESERVED = "aws:"


def check_tags(tags: Mapping[str, str]) -> None:
    """Raise `BadRequest` for tags that cannot be set."""
    _check_letters(tags.values())
    check_tag_keys(tags)


def check_tag_keys(keys: Iterable[str]) -> None:
    """Raise `BadRequest` for keys that no tag can have; those of AWS can be neither set nor removed."""
    keys = list(keys)
    _check_letters(keys)
    for key in keys:
        if key.lower().startswith(_RESERVED):
            raise BadRequest(
                f"Tag keys that begin with {_RESERVED} are reserved for AWS and can be neither set nor removed; given {key!r}."
            )


def _check_letters(texts: Iterable[str]) -> None:
    if not all(map(_VALID.fullmatch, texts)):
        raise BadRequest("Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ :.")
