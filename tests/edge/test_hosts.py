"""A request says once where it goes, and what needs no signature on the private listener is for this machine's own programs."""

from __future__ import annotations

import re
import socket

import pytest

from headwater.edge.http.hosts import Hosts
from headwater.errors import AccessDenied
from tests.edge.conftest import Served


def ask(port: int, *headers: str, version: str = "1.1", method: str = "GET") -> int:
    """Return the status of `/healthz`."""
    head = "\r\n".join((f"{method} /healthz HTTP/{version}", *headers, "Connection: close", "", ""))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode("latin-1"))
        received = b""
        while data := connection.recv(65_536):
            received += data
    found = re.match(rb"HTTP/1\.1 (\d\d\d) ", received)
    assert found is not None, received
    return int(found[1])


@pytest.fixture(params=["public", "private"])
def port(served: Served, request: pytest.FixtureRequest) -> int:
    return served.port if request.param == "public" else served.private_port


@pytest.mark.parametrize(
    "hosts",
    [[], ["Host:"], ["Host:   "], ["Host: localhost", "Host: localhost"], ["Host: localhost", "host: evil.example"]],
    ids=["none", "empty", "blank", "twice", "two"],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "HEAD"])
def test_a_request_that_does_not_say_once_where_it_goes_is_refused(port: int, hosts: list[str], method: str) -> None:
    assert ask(port, *hosts, method=method) == 400


def test_http_1_0_need_not_say_where_it_goes_but_may_say_it_once(port: int) -> None:
    assert ask(port, version="1.0") == 200
    assert ask(port, "Host: localhost", "Host: localhost", version="1.0") == 400


def test_a_page_of_elsewhere_is_refused_without_a_host_too(served: Served) -> None:
    assert ask(served.private_port, "Origin: https://evil.example", version="1.0") == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:8701", "127.9.9.9", "[::1]:1", "desk.localhost", "localhost."])
def test_this_machine_asks_by_its_own_names(served: Served, host: str) -> None:
    assert ask(served.private_port, f"Host: {host}") == 200


NOT_OURS = [
    "evil.example", "evil.example:8701", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0", "10.0.0.1", "[::]", "[fe80::1]",
    "notlocalhost", "a@localhost@evil.example", "[", "localhost, evil.example", "127.0.0.1/evil",
]  # fmt: skip


@pytest.mark.parametrize("host", NOT_OURS)
def test_whoever_asks_by_another_name_is_refused(served: Served, host: str) -> None:
    assert ask(served.private_port, f"Host: {host}") == 403


@pytest.mark.parametrize("host", NOT_OURS)
def test_the_public_listener_goes_by_any_name(served: Served, host: str) -> None:
    assert ask(served.port, f"Host: {host}") == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8701", 200),
        ("http://LocalHost:8701", 200),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_pages_of_other_origins_are_refused(served: Served, origin: str, status: int) -> None:
    assert ask(served.private_port, "Host: localhost:8701", f"Origin: {origin}") == status


def test_a_name_that_the_settings_know_is_as_good_as_our_own() -> None:
    hosts = Hosts(["Desk.Example"])

    hosts.check({b"host": b"desk.example:8701"})
    with pytest.raises(AccessDenied, match=r"private.hosts; given Host 'other.example'"):
        hosts.check({b"host": b"other.example"})
