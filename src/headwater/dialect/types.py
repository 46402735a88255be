"""The types of Athena's SQL, how they are written, and which become which by themselves."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from headwater.dialect.errors import QueryFailed
from headwater.dialect.quoting import quote

ZONED = "timestamp with time zone"
DAY_TIME = "interval day to second"
YEAR_MONTH = "interval year to month"
UNBOUNDED = 2147483647
MOST_DIGITS = 38
MOST_NESTED = 64
# Longer texts of types are those of one statement; remembered, they would only take room.
_REMEMBERED = 1_000


class Type(NamedTuple):
    """A type: numbers in `args` (length, precision and scale), element types in `items`, row field names in `fields`.

    zone: for a timestamp with time zone the zone its values are told in; the values themselves are instants.
    """

    name: str
    args: tuple[int, ...] = ()
    items: tuple[Type, ...] = ()
    fields: tuple[str | None, ...] = ()
    zone: str = "UTC"

    def __str__(self) -> str:
        if self.name in ("timestamp", "time") and self.args:
            return f"{self.name}({self.args[0]})"
        if self.name in (ZONED, "time with time zone") and self.args:
            return f"{self.name.split()[0]}({self.args[0]}) with time zone"
        if self.name == "row":
            pairs = zip(self.fields, self.items, strict=True)
            return f"row({', '.join(f'{_name(name)} {kind}' if name else str(kind) for name, kind in pairs)})"
        inside = [*map(str, self.args), *map(str, self.items)]
        return f"{self.name}({','.join(inside) if self.args else ', '.join(inside)})" if inside else self.name

    @property
    def duckdb(self) -> str:
        """The type in DuckDB's words."""
        match self.name:
            case "real":
                return "FLOAT"
            case "varchar" | "char" | "ipaddress":
                return "VARCHAR"
            case "varbinary":
                return "BLOB"
            case "decimal":
                return f"DECIMAL({self.args[0]},{self.args[1]})"
            case "array":
                return f"{self.items[0].duckdb}[]"
            case "map":
                return f"MAP({self.items[0].duckdb}, {self.items[1].duckdb})"
            case "row":
                names = [quote(name or f"field{at}") for at, name in enumerate(self.fields)]
                return f"STRUCT({', '.join(f'{name} {kind.duckdb}' for name, kind in zip(names, self.items, strict=True))})"
            case "timestamp with time zone":
                return "TIMESTAMPTZ"
            case "interval day to second" | "interval year to month":
                return "INTERVAL"
            case "unknown":
                return "INTEGER"
            case name:
                return name.upper()

    def of(self, *items: Type) -> Type:
        """Return the same container of other elements."""
        return self._replace(items=items)


BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT = (Type(name) for name in ("boolean", "tinyint", "smallint", "integer", "bigint"))
REAL, DOUBLE, VARCHAR, VARBINARY, DATE, JSON, UNKNOWN = (
    Type(name) for name in ("real", "double", "varchar", "varbinary", "date", "json", "unknown")
)
TIMESTAMP, TIMESTAMPTZ = Type("timestamp", (3,)), Type(ZONED, (3,))
TIME, INTERVAL, MONTHS, UUID = Type("time", (3,)), Type(DAY_TIME), Type(YEAR_MONTH), Type("uuid")

INTEGERS = ("tinyint", "smallint", "integer", "bigint")
NUMBERS = (*INTEGERS, "decimal", "real", "double")
_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
_PLAIN = {
    "boolean": BOOLEAN, "tinyint": TINYINT, "smallint": SMALLINT, "integer": INTEGER, "int": INTEGER, "bigint": BIGINT, "long": BIGINT,
    "real": REAL, "float": REAL, "double": DOUBLE, "double precision": DOUBLE, "varchar": VARCHAR, "string": VARCHAR, "char": Type("char",
    (1,)),
    "varbinary": VARBINARY, "binary": VARBINARY, "date": DATE, "json": JSON, "uuid": UUID, "unknown": UNKNOWN,
    "ipaddress": Type("ipaddress"), "timestamp": TIMESTAMP, "timestamp with time zone": TIMESTAMPTZ, "timestamptz": Type(ZONED, (6,)),
    "time": TIME, "time with time zone": Type("time with time zone", (3,)), "decimal": Type("decimal", (38, 0)),
    DAY_TIME: INTERVAL, YEAR_MONTH: MONTHS,
}  # fmt: skip
_WORD = re.compile(r'\s*("(?:[^"]|"")*"|[A-Za-z_][A-Za-z0-9_$]*|\d+|[(),:<>])')


