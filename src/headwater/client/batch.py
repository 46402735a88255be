"""Which entries share a request, and what the answer says of each."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from headwater.client.entry import QueuedEvent, encode


class Verdicts(NamedTuple):
    """What an answer says: entries to send again, those that are refused and why, and endpoint id -> its user as accepted."""

    again: list[QueuedEvent]
    refused: list[tuple[QueuedEvent, str]]
    users: dict[str, str]


class RequestBatch:
    """Entries that go into one request, in their order.

    An endpoint's id stands once in a request, and what is said of the endpoint itself counts for all its events there; so an entry that
    says something else begins another request.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        """*users*: endpoint id -> the user the server knows it to be of, so that it need not be said again."""
        self.entries: list[QueuedEvent] = []
        self.size_bytes = 0
        self._users = users
        self._endpoints: dict[str, Mapping[str, Any]] = {}
        self._events: dict[str, dict[str, bytes]] = {}

    def take(self, queue: deque[QueuedEvent], most: int, most_bytes: int) -> None:
        """Move entries from the left of *queue* into the batch while they fit; at least one."""
        while queue and len(self.entries) < most:
            entry = queue[0]
            if self.entries and (self.size_bytes + entry.size_bytes > most_bytes or not self._fits(entry)):
                return
            self._add(queue.popleft())

    def body(self) -> bytes:
        """Return the PutEvents request."""
        items = []
        for endpoint_id, events in self._events.items():
            written = b",".join(encode(event_id) + b":" + event for event_id, event in events.items())
            items.append(b'%s:{"Endpoint":%s,"Events":{%s}}' % (encode(endpoint_id), encode(self._endpoints.get(endpoint_id, {})), written))
        return b'{"BatchItem":{' + b",".join(items) + b"}}"

    def verdicts(self, answer: bytes) -> Verdicts:
        """Return what the answer to this batch says of each entry; one that it does not mention is sent again.

        Raises ValueError, KeyError, TypeError or AttributeError if it is no answer to a PutEvents.
        """
        results = json.loads(answer)["Results"]
        verdicts = Verdicts([], [], {})
        for entry in self.entries:
            if entry.event_id is not None:
                self._judge(entry, results.get(entry.endpoint_id, {}).get("EventsItemResponse", {}).get(entry.event_id, {}), verdicts)
        for endpoint_id, said in self._endpoints.items():
            update = QueuedEvent(self.entries[0].number, endpoint_id, None, None, endpoint=said)
            if self._judge(update, results.get(endpoint_id, {}).get("EndpointItemResponse", {}), verdicts) and "UserId" in said.get(
                "User", {}
            ):
                verdicts.users[endpoint_id] = said["User"]["UserId"]
        return verdicts

    def _judge(self, entry: QueuedEvent, said: Mapping[str, Any], verdicts: Verdicts) -> bool:
        status = said.get("StatusCode", 500)
        if status == 429 or status >= 500:
            verdicts.again.append(entry)
        elif status != 202:
            verdicts.refused.append((entry, str(said.get("Message", status))))
        return bool(status == 202)

    def _said_of_endpoint(self, entry: QueuedEvent) -> Mapping[str, Any] | None:
        if entry.endpoint is not None:
            return entry.endpoint
        if entry.user_id is None or self._users.get(entry.endpoint_id) == entry.user_id:
            return None
        return {"User": {"UserId": entry.user_id}}

    def _fits(self, entry: QueuedEvent) -> bool:
        events = self._events.get(entry.endpoint_id)
        if events is None:
            return True
        said = self._said_of_endpoint(entry)
        return entry.event_id not in events and (said is None or said == self._endpoints.get(entry.endpoint_id))

    def _add(self, entry: QueuedEvent) -> None:
        self.entries.append(entry)
        self.size_bytes += entry.size_bytes
        said = self._said_of_endpoint(entry)
        if said is not None:
            self._endpoints[entry.endpoint_id] = said
        events = self._events.setdefault(entry.endpoint_id, {})
        if entry.event_id is not None and entry.event is not None:
            events[entry.event_id] = entry.event
