"""How the collector serves the browser clients."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.clock import SystemClock
from headwater.edge.client_files import ClientFiles
from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.protocol import Listener
from headwater.errors import NotFound
from tests.clients.conftest import SERVED


async def ask(name: str, *, query: bytes = b"", **headers: bytes) -> Answer:
    route, _ = ClientFiles().routes()
    sent = {key.replace("_", "-").encode(): value for key, value in headers.items()}
    return await route.operation(Request("GET", b"/client/" + name.encode(), query, sent, b"", "1", (name.encode(),)))


@pytest.mark.parametrize("name", sorted(path.name for path in SERVED.iterdir()))
async def test_each_file_is_served_as_it_was_built(name: str) -> None:
    answer = await ask(name)

    headers = dict(answer.headers)
    assert (answer.status, answer.body) == (200, (SERVED / name).read_bytes())
    assert answer.content_type == b"text/javascript; charset=utf-8"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"cross-origin-resource-policy"] == b"cross-origin"
    assert headers.get(b"service-worker-allowed") == (b"/" if name == "headwater-sw.js" else None)


def test_the_files_have_the_names_that_pages_carry() -> None:
    names = ClientFiles().names

    assert names == ["headwater-redirect.js", "headwater-sw.js", "headwater.iife.js", "headwater.js"]


@pytest.mark.parametrize("asked", ["{}", "W/{}", '"other", {}', "*"])
async def test_a_client_that_has_the_file_is_told_so(asked: str) -> None:
    tag = dict((await ask("headwater.js")).headers)[b"etag"]

    answer = await ask("headwater.js", if_none_match=asked.format(tag.decode()).encode())

    assert (answer.status, answer.body) == (304, b"")
    assert dict(answer.headers)[b"etag"] == tag


async def test_a_client_that_has_another_version_gets_the_file() -> None:
    answer = await ask("headwater.js", if_none_match=b'"other"')

    assert answer.status == 200


async def test_an_address_that_names_the_content_may_be_kept_for_ever() -> None:
    digest = ClientFiles()["headwater.js"].digest.encode()

    named, other = await ask("headwater.js", query=b"v=" + digest), await ask("headwater.js", query=b"v=0")

    assert b"immutable" in dict(named.headers)[b"cache-control"]
    assert dict(other.headers)[b"cache-control"].startswith(b"public, max-age=600")


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fclient_files.py", "%2Fetc%2Fpasswd", "headwater.js%00"])
async def test_other_names_are_not_found(name: str) -> None:
    with pytest.raises(NotFound, match=r"headwater-redirect\.js"):
        await ask(name)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_pages_of_every_origin_may_load_them_without_a_signature(method: str) -> None:
    listener = Listener(ClientFiles().routes(), verifier=None, clock=SystemClock(), allowed_origins=["*"])
    path = b"/client/headwater.js"
    scope = {
        "type": "http",
        "method": method,
        "path": path.decode(),
        "raw_path": path,
        "query_string": b"",
        "headers": [(b"host", b"a"), (b"origin", b"https://a")],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await listener(scope, receive, send)

    assert sent[0]["status"] == 200
    headers = [(name, value) for name, value in sent[0]["headers"] if name == b"access-control-allow-origin"]
    assert headers == [(b"access-control-allow-origin", b"*")]
