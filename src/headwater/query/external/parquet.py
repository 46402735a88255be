"""What the columns of Parquet files are, so that none is read as something else: the engine would round 2.5 to 2 for an int."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from headwater.query.columns import literal
from headwater.query.dialect.errors import QueryFailed
from headwater.query.dialect.types import Type
from headwater.query.relation import file_literal

_INTEGERS = {"TINYINT": 1, "UTINYINT": 2, "SMALLINT": 2, "USMALLINT": 3, "INTEGER": 4, "UINTEGER": 5, "BIGINT": 8, "UBIGINT": 9}
_OURS = {"tinyint": 1, "smallint": 2, "integer": 4, "bigint": 8}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
# Files of others may have thousands of columns.
_AT_ONCE = 16
_KEPT = 4_096


Evaluate = Callable[[str, None, Sequence[str]], Any]
"""Run one SQL text without parameters, which opens these files, in the engine and return the first value of its first row."""


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

    def check(self, files: Sequence[ParquetFile], columns: Mapping[str, Type], evaluate: Evaluate) -> None:
        """Raise `QueryFailed` HIVE_BAD_DATA if a file has one of *columns* in a type that cannot be read as the declared one."""
        with self._lock:
            known = {file: self._known[file[1:]] for file in files if file[1:] in self._known}
        new = [file for file in dict.fromkeys(files) if file not in known]
        for at in range(0, len(new), _AT_ONCE):
            known.update(_read(new[at : at + _AT_ONCE], evaluate))
        with self._lock:
            for file in new:
                self._known[file[1:]] = known[file]
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        for file, found in known.items():
            for name, kind in columns.items():
                if name in found and not _readable(found[name], kind):
                    raise QueryFailed(
                        "HIVE_BAD_DATA",
                        f"Field {name}'s type {found[name]} in parquet file {file.url} is incompatible with type {kind} defined in table"
                        " schema",
                    )


def _read(files: Sequence[ParquetFile], evaluate: Evaluate) -> dict[ParquetFile, dict[str, str]]:
    paths = [file.path for file in files]
    # Each column with its file's number: the path again and again would be most of the answer.
    number = f"list_position([{', '.join(map(literal, paths))}], file_name) - 1"
    listed = evaluate(
        f"SELECT list([CAST({number} AS VARCHAR), lower(name), duckdb_type, CAST(num_children AS VARCHAR)])"
        f" FROM parquet_schema([{', '.join(map(file_literal, paths))}])",
        None,
        paths,
    )
    found: dict[ParquetFile, dict[str, str]] = {file: {} for file in files}
    nodes = iter(listed)
    for at, _, _, children in nodes:
        # The schema is a tree, told depth first, from its root.
        for _ in range(int(children or 0)):
            _, name, kind, inner = next(nodes)
            found[files[int(at)]][name] = kind
            left = int(inner or 0)
            while left:
                left += int(next(nodes)[3] or 0) - 1
    return found


def _readable(found: str, wanted: Type) -> bool:
    """Return whether every value of a file's type is one of the declared type's."""
    match wanted.name:
        case "tinyint" | "smallint" | "integer" | "bigint":
            return _INTEGERS.get(found, 99) <= _OURS[wanted.name]
        case "real":
            return found == "FLOAT"
        case "double":
            return found in ("FLOAT", "DOUBLE")
        case "boolean" | "date":
            return found == wanted.name.upper()
        case "decimal":
            decimal = _DECIMAL.fullmatch(found)
            precision, scale = wanted.args
            return decimal is not None and int(decimal[2]) <= scale and int(decimal[1]) - int(decimal[2]) <= precision - scale
        case "varchar" | "char":
            return found in ("VARCHAR", "BLOB", "JSON", "UUID") or found.startswith("ENUM")
        case "varbinary":
            return found in ("BLOB", "VARCHAR")
        case "timestamp":
            return found.startswith("TIMESTAMP")
        case "array":
            return found.endswith("[]")
        case "map" | "row":
            return found.startswith("MAP" if wanted.name == "map" else "STRUCT")
    return True
