"""The classic flow with boto3: a token, a role for it, and who a caller is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError

from tests.edge.conftest import ACCOUNT, DECLARED
from tests.edge.identities import POOL_ID, Open
from tests.identity.conftest import ROLES

GUEST, USER = ROLES["unauthenticated"], ROLES["authenticated"]
EVENTS = {"BatchItem": {"e1": {"Endpoint": {}, "Events": {"1": {"EventType": "SignUpEvent", "Timestamp": "2026-11-23T03:06:22.544Z"}}}}}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    made = Open(tmp_path_factory.mktemp("sts"))
    yield made
    made.stop()


def assume(served: Open, token: str, role: str = GUEST, **more: Any) -> dict[str, Any]:
    asked = {"RoleArn": role, "RoleSessionName": "web", "WebIdentityToken": token, **more}
    return dict(served.boto("sts").assume_role_with_web_identity(**asked))


def open_id_token(served: Open, **logins: Any) -> tuple[str, str]:
    cognito = served.boto("cognito-identity")
    identity_id = cognito.get_id(IdentityPoolId=POOL_ID, **logins)["IdentityId"]
    answer = cognito.get_open_id_token(IdentityId=identity_id, **logins)
    return answer["IdentityId"], answer["Token"]


def refusal(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    response: Any = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_a_guest_of_the_classic_flow_sends_an_event(served: Open) -> None:
    identity_id, token = open_id_token(served)

    answer = assume(served, token)
    served.boto("pinpoint", lent=answer["Credentials"]).put_events(ApplicationId=DECLARED.app_id, EventsRequest=EVENTS)

    assert served.records()[-1]["client"]["cognito_id"] == identity_id
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"]) == (identity_id, POOL_ID)
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/guest/web"
    assert answer["Provider"] == "cognito-identity.amazonaws.com"
    assert abs(answer["Credentials"]["Expiration"] - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)


def test_a_signed_in_user_gets_the_users_role_and_no_guest_does(served: Open) -> None:
    _, token = open_id_token(served, Logins=served.logins("ada"))
    _, guest_token = open_id_token(served)

    answer = assume(served, token, USER, DurationSeconds=900)

    assert abs(answer["Credentials"]["Expiration"] - datetime.now(UTC) - timedelta(minutes=15)) < timedelta(minutes=1)
    for role, held in ((USER, guest_token), (GUEST, token), ("arn:aws:iam::000000000000:role/admin", token)):
        refused = refusal(lambda role=role, held=held: assume(served, held, role))
        assert refused == (403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")


@pytest.mark.parametrize("token", ["x.y.z", "eyJhbGciOiJub25lIn0.e30.", "not a token"])
def test_a_token_that_is_not_ours_is_refused(served: Open, token: str) -> None:
    assert refusal(lambda: assume(served, token))[:2] == (400, "InvalidIdentityToken")


def test_an_issuers_own_token_is_not_for_sts(served: Open) -> None:
    assert refusal(lambda: assume(served, served.token()))[:2] == (400, "InvalidIdentityToken")


@pytest.mark.parametrize(
    "more", [{"Policy": "{}"}, {"PolicyArns": [{"arn": "a" * 20}]}, {"RoleSessionName": "a b"}]
)  # fmt: skip
def test_what_would_not_be_applied_is_refused(served: Open, more: dict[str, Any]) -> None:
    _, token = open_id_token(served)

    with pytest.raises(ClientError) as refused:
        assume(served, token, **more)

    assert refused.value.response["Error"]["Code"] == "ValidationError"  # type: ignore[typeddict-item]


@pytest.mark.parametrize("seconds", ["899", "43201", "1e3", "-900", "٩٠٠", ""])
def test_a_duration_out_of_bounds_is_refused(served: Open, seconds: str) -> None:
    _, token = open_id_token(served)
    asked = {"Action": "AssumeRoleWithWebIdentity", "RoleArn": GUEST, "RoleSessionName": "web", "WebIdentityToken": token}

    answer = served.ask("POST", "/", urlencode({**asked, "DurationSeconds": seconds}).encode(), FORM)

    assert answer.status == 400
    assert b"DurationSeconds is a number from 900 to 43200" in answer.body


def test_everybody_who_signs_may_ask_who_they_are(served: Open) -> None:
    _, lent = served.borrow()
    _, user = served.borrow("grace")
    classic = assume(served, open_id_token(served)[1])["Credentials"]

    said = [served.boto("sts", lent=given).get_caller_identity() for given in (lent, user, classic)]
    key = served.boto("sts", "query").get_caller_identity()

    role = f"arn:aws:sts::{ACCOUNT}:assumed-role/"
    assert [answer["Arn"] for answer in said] == [
        f"{role}guest/CognitoIdentityCredentials",
        f"{role}user/CognitoIdentityCredentials",
        f"{role}guest/web",
    ]
    assert key["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/query"
    assert {answer["Account"] for answer in (*said, key)} == {ACCOUNT}
    assert said[0]["UserId"].endswith(":CognitoIdentityCredentials")


def test_a_stranger_is_not_told_who_they_are(served: Open) -> None:
    assert refusal(lambda: served.boto("sts").get_caller_identity())[:2] == (403, "InvalidClientTokenId")


def test_answers_are_xml_in_the_name_space_of_sts(served: Open) -> None:
    body = urlencode({"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": GUEST}).encode()

    answer = served.ask("POST", "/", body, FORM)

    root = ElementTree.fromstring(answer.body)
    space = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/"}
    assert (answer.status, answer.headers["content-type"]) == (400, "text/xml")
    assert root.findtext("sts:Error/sts:Code", None, space) == "ValidationError"
    assert root.findtext("sts:Error/sts:Message", None, space) == "RoleSessionName is required"
    assert root.findtext("sts:RequestId", None, space) == answer.headers["x-amzn-requestid"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"Action=AssumeRole&Version=2011-06-15", 400, "InvalidAction"),
        (b"Version=2011-06-15", 400, "InvalidAction"),
        (b"Action=a%3Cb%3E&Version=1", 400, "InvalidAction"),
        (b"Action=GetCallerIdentity&Action=GetCallerIdentity", 400, "ValidationError"),
        (b"&&&", 400, "ValidationError"),
        (b"Action=%FF", 400, "ValidationError"),
        (b"", 400, "InvalidAction"),
        (b"&".join(b"p%d=1" % n for n in range(100)), 400, "ValidationError"),
        (b"Action=GetCallerIdentity&Version=2011-06-15", 403, "MissingAuthenticationToken"),
    ],
)
def test_a_form_that_is_no_request_is_refused_in_xml(served: Open, body: bytes, status: int, code: str) -> None:
    answer = served.ask("POST", "/", body, FORM)

    assert (answer.status, ElementTree.fromstring(answer.body).findtext(".//{*}Code")) == (status, code)
