"""What the tests of trouble share: sending through the front door, and looking for what was acknowledged."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.served import Served
from tests.waiting import until

FOLD_SOON = """
lake.fold_seconds = 0.2
lake.fold_min_rows = 1
lake.fold_max_seconds = 0.5
stream.segment_bytes = 65536
"""


@contextmanager
def serving(folder: Path, log: Path | None = None, **environment: str) -> Iterator[Served]:
    """Serve a new project in *folder* whose rows are folded soon; whatever becomes of it, no process is left at the end."""
    served = Served(folder, FOLD_SOON)
    served.log = log or served.log
    try:
        yield served.start(**environment)
    finally:
        if served.process is not None:
            served.kill()


class Sender:
    """Sends events and remembers which of them were acknowledged."""

    def __init__(self, served: Served) -> None:
        self._served, self._client = served, served.client()
        self.acked: set[str] = set()

    def send(self, count: int, event_type: str = "SignUpEvent", bulk: int = 0) -> None:
        """Send *count* events in one request, each about *bulk* bytes large; raises boto3's `ClientError` if they are refused."""
        attributes = {"email": "ada@example.org"} if event_type == "SignUpEvent" else {"a": "b" * bulk}
        event = {"EventType": event_type, "Timestamp": datetime.now(UTC).isoformat(), "Attributes": attributes}
        events = {str(uuid.uuid4()): event for _ in range(count)}
        request = {"BatchItem": {"device": {"Endpoint": {}, "Events": events}}}
        answer = self._client.put_events(ApplicationId=self._served.app_id, EventsRequest=request)
        results = answer["EventsResponse"]["Results"]["device"]["EventsItemResponse"]
        assert {result["StatusCode"] for result in results.values()} == {202}
        self.acked |= events.keys()

    def send_until_refused(self, bulk: int = 60_000, most: int = 400) -> dict[str, Any]:
        """Send large events until one is refused, and return the refusal as boto3 shows it."""
        for _ in range(most):
            try:
                self.send(1, "Other", bulk)
            except ClientError as refused:
                return dict(refused.response)
        raise AssertionError(f"{most} events of {bulk} bytes were accepted")


def stored(served: Served, tables: Iterable[str] = ("sign_up_events", "other_events", "dead_letters")) -> Counter[str]:
    """Count event ids over the tables."""
    union = " UNION ALL ".join(f"SELECT event_id FROM {table}" for table in tables)
    return Counter(row["event_id"] for row in served.sql(union))


def once(event_ids: Iterable[str]) -> Counter[str]:
    return Counter(dict.fromkeys(event_ids, 1))


def wait_for(what: str, condition: Callable[[], object], within_s: float = 60.0) -> None:
    assert until(condition, within_s=within_s), f"not within {within_s} s: {what}"


def log_of(served: Served) -> str:
    return served.log.read_text(errors="replace")
