"""What the client says of events it could not deliver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.errors import HeadwaterError

Line = dict[str, Any]
"""An event as one line of a file for `headwater send --file`; an endpoint update is a line with `endpoint` in place of `event_type`."""


class NotDelivered(HeadwaterError):
    """Events that were refused, or could not be sent; `reason` says why.

    `events` are the lines that `headwater send --file` takes: written to a file, one JSON text each, they can be sent again, and as they
    keep their ids, one that did arrive makes no second row. `count` is larger than their number where a long list was cut.
    """

    def __init__(self, reason: str, events: Sequence[Line], count: int | None = None) -> None:
        self.reason, self.events, self.count = reason, list(events), len(events) if count is None else count
        super().__init__(f"{self.count} not delivered: {reason}")


class QueueFull(NotDelivered):
    """The queue holds as many events as it may: the server is out of reach, or slower than the recorder."""
