"""Signs requests with a key as AWS clients do (Signature Version 4): what our own callers send, and what measures the verifier."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

SERVICE = "mobiletargeting"
SIGNED_HEADERS = "content-type;host;x-amz-date"


class Signer(NamedTuple):
    """Signs POSTs of JSON to *host* (as the client names it, with its port unless it is the scheme's own), for *service* in *region*."""

    access_key_id: str
    secret_access_key: str
    region: str
    host: str
    service: str = SERVICE

    def headers(self, path: str, body: bytes, moment: datetime | None = None) -> dict[str, str]:
        """Return the headers that a POST of *body* needs beside its length, signed as at *moment* (None: now).

        *path* is the path as it goes over the wire, percent-encoded and without a query.
        """
        stamp = (moment or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"
        signed = f"content-type:application/json\nhost:{self.host}\nx-amz-date:{stamp}\n"
        # All services but S3 sign the path encoded once more.
        canonical = f"POST\n{quote(path, safe='/-_.~')}\n\n{signed}\n{SIGNED_HEADERS}\n{hashlib.sha256(body).hexdigest()}"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (*scope.split("/"), to_sign):
            key = hmac.digest(key, part.encode(), "sha256")
        credential = f"Credential={self.access_key_id}/{scope}"
        return {
            "Host": self.host,
            "Content-Type": "application/json",
            "X-Amz-Date": stamp,
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={SIGNED_HEADERS}, Signature={key.hex()}",
        }

    def __repr__(self) -> str:  # a secret must not reach a log
        return f"Signer(access_key_id={self.access_key_id!r}, region={self.region!r}, host={self.host!r})"
