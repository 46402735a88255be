"""gzip, unpacked within a budget: a small record may not become a large one without end."""

from __future__ import annotations

import zlib

from headwater.packed.limits import Budget, UnreadablePack

_GZIP = 16 + zlib.MAX_WBITS  # what zlib calls that format


def unzip(data: bytes, budget: Budget) -> bytes:
    """Return what is in *data*, all members one after another; `UnreadablePack` if it is damaged or over the *budget*."""
    contents: list[bytes] = []
    while data:
        stream = zlib.decompressobj(_GZIP)
        try:
            content = stream.decompress(data, budget.bytes_left + 1)
        except zlib.error as error:
            raise UnreadablePack(f"gzip that is damaged ({error})") from None
        budget.unpack(len(content))
        if not stream.eof:
            raise UnreadablePack("gzip that ends too early")
        contents.append(content)
        data = stream.unused_data.lstrip(b"\0")  # padding, as gzip itself allows
    return b"".join(contents)
