"""JSON texts one after another: on lines of their own, with nothing between them, or in one array."""

from __future__ import annotations

import json
import re

from headwater.packed.limits import PARTS_LIMIT, TooMuch

_BOM = b"\xef\xbb\xbf"
_OBJECT, _ARRAY = b"{", b"["
_BLANK = b" \t\r\n\x1e"  # RFC 7464 puts a record separator before each text
_blanks = re.compile(r"[ \t\r\n\x1e]*")
_after_element = re.compile(r"[ \t\r\n]*([,\]])[ \t\r\n]*").match
_filled_lines = re.compile(rb"[^ \t\r\n\x1e][^\r\n]*").finditer
# Where a text ends is all that is asked; numbers may be as long as they like.
_read = json.JSONDecoder(parse_int=len, parse_float=len).raw_decode


def split(data: bytes, most: int) -> list[bytes]:
    """Return the texts in *data*, as they are written, if at least one of them is an object; else nothing.

    Where a text cannot be read, each line is taken by itself, and only what stands on a line of its own is lost with it. Takes time
    that grows with the length of *data* only. More than *most* raise `TooMuch`.
    """
    data = data.removeprefix(_BOM).strip(_BLANK)
    if data.startswith(_ARRAY):
        texts = _array(data, most)
        if texts is not None:
            return _checked(texts, most)
    texts = _one_after_another(data, most)
    return _checked(_lines(data, most) if texts is None else texts, most)


def _checked(texts: list[bytes], most: int) -> list[bytes]:
    if len(texts) > most:
        raise TooMuch(f"more than {PARTS_LIMIT:,} events, which is the most that one record may hold")
    return texts if any(map(_is_object, texts)) else []


def _is_object(text: bytes) -> bool:
    return text.startswith(_OBJECT) and _one_after_another(text, 1) is not None


def _array(data: bytes, most: int) -> list[bytes] | None:
    """Return the elements, or some more than *most*; None if it cannot be read. It may say in a few bytes that it has millions."""
    text, texts = data.decode("utf-8", "surrogateescape"), list[str]()
    at, more = _past_blanks(text, 1), True
    if text.startswith("]", at):
        at, more = at + 1, False
    while more and len(texts) <= most:
        try:
            _, end = _read(text, at)
        except (ValueError, RecursionError):
            return None
        if (after := _after_element(text, end)) is None:
            return None
        texts.append(text[at:end])
        at, more = after.end(), after[1] == ","
    return None if not more and at < len(text) else _encoded(texts)


def _lines(data: bytes, most: int) -> list[bytes]:
    texts: list[bytes] = []
    for line in _filled_lines(data):
        if len(texts) > most:
            break
        content = line[0].strip(_BLANK)
        texts += _one_after_another(content, most) or [content]
    return texts


def _one_after_another(data: bytes, most: int) -> list[bytes] | None:
    """Return the texts in *data*, or some more than *most*; None if a part of it cannot be read."""
    text, texts, at = data.decode("utf-8", "surrogateescape"), list[str](), 0
    while at < len(text) and len(texts) <= most:
        try:
            _, end = _read(text, at)
        except (ValueError, RecursionError):
            return None
        texts.append(text[at:end])
        at = _past_blanks(text, end)
    return _encoded(texts)


def _past_blanks(text: str, at: int) -> int:
    found = _blanks.match(text, at)
    assert found is not None
    return found.end()


def _encoded(texts: list[str]) -> list[bytes]:
    return [text.encode("utf-8", "surrogateescape") for text in texts]
