"""Who may call what: every operation, asked by every kind of caller, against the table in authorization.txt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from headwater.clock import ManualClock, SystemClock
from headwater.control.masterkey import KeyRing
from headwater.edge import KEY_ACTIONS
from headwater.edge.auth.credentials import KeyCredentials, WriteKeys
from headwater.edge.auth.sigv4 import Verifier
from headwater.edge.auth.temporary_credentials import LentCredentials
from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.protocol import Listener
from headwater.edge.wire.routing import Route
from headwater.identity import GUEST_ACTIONS, Grant, Lent, Seal
from tests.edge.conftest import ACCOUNT, DECLARED, REGION
from tests.edge.identities import POOL_ID, WRITE_KEY, Open
from tests.edge.streams import StreamsServed

TABLE = Path(__file__).with_name("authorization.txt")
WRITE = os.environ.get("HEADWATER_WRITE_DOCS") == "1"
CALLERS = (
    "guest", "user", "guest of another app", "user of another app", "expired", "tampered", "somebody else's token",
    "send key", "query key", "admin key", "revoked key", "write key", "write key of another app", "nobody",
)  # fmt: skip
OTHER_WRITE_KEY = "hw" + "0b" * 16
SHORT = {
    "ForbiddenException": "forbidden", "AccessDeniedException": "forbidden", "AccessDenied": "forbidden",
    "ExpiredTokenException": "expired",
    "InvalidSignatureException": "signature", "SignatureDoesNotMatch": "signature",
    "UnrecognizedClientException": "unknown", "InvalidClientTokenId": "unknown",
    "MissingAuthenticationTokenException": "missing", "MissingAuthenticationToken": "missing",
}  # fmt: skip


class Everything(Open, StreamsServed):
    """A listener with every door there is."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    made = Everything(tmp_path_factory.mktemp("authorization"))
    yield made
    made.stop()


async def probe(request: Request) -> Answer:
    """Stand in for every operation: who came this far was let in."""
    return Answer(200, b"{}")


class Callers:
    """Signs as each kind of caller, for a listener whose operations are all the probe."""

    def __init__(self, served: Everything) -> None:
        control, clock = served.control, SystemClock()
        revoked = control.create_key("revoked", frozenset({"admin"}))
        control.revoke_key("revoked")
        self._keys = {f"{name} key": key for name, key in served.keys.items()} | {"revoked key": revoked}
        ring = KeyRing(served._master_keys)
        seal, past = Seal(ring, clock), Seal(ring, ManualClock(clock.now_ms() - 3_600_000))
        self._guest = seal.lend(self._grant("a"), 3_600)
        self._lent: dict[str, Lent] = {
            "guest": self._guest,
            "user": seal.lend(self._grant("b", authenticated=True), 3_600),
            "guest of another app": seal.lend(self._grant("c", app_id="0" * 32), 3_600),
            "user of another app": seal.lend(self._grant("d", app_id="0" * 32, authenticated=True), 3_600),
            "expired": past.lend(self._grant("e"), 900),
            "tampered": self._guest,
            "somebody else's token": self._guest._replace(session_token=seal.lend(self._grant("f"), 3_600).session_token),
        }
        credentials = LentCredentials(KeyCredentials(control, KEY_ACTIONS), seal, served.room.roles, clock, account_id=ACCOUNT)
        self._listener = Listener(
            [msgspec.structs.replace(route, operation=probe) for route in served.app.routes],  # type: ignore[attr-defined]
            verifier=Verifier(credentials, region=REGION, clock=clock),
            write_keys=WriteKeys({WRITE_KEY: DECLARED.app_id, OTHER_WRITE_KEY: "0" * 32}, GUEST_ACTIONS),
            clock=clock,
            allowed_origins=["*"],
        )

    @staticmethod
    def _grant(who: str, *, app_id: str = DECLARED.app_id, authenticated: bool = False) -> Grant:
        return Grant(f"{REGION}:{who}", POOL_ID, authenticated, app_id)

    async def ask(self, route: Route, caller: str) -> str:
        path = route.path.replace("*", "").replace("{app}", DECLARED.app_id).replace("{", "").replace("}", "") or "/"
        headers, body, query = {"host": "h.example"}, b"{}", ""
        if route.target is not None and route.path == "*":
            headers |= {"content-type": "application/x-amz-json-1.1", "x-amz-target": route.target}
        elif route.target is not None:
            headers |= {"content-type": "application/x-www-form-urlencoded"}
            body = f"Action={route.target}".encode()
        if "write key" in caller:
            query = f"key={OTHER_WRITE_KEY if 'other' in caller else WRITE_KEY}"
        elif caller != "nobody":
            headers = self._sign(route, path, headers, body, caller)
        sent = body + b"&a=b" if caller == "tampered" else body
        return await self._send(route.method, path, query, headers, sent)

    def _sign(self, route: Route, path: str, headers: dict[str, str], body: bytes, caller: str) -> dict[str, str]:
        lent, key = self._lent.get(caller), self._keys.get(caller)
        given = (lent.access_key_id, lent.secret_access_key, lent.session_token) if lent is not None else None
        if given is None:
            assert key is not None
            given = (key.access_key_id, key.secret_access_key or "", None)
        request = AWSRequest(route.method, f"http://h.example{path}", headers=headers, data=body)
        SigV4Auth(Credentials(*given), route.service or "mobiletargeting", REGION).add_auth(request)
        return dict(request.headers.items())

    async def _send(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> str:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        raw = [(name.lower().encode(), value.encode()) for name, value in {**headers, "content-length": str(len(body))}.items()]
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": raw,
            "client": ("::1", 1),
        }
        await self._listener(scope, receive, send)
        if sent[0]["status"] == 200:
            return "yes"
        code = dict(sent[0]["headers"])[b"x-amzn-errortype"].decode()
        return SHORT.get(code, code)


