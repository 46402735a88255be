"""What callers of the query executions are told when something cannot be done, in Athena's codes and words."""

from __future__ import annotations

from headwater.errors import BadRequest, NotFound


class InvalidRequest(BadRequest):
    """The request is wrong; `athena_code` says how, None where Athena gives no code."""

    code = "InvalidRequestException"

    def __init__(self, message: str, athena_code: str | None = "INVALID_INPUT") -> None:
        super().__init__(message)
        self.athena_code = athena_code


class TooManyQueries(BadRequest):
    """As many queries wait as may; the same request will do once some of them have run."""

    code = "TooManyRequestsException"
    reason = "CONCURRENT_QUERY_LIMIT_EXCEEDED"

    def __init__(self) -> None:
        super().__init__("You have exceeded the limit for the number of queries you can run concurrently. Please reduce the number of"
                         " concurrent queries submitted by this account.")  # fmt: skip


class ResourceMissing(NotFound):
    """There is no prepared statement, or nothing with such tags, of that name."""

    code = "ResourceNotFoundException"

    def __init__(self, message: str, name: str) -> None:
        super().__init__("resource", name)
        self.args = (message,)


class MetadataMissing(NotFound):
    """The catalog has no database or table of that name."""

    code = "MetadataException"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind, name)
        self.args = (f"Entity Not Found: {kind} {name}",)


def unknown_execution(execution_id: str) -> InvalidRequest:
    """Return the error for an id that no execution has."""
    return InvalidRequest(f"QueryExecution {execution_id} was not found", "QUERY_EXECUTION_NOT_FOUND")
