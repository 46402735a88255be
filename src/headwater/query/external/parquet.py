"""What the columns of Parquet files are, so that none is read as something else: the engine would take 2.5 for the int 2."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from sys import intern
from typing import Any, NamedTuple

from headwater.dialect.errors import QueryFailed
from headwater.dialect.quoting import literal, quote
from headwater.dialect.types import Type
from headwater.query.relation import file_literal

# The whole numbers of files, and how many digits theirs may have.
_DIGITS = {
    "TINYINT": 3, "UTINYINT": 3, "SMALLINT": 5, "USMALLINT": 5, "INTEGER": 10, "UINTEGER": 10, "BIGINT": 19, "UBIGINT": 20,
}  # fmt: skip
_WIDTHS = {"tinyint": 1, "smallint": 2, "integer": 4, "bigint": 8}
_MEMBER = re.compile(r'("(?:[^"]|"")*"|[^ ]+) (.*)', re.DOTALL)
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
# Files of others may have thousands of columns.
_AT_ONCE = 16
_KEPT_COLUMNS = 1_000_000


Evaluate = Callable[[str, None, Mapping[str, str]], Any]
"""Run one SQL text without parameters, which opens these files, in the engine and return the first value of its first row."""

Differing = tuple[tuple[str, str], ...]
"""Columns that a file has in another type than the declared one, with that type; '' for one that it lacks."""


class ParquetFile(NamedTuple):
    """A file as it was listed: what it is called in messages, where it is, and what changes when it is another."""

    url: str
    path: str
    version: tuple[int, int]


class Footers:
    """Remembers the columns of files; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, tuple[int, int]], Mapping[str, str]] = OrderedDict()
        self._columns = 0

    def check(self, files: Sequence[ParquetFile], columns: Mapping[str, Type], evaluate: Evaluate) -> list[Differing]:
        """Return for each file which of *columns* it has in another type, or not at all.

        Raises `QueryFailed` HIVE_BAD_DATA if one has a column in a type that cannot be read as the declared one.
        """
        with self._lock:
            known = {file: self._known[file[1:]] for file in files if file[1:] in self._known}
        new = [file for file in dict.fromkeys(files) if file not in known]
        for at in range(0, len(new), _AT_ONCE):
            known.update(_read(new[at : at + _AT_ONCE], evaluate))
        with self._lock:
            for file in new:
                self._columns += _weight(known[file]) - _weight(self._known.get(file[1:], {}))
                self._known[file[1:]] = known[file]
            while self._columns > _KEPT_COLUMNS:
                self._columns -= _weight(self._known.popitem(last=False)[1])
        for file, found in known.items():
            for name, kind in columns.items():
                if name in found and not _readable(found[name], kind):
                    raise QueryFailed(
                        "HIVE_BAD_DATA",
                        f"Field {name}'s type {found[name]} in parquet file {file.url} is incompatible with type {kind} defined in table"
                        " schema",
                    )
        return [_differing(known[file], columns) for file in files]


def _read(files: Sequence[ParquetFile], evaluate: Evaluate) -> dict[ParquetFile, dict[str, str]]:
    paths = [file.path for file in files]
    # Each column with its file's number: the path again and again would be most of the answer.
    number = f"list_position([{', '.join(map(literal, paths))}], file_name) - 1"
    listed = evaluate(
        f"SELECT list([CAST({number} AS VARCHAR), lower(name), duckdb_type, CAST(num_children AS VARCHAR)])"
        f" FROM parquet_schema([{', '.join(map(file_literal, paths))}])",
        None,
        {file.path: file.url for file in files},
    )
    found: dict[ParquetFile, dict[str, str]] = {file: {} for file in files}
    nodes = iter(listed)
    for at, _, _, children in nodes:
        # The schema is a tree, told depth first, from its root.
        for _ in range(int(children or 0)):
            _, name, kind, inner = next(nodes)
            found[files[int(at)]][intern(name)] = intern(kind)
            left = int(inner or 0)
            while left:
                left += int(next(nodes)[3] or 0) - 1
    return found


