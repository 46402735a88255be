"""Signs requests as AWS clients do (Signature Version 4), before the clock runs."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import NamedTuple

SERVICE = "mobiletargeting"
SIGNED_HEADERS = "content-type;host;x-amz-date"


class Signer(NamedTuple):
    """Signs POSTs of JSON to *host* (as the client names it, with its port), for Pinpoint in *region*."""

    access_key_id: str
    secret_access_key: str
    region: str
    host: str

    def headers(self, path: str, body: bytes) -> dict[str, str]:
        """Return the headers that a POST of *body*, signed now, needs beside its length. *path* needs no escaping."""
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/{self.region}/{SERVICE}/aws4_request"
        signed = f"content-type:application/json\nhost:{self.host}\nx-amz-date:{moment}\n"
        canonical = f"POST\n{path}\n\n{signed}\n{SIGNED_HEADERS}\n{hashlib.sha256(body).hexdigest()}"
        to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (*scope.split("/"), to_sign):
            key = hmac.digest(key, part.encode(), "sha256")
        credential = f"Credential={self.access_key_id}/{scope}"
        return {
            "Host": self.host,
            "Content-Type": "application/json",
            "X-Amz-Date": moment,
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={SIGNED_HEADERS}, Signature={key.hex()}",
        }

    def request(self, path: str, body: bytes) -> bytes:
        """Return the whole HTTP/1.1 request, signed now, for a connection that is kept alive."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers(path, body).items())
        return f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