def array(item: Type) -> Type:
    """Return the type of an array."""
    return Type("array", items=(item,))


def row(*fields: tuple[str | None, Type]) -> Type:
    """Return the type of a row."""
    return Type("row", items=tuple(kind for _, kind in fields), fields=tuple(name for name, _ in fields))


def field_names(kind: Type) -> list[str]:
    """Return the names of a row's fields as identifiers of the engine; one without a name has its place for one."""
    return [quote(name or f"field{at}") for at, name in enumerate(kind.fields)]


def decimal(precision: int, scale: int) -> Type:
    """Return a decimal type of at most 38 digits."""
    return Type("decimal", (min(MOST_DIGITS, precision), scale))


def parse_type(text: str) -> Type:
    """Return the type that *text* names in Trino's or in Hive's words; raise `QueryFailed` for one there is none of."""
    return _known(text) if len(text) <= _REMEMBERED else _parse(text)


@lru_cache(2048)
def _known(text: str) -> Type:
    return _parse(text)


def _parse(text: str) -> Type:
    words = deque(_words(text))
    if _depth(words) > MOST_NESTED:
        raise QueryFailed("TYPE_NOT_FOUND", f"a type is nested at most {MOST_NESTED} deep; this is more: {text}")
    try:
        found = _type(words)
    except (LookupError, ValueError):
        found = None
    if found is None or words:
        raise QueryFailed("TYPE_NOT_FOUND", f"Unknown type: {text}")
    return found


def common(left: Type, right: Type) -> Type | None:
    """Return the type both can become by themselves, None if there is none."""
    if left == right or right.name == "unknown":
        return left
    if left.name == "unknown":
        return right
    a, b = left.name, right.name
    if a in NUMBERS and b in NUMBERS:
        return _common_number(left, right)
    if {a, b} <= {"varchar", "char"}:
        return (
            VARCHAR
            if not (left.args and right.args)
            else Type("varchar" if "varchar" in (a, b) else "char", (max(left.args[0], right.args[0]),))
        )
    if a == b and a in ("timestamp", ZONED, "time"):
        return left._replace(args=(max(left.args[0], right.args[0]),))
    times = ("date", "timestamp", ZONED)
    if a in times and b in times:
        later, earlier = (left, right) if times.index(a) > times.index(b) else (right, left)
        return later._replace(args=(max(later.args[0], (earlier.args or (0,))[0]),))
    if a == b and a in ("array", "map", "row") and len(left.items) == len(right.items):
        items = [common(x, y) for x, y in zip(left.items, right.items, strict=True)]
        if all(items):
            fields = tuple(x if x == y else None for x, y in zip(left.fields, right.fields, strict=True))
            return Type(a, items=tuple(item for item in items if item is not None), fields=fields)
    return None


def coercible(given: Type, wanted: Type) -> bool:
    """Return whether a value of type *given* becomes *wanted* by itself."""
    return bare(common(given, wanted)) == bare(wanted)


def assignable(given: Type, wanted: Type) -> bool:
    """Return whether a value of type *given* can be put into a column of type *wanted*: both have a common type.

    What has texts of a bounded length within it becomes its column's type by itself, or cannot be put there.
    """
    both = common(given, wanted)
    return both is not None and (both == wanted or not any(map(_has_bounded, wanted.items)))


