"""Certificates for 127.0.0.1, and sockets that trust them."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from tests.certificates import Authority, Pair

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pair(authority: Authority, tmp_path: Path) -> Pair:
    return authority.issue(tmp_path / "tls", "127.0.0.1", "localhost")


def client_context(authority: Authority, **versions: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.root))
    for name, version in versions.items():
        setattr(context, name, version)
    return context


def connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 60), server_hostname="127.0.0.1")


def serial(port: int, authority: Authority) -> str:
    with connect(port, client_context(authority)) as client:
        return str((client.getpeercert() or {})["serialNumber"])


def received(client: socket.socket) -> bytes:
    """Return all that comes until the other side closes; a TimeoutError if it does not."""
    parts = []
    try:
        while part := client.recv(65_536):
            parts.append(part)
    except ConnectionError:
        pass  # closed, with bytes of ours unread
    return b"".join(parts)


def answer(client: socket.socket) -> bytes:
    """Return the body of the next answer."""
    with client.makefile("rb") as file:
        while (line := file.readline()) not in (b"\r\n", b""):
            if line.startswith(b"content-length: "):
                length = int(line[16:])
        return file.read(length)
