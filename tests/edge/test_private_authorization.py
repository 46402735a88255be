"""Who may call what on the private listener: every operation, asked by every kind of caller, against authorization-private.txt."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from headwater.catalog.entries import open_entries
from headwater.clock import SystemClock
from headwater.control import Key
from headwater.edge import KEY_ACTIONS
from headwater.edge.auth.credentials import KeyCredentials
from headwater.edge.auth.sigv4 import Verifier
from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.protocol import Listener
from headwater.edge.wire.routing import Route
from headwater.pipeline.query import QueryParts, build_query
from headwater.places import open_project_control, path_of
from headwater.process.project import make_project
from headwater.settings import load_settings
from tests.edge.test_authorization import SHORT
from tests.query.conftest import Project

TABLE = Path(__file__).with_name("authorization-private.txt")
WRITE = os.environ.get("HEADWATER_WRITE_DOCS") == "1"
CALLERS = ("send key", "query key", "admin key", "revoked key", "made-up token", "tampered", "public listener's service", "nobody")
REGION = "us-east-1"


async def probe(request: Request) -> Answer:
    """Stand in for every operation: who came this far was let in."""
    return Answer(200, b"{}")


async def metrics() -> tuple[bytes, str]:
    return b"", "text/plain"


def change(name: str, /, **arguments: Any) -> Any:
    """Stand in for the worker: no operation gets that far."""
    raise NotImplementedError(name)


class Private:
    """The routes that the query role serves, and callers of every kind."""

    def __init__(self, folder: Path) -> None:
        made = make_project(folder / "piano", "piano", None, None, REGION, "000000000000")
        settings, self._lake = load_settings(made.folder), Project(folder / "lake")
        catalog = path_of(settings.stores.catalog, made.folder)
        open_entries(catalog, settings.app.database, read_only=False).close()  # as the worker does, before anybody is served
        self.parts: QueryParts = build_query(settings, made.folder, self._lake.engine(), change, lambda: (True, {}), metrics)
        self.routes: tuple[Route, ...] = self.parts.app.routes  # type: ignore[attr-defined]
        self.control = open_project_control(made.folder)
        self.keys: dict[str, Key] = {f"{name} key": self.control.create_key(name, frozenset({name})) for name in ("send", "query", "admin")}
        self.keys["revoked key"] = self.control.create_key("revoked", frozenset({"admin"}))
        self.control.revoke_key("revoked")
        clock = SystemClock()
        self.listener = Listener(
            [msgspec.structs.replace(route, operation=probe) for route in self.routes],
            verifier=Verifier(KeyCredentials(self.control, KEY_ACTIONS), region=REGION, clock=clock),
            clock=clock,
            allowed_origins=None,
        )

    def close(self) -> None:
        self.parts.queries.close(1)
        self.parts.engine.close()
        self.control.close()
        self._lake.index.close()
        self._lake.ledger.close()

    def ask(self, route: Route, caller: str) -> str:
        path = "/" if route.path == "*" else route.path
        headers, body = {"host": "h.example"}, b"{}"
        if route.target is not None:
            headers |= {"content-type": "application/x-amz-json-1.1", "x-amz-target": route.target}
        if caller != "nobody":
            key = self.keys.get(caller, self.keys["admin key"])
            token = "made-up" if caller == "made-up token" else None
            service = "kinesis" if "service" in caller else route.service or "athena"
            request = AWSRequest(route.method, f"http://h.example{path}", headers=headers, data=body)
            SigV4Auth(Credentials(key.access_key_id, key.secret_access_key or "", token), service, REGION).add_auth(request)
            headers = dict(request.headers.items())
        return asyncio.run(self._send(route.method, path, headers, b"{ }" if caller == "tampered" else body))

    async def _send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> str:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        raw = [(name.lower().encode(), value.encode()) for name, value in {**headers, "content-length": str(len(body))}.items()]
        scope = {"type": "http", "method": method, "raw_path": path.encode(), "query_string": b"", "headers": raw, "client": ("::1", 1)}
        await self.listener(scope, receive, send)
        if sent[0]["status"] == 200:
            return "yes"
        code = dict(sent[0]["headers"])[b"x-amzn-errortype"].decode()
        return SHORT.get(code, code)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    made = Private(tmp_path_factory.mktemp("private"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def table(private: Private) -> dict[str, dict[str, str]]:
    return {route.name: {caller: private.ask(route, caller) for caller in CALLERS} for route in private.routes}


def written(rows: dict[str, dict[str, str]]) -> str:
    blocks: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(rows):
        blocks.setdefault(tuple(rows[name][caller] for caller in CALLERS), []).append(name)
    lines = [
        "# Who may call what on the private listener, and what everybody else is told; see authorization.txt for the public one.",
        "# tests/edge/test_private_authorization.py compares it with what really happens; HEADWATER_WRITE_DOCS=1 writes it anew.",
    ]
    for verdicts, names in sorted(blocks.items(), key=lambda block: block[1]):
        lines += ["", *(f"{caller:<27}{verdict}" for caller, verdict in zip(CALLERS, verdicts, strict=True))]
        lines += [f"    {name}" for name in names]
    return "\n".join(lines) + "\n"


def test_every_operation_is_open_to_exactly_whom_the_table_says(table: dict[str, dict[str, str]]) -> None:
    text = written(table)
    if WRITE:
        TABLE.write_text(text)

    assert TABLE.read_text() == text


def test_what_the_table_says_is_what_was_meant(private: Private, table: dict[str, dict[str, str]]) -> None:
    def allowed(caller: str) -> set[str]:
        return {name for name, told in table.items() if told[caller] == "yes"}

    unsigned = {route.name for route in private.routes if route.unsigned}
    changes = {f"AmazonAthena.{name}" for name in ("CreateWorkGroup", "UpdateWorkGroup", "DeleteWorkGroup", "TagResource", "UntagResource")}
    offered = {"AmazonAthena.StartQueryExecution", "AmazonAthena.GetQueryResults", "AmazonAthena.ListWorkGroups"}

    assert unsigned == {"GET /healthz", "GET /metrics"}
    assert allowed("admin key") == set(table)
    assert allowed("query key") >= unsigned | offered
    assert not allowed("query key") & changes
    for caller in set(CALLERS) - {"admin key", "query key"}:
        assert allowed(caller) == unsigned, caller


def test_a_door_without_a_verifier_does_not_open(private: Private) -> None:
    with pytest.raises(ValueError, match="no verifier"):
        Listener(private.routes, verifier=None, clock=SystemClock(), allowed_origins=None)
