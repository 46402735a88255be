"""Amplify v5's last words when a page is left: signed in the query string, since a beacon has no headers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.edge.conftest import DECLARED, REGION, Answer
from tests.edge.identities import Open

BODY = (
    b'{"BatchItem":{"5a424b25":{"Endpoint":{},"Events":{"b1":'
    b'{"EventType":"_session.stop","Timestamp":"2026-11-23T03:06:22.544Z","Attributes":{},"Metrics":{}}}}}}'
)
LEGACY = f"/v1/apps/{DECLARED.app_id}/events/legacy"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    made = Open(tmp_path_factory.mktemp("beacon"))
    yield made
    made.stop()


def signed_query(
    lent: dict[str, Any], path: str = LEGACY, body: bytes = BODY, *, ago: timedelta = timedelta(), signed: str = "host", **more: str
) -> str:
    """Sign as Amplify v5's Signer.signUrl does."""
    moment = datetime.now(UTC) - ago
    stamp, host = moment.strftime("%Y%m%dT%H%M%SZ"), f"pinpoint.{REGION}.amazonaws.com"
    scope = f"{stamp[:8]}/{REGION}/mobiletargeting/aws4_request"
    parts = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{lent['AccessKeyId']}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Security-Token": lent["SessionToken"],
        "X-Amz-SignedHeaders": signed,
        **more,
    }
    query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(parts.items()))
    text = f"POST\n{path}\n{query}\nhost:{host}\n\n{signed}\n{hashlib.sha256(body).hexdigest()}"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(text.encode()).hexdigest()}"
    key = f"AWS4{lent['SecretKey']}".encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return f"{path}?{query}&X-Amz-Signature={key.hex()}"


def send(served: Open, target: str, body: bytes = BODY, **headers: str) -> Answer:
    return served.ask("POST", target, body, {"Content-Type": "text/plain;charset=UTF-8", **headers})


def test_a_beacon_of_a_guest_arrives(served: Open) -> None:
    identity_id, lent = served.borrow()

    answer = send(served, signed_query(lent))

    assert answer.status == 202
    record = served.records()[-1]
    assert (record["event_type"], record["client"]["cognito_id"]) == ("_session.stop", identity_id)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ago": timedelta(minutes=6)}, "Signature expired"),
        ({"ago": timedelta(minutes=-6)}, "Signature not yet current"),
        ({"X-Amz-Expires": "300"}, "X-Amz-Expires"),
        ({"signed": "host;x-amz-date"}, "does not match"),
        ({"body": BODY + b" "}, "does not match"),
        ({"path": LEGACY + "/x"}, "no operation"),
    ],
)
def test_a_beacon_that_is_old_or_signed_for_something_else_is_refused(served: Open, options: dict[str, Any], says: str) -> None:
    _, lent = served.borrow()

    answer = send(served, signed_query(lent, **options))

    assert answer.status in (403, 404)
    assert says in answer.json["Message"]


def test_only_the_beacons_own_route_takes_a_signature_in_the_query(served: Open) -> None:
    _, lent = served.borrow()

    answer = send(served, signed_query(lent, f"/v1/apps/{DECLARED.app_id}/events"))

    assert (answer.status, answer.error_type) == (403, "MissingAuthenticationTokenException")


def test_a_beacon_that_is_also_signed_in_a_header_is_refused(served: Open) -> None:
    _, lent = served.borrow()
    headers = served.sign("POST", LEGACY, BODY)

    answer = send(served, signed_query(lent), Authorization=headers["Authorization"])

    assert answer.json["Message"].startswith("Found both")


@pytest.mark.parametrize("missing", ["X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token"])
def test_a_beacon_without_one_of_its_parts_is_refused(served: Open, missing: str) -> None:
    _, lent = served.borrow()
    path, _, query = signed_query(lent).partition("?")

    answer = send(served, f"{path}?{'&'.join(part for part in query.split('&') if not part.startswith(missing))}")

    assert answer.error_type in ("IncompleteSignatureException", "UnrecognizedClientException")


def test_no_part_may_come_twice_or_under_another_spelling(served: Open) -> None:
    _, lent = served.borrow()
    target = signed_query(lent)

    answers = [send(served, target + "&X-Amz-Date=20200101T000000Z"), send(served, target.replace("X-Amz-Signature", "X%2DAmz-Signature"))]

    assert [answer.error_type for answer in answers] == ["InvalidSignatureException"] * 2


def test_a_key_may_sign_that_route_with_a_header_too(served: Open) -> None:
    assert served.signed("POST", LEGACY, BODY, key="send").status == 202


PARTS = ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Credential=AKIA", "X-Amz-Signature=0", "X-Amz-SignedHeaders=host", "X-Amz-Date=x"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("path", [LEGACY, f"/v1/apps/{DECLARED.app_id}/events", "/v1/apps"])
def test_a_fragment_of_a_query_signature_is_told_what_else_belongs_to_it(served: Open, path: str, part: str) -> None:
    answer = send(served, f"{path}?a=1&{part}")

    missing = [other.partition("=")[0] for other in PARTS if other != part]
    said = " ".join(f"AWS query-string parameters must include '{name}'." for name in missing)
    assert answer.error_type == "IncompleteSignatureException"
    assert answer.json["Message"] == f"{said} Re-examine the query-string parameters."
