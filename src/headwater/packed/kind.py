"""What bytes are that are no events, in words for whoever sent them."""

from __future__ import annotations

import base64
import binascii
import re
import zlib

import msgspec

from headwater.packed.protobuf import Malformed, fields

_MAGIC = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "LZ4",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\xff\x06\0\0sNaPpY": "Snappy",
    b"PK\x03\x04": "a ZIP archive",
    b"Obj\x01": "an Avro file",
    b"\xc3\x01": "Avro with the fingerprint of its schema",
    b"PAR1": "a Parquet file",
    b"\xe0\x01\0\xea": "Amazon Ion",
    b"\xd9\xd9\xf7": "CBOR",
    b"ARROW1": "an Arrow file",
    b"\xff\xfe": "text in UTF-16; write it in UTF-8",
    b"\xfe\xff": "text in UTF-16; write it in UTF-8",
    b"<": "text that is not JSON, perhaps XML or HTML",
}
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}\s*")
_REGISTRY_BYTES = 5  # a zero and the number of a schema
_LOOKED_AT = 65_536


def kind_of(data: bytes) -> str:
    """Return what *data* looks like, as the end of a sentence that begins with "the record is"."""
    if not data.strip():
        return "empty" if not data else "blank"
    for magic, name in _MAGIC.items():
        if data.startswith(magic):
            return name
    if len(data) > _REGISTRY_BYTES and data[0] == 0 and data[1] == 0:
        return "Avro or protobuf with the number of a schema in front, as schema registries want it"
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _binary(data) or f"neither text in UTF-8 (byte {error.start}) nor of a form that is known here"
    return _text(data) if not _has_controls(text) else _binary(data) or "text with control characters that is not JSON"


def _text(data: bytes) -> str:
    if _BASE64.fullmatch(data) and (said := _in_base64(data)) is not None:
        return f"base64 text of {said}; put the bytes themselves, SDKs do the encoding"
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        return "JSON that is nested too deeply"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        begun = "JSON that cannot be read" if data.lstrip()[:1] in (b"{", b"[") else "text that is not JSON"
        return f"{begun} ({error})"
    if isinstance(value, list):
        return "a JSON array without objects"
    return f"JSON, but {_JSON_NAMES[type(value)]} and not an object" if type(value) in _JSON_NAMES else "JSON that is not an object"


_JSON_NAMES = {str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}


def _in_base64(data: bytes) -> str | None:
    try:
        inside = base64.b64decode(data.strip().translate(bytes.maketrans(b"-_", b"+/")), validate=True)
    except (binascii.Error, ValueError):
        return None
    if inside.lstrip().startswith((b"{", b"[")):
        return "JSON"
    if inside.startswith(b"\x1f\x8b"):
        return "gzip"
    return next((name for magic, name in _MAGIC.items() if len(magic) > 2 and inside.startswith(magic)), None)


def _binary(data: bytes) -> str | None:
    if len(data) > 1 and data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0 and _inflates(data):
        return "zlib"
    try:
        if isinstance(msgspec.msgpack.decode(data), dict | list):
            return "MessagePack"
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        if sum(1 for _ in fields(data)):
            return "protobuf"
    except Malformed:
        pass
    return None


def _inflates(data: bytes) -> bool:
    try:
        zlib.decompressobj().decompress(data[:_LOOKED_AT], _LOOKED_AT)
    except zlib.error:
        return False
    return True


def _has_controls(text: str) -> bool:
    return any(letter < " " and letter not in "\t\r\n" for letter in text[:_LOOKED_AT])
