"""Records as the collector writes them, to be spoilt by tests."""

from __future__ import annotations

import json
from typing import Any

from headwater.model import Decoded, Models
from headwater.record import Record

ARRIVAL = 1_795_403_183_120  # 2026-11-23T03:06:23.120Z
AT = 1_795_403_182_544
DAY = 86_400_000
SHARD = "shardId-000000000000"


def event(event_type: str, attributes: Any = None, metrics: Any = None, **changes: Any) -> dict[str, Any]:
    """Return an event-stream record; *changes* replace members, `...` leaves one out."""
    record = {
        "event_type": event_type,
        "event_timestamp": AT,
        "arrival_timestamp": ARRIVAL,
        "event_version": "3.1",
        "application": {"app_id": "app", "sdk": {}},
        "client": {"client_id": "client", "cognito_id": "us-west-2:identity"},
        "device": {"platform": {}},
        "session": {"session_id": "session", "start_timestamp": 1},
        "attributes": {} if attributes is None else attributes,
        "metrics": {} if metrics is None else metrics,
        "endpoint": {"Id": "client", "EffectiveDate": "2026-11-22T23:59:59.999Z", "Location": {"City": "Zürich"}},
        "awsAccountId": "000000000000",
        "headwater": {"v": 1, "event_id": "event", "door": "pinpoint", "trace_id": "t"},
        **changes,
    }
    return {name: value for name, value in record.items() if value is not ...}


def record(body: Any, arrival_ms: int = ARRIVAL) -> Record:
    """Return a record of *body*, which is bytes or what JSON can write."""
    return Record(body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode(), "client", arrival_ms)


def decode(models: Models, *bodies: Any) -> Decoded:
    """Decode records at sequence numbers 1, 2, …"""
    return models.decode([record(body) for body in bodies], SHARD, range(1, len(bodies) + 1))


def rows(decoded: Decoded, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table; maps as dicts."""
    found = decoded.tables().get(table)
    return [] if found is None else found.to_pylist(maps_as_pydicts="strict")
