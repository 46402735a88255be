"""The Segment HTTP API: one message a request, or a batch of them, with the app's write key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from headwater.collect import Caller
from headwater.collect.segment import KINDS, Problem, SegmentMessages
from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.failures import SEGMENT
from headwater.edge.wire.routing import Operation, Route

BODY_LIMIT = 4 * 1024 * 1024
_ACCEPTED = b'{"success":true}'


class SegmentService:
    """The operations, each about one call of a room."""

    def __init__(self, messages: SegmentMessages) -> None:
        self._messages = messages

    def routes(self) -> list[Route]:
        """Return the table: path and operation."""
        operations: dict[str, Operation] = {"batch": self.put_batch, "import": self.put_batch}
        for kind in KINDS:
            # The browser's library has paths of one letter.
            operations[kind] = operations[kind[0]] = partial(self.put, kind)
        return [
            Route(
                "POST",
                f"/v1/{path}",
                operation,
                "mobiletargeting:PutEvents",
                body_limit=BODY_LIMIT,
                dialect=SEGMENT,
                keyed=True,
                gzip=True,
            )
            for path, operation in operations.items()
        ]

    async def put(self, kind: str, request: Request) -> Answer:
        """Accept one message."""
        return _answer(await self._messages.put(_app_id(request), kind, request.body, _caller(request), request.trace_id))

    async def put_batch(self, request: Request) -> Answer:
        """Accept a batch, each message by itself."""
        return _answer(await self._messages.put_batch(_app_id(request), request.body, _caller(request), request.trace_id))


def _answer(problems: Sequence[Problem]) -> Answer:
    if not problems:
        return Answer(200, _ACCEPTED)
    told: list[dict[str, Any]] = [
        {"index": one.place, "messageId": one.message_id, "accepted": one.accepted, "reason": one.reason} for one in problems
    ]
    return Answer(200, msgspec.json.encode({"success": True, "problems": told}))


def _app_id(request: Request) -> str:
    app_id = request.caller().app_id
    assert app_id is not None  # a write key has its app
    return app_id


def _caller(request: Request) -> Caller:
    return Caller(request.caller().name, user_agent="")
