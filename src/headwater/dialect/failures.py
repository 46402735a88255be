"""What the engine says went wrong, as Athena would have said it."""

from __future__ import annotations

import re
from collections.abc import Callable

from headwater.dialect.errors import QueryFailed
from headwater.errors import Refused

_TYPES = {
    "INT8": "tinyint", "INT16": "smallint", "INT32": "integer", "INT64": "bigint", "INT128": "bigint", "DOUBLE": "double", "FLOAT": "real",
    "BOOL": "boolean", "BOOLEAN": "boolean",
}  # fmt: skip
_WORDS = {"integer": "INT"}


def failure(error: BaseException | str) -> QueryFailed:
    """Return the `QueryFailed` for what the engine said; its message has no path of a file and none of the engine's own SQL."""
    if isinstance(error, QueryFailed):
        return error
    if isinstance(error, Refused):
        return QueryFailed(error.code, str(error))
    text = str(error).strip()
    for pattern, made in _KNOWN:
        if (found := pattern.search(text)) is not None:
            return made(found)
    first = text.split("\n")[0]
    return QueryFailed("GENERIC_INTERNAL_ERROR", re.sub(r"(?:[A-Za-z]:)?(?:[/\\][^\s'\"]+)+", "<file>", first), category=1)


def _told(name: str, message: str) -> Callable[[re.Match[str]], QueryFailed]:
    return lambda found: QueryFailed(name, found.expand(message))


def _cast(found: re.Match[str]) -> QueryFailed:
    kind = _TYPES.get(found[2], found[2].lower().split("(")[0])
    return QueryFailed("INVALID_CAST_ARGUMENT", f"Cannot cast '{found[1]}' to {_WORDS.get(kind, kind.upper())}")


def _range(found: re.Match[str]) -> QueryFailed:
    return QueryFailed("INVALID_CAST_ARGUMENT", f"Out of range for {_TYPES.get(found[2], found[2].lower())}: {found[1]}")


def _overflow(found: re.Match[str]) -> QueryFailed:
    kind = _TYPES.get(found[2], found[2].lower())
    if kind == "decimal":
        way_out = "CAST to fewer decimals" if found[3] == "38" else "CAST one side AS DECIMAL(38, its decimals)"
        return QueryFailed("NUMERIC_VALUE_OUT_OF_RANGE", f"decimal {found[1]} overflow: over {found[3]} digits; {way_out}")
    return QueryFailed("NUMERIC_VALUE_OUT_OF_RANGE", f"{kind} {found[1]} overflow: {found[3]}")


def _out_of_moments(found: re.Match[str]) -> QueryFailed:
    return QueryFailed("INVALID_CAST_ARGUMENT", f"Value cannot be cast to {found[1]}: {found[2]}")


def _misfit(found: re.Match[str]) -> QueryFailed:
    url, column, _, wanted, value = found.groups()
    # Where a file is read is nobody's business; what it is called is.
    file = f"parquet file {url}" if "://" in url else "a parquet file"
    kind = _TYPES.get(wanted, wanted.lower())
    return QueryFailed("HIVE_BAD_DATA", f"Field {column}'s value {value} in {file} is out of range for type {kind} defined in table schema")


