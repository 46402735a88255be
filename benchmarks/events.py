"""The events that are measured with: a piano-learning app's mix, seeded, as requests and as records of about 1 KB."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from headwater.record import Record

APP_ID = "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504"
POOL_ID = "us-east-1:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10"
PIECES = ("minuet-in-g", "ode-to-joy", "fuer-elise", "prelude-in-c", "gymnopedie-1", "the-entertainer", "arabesque", "clair-de-lune")
ENDPOINTS = 200
BAD_SHARE = 0.05

Item = tuple[str, dict[str, Any]]


class Source:
    """Makes events without end, the same for the same seed but for their times: *spread_s* seconds ending now."""

    def __init__(self, seed: int, bad_share: float = 0.0, spread_s: float = 120.0) -> None:
        self._random = random.Random(seed)
        self._bad_share, self._spread_ms = bad_share, int(spread_s * 1000)
        # The same devices whatever the seed: nearly all requests of a real app come from endpoints that are known.
        self._endpoints = [str(uuid.UUID(int=number + 1, version=4)) for number in range(ENDPOINTS)]
        self._profiles = {endpoint_id: _profile(endpoint_id, self.uuid()) for endpoint_id in self._endpoints}
        self._sessions = [{"Id": self.uuid(), "StartTimestamp": iso(now_ms() - self._spread_ms - 1_000)} for _ in range(ENDPOINTS)]

    def uuid(self) -> str:
        """Return a UUID v4 from the seed."""
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def endpoint(self, number: int) -> str:
        """Return the id of endpoint *number*, counted around the `ENDPOINTS` there are."""
        return self._endpoints[number % ENDPOINTS]

    def item(self, endpoint: int, at_ms: int) -> Item:
        """Return (event id, event) in the shape of PutEvents."""
        chance = self._random.random()
        attributes: dict[str, str]
        metrics: dict[str, float] | None = None
        email = f"student.{endpoint % ENDPOINTS}@piano.example.com"
        if chance < 0.10:
            event_type, attributes = "SignUpEvent", {"email": email}
        elif chance < 0.35:
            event_type = "SignInEvent"
            attributes = {
                "email": email,
                "id": self._endpoints[endpoint % ENDPOINTS],
                "is_test_user": "true" if chance < 0.11 else "false",
                "user_type": "teacher" if chance < 0.15 else "null" if chance < 0.2 else "student",
            }
        else:
            event_type, attributes = "PracticeEvent", {"piece_id": PIECES[int(chance * 1000) % len(PIECES)]}
            metrics = {
                "level": float(1 + int(chance * 1e5) % 12),
                "accuracy": round(self._random.uniform(0.6, 1.0), 4),
                "tempo": float(60 + int(chance * 1e6) % 80),
                "duration_s": round(self._random.uniform(20, 300), 1),
            }
        if self._bad_share and self._random.random() < self._bad_share:
            self._spoil(event_type, attributes, metrics)
        event: dict[str, Any] = {
            "EventType": event_type,
            "Timestamp": iso(at_ms),
            "Attributes": attributes,
            "Session": self._sessions[endpoint % ENDPOINTS],
        }
        if metrics is not None:
            event["Metrics"] = metrics
        return self.uuid(), event

    def _spoil(self, event_type: str, attributes: dict[str, str], metrics: dict[str, float] | None) -> None:
        """Make the event wrong in one of the ways that real apps are: an unknown extra, something missing, a wrong value."""
        kind = self._random.randrange(3)
        if kind == 0:
            attributes["referrer"] = "newsletter"
        elif kind == 1:
            del attributes["piece_id" if event_type == "PracticeEvent" else "email"]
        elif metrics is not None:
            metrics["accuracy"] = 1.7
        elif event_type == "SignInEvent":
            attributes["is_test_user"] = "perhaps"
        else:
            attributes["email"] = "not an address"

    def items(self, count: int, run: int = 20) -> Iterator[tuple[int, Item]]:
        """Yield *count* (endpoint number, item), *run* events of an endpoint after each other, evenly over the last `spread_s`."""
        start_ms = now_ms() - self._spread_ms
        for number in range(count):
            endpoint = number // run
            yield endpoint, self.item(endpoint, start_ms + self._spread_ms * number // count)

    def body(self, endpoint: int, events: int) -> bytes:
        """Return the body of a PutEvents with that many events of one endpoint, all of this moment."""
        at_ms = now_ms()
        items = dict(self.item(endpoint, at_ms) for _ in range(events))
        return msgspec.json.encode({"BatchItem": {self.endpoint(endpoint): {"Endpoint": {}, "Events": items}}})

    def records(self, count: int) -> list[Record]:
        """Return *count* records as the collector writes them: Pinpoint's event-stream JSON with the endpoint and our own object."""
        return [self.record(event_id, event, self.endpoint(number)) for number, (event_id, event) in self.items(count)]

    def record(self, event_id: str, event: dict[str, Any], endpoint_id: str) -> Record:
        """Return the record of one event as `records` does, of whatever endpoint."""
        arrival_ms, session = now_ms(), event["Session"]
        body = {
            "event_type": event["EventType"],
            "event_timestamp": _epoch_ms(event["Timestamp"]),
            "arrival_timestamp": arrival_ms,
            "event_version": "3.1",
            "application": {"app_id": APP_ID, "cognito_identity_pool_id": POOL_ID, "sdk": {"name": "aws-amplify", "version": "6.22.1"}},
            "client": {"client_id": endpoint_id, "cognito_id": f"us-east-1:{endpoint_id}"},
            "device": {"platform": {}},
            "session": {"session_id": session["Id"], "start_timestamp": _epoch_ms(session["StartTimestamp"])},
            "attributes": event["Attributes"],
            "metrics": event.get("Metrics", {}),
            "endpoint": self._profiles.get(endpoint_id) or _profile(endpoint_id, endpoint_id),
            "awsAccountId": "000000000000",
            "headwater": {"v": 1, "event_id": event_id, "door": "pinpoint", "trace_id": self.uuid()},
        }
        return Record(msgspec.json.encode(body), endpoint_id, arrival_ms)


def _profile(endpoint_id: str, request_id: str) -> msgspec.Raw:
    """Return an endpoint as an app that never sent more than events has it."""
    moment = iso(now_ms())
    profile = {
        "Id": endpoint_id, "ApplicationId": APP_ID, "EndpointStatus": "ACTIVE", "OptOut": "NONE", "RequestId": request_id,
        "EffectiveDate": moment, "CreationDate": moment, "CohortId": "42",
        "Demographic": {}, "Location": {}, "Attributes": {}, "Metrics": {},
    }  # fmt: skip
    return msgspec.Raw(msgspec.json.encode(profile))


def now_ms() -> int:
    """Return the wall clock, epoch ms."""
    return time.time_ns() // 1_000_000


def iso(at_ms: int) -> str:
    """Return the time as Amplify writes it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _epoch_ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000 + 0.5)
