"""What a signature must be: botocore's own, of the same request."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from headwater.control.signer import SERVICE

ACCESS_KEY_ID, SECRET_ACCESS_KEY, REGION, HOST = "AKIAEXAMPLE", "secret", "eu-west-1", "127.0.0.1:8700"


def by_botocore(path: str, body: bytes, headers: Mapping[str, str]) -> str:
    """Return the signature of a POST at the moment that *headers* name."""
    request = AWSRequest("POST", f"http://{HOST}{path}", data=body, headers={"Content-Type": "application/json"})
    request.context["timestamp"] = request.headers["X-Amz-Date"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), SERVICE, REGION)
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))
