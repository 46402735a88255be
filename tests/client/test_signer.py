from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from headwater.control.signer import SERVICE, Signer


@pytest.mark.parametrize("path", ["/v1/apps/0123456789abcdef0123456789abcdef/events", "/edge%20one/v1/apps/%C3%A9/events"])
def test_a_signature_is_the_one_that_botocore_makes(path: str) -> None:
    body = '{"BatchItem":{"é":1}}'.encode()

    headers = Signer("AKIAEXAMPLE", "secret", "eu-west-1", "127.0.0.1:8700").headers(path, body)

    request = AWSRequest("POST", f"http://127.0.0.1:8700{path}", data=body, headers={"Content-Type": "application/json"})
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials("AKIAEXAMPLE", "secret"), SERVICE, "eu-west-1")
    request.headers["X-Amz-Date"] = headers["X-Amz-Date"]
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert headers["Authorization"].endswith(f"Signature={signature}")


def test_a_secret_does_not_show() -> None:
    assert "hush" not in repr(Signer("AKIAEXAMPLE", "hush", "eu-west-1", "localhost"))
