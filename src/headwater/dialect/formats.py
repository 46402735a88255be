"""Patterns of dates: MySQL's (date_format, date_parse) and Joda's (format_datetime, parse_datetime) as strftime's."""

from __future__ import annotations

import re

from headwater.dialect.errors import NotSupported, QueryFailed

_MYSQL = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I", "i": "%M", "j": "%j", "k": "%-H",
    "l": "%-I",
    "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p", "S": "%S", "s": "%S", "T": "%H:%M:%S", "v": "%V", "W": "%A", "x": "%G", "Y": "%Y",
    "y": "%y", "%": "%%",
}  # fmt: skip
_JODA = re.compile(r"([A-Za-z])\1*|'((?:[^']|'')*)'|[^A-Za-z']+")


def mysql_format(pattern: str, where: str) -> str:
    """Return a pattern of date_format for strftime; raise `QueryFailed` for what Athena does not know, either."""
    found, at = "", 0
    while at < len(pattern):
        letter = pattern[at]
        if letter != "%":
            found, at = found + letter, at + 1
            continue
        kind = pattern[at + 1 : at + 2]
        if kind in tuple("DUuVwX"):
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{where}%{kind} not supported in date format string")
        # A letter without a meaning stands for itself.
        found, at = found + _MYSQL.get(kind, kind), at + 2
    return found


def joda_format(pattern: str, where: str, *, parsing: bool = False) -> str:
    """Return a pattern of format_datetime for strftime or strptime."""
    found = ""
    for part in _JODA.finditer(pattern):
        text = part[0]
        if part[1] is None:
            plain = text if part[2] is None else (part[2].replace("''", "'") or "'")
            found += plain.replace("%", "%%")
            continue
        found += _joda_word(text[0], len(text), where, parsing=parsing)
    return found


def _joda_word(letter: str, count: int, where: str, *, parsing: bool) -> str:
    two = {"M": "%m", "d": "%d", "H": "%H", "h": "%I", "m": "%M", "s": "%S"}
    one = {"M": "%-m", "d": "%-d", "H": "%-H", "h": "%-I", "m": "%-M", "s": "%-S", "D": "%-j", "w": "%V", "e": "%u"}
    match letter:
        case "y" | "Y":
            return "%y" if count == 2 else "%Y"
        case "x":
            return "%G"
        case "M" if count >= 3:
            return "%B" if count > 3 else "%b"
        case "E":
            return "%A" if count > 3 else "%a"
        case "a":
            return "%p"
        case "S" if count == 3:
            return "%g"
        case "S" if count == 6 or (parsing and count < 6):
            return "%f"
        case "D" if count == 3:
            return "%j"
        case "Z" if parsing:
            return "%z"
    if count == 2 and letter in two:
        return two[letter]
    if count <= 2 and letter in one:
        return one[letter] if count == 1 or letter == "w" else "%" + letter
    raise NotSupported(
        f"{where}the pattern {letter * count!r} is not supported here; those for years to milliseconds, names of days and months, and a are"
    )
