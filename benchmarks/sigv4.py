"""Whole requests, signed or not, made before the clock runs."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from headwater.control import signer

SERVICE = signer.SERVICE


class Signer(signer.Signer):
    """Signs as every caller of ours does, and writes the request out."""

    def request(self, path: str, body: bytes) -> bytes:
        """Return the whole HTTP/1.1 request, signed now, for a connection that is kept alive."""
        return _request(path, self.headers(path, body), body)


class Keyed:
    """Writes requests that nobody signs: they carry the app's write key, as the user of Basic authorization."""

    def __init__(self, write_key: str, host: str) -> None:
        self._headers = {"Host": host, "Authorization": f"Basic {base64.b64encode(f'{write_key}:'.encode()).decode()}"}

    def request(self, path: str, body: bytes) -> bytes:
        """Return the whole HTTP/1.1 request."""
        return _request(path, self._headers, body)


def _request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
