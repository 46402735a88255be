from __future__ import annotations

import pytest

from headwater.control.signer import Signer
from tests.signatures import ACCESS_KEY_ID, HOST, REGION, SECRET_ACCESS_KEY, by_botocore


@pytest.mark.parametrize("path", ["/v1/apps/0123456789abcdef0123456789abcdef/events", "/edge%20one/v1/apps/%C3%A9/events"])
def test_a_signature_is_the_one_that_botocore_makes(path: str) -> None:
    body = '{"BatchItem":{"é":1}}'.encode()

    headers = Signer(ACCESS_KEY_ID, SECRET_ACCESS_KEY, REGION, HOST).headers(path, body)

    assert headers["Authorization"].endswith(f"Signature={by_botocore(path, body, headers)}")


def test_a_secret_does_not_show() -> None:
    assert "hush" not in repr(Signer("AKIAEXAMPLE", "hush", "eu-west-1", "localhost"))
