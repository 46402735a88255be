"""One call of a Kinesis operation: who makes it, and what they may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from headwater.collect import Caller
from headwater.edge.principal import Principal, denied
from headwater.errors import BadRequest

Output = dict[str, Any]


class DryRun(BadRequest):
    """The call was only to be tried, and would have worked."""

    code = "DryRunOperationException"

    def __init__(self) -> None:
        super().__init__("Request would have succeeded, but DryRun flag is set.")


class LimitExceeded(BadRequest):
    """More is asked for than there may be."""

    code = "LimitExceededException"


class Throttled(BadRequest):
    """Nothing was done; the same call may succeed later. SDKs try again on this code."""

    code = "ProvisionedThroughputExceededException"


class Call(NamedTuple):
    """An operation that was asked for by a verified caller."""

    action: str
    principal: Principal
    caller: Caller
    trace_id: str

    def authorize(self, name: str, arn: str) -> None:
        """Raise `AccessDenied` unless the caller may do this with the stream *name*."""
        if not self.principal.may_stream(self.action, name):
            raise denied(self.principal, self.action, arn)


class KinesisOperation(NamedTuple):
    """An operation: what it takes, what it does, and whether it is about one stream that the request names."""

    shape: type
    run: Callable[[Any, Call], Awaitable[Output]]
    about_stream: bool = True
