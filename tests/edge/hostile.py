"""A public listener with every door there is, and one request for each of them that has room for something nasty."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import NamedTuple

from tests.edge.conftest import DECLARED, Answer
from tests.edge.identities import POOL_ID, WRITE_KEY, Open
from tests.edge.streams import StreamsServed

AT = "2026-11-23T03:06:22.544Z"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()}


class AllDoors(Open, StreamsServed):
    """Pinpoint, Kinesis, Cognito, STS and Segment's API."""


class Door(NamedTuple):
    """*template* is a good body with `@` where a JSON value goes, which clients of this door may choose freely."""

    template: bytes
    send: Callable[[AllDoors, bytes], Answer]

    def body(self, value: bytes) -> bytes:
        return self.template.replace(b"@", value)


def _events(served: AllDoors, body: bytes) -> Answer:
    return served.signed("POST", f"/v1/apps/{DECLARED.app_id}/events", body)


def _endpoint(served: AllDoors, body: bytes) -> Answer:
    return served.signed("PUT", f"/v1/apps/{DECLARED.app_id}/endpoints/e", body)


def _sts(served: AllDoors, body: bytes) -> Answer:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return served.signed("POST", "/", body, service="sts", headers=form)


_GOOD = b'{"EventType":"E","Timestamp":"%s"}' % AT.encode()

DOORS = {
    "PutEvents": Door(
        b'{"BatchItem":{"e":{"Endpoint":{},"Events":{"v":{"EventType":"E","Timestamp":"%s","Attributes":{"a":@}},"w":%s}}}}'
        % (AT.encode(), _GOOD),
        _events,
    ),
    "UpdateEndpoint": Door(b'{"Attributes":{"a":[@,"x"]}}', _endpoint),
    "PutRecords": Door(
        b'{"StreamName":"app","Records":[{"Data":"e30=","PartitionKey":"k"}],"Unknown":@}',
        lambda served, body: served.kinesis_call("PutRecords", body),
    ),
    "GetId": Door(b'{"IdentityPoolId":"%s","Unknown":@}' % POOL_ID.encode(), lambda served, body: served.call("GetId", body)),
    "GetCallerIdentity": Door(b"Action=GetCallerIdentity&Version=2011-06-15&Unknown=@", _sts),
    "batch": Door(
        b'{"batch":[{"type":"track","event":"E","anonymousId":"a","properties":{"a":@}},{"type":"track","event":"E","anonymousId":"a"}]}',
        lambda served, body: served.ask("POST", "/v1/batch", body, BASIC),
    ),
    "track": Door(
        b'{"event":"E","anonymousId":"a","properties":{"a":@}}', lambda served, body: served.ask("POST", "/v1/track", body, BASIC)
    ),
}
