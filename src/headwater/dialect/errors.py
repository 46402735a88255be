"""What is wrong with an Athena statement, with the codes its callers know."""

from __future__ import annotations

from headwater.errors import QueryError

# Error type numbers as Athena's API gives them; what is not here is a matter of syntax or analysis.
_TYPES = {
    "GENERIC_INTERNAL_ERROR": 100,
    "GENERIC_ENGINE_ERROR": 200,
    "EXCEEDED_TIME_LIMIT": 206,
    "EXCEEDED_MEMORY_LIMIT": 200,
    "ICEBERG_COMMIT_ERROR": 233,
    "ICEBERG_WRITER_DATA_ERROR": 233,
    "DIVISION_BY_ZERO": 1001,
    "NUMERIC_VALUE_OUT_OF_RANGE": 1001,
    "SUBQUERY_MULTIPLE_ROWS": 1001,
    "TYPE_MISMATCH": 1002,
    "INVALID_CAST_ARGUMENT": 1100,
    "INVALID_PARAMETER_USAGE": 1100,
    "INVALID_FUNCTION_ARGUMENT": 1106,
    "NOT_SUPPORTED": 1200,
    "TABLE_NOT_FOUND": 1301,
    "SCHEMA_NOT_FOUND": 1301,
    "FUNCTION_NOT_FOUND": 1303,
}
_SYNTAX = 1006
_MOST_LETTERS = 4_000


class MalformedQuery(QueryError):
    """The text is refused before it becomes a query execution; `athena_code` is the AthenaErrorCode to answer."""

    code = "InvalidRequestException"

    def __init__(self, message: str, athena_code: str = "MALFORMED_QUERY") -> None:
        super().__init__(_short(message))
        self.athena_code = athena_code


class QueryFailed(QueryError):
    """The statement is accepted and ends FAILED, with `reason` as its StateChangeReason.

    name: Athena's name, like TABLE_NOT_FOUND. category: 1 system, 2 user. type: Athena's ErrorType number.
    """

    def __init__(self, name: str, message: str, *, category: int = 2, type: int | None = None) -> None:  # noqa: A002
        self.name, self.message = name, _short(message)
        self.category = category
        self.type = _TYPES.get(name, _SYNTAX) if type is None else type
        self.reason = f"{name}: {self.message}"
        super().__init__(self.reason)


def _short(message: str) -> str:
    """Return a message without the middle of what it quotes, where that is longer than anybody reads."""
    return message if len(message) <= _MOST_LETTERS else f"{message[: _MOST_LETTERS // 2]} … {message[-_MOST_LETTERS // 2 :]}"


class NotSupported(QueryFailed):
    """Something Athena knows and Headwater does not; the message names it and the nearest thing that works."""

    def __init__(self, message: str) -> None:
        super().__init__("NOT_SUPPORTED", message)
