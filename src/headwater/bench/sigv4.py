"""Whole signed requests, made before the clock runs."""

from __future__ import annotations

from headwater.control import signer

SERVICE = signer.SERVICE


class Signer(signer.Signer):
    """Signs as every caller of ours does, and writes the request out."""

    def request(self, path: str, body: bytes) -> bytes:
        """Return the whole HTTP/1.1 request, signed now, for a connection that is kept alive."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers(path, body).items())
        return f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
