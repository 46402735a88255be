"""The published rules of Signature Version 4: botocore signs, we change one thing, and it no longer verifies."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.utils import normalize_url_path

from headwater.clock import ManualClock
from headwater.edge.auth.sigv4 import Verifier, canonical_paths, canonical_query
from headwater.edge.http.request import Header, Request, joined_headers
from headwater.edge.principal import Principal
from headwater.errors import Unauthenticated
from tests.edge.conftest import Served

EMPTY = b'{"BatchItem":{}}'
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime(2026, 11, 23, 3, 6, 22, tzinfo=UTC)
MISMATCH = "The request signature we calculated does not match"


class Lent:
    """One permanent key and one with a session token."""

    def find(self, access_key_id: str, session_token: str | None) -> Principal | None:
        if session_token == "expired":
            raise Unauthenticated("ExpiredTokenException", "The security token included in the request is expired")
        if (access_key_id, session_token) in (("AKIDEXAMPLE", None), ("ASIAEXAMPLE", "token")):
            return Principal("somebody", SECRET, None)
        return None


def sign(
    headers: list[Header],
    *,
    method: str = "POST",
    path: str = "/v1/apps/a/events",
    query: str = "",
    body: bytes = b"{}",
    key: str = "AKIDEXAMPLE",
    date: str = "20261123",
    region: str = "us-east-1",
    service: str = "mobiletargeting",
    stamp: str = "20261123T030622Z",
    secret: str = SECRET,
    signed: list[str] | None = None,
    host: bytes | None = None,
) -> bytes:
    """An independent signer, written from the specification: *path* and *query* are canonical already."""
    names = signed or sorted({name.decode() for name, _ in headers})
    values = {name: b",".join(b" ".join(v.split()) for n, v in headers if n.decode() == name) for name in names}
    if host is not None:
        values["host"] = host
    lines = "".join(f"{name}:{values[name].decode('latin-1')}\n" for name in names)
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{date}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode('latin-1')).hexdigest()}"
    signing_key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        signing_key = hmac.new(signing_key, part.encode(), "sha256").digest()
    signature = hmac.new(signing_key, to_sign.encode(), "sha256").hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}".encode()


def base() -> list[Header]:
    return [(b"host", b"collector.example:8700"), (b"content-type", b"application/json"), (b"x-amz-date", b"20261123T030622Z")]


def verify(
    headers: list[Header],
    authorization: bytes,
    *,
    method: str = "POST",
    raw_path: bytes = b"/v1/apps/a/events",
    query: bytes = b"",
    body: bytes = b"{}",
    at: datetime = NOW,
    forwarded: bytes | None = None,
    extra: list[Header] | None = None,
) -> Principal:
    verifier = Verifier(Lent(), region="us-east-1", clock=ManualClock(int(at.timestamp() * 1000)))
    values, repeated = joined_headers([*headers, (b"authorization", authorization), *(extra or [])])
    return verifier.verify(Request(method, raw_path, query, values, body, "r", (), repeated), "mobiletargeting", forwarded)


def refused(*arguments: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(Unauthenticated) as caught:
        verify(*arguments, **options)
    return caught.value.code, str(caught.value)


def test_a_signature_made_by_the_specification_verifies() -> None:
    principal = verify(base(), sign(base()))

    assert principal.name == "somebody"


def test_a_verified_claim_is_remembered_and_still_checked_each_time() -> None:
    verifier = Verifier(Lent(), region="us-east-1", clock=ManualClock(int(NOW.timestamp() * 1000)))
    authorization = sign(base())
    values, repeated = joined_headers([*base(), (b"authorization", authorization)])
    unsigned = {**values, b"x-amz-extra": b"1"}

    def ask(headers: dict[bytes, bytes], body: bytes) -> Principal:
        return verifier.verify(Request("POST", b"/v1/apps/a/events", b"", headers, body, "r", (), repeated), "mobiletargeting")

    for _ in range(3):
        assert ask(values, b"{}").name == "somebody"
        for headers, body in ((values, b"{ }"), (unsigned, b"{}")):
            with pytest.raises(Unauthenticated):
                ask(headers, body)


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{ }"},
        {"method": "PUT"},
        {"raw_path": b"/v1/apps/b/events"},
        {"query": b"a=b"},
    ],
)
def test_changing_what_was_signed_is_noticed(change: dict[str, Any]) -> None:
    code, message = refused(base(), sign(base()), **change)

    assert code == "InvalidSignatureException"
    assert message.startswith(MISMATCH)


@pytest.mark.parametrize("changed", [(b"content-type", b"text/plain"), (b"host", b"evil.example")])
def test_changing_a_signed_header_is_noticed(changed: Header) -> None:
    headers = [changed if name == changed[0] else (name, value) for name, value in base()]

    assert refused(headers, sign(base()))[0] == "InvalidSignatureException"


def test_a_wrong_secret_is_noticed() -> None:
    assert refused(base(), sign(base(), secret="x" * 40))[0] == "InvalidSignatureException"


@pytest.mark.parametrize("host", [b"pinpoint.us-east-1.amazonaws.com", b"proxied.example"])
def test_a_redirected_client_may_have_signed_another_host(host: bytes) -> None:
    authorization = sign(base(), host=host)

    assert verify(base(), authorization, forwarded=b"proxied.example").name == "somebody"


def test_a_forwarded_host_nobody_vouched_for_does_not_count() -> None:
    headers = [*base(), (b"x-forwarded-host", b"proxied.example")]

    assert refused(headers, sign(base(), host=b"proxied.example"))[1].startswith(MISMATCH)


def test_no_authorization_is_a_missing_token() -> None:
    verifier = Verifier(Lent(), region="us-east-1", clock=ManualClock())

    with pytest.raises(Unauthenticated, match=r"^Missing Authentication Token$") as caught:
        verifier.verify(Request("POST", b"/", b"", dict(base()), b"", "r"), "mobiletargeting")

    assert caught.value.code == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("authorization", "says"),
    [
        (b"Bearer x", "Unsupported AWS 'algorithm'"),
        (b"AWS4-HMAC-SHA256 SignedHeaders=host, Signature=" + b"0" * 64, "Authorization header requires 'Credential' parameter."),
        (
            b"AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request",
            "requires 'Signature' parameter. Authorization header requires 'SignedHeaders'",
        ),
        (b"AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, Credential=x, SignedHeaders=host, Signature=0", "each once"),
        (b"AWS4-HMAC-SHA256 Credential=a/b/c/aws4_request, SignedHeaders=host, Signature=0", "exactly 5"),
        (b"AWS4-HMAC-SHA256 Credential=a/b/c/d/e/aws4_request, SignedHeaders=host, Signature=0", "exactly 5"),
        (b"AWS4-HMAC-SHA256 Credential=a/b/c/d/aws5_request, SignedHeaders=host, Signature=0", "exactly 5"),
    ],
)
def test_an_authorization_that_lacks_parts_is_incomplete(authorization: bytes, says: str) -> None:
    code, message = refused(base(), authorization)

    assert code == "IncompleteSignatureException"
    assert says in message


def test_two_authorizations_are_refused() -> None:
    authorization = sign(base())

    assert refused(base(), authorization, extra=[(b"authorization", authorization)])[0] == "IncompleteSignatureException"


def test_header_and_query_both_signed_are_refused() -> None:
    code, message = refused(base(), sign(base()), query=b"X-Amz-Algorithm=AWS4-HMAC-SHA256")

    assert code == "InvalidSignatureException"
    assert message == "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."


@pytest.mark.parametrize("layout", [b",", b" ,  ", b",\t"])
def test_parts_may_be_separated_by_commas_and_any_spaces_in_any_order(layout: bytes) -> None:
    front, *parts = sign(base()).replace(b",", b"").split(b" ")

    authorization = front + b" " + layout.join(reversed(parts))

    assert verify(base(), authorization).name == "somebody"


def test_a_key_nobody_knows_is_an_invalid_token_whatever_else_is_wrong() -> None:
    code, message = refused([*base(), (b"x-amz-unsigned", b"1")], sign(base(), key="AKIDUNKNOWN", region="mars"), body=b"other")

    assert (code, message) == ("UnrecognizedClientException", "The security token included in the request is invalid.")


@pytest.mark.parametrize(("key", "token"), [("AKIDEXAMPLE", b"token"), ("ASIAEXAMPLE", b"other"), ("ASIAEXAMPLE", None)])
def test_a_token_must_belong_to_its_key(key: str, token: bytes | None) -> None:
    headers = base() + ([(b"x-amz-security-token", token)] if token else [])

    assert refused(headers, sign(headers, key=key))[0] == "UnrecognizedClientException"


def test_a_session_token_is_handed_to_the_credentials() -> None:
    headers = [*base(), (b"x-amz-security-token", b" token ")]

    assert verify(headers, sign(headers, key="ASIAEXAMPLE")).name == "somebody"


def test_an_expired_token_says_so() -> None:
    headers = [*base(), (b"x-amz-security-token", b"expired")]

    assert refused(headers, sign(headers))[0] == "ExpiredTokenException"


def test_a_token_added_after_signing_is_refused() -> None:
    headers = [*base(), (b"x-amz-security-token", b"token")]

    assert refused(headers, sign(base(), key="ASIAEXAMPLE"))[0] == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "eu-west-1"}, "Credential should be scoped to a valid region: 'us-east-1', given 'eu-west-1'."),
        ({"service": "kinesis"}, "Credential should be scoped to correct service: 'mobiletargeting', given 'kinesis'."),
        (
            {"region": "x", "service": "y"},
            (
                "Credential should be scoped to a valid region: 'us-east-1', given 'x'."
                " Credential should be scoped to correct service: 'mobiletargeting', given 'y'."
            ),
        ),
    ],
)
def test_a_wrong_scope_says_what_it_should_be(options: dict[str, str], message: str) -> None:
    assert refused(base(), sign(base(), **options)) == ("InvalidSignatureException", message)


def test_a_date_that_differs_from_the_scope_is_refused() -> None:
    assert "Date in Credential scope" in refused(base(), sign(base(), date="20261122"))[1]


def test_a_signature_expires_after_five_minutes() -> None:
    fits = verify(base(), sign(base()), at=NOW + timedelta(minutes=5))
    code, message = refused(base(), sign(base()), at=NOW + timedelta(minutes=5, seconds=1))

    assert fits.name == "somebody"
    assert code == "InvalidSignatureException"
    assert message == "Signature expired: 20261123T030622Z is now earlier than 20261123T030623Z (20261123T031123Z - 5 min.)"


def test_a_signature_from_the_future_is_not_yet_current() -> None:
    fits = verify(base(), sign(base()), at=NOW - timedelta(minutes=5))
    _, message = refused(base(), sign(base()), at=NOW - timedelta(minutes=5, seconds=1))

    assert fits.name == "somebody"
    assert message == "Signature not yet current: 20261123T030622Z is still later than 20261123T030621Z (20261123T030121Z + 5 min.)"


@pytest.mark.parametrize("stamp", ["20261123", "2026-11-23T03:06:22Z", "20261123T030622", "20261399T030622Z", ""])
def test_a_date_nobody_can_read_is_refused(stamp: str) -> None:
    headers = [(name, stamp.encode() if name == b"x-amz-date" else value) for name, value in base()]

    assert refused(headers, sign(headers, stamp=stamp))[0] in ("IncompleteSignatureException", "InvalidSignatureException")


@pytest.mark.parametrize("value", [b"20261123T030622Z", b"Mon, 23 Nov 2026 03:06:22 GMT"])
def test_a_date_header_does_where_there_is_no_x_amz_date(value: bytes) -> None:
    headers = [*base()[:2], (b"date", value)]

    assert verify(headers, sign(headers)).name == "somebody"


def test_every_x_amz_header_must_be_signed() -> None:
    _, message = refused([*base(), (b"x-amz-target", b"x")], sign(base()))

    assert message == "There were headers present in the request which were not signed: x-amz-target"


@pytest.mark.parametrize(
    "signed",
    [
        ["content-type", "x-amz-date"],
        ["host", "content-type", "x-amz-date"],
        ["content-type", "host", "host", "x-amz-date"],
        ["Host", "x-amz-date"],
    ],
)
def test_signed_headers_are_sorted_lower_case_unique_and_have_the_host(signed: list[str]) -> None:
    authorization = sign(base()).replace(b"SignedHeaders=content-type;host;x-amz-date", b"SignedHeaders=" + ";".join(signed).encode())

    assert "SignedHeaders must be" in refused(base(), authorization)[1]


def test_a_signed_header_must_be_there() -> None:
    headers = [header for header in base() if header[0] != b"content-type"]

    assert "does not have" in refused(headers, sign(base()))[1]


def test_header_values_are_trimmed_folded_and_joined() -> None:
    sent = [*base(), (b"x-amz-meta", b"  a   b  "), (b"x-amz-meta", b"c")]

    assert verify(sent, sign(sent)).name == "somebody"


@pytest.mark.parametrize("name", [b"host", b"x-amz-date", b"x-amz-security-token"])
def test_headers_a_signature_hangs_on_must_not_be_repeated(name: bytes) -> None:
    headers = [*base(), (b"x-amz-security-token", b"token")]
    sent = [*headers, *[header for header in headers if header[0] == name]]

    assert "once" in refused(sent, sign(sent, key="ASIAEXAMPLE"))[1]


@pytest.mark.parametrize("declared", [b"UNSIGNED-PAYLOAD", b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", b"0" * 64, b""])
def test_a_declared_hash_that_is_not_the_bodys_is_refused(declared: bytes) -> None:
    headers = [*base(), (b"x-amz-content-sha256", declared)]

    assert refused(headers, sign(headers))[0] == "InvalidSignatureException"


def test_a_declared_hash_that_is_the_bodys_verifies() -> None:
    headers = [*base(), (b"x-amz-content-sha256", hashlib.sha256(b"{}").hexdigest().encode())]

    assert verify(headers, sign(headers)).name == "somebody"


@pytest.mark.parametrize(
    ("raw", "signed"),
    [
        (b"/v1/apps/a/endpoints/boto%3A1%2F%C3%A9%20x", "/v1/apps/a/endpoints/boto%253A1%252F%25C3%25A9%2520x"),
        (b"/a!'()*b", "/a!'()*b"),
        (b"/a!'()*b", "/a%21%27%28%29%2Ab"),
        (b"/a/../b", "/b"),
        (b"/a/./b//c", "/a/b/c"),
        (b"/..", "/"),
        (b"/.", "/"),
        (b"/a/.", "/a"),
        (b"/a/b/..", "/a"),
        (b"/a/b/../", "/a/"),
        (b"/a/./", "/a/"),
        (b"/a/b/", "/a/b/"),
        (b"/~._-", "/~._-"),
    ],
)
def test_a_path_verifies_in_the_forms_clients_sign(raw: bytes, signed: str) -> None:
    assert verify(base(), sign(base(), path=signed), raw_path=raw).name == "somebody"
    assert signed.encode() in canonical_paths(raw)


@pytest.mark.parametrize("path", ["/.", "/..", "/./", "/a/.", "/a/..", "/a/b/..", "/a/b/../", "/a//b/.", "/a/../..", "//", "/a/.../b/"])
def test_a_path_with_dots_is_what_botocore_signs(path: str) -> None:
    assert canonical_paths(path.encode()) == (normalize_url_path(path).encode(),)


def test_a_decoded_path_does_not_verify() -> None:
    assert refused(base(), sign(base(), path="/a%2Fb"), raw_path=b"/a/b")[1].startswith(MISMATCH)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"b=2&a=1", b"a=1&b=2"),
        (b"a=2&a=1", b"a=1&a=2"),
        (b"bare", b"bare="),
        (b"a=%7E%2f+x", b"a=~%2F%2Bx"),
        (b"a=b=c", b"a=b%3Dc"),
        (b"&&a=1&", b"a=1"),
        ("é=ü".encode(), b"%C3%A9=%C3%BC"),
    ],
)
def test_a_query_is_sorted_and_encoded_once(raw: bytes, canonical: bytes) -> None:
    assert canonical_query(raw) == canonical
    assert verify(base(), sign(base(), query=canonical.decode()), query=raw).name == "somebody"


def test_nothing_a_verifier_says_repeats_a_secret() -> None:
    principal = verify(base(), sign(base()))

    assert SECRET not in repr(principal)
    assert SECRET not in "".join(refused(base(), sign(base()), body=b"x"))


Mutation = Callable[[dict[str, str]], None]


@pytest.mark.parametrize(
    ("mutate", "status", "error"),
    [
        (lambda headers: None, 202, None),
        (lambda headers: headers.pop("Authorization"), 403, "MissingAuthenticationTokenException"),
        (lambda headers: headers.update({"X-Amz-Extra": "1"}), 403, "InvalidSignatureException"),
        (lambda headers: headers.update({"Authorization": headers["Authorization"][:-1] + "g"}), 403, "InvalidSignatureException"),
        (lambda headers: headers.update({"X-Amz-Date": "20200101T000000Z"}), 403, "InvalidSignatureException"),
        (lambda headers: headers.update({"Host": "elsewhere.example"}), 403, "InvalidSignatureException"),
    ],
)
def test_what_botocore_signs_verifies_until_it_is_changed(served: Served, mutate: Mutation, status: int, error: str | None) -> None:
    path = f"/v1/apps/{served.app_id}/events"
    headers = served.sign("POST", path, EMPTY, headers={"Content-Type": "application/json"})
    mutate(headers)

    answer = served.ask("POST", path, EMPTY, headers)

    assert (answer.status, answer.error_type) == (status, error)


def test_a_redirected_amplify_app_verifies_over_the_wire(served: Served) -> None:
    path = f"/v1/apps/{served.app_id}/events"
    headers = served.sign("POST", path, EMPTY, host="pinpoint.us-east-1.amazonaws.com")
    headers.pop("host", None)

    assert served.ask("POST", path, EMPTY, headers).status == 202