def _weight(found: Mapping[str, str]) -> int:
    """Return how much room columns take: as many as they are, and more for types that are long."""
    return 1 + sum(1 + len(kind) // 64 for kind in found.values())


def _differing(found: Mapping[str, str], columns: Mapping[str, Type]) -> Differing:
    told = [(name, found.get(name, ""), kind.duckdb) for name, kind in columns.items()]
    return tuple((name, there) for name, there, wanted in told if there.replace(" ", "") != wanted.replace(" ", ""))


def value_sql(name: str, found: str, kind: Type) -> str | None:
    """Return the column *name*, which is of type *found* in a file, as a *kind*.

    None where the reader has to cast, because a value may not fit: it alone can name the file then.
    """
    wanted, column = kind.duckdb, quote(name)
    if not found:
        return f"CAST(NULL AS {wanted})"
    # A cast between text and bytes would write `\\xC3` for what is no plain sign.
    if found == "BLOB" or kind.name == "varbinary":
        return f"decode({column})" if found == "BLOB" else f"encode({column})"
    if kind.name in ("array", "map", "row"):
        return None
    if kind.name in _WIDTHS:
        return f"CAST({column} AS {wanted})" if _WIDTHS.get(found.lower(), 99) < _WIDTHS[kind.name] else None
    return f"CAST({column} AS {wanted})"


def _readable(found: str, wanted: Type, *, within: bool = False) -> bool:
    """Return whether values of a file's type are ones of the declared type's, unchanged.

    Of whole numbers each value is judged when it is read: one that does not fit is an error then. *within* another, bytes are no text.
    """
    decimal = _DECIMAL.fullmatch(found)
    match wanted.name:
        case "tinyint" | "smallint" | "integer" | "bigint":
            return found in _DIGITS or (decimal is not None and decimal[2] == "0")
        case "real":
            return found == "FLOAT"
        case "double":
            return found in ("FLOAT", "DOUBLE")
        case "boolean" | "date":
            return found == wanted.name.upper()
        case "decimal":
            digits, scale = (int(decimal[1]), int(decimal[2])) if decimal is not None else (_DIGITS.get(found, 99), 0)
            return scale <= wanted.args[1] and digits - scale <= wanted.args[0] - wanted.args[1]
        case "varchar" | "char":
            return found in ("VARCHAR", "JSON", "UUID") or found.startswith("ENUM") or (found == "BLOB" and not within)
        case "varbinary":
            return found == "BLOB" or (found == "VARCHAR" and not within)
        case "timestamp":
            return found.startswith("TIMESTAMP") and not found.endswith("]")
        case "array":
            return found.endswith("[]") and _readable(found.removesuffix("[]"), wanted.items[0], within=True)
        case "map":
            parts = _parts(found, "MAP")
            return len(parts) == 2 and all(_readable(part, item, within=True) for part, item in zip(parts, wanted.items, strict=True))
        case "row":
            kinds = dict(map(_named, _parts(found, "STRUCT")))
            named = [(name, item) for name, item in zip(wanted.fields, wanted.items, strict=True) if name and name.lower() in kinds]
            return bool(kinds) and all(_readable(kinds[name.lower()], item, within=True) for name, item in named)
    return True


def _parts(found: str, outer: str) -> list[str]:
    """Return what is between the commas in the brackets of a type, [] for one that is no *outer*."""
    if not found.startswith(f"{outer}(") or not found.endswith(")"):
        return []
    parts, depth, quoted = [""], 0, False
    for sign in found[len(outer) + 1 : -1]:
        quoted ^= sign == '"'
        depth += (sign == "(") - (sign == ")") if not quoted else 0
        if sign == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _named(member: str) -> tuple[str, str]:
    """Return the lower-case name and the type of a member of a struct."""
    name, kind = _MEMBER.fullmatch(member).groups()  # type: ignore[union-attr]  # the engine writes no other
    return name.strip('"').replace('""', '"').lower(), kind