@pytest.fixture(scope="module")
def callers(served: Everything) -> Callers:
    return Callers(served)


async def table(served: Everything, callers: Callers) -> dict[str, dict[str, str]]:
    routes = sorted(served.app.routes, key=lambda route: (route.target or "", route.path, route.method))  # type: ignore[attr-defined]
    return {
        route.target or f"{route.method} {route.path}": {caller: await callers.ask(route, caller) for caller in CALLERS} for route in routes
    }


def written(rows: dict[str, dict[str, str]]) -> str:
    """Operations that everybody is told the same about share a block: what each caller is told, then their names."""
    blocks: dict[tuple[str, ...], list[str]] = {}
    for name, told in rows.items():
        blocks.setdefault(tuple(told[caller] for caller in CALLERS), []).append(name)
    lines = [
        "# Who may call what, and what everybody else is told. tests/edge/test_authorization.py compares it with what really happens;",
        "# HEADWATER_WRITE_DOCS=1 writes it anew. A line here is a promise: look at the difference before you keep it.",
    ]
    for verdicts, names in sorted(blocks.items(), key=lambda block: block[1]):
        lines += [
            "",
            *(f"{caller:<26}{verdict}" for caller, verdict in zip(CALLERS, verdicts, strict=True)),
            *(f"    {name}" for name in names),
        ]
    return "\n".join(lines) + "\n"


async def test_every_operation_is_open_to_exactly_whom_the_table_says(served: Everything, callers: Callers) -> None:
    text = written(await table(served, callers))
    if WRITE:
        TABLE.write_text(text)

    assert TABLE.read_text() == text


async def test_what_the_table_says_is_what_was_meant(served: Everything, callers: Callers) -> None:
    rows = await table(served, callers)
    routes = {route.target or f"{route.method} {route.path}": route for route in served.app.routes}  # type: ignore[attr-defined]
    unsigned = {name for name, route in routes.items() if route.unsigned}
    events = {"POST /v1/apps/{app}/events", "POST /v1/apps/{app}/events/legacy", "PUT /v1/apps/{app}/endpoints/{endpoint}"}

    def allowed(caller: str) -> set[str]:
        return {name for name, told in rows.items() if told[caller] == "yes"} - unsigned

    assert unsigned == {
        "GET /healthz",
        "GET /client/{name}",
        "HEAD /client/{name}",
        "AssumeRoleWithWebIdentity",
        *(f"AWSCognitoIdentityService.{name}" for name in ("GetId", "GetCredentialsForIdentity", "GetOpenIdToken", "UnlinkIdentity")),
    }
    assert allowed("guest") == events | {"GetCallerIdentity"}
    # What libraries of the Segment API call; a write key opens it for its own app, whichever that is.
    kinds = ("track", "identify", "page", "screen", "group", "alias")
    messages = {f"POST /v1/{name}" for kind in kinds for name in (kind, kind[0])} | {"POST /v1/batch", "POST /v1/import"}
    assert allowed("write key") == events | messages
    assert allowed("write key of another app") == messages
    # which of the streams, the operation itself asks
    assert allowed("user") == events | {"GetCallerIdentity", "Kinesis_20131202.PutRecord", "Kinesis_20131202.PutRecords"}
    assert allowed("guest of another app") == {"GetCallerIdentity"}
    assert allowed("admin key") == set(rows) - unsigned - messages
    for nobody in ("expired", "tampered", "somebody else's token", "revoked key", "nobody"):
        assert allowed(nobody) == set(), nobody
    assert all(route.action is not None for name, route in routes.items() if name not in unsigned)


def test_a_user_puts_records_on_the_streams_that_were_granted_and_no_others(served: Everything) -> None:
    admin = served.kinesis("admin")
    for name in ("clicks", "secrets"):
        admin.create_stream(StreamName=name, ShardCount=1)
    (_, guest), (_, user) = served.borrow(), served.borrow("ada")
    record = {"Data": b"x", "PartitionKey": "p"}

    served.boto("kinesis", lent=user).put_record(StreamName="clicks", **record)
    refused = []
    for lent, stream in ((user, "secrets"), (user, "app"), (guest, "clicks")):
        with pytest.raises(ClientError) as error:
            served.boto("kinesis", lent=lent).put_record(StreamName=stream, **record)
        refused.append(error.value.response["Error"]["Code"])

    assert refused == ["AccessDeniedException"] * 3


def test_a_route_that_asks_for_nothing_and_does_not_say_so_does_not_start() -> None:
    with pytest.raises(ValueError, match="must declare the action it needs"):
        Listener([Route("GET", "/secrets", probe)], verifier=None, clock=SystemClock(), allowed_origins=None)
    with pytest.raises(ValueError, match="no verifier"):
        Listener([Route("GET", "/secrets", probe, "mobiletargeting:Get")], verifier=None, clock=SystemClock(), allowed_origins=None)
