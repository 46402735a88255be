"""Avro files with some of their values changed: all else stays as it is, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pyiceberg.avro.codecs import KNOWN_CODECS

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16

Change = Callable[[Any, Mapping[str, Any]], Any]
"""Given a value and what is known of its record so far (field -> value, of fields that are changed), returns the value to write."""


def changed(content: bytes, changes: Mapping[str, Change]) -> bytes:
    """Return an Avro file in which the values of the fields named in *changes*, texts or whole numbers, are those that these return.

    A file in which nothing changes is returned as it is. Raises `ValueError` for what is no Avro file.
    """
    if content[:4] != _MAGIC:
        raise ValueError("no Avro file")
    reader = _Reader(content, 4)
    meta = reader.meta()
    begin, sync = reader.at, content[reader.at : reader.at + _SYNC_BYTES]
    reader.at += _SYNC_BYTES
    codecs: Mapping[Any, Any] = KNOWN_CODECS
    codec = codecs[meta.get("avro.codec", b"null").decode()]
    schema = _Schema(json.loads(meta["avro.schema"]), changes)
    out, differs = [content[:begin], sync], False
    while reader.at < len(content):
        count, size = reader.long(), reader.long()
        block = content[reader.at : reader.at + size]
        reader.at += size
        if content[reader.at : reader.at + _SYNC_BYTES] != sync:
            raise ValueError("the Avro file is damaged or cut short")
        reader.at += _SYNC_BYTES
        plain = bytes(codec.decompress(block)) if codec else block
        writer = _Rewriter(plain, schema)
        for _ in range(count):
            writer.value(schema.root)
        new = writer.finish()
        differs = differs or new != plain
        packed = codec.compress(new)[0] if codec else new
        out += [_long(count), _long(len(packed)), packed, sync]
    return b"".join(out) if differs else content


class _Schema:
    """A schema with its named types resolved."""

    def __init__(self, root: Any, changes: Mapping[str, Change]) -> None:
        self.root, self.changes = root, changes
        self.named: dict[str, Any] = {}
        self._learn(root)

    def _learn(self, kind: Any) -> None:
        if isinstance(kind, list):
            for each in kind:
                self._learn(each)
        elif isinstance(kind, dict):
            if "name" in kind:
                self.named[kind["name"]] = kind
            for part in (kind.get("items"), kind.get("values"), *(field["type"] for field in kind.get("fields", ()))):
                self._learn(part)
            if isinstance(kind.get("type"), dict | list):
                self._learn(kind["type"])


class _Reader:
    def __init__(self, content: bytes, at: int = 0) -> None:
        self.content, self.at = content, at

    def long(self) -> int:
        shift = number = 0
        while True:
            byte = self.content[self.at]
            self.at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)
            shift += 7

    def octets(self) -> bytes:
        size = self.long()
        self.at += size
        return self.content[self.at - size : self.at]

    def meta(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        while count := self.long():
            if count < 0:
                self.long()
            for _ in range(abs(count)):
                key = self.octets().decode()
                found[key] = self.octets()
        return found


class _Rewriter(_Reader):
    """Goes through the values of a block and copies them, but for those to change."""

    def __init__(self, content: bytes, schema: _Schema) -> None:
        super().__init__(content)
        self._schema, self._copied, self._parts = schema, 0, list[bytes]()

    def finish(self) -> bytes:
        if self.at != len(self.content):
            raise ValueError("the Avro file does not fit its schema")
        self._parts.append(self.content[self._copied :])
        return b"".join(self._parts)

    def value(self, kind: Any) -> Any:
        """Pass over one value; return it where it is a text or a whole number."""
        if isinstance(kind, list):
            return self.value(kind[self.long()])
        if isinstance(kind, str):
            return self.value(self._schema.named[kind]) if kind in self._schema.named else self._plain(kind)
        match kind["type"]:
            case "record":
                self._record(kind)
            case "array":
                self._blocks(lambda: self.value(kind["items"]))
            case "map":
                self._blocks(lambda: (self.octets(), self.value(kind["values"])))
            case "fixed":
                self.at += kind["size"]
            case "enum":
                self.long()
            case inner:
                return self.value(inner)
        return None

    def _record(self, kind: Any) -> None:
        known: dict[str, Any] = {}
        for field in kind["fields"]:
            name, begin = field["name"], self.at
            change = self._schema.changes.get(name)
            if change is None:
                self.value(field["type"])
                continue
            branch = field["type"]
            if isinstance(branch, list):  # the number of the branch stays
                branch = branch[self.long()]
                begin = self.at
            was = self.value(branch)
            known[name] = now = was if was is None else change(was, known)
            if now != was:
                self._parts += [self.content[self._copied : begin], _encoded(now)]
                self._copied = self.at

    def _blocks(self, item: Callable[[], object]) -> None:
        while count := self.long():
            begin = None
            if count < 0:
                count, size = -count, self.long()
                begin = (self.at, size)
            parts = len(self._parts)
            for _ in range(count):
                item()
            if begin is not None and len(self._parts) != parts:
                raise ValueError("a value to change lies in a block of known size")

    def _plain(self, kind: str) -> Any:
        match kind:
            case "null":
                return None
            case "boolean":
                self.at += 1
            case "int" | "long":
                return self.long()
            case "float":
                self.at += 4
            case "double":
                self.at += 8
            case "string":
                return self.octets().decode()
            case "bytes":
                self.octets()
            case _:
                raise ValueError(f"no type of Avro: {kind!r}")
        return None


def _encoded(value: Any) -> bytes:
    if isinstance(value, int):
        return _long(value)
    text = str(value).encode()
    return _long(len(text)) + text


def _long(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
