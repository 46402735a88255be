"""A collector that answers as facts about the wire say, and keeps what it was sent; it can be away for a while."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.waiting import until

APP_ID = "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504"
POOL_ID = "us-west-2:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10"
IDENTITY_ID = "us-west-2:c5b03c5f-41c7-4fd5-9ef7-9d822e8a0e2b"
WRITE_KEY = "hw" + "0123456789abcdef" * 2

_APPS = re.compile(r"/v1/apps/([^/]+)/(events(?:/legacy)?|endpoints/[^/]+|.*)$")


@dataclass
class Sent:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def by_key(self) -> bool:
        """Whether the write key, and nothing of AWS's signature, came with it."""
        basic = self.headers.get("authorization") == "Basic aHcwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjo="
        aws = any(name.startswith("x-amz-") and name != "x-amz-user-agent" for name in [*self.headers, *map(str.lower, self.query)])
        return (basic or self.query.get("key") == [WRITE_KEY]) and not aws

    @property
    def signed(self) -> bool:
        return self.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ") or "X-Amz-Signature" in self.query


@dataclass
class Event:
    """One event of a PutEvents."""

    id: str
    endpoint: str
    type: str
    body: dict[str, Any]
    request: Sent = field(repr=False)

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.body.get("Attributes") or {})

    @property
    def metrics(self) -> dict[str, Any]:
        return dict(self.body.get("Metrics") or {})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a browser that goes away in the middle is what is tested


class StandIn:
    """Serves *pages* (path -> content type and body) too, as an app's own web server would."""

    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.verdict: Callable[[Sent], tuple[int, dict[str, Any]] | None] = lambda request: None
        self._server: _Server | None = None
        self._lock = threading.Lock()
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), self._handler())
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections until `start`."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def put_events(self) -> list[Sent]:
        return [sent for sent in list(self.requests) if sent.method == "POST" and "/events" in sent.path]

    def events(self) -> list[Event]:
        """Return all events in the order they came, repeated ones again."""
        return [
            Event(event_id, endpoint, event["EventType"], event, sent)
            for sent in self.put_events()
            for endpoint, batch in sent.json["BatchItem"].items()
            for event_id, event in batch["Events"].items()
        ]

    def wait(self, ready: Callable[[], Any], within_s: float = 60) -> Any:
        """Return what *ready* returns once that is true."""
        found = until(ready, within_s=within_s)
        seen = [f"{sent.method} {sent.path}" for sent in self.requests]
        assert found, f"nothing came in {within_s} s; seen: {seen[-20:]}, {[event.type for event in self.events()]}"
        return found

    def wait_events(self, count: int, within_s: float = 60) -> list[Event]:
        """Return the events once *count* different ones came."""
        self.wait(lambda: len({event.id for event in self.events()}) >= count, within_s)
        return self.events()

    def _answer(self, sent: Sent) -> tuple[int, dict[str, Any], bytes, str]:
        page = self.pages.get(sent.path)
        if page is not None and sent.method in ("GET", "HEAD"):
            return 200, {}, page[1], page[0]
        with self._lock:
            self.requests.append(sent)
        status, body = self.verdict(sent) or _usual(sent)
        headers = {} if status < 400 else {"x-amzn-ErrorType": body.get("__type", "BadRequestException")}
        return status, headers, json.dumps(body).encode(), "application/json"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                sent = Sent(self.command, parts.path, parse_qs(parts.query), headers, body)
                if standin._server is None:  # stopped while this connection was kept open
                    self.close_connection = True
                    return
                if self.command == "OPTIONS":
                    self._write(204, {"Access-Control-Allow-Headers": self.headers.get("access-control-request-headers", "")}, b"", None)
                else:
                    self._write(*standin._answer(sent))

            def _write(self, status: int, headers: dict[str, Any], body: bytes, kind: str | None) -> None:
                self.send_response(status)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
                self.send_header("Access-Control-Expose-Headers", "x-amzn-RequestId,x-amzn-ErrorType,Date")
                for name, value in headers.items():
                    self.send_header(name, value)
                if kind is not None:
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_OPTIONS = _serve  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler


def _usual(sent: Sent) -> tuple[int, dict[str, Any]]:
    target = sent.headers.get("x-amz-target", "")
    if target.endswith(".GetId"):
        return 200, {"IdentityId": IDENTITY_ID}
    if target.endswith(".GetCredentialsForIdentity"):
        lent = {"AccessKeyId": "ASIAGUEST", "SecretKey": "secret", "SessionToken": "sealed", "Expiration": time.time() + 3600}
        return 200, {"IdentityId": sent.json["IdentityId"], "Credentials": lent}
    if target.startswith("Kinesis_"):
        records = [{"ShardId": "shardId-000000000000", "SequenceNumber": str(n)} for n, _ in enumerate(sent.json["Records"])]
        return 200, {"FailedRecordCount": 0, "Records": records, "EncryptionType": "NONE"}
    found = _APPS.match(sent.path)
    if found is None or found[1] != APP_ID:
        return 404, {"__type": "NotFoundException", "Message": "no such thing"}
    if not (sent.signed or sent.by_key):
        return 403, {"__type": "ForbiddenException", "Message": "who are you?"}
    if found[2].startswith("events"):
        accepted = {"StatusCode": 202, "Message": "Accepted"}
        return 202, {
            "Results": {
                endpoint: {"EndpointItemResponse": accepted, "EventsItemResponse": dict.fromkeys(batch["Events"], accepted)}
                for endpoint, batch in sent.json["BatchItem"].items()
            }
        }
    return 202, {"Message": "Accepted", "RequestID": "1"}
