"""What holds for every answer, whatever the operation."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from headwater.clock import SystemClock
from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.protocol import Listener, printable
from headwater.edge.wire.routing import Route, Router
from tests.edge.conftest import Served

EMPTY = b'{"BatchItem":{}}'


def every_answer(served: Served) -> list[Any]:
    events = f"/v1/apps/{served.app_id}/events"
    return [
        served.ask("GET", "/healthz"),
        served.signed("POST", events, EMPTY),
        served.signed("POST", events, b"garbage"),
        served.ask("POST", events, EMPTY),
        served.ask("GET", "/nowhere"),
        served.ask("DELETE", events),
        served.ask("POST", events, EMPTY, {"Content-Encoding": "gzip"}),
        served.ask("POST", events, b"", {"Content-Length": "99999999"}),
    ]


def test_every_answer_has_a_request_id_a_date_and_cors(served: Served) -> None:
    answers = every_answer(served)

    assert [answer.status for answer in answers] == [200, 202, 400, 403, 404, 405, 415, 413]
    assert len({answer.headers["x-amzn-RequestId"] for answer in answers}) == len(answers)
    for answer in answers:
        assert len(answer.headers.get_all("Date")) == 1
        assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) < 5
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Expose-Headers"] == "x-amzn-RequestId,x-amzn-ErrorType,Date"


def test_every_error_is_json_with_its_type_in_a_header(served: Served) -> None:
    answers = every_answer(served)[2:]

    types = [answer.error_type for answer in answers]
    assert types == [
        "BadRequestException",
        "MissingAuthenticationTokenException",
        "NotFoundException",
        "MethodNotAllowedException",
        "UnsupportedMediaTypeException",
        "PayloadTooLargeException",
    ]
    for answer in answers:
        assert answer.headers["Content-Type"] == "application/json"
        assert set(answer.json) == {"Message", "RequestID"}
        assert answer.json["RequestID"] == answer.headers["x-amzn-RequestId"]


def test_a_preflight_echoes_what_is_asked_for(served: Served) -> None:
    asked = "amz-sdk-invocation-id,amz-sdk-request,authorization,content-type,x-amz-date,x-amz-security-token,x-amz-user-agent"
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}

    answer = served.ask("OPTIONS", f"/v1/apps/{served.app_id}/events", b"", headers)

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {"GET", "POST", "PUT", "DELETE"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert answer.headers["Access-Control-Allow-Headers"] == asked
    assert answer.headers["Access-Control-Max-Age"] == "172800"
    assert answer.headers["Date"]


def test_only_allowed_origins_are_echoed(serve: Callable[..., Served]) -> None:
    served = serve(allowed_origins=["https://app.example"])

    ours = served.ask("GET", "/healthz", b"", {"Origin": "https://app.example"})
    theirs = served.ask("OPTIONS", "/healthz", b"", {"Origin": "https://evil.example"})

    assert ours.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert ours.headers["Vary"] == theirs.headers["Vary"] == "origin"
    assert theirs.headers["Access-Control-Allow-Origin"] is None


def test_healthz_is_200_only_when_ready(served: Served) -> None:
    ready = served.ask("GET", "/healthz")
    served.ready = False
    try:
        starting = served.ask("GET", "/healthz")
    finally:
        served.ready = True

    assert (ready.status, ready.json) == (200, {"collector": "ready"})
    assert (starting.status, starting.json) == (503, {"collector": "starting"})


def test_the_private_listener_has_health_and_a_json_404_and_no_cors(served: Served) -> None:
    health = served.ask("GET", "/healthz", port=served.private_port)
    events = served.ask("POST", f"/v1/apps/{served.app_id}/events", EMPTY, port=served.private_port)

    assert health.status == 200
    assert (events.status, events.error_type) == (404, "NotFoundException")
    assert events.json["Message"]
    assert health.headers["Access-Control-Allow-Origin"] is events.headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize(
    "target", ["/", "//", "/v1/apps/", "//v1/apps", "/v1", "/V1/apps", "/v1/apps//events", "/%761/apps", "/v1/apps/a/b", '/a"b']
)
def test_a_path_that_is_no_route_is_not_found(served: Served, target: str) -> None:
    answer = served.ask("GET", target)

    assert (answer.status, answer.error_type) == (404, "NotFoundException")


def test_a_chunked_body_is_counted_as_it_is_read(served: Served) -> None:
    head = f"POST /v1/apps/{served.app_id}/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(head)
        for _ in range(4):
            connection.sendall(chunk)
        connection.sendall(b"1\r\nx\r\n")
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"PayloadTooLargeException" in answer


def test_a_chunked_body_that_fits_is_accepted(served: Served) -> None:
    path = f"/v1/apps/{served.app_id}/events"
    headers = served.sign("POST", path, EMPTY)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() not in ("content-length", "host"))
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n{lines}Transfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(head.encode() + b"5\r\n" + EMPTY[:5] + b"\r\n")
        time.sleep(0.05)  # so that the parts arrive apart from each other
        connection.sendall(b"%x\r\n" % len(EMPTY[5:]) + EMPTY[5:] + b"\r\n0\r\n\r\n")
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 202 ")


async def test_more_bytes_than_may_be_worked_on_are_refused_before_they_are_read() -> None:
    statuses: list[int] = []
    read = 0

    async def ask(size: int) -> None:
        async def receive() -> dict[str, Any]:
            nonlocal read
            read += 1
            return {"type": "http.request", "body": bytes(size)}

        async def send(message: dict[str, Any]) -> None:
            if "status" in message:
                statuses.append(message["status"])

        headers = [(b"host", b"a"), (b"content-length", b"%d" % size)]
        await listener({"type": "http", "method": "POST", "raw_path": b"/x", "query_string": b"", "headers": headers}, receive, send)

    async def work(request: Request) -> Answer:
        if len(request.body) == 60:
            await ask(61)
            await ask(40)
        return Answer(200, b"")

    route = Route("POST", "/x", work, unsigned=True)
    listener = Listener([route], verifier=None, clock=SystemClock(), allowed_origins=None, in_flight_limit=100)

    await ask(60)
    await ask(61)

    assert statuses == [500, 200, 200, 200]
    assert read == 3


def test_the_proxys_word_on_the_host_counts_only_if_it_is_trusted(serve: Callable[..., Served]) -> None:
    served = serve(trusted_proxies=["127.0.0.0/8"])
    path = f"/v1/apps/{served.app_id}/events"
    headers = served.sign("POST", path, EMPTY, host="collector.example")
    headers["X-Forwarded-Host"] = "collector.example"

    assert served.ask("POST", path, EMPTY, headers).status == 202


def test_an_untrusted_proxy_is_not_believed(served: Served) -> None:
    path = f"/v1/apps/{served.app_id}/events"
    headers = served.sign("POST", path, EMPTY, host="collector.example")
    headers["X-Forwarded-Host"] = "collector.example"

    assert served.ask("POST", path, EMPTY, headers).status == 403


async def nothing(request: Request) -> Answer:
    return Answer(200, b"")


def test_a_route_without_an_action_does_not_start() -> None:
    with pytest.raises(ValueError, match="must declare the action"):
        Router([Route("GET", "/v1/open", nothing)])


def test_a_route_given_twice_does_not_start() -> None:
    with pytest.raises(ValueError, match="twice"):
        Router([Route("GET", "/a/{x}", nothing, "s:A"), Route("GET", "/a/{y}", nothing, "s:B")])


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "x" * 1_000, "\u202e", "é"])
def test_client_text_in_messages_is_short_and_printable(text: str) -> None:
    shown = printable(text)

    assert len(shown) <= 256
    assert shown.isprintable()


def test_the_edge_imports_none_of_the_heavy_libraries() -> None:
    program = (
        "import sys, headwater.edge, headwater.collect, headwater.endpoint.sqlite, headwater.control.sqlite;"
        "print([m for m in ('pyarrow', 'duckdb', 'pyiceberg', 'pandas', 'pydantic', 'boto3') if m in sys.modules])"
    )

    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert json.loads(printed.replace("'", '"')) == []