_KNOWN: list[tuple[re.Pattern[str], Callable[[re.Match[str]], QueryFailed]]] = [
    (
        re.compile(
            r"while reading file \"(.+?)\": failed to cast column \"(.+?)\" from type (.+?) to (.+?): .*?[Vv]alue \"?(\S+?)\"? "
            r"(?:can't be cast|to|because)",
            re.DOTALL,
        ),
        _misfit,
    ),
    (
        re.compile(r"CSV Error on Line: (\d+).*Invalid unicode", re.DOTALL),
        _told("HIVE_BAD_DATA", r"line \1 of a file is not UTF-8: write the file anew in UTF-8"),
    ),
    (re.compile(r"Maximum line size of (\d+) bytes exceeded"), _told("HIVE_CURSOR_ERROR", r"a line of a file has more than \1 bytes")),
    (re.compile(r"Could not convert string '([A-Z][A-Z_]+): (.*)' to INT32", re.DOTALL), lambda found: QueryFailed(found[1], found[2])),
    (
        re.compile(r"no kept snapshot of table (\S+) named 'at or before ([^']*)'"),
        _told("INVALID_ARGUMENTS", r"No version history table \1 at or before \2"),
    ),
    (
        re.compile(r"no kept snapshot of table (\S+) named '([^']*)'"),
        _told("INVALID_ARGUMENTS", r'Iceberg snapshot ID does not exists: \2; "\1$snapshots" lists those there are'),
    ),
    (re.compile(r"[Dd]ivision by zero"), _told("DIVISION_BY_ZERO", "Division by zero")),
    (re.compile(r"Overflow in (addition|subtraction|multiplication|negation) of (\w+)[^(]*\(([^)]*)\)"), _overflow),
    (re.compile(r"(date|timestamp|time) field value out of range: \"([^\"]*)\""), _out_of_moments),
    (re.compile(r"[Cc]ould not cast value (\S+) to ([\w(),]+)"), _told("INVALID_CAST_ARGUMENT", r"Cannot cast '\1' to \2")),
    (re.compile(r"Overflow|out of range", re.IGNORECASE), lambda found: _out_of_range(found.string)),
    (re.compile(r"[Cc]ould not (?:convert|cast) string [\"'](.*?)[\"'] to ([\w(),]+)", re.DOTALL), _cast),
    (re.compile(r"(timestamp)[^\"]*field[^\"]*\"([^\"]*)\"", re.IGNORECASE), _out_of_moments),
    (re.compile(r"\b(date|time) field[^\"]*\"([^\"]*)\""), _out_of_moments),
    (
        re.compile(r"More than one row returned by a subquery"),
        _told("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows"),
    ),
    (
        re.compile(r"column \"([^\"]+)\" must appear in the GROUP BY"),
        _told("EXPRESSION_NOT_AGGREGATE", r"'\1' must be an aggregate expression or appear in GROUP BY clause"),
    ),
    (
        re.compile(r"(WHERE|JOIN|GROUP BY) clause cannot contain (?:aggregates|window)"),
        _told("EXPRESSION_NOT_SCALAR", r"\1 clause cannot contain aggregations, window functions or grouping operations"),
    ),
    (
        re.compile(r"aggregate function calls cannot (?:be nested|contain window)"),
        _told("NESTED_AGGREGATION", "Cannot nest aggregations or window functions inside an aggregation"),
    ),
    (
        re.compile(r"window functions? .*(?:nested|not allowed)"),
        _told("NESTED_WINDOW", "Cannot nest window functions inside window function"),
    ),
    (re.compile(r"window \"([^\"]+)\" does not exist"), _told("INVALID_WINDOW_REFERENCE", r"Cannot resolve WINDOW name \1")),
    (re.compile(r"HIVE_BAD_DATA: (.*)", re.DOTALL), _told("HIVE_BAD_DATA", r"\1")),
    (
        re.compile(r"Malformed JSON in file \".*\", at byte \d+ in line (\d+)"),
        _told("HIVE_BAD_DATA", r"Row is not a valid JSON Object, near line \1 of a file"),
    ),
    (re.compile(r"Failed to cast value to [\w ]+: (.*)"), _told("HIVE_BAD_DATA", r"Error parsing field value '\1'")),
    (re.compile(r"Malformed JSON"), _told("INVALID_FUNCTION_ARGUMENT", "Cannot convert value to JSON")),
    (re.compile(r"Map keys (?:must|have to) be unique"), _told("INVALID_FUNCTION_ARGUMENT", "Duplicate map keys are not allowed")),
    (
        re.compile(r"regex|missing [\])]|invalid perl operator|no argument for repetition|bad repetition", re.IGNORECASE),
        lambda found: QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Invalid regular expression: {_first(found.string)}"),
    ),
    (
        re.compile(r"TRY can not be used"),
        _told("NOT_SUPPORTED", "TRY around random, uuid or a subquery is not supported; put it inside the subquery"),
    ),
    (
        re.compile(r"Out of Memory|could not allocate|failed to allocate", re.IGNORECASE),
        _told("EXCEEDED_MEMORY_LIMIT", "Query exhausted resources at this scale factor"),
    ),
    (re.compile(r"Max(?:imum)? expression depth"), _told("QUERY_TOO_LARGE", "the query is nested too deeply")),
    (re.compile(r"Table with name \"?([\w.$@]+)\"? does not exist"), _told("TABLE_NOT_FOUND", r"Table '\1' does not exist")),
    (re.compile(r"Scalar Function with name (\w+) does not exist"), _told("FUNCTION_NOT_FOUND", r"Function '\1' not registered")),
    (re.compile(r"^(?:Binder|Parser|Catalog) Error: (.*)"), _told("NOT_SUPPORTED", r"this query cannot be planned here: \1")),
]


def _out_of_range(text: str) -> QueryFailed:
    if found := re.search(r"Type \w+(?:\(\d+,\d+\))? with value (\S+) can't be cast .* destination type (\w+)", text):
        return _range(found)
    if found := re.search(r"[Cc]ould not (?:convert|cast) (?:string|value) [\"']?(.*?)[\"']? to ([\w(),]+)", text):
        return _cast(found)
    return QueryFailed("NUMERIC_VALUE_OUT_OF_RANGE", _first(text))


def _first(text: str) -> str:
    return re.sub(r"^[A-Z][\w ]*Error: ", "", text.split("\n")[0])
