"""Records of the app stream that are kept as they were put: with a frame that says who put them, opened by whoever reads events."""

from __future__ import annotations

import msgspec

# No JSON text begins like this, and whatever a client puts that begins like this is framed itself.
_MAGIC = b"\xffHW\x01"
_SIZE_BYTES = 4

_encode = msgspec.json.Encoder().encode


class FrameSender(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who put a record: the identity and the app that its events are of whatever they say, and the app and pool of those that name none."""

    app_id: str
    account_id: str
    trace_id: str
    pool_id: str | None = None
    only_app_id: str | None = None
    identity_id: str | None = None
    identity_pool_id: str | None = None


_decode = msgspec.json.Decoder(FrameSender).decode


def frame(sender: FrameSender, data: bytes) -> bytes:
    """Return the body of a record that holds *data* as it is."""
    head = _encode(sender)
    return b"".join((_MAGIC, len(head).to_bytes(_SIZE_BYTES), head, data))


def is_framed(body: bytes) -> bool:
    """Tell whether the body of a record of the app stream has a frame."""
    return body.startswith(_MAGIC)


def unframe(body: bytes) -> tuple[FrameSender, bytes]:
    """Return what was framed."""
    begin = len(_MAGIC) + _SIZE_BYTES
    end = begin + int.from_bytes(body[len(_MAGIC) : begin])
    return _decode(body[begin:end]), body[end:]


def as_put(body: bytes) -> bytes:
    """Return what a client put, without the frame."""
    return unframe(body)[1] if is_framed(body) else body