def _has_bounded(kind: Type) -> bool:
    return (kind.name in ("varchar", "char") and bool(kind.args)) or any(map(_has_bounded, kind.items))


def bare(kind: Type | None) -> Type | None:
    """Return a type without what its values do not differ by: lengths, precision of time, zone, row field names."""
    if kind is None:
        return None
    items = tuple(item for item in map(bare, kind.items) if item is not None)
    args = kind.args if kind.name == "decimal" else ()
    return Type("varchar" if kind.name == "char" else kind.name, args, items, tuple(None for _ in kind.fields))


def as_decimal(kind: Type) -> Type:
    """Return the decimal type that holds every value of an integer or decimal type."""
    return kind if kind.name == "decimal" else Type("decimal", (_DIGITS[kind.name], 0))


def _common_number(left: Type, right: Type) -> Type:
    by_size = max(left, right, key=lambda kind: NUMBERS.index(kind.name))
    if by_size.name != "decimal":
        return by_size
    a, b = as_decimal(left).args, as_decimal(right).args
    scale = max(a[1], b[1])
    return decimal(max(a[0] - a[1], b[0] - b[1]) + scale, scale)


def _name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else quote(name)


def _words(text: str) -> list[str]:
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            return []
        found.append(match[1])
        at = match.end()
    return found


def _depth(words: Iterable[str]) -> int:
    deepest = depth = 0
    for word in words:
        depth += (word in ("(", "<")) - (word in (")", ">"))
        deepest = max(deepest, depth)
    return deepest


def _type(words: deque[str]) -> Type:
    """Take a type from the front of *words*."""
    name = words.popleft().lower()
    closing = {"(": ")", "<": ">"}.get(words[0] if words else "")
    if name in ("array", "map", "row", "struct"):
        if closing is None:
            raise ValueError(name)
        parts = _parts(words, closing, named=name in ("row", "struct"))
        items = [kind for _, kind in parts]
        if name in ("row", "struct"):
            _check_fields([field for field, _ in parts if field is not None])
            return row(*parts)
        if len(items) != (1 if name == "array" else 2):
            raise ValueError(name)
        return Type(name, items=tuple(items))
    args: tuple[int, ...] = ()
    if closing == ")":
        inside = iter(words.popleft, ")")
        args = tuple(int(word) for word in inside if word not in ("(", ","))
    for tail, suffix in ((["with", "time", "zone"], " with time zone"), (["day", "to", "second"], " day to second"),
                         (["year", "to", "month"], " year to month"), (["precision"], " precision")):  # fmt: skip
        if [word.lower() for word in islice(words, len(tail))] == tail:
            name += suffix
            for _ in tail:
                words.popleft()
    found = _PLAIN[name]
    if name == "decimal" and args:
        args = (args[0], args[1] if len(args) > 1 else 0)
        if not 1 <= args[0] <= MOST_DIGITS or args[1] > args[0]:
            raise ValueError(name)
    if args and name == "varchar" and args[0] >= UNBOUNDED:
        args = ()
    return found._replace(args=args) if args else found


def _parts(words: deque[str], closing: str, *, named: bool) -> list[tuple[str | None, Type]]:
    parts: list[tuple[str | None, Type]] = []
    words.popleft()
    while True:
        name = None
        if named and len(words) > 1 and (words[1] == ":" or words[1] not in ("(", ")", "<", ">", ",")) and not _is_type_start(words):
            name = _unquoted(words.popleft())
            if words[0] == ":":
                words.popleft()
        parts.append((name, _type(words)))
        if (after := words.popleft()) == closing:
            return parts
        if after != ",":
            raise ValueError(after)


def _check_fields(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise QueryFailed("DUPLICATE_COLUMN_NAME", f"a struct has the field '{name}' more than once; letter case makes no difference")
        seen.add(name.lower())


def _unquoted(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def _is_type_start(words: deque[str]) -> bool:
    return " ".join(islice(words, 2)).lower() in ("double precision", "interval day", "interval year", "time with", "timestamp with")
