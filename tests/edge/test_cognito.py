"""Cognito Identity over the wire: boto3, and the bytes that Amplify sends."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.edge.conftest import DECLARED
from tests.edge.identities import POOL_ID, WRITE_KEY, Open
from tests.identity.conftest import CLIENT, PROVIDER, ROLES

ADOPTED = "us-east-1:c5b03c5f-41c7-5fd5-9ef7-9d822e8a0e2b"
EVENTS = {"BatchItem": {"e1": {"Endpoint": {}, "Events": {"1": {"EventType": "SignUpEvent", "Timestamp": "2026-11-23T03:06:22.544Z"}}}}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    made = Open(tmp_path_factory.mktemp("cognito"))
    yield made
    made.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Open]]:
    made: list[Open] = []

    def start(**options: Any) -> Open:
        made.append(Open(tmp_path, **options))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def refusal(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    response: Any = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_a_guest_sends_an_event_under_its_own_identity(served: Open) -> None:
    identity_id, lent = served.borrow()

    answer = served.boto("pinpoint", lent=lent).put_events(ApplicationId=DECLARED.app_id, EventsRequest=EVENTS)

    assert answer["EventsResponse"]["Results"]["e1"]["EventsItemResponse"]["1"]["StatusCode"] == 202
    record = served.records()[-1]
    assert record["client"]["cognito_id"] == identity_id
    assert record["application"]["cognito_identity_pool_id"] == POOL_ID


def test_boto3_reads_the_credentials_as_good_for_an_hour(served: Open) -> None:
    _, lent = served.borrow()

    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", lent["AccessKeyId"])
    assert timedelta(minutes=59) < lent["Expiration"] - datetime.now(UTC) < timedelta(minutes=61)


@pytest.mark.parametrize("path", ["/", "/idp/", "/any/path%20at?all=1"])
def test_it_is_the_target_that_counts_not_the_path(served: Open, path: str) -> None:
    answer = served.call("GetId", {"IdentityPoolId": POOL_ID, "Logins": {}}, path)

    assert (answer.status, list(answer.json)) == (200, ["IdentityId"])
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"


def test_what_amplify_reads_is_there(served: Open) -> None:
    identity_id = served.call("GetId", {"IdentityPoolId": POOL_ID}).json["IdentityId"]

    answer = served.call("GetCredentialsForIdentity", {"IdentityId": identity_id}, origin="https://app.example")

    assert set(answer.json) == {"IdentityId", "Credentials"}
    assert set(answer.json["Credentials"]) == {"AccessKeyId", "SecretKey", "SessionToken", "Expiration"}
    assert 3_590 < answer.json["Credentials"]["Expiration"] - time.time() <= 3_601
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["date"]
    assert answer.headers["x-amzn-requestid"]


def test_a_preflight_is_answered_for_what_amplify_asks(served: Open) -> None:
    asked = "amz-sdk-invocation-id,amz-sdk-request,cache-control,content-type,x-amz-target,x-amz-user-agent"

    answer = served.ask(
        "OPTIONS",
        "/",
        b"",
        {"Origin": "https://a.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked},
    )

    assert answer.status == 204
    assert answer.headers["access-control-allow-headers"] == asked


@pytest.mark.parametrize(
    ("operation", "body", "code", "message"),
    [
        ("GetId", {"IdentityPoolId": "us-east-1:0a"}, "ResourceNotFoundException", "IdentityPool 'us-east-1:0a' not found."),
        (
            "GetId",
            {},
            "ValidationException",
            "1 validation error detected: Value null at 'identityPoolId' failed to satisfy constraint: Member must not be null",
        ),
        (
            "GetId",
            {"IdentityPoolId": None},
            "ValidationException",
            "1 validation error detected: Value null at 'identityPoolId' failed to satisfy constraint: Member must not be null",
        ),
        (
            "GetId",
            {"IdentityPoolId": "pool"},
            "ValidationException",
            (
                "1 validation error detected: Value 'pool' at 'identityPoolId' failed to satisfy constraint:"
                r" Member must satisfy regular expression pattern: [\w-]+:[0-9a-f-]+"
            ),
        ),
        ("GetId", {"IdentityPoolId": 7}, "SerializationException", "NUMBER_VALUE can not be converted to a String (at 'identityPoolId')"),
        ("GetId", {"IdentityPoolId": "us-east-1:\n"}, "ValidationException", None),
        ("GetId", {"IdentityPoolId": POOL_ID, "Logins": {"x": 1}}, "SerializationException", None),
        ("GetId", b"{", "SerializationException", None),
        ("GetId", b"[" * 5_000, "SerializationException", None),
        ("GetId", b'{"IdentityPoolId":"\xff"}', "SerializationException", None),
        (
            "GetCredentialsForIdentity",
            {"IdentityId": "us-west-2:c5b03c5f-41c7-5fd5-9ef7-9d822e8a0e2b"},
            "ResourceNotFoundException",
            "Identity 'us-west-2:c5b03c5f-41c7-5fd5-9ef7-9d822e8a0e2b' not found.",
        ),
        (
            "GetCredentialsForIdentity",
            {"IdentityId": ADOPTED, "Logins": {"accounts.google.com": "t"}},
            "NotAuthorizedException",
            "Token is not from a supported provider of this identity pool.",
        ),
        ("GetCredentialsForIdentity", {"IdentityId": ADOPTED, "Logins": {PROVIDER: "a.b.c"}}, "NotAuthorizedException", None),
        ("GetId", {"IdentityPoolId": POOL_ID, "Logins": {"arn:aws:iam::1:saml-provider/x": "t"}}, "InvalidParameterException", None),
        ("MergeDeveloperIdentities", {}, "UnknownOperationException", None),
        ("DescribeIdentityPool", {"IdentityPoolId": POOL_ID}, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    ],
)
def test_errors_are_400_with_type_and_message(served: Open, operation: str, body: Any, code: str, message: str | None) -> None:
    answer = served.call(operation, body)

    assert (answer.status, answer.json["__type"], answer.error_type) == (400, code, code)
    assert set(answer.json) == {"__type", "message"}
    assert message is None or answer.json["message"] == message
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_body_that_is_too_long_is_refused_unread(served: Open) -> None:
    answer = served.call("GetId", b"{}", **{"Content-Length": "300000"})

    assert (answer.status, answer.json["__type"]) == (413, "PayloadTooLargeException")


def test_where_nothing_is_adopted_old_clients_read_that_the_identity_is_gone(serve: Callable[..., Open]) -> None:
    served = serve(knobs={"adopt": False})
    cognito = served.boto("cognito-identity")

    assert refusal(lambda: cognito.get_credentials_for_identity(IdentityId=ADOPTED)) == (
        400,
        "ResourceNotFoundException",
        f"Identity '{ADOPTED}' not found.",
    )


def test_guests_may_be_refused(serve: Callable[..., Open]) -> None:
    cognito = serve(guests=False).boto("cognito-identity")

    assert refusal(lambda: cognito.get_id(IdentityPoolId=POOL_ID))[1] == "NotAuthorizedException"


def test_signing_in_keeps_the_guest_and_a_second_device_finds_it(served: Open) -> None:
    cognito, who = served.boto("cognito-identity"), served.logins("grace")
    first, _ = served.borrow()
    second, _ = served.borrow()

    signed_in = cognito.get_credentials_for_identity(IdentityId=first, Logins=who)["IdentityId"]
    elsewhere = cognito.get_credentials_for_identity(IdentityId=second, Logins=who)["IdentityId"]

    assert (signed_in, elsewhere) == (first, first)
    changes = [r for r in served.records() if r["event_type"] == "_headwater.identity" and r["client"]["cognito_id"] in (first, second)]
    assert [r["attributes"]["operation"] for r in changes] == ["link", "merge"]
    described = served.boto("cognito-identity", "admin").describe_identity(IdentityId=first)
    assert described["Logins"] == [PROVIDER]
    assert datetime.now(UTC) - described["CreationDate"] < timedelta(minutes=1)


def test_a_signed_in_users_events_say_who_they_are(served: Open) -> None:
    identity_id, lent = served.borrow("katherine")

    served.boto("pinpoint", lent=lent).put_events(ApplicationId=DECLARED.app_id, EventsRequest=EVENTS)

    assert served.records()[-1]["client"]["cognito_id"] == identity_id


def test_unlinking_is_proven_by_a_token_and_not_signed(served: Open) -> None:
    cognito = served.boto("cognito-identity")
    identity_id, _ = served.borrow("hedy")

    stranger = refusal(lambda: cognito.unlink_identity(IdentityId=identity_id, Logins=served.logins("eve"), LoginsToRemove=[PROVIDER]))
    cognito.unlink_identity(IdentityId=identity_id, Logins=served.logins("hedy"), LoginsToRemove=[PROVIDER])

    assert stranger[1] == "NotAuthorizedException"
    assert refusal(lambda: cognito.get_credentials_for_identity(IdentityId=identity_id))[1] == "NotAuthorizedException"


def test_an_administrator_makes_changes_and_deletes_pools(served: Open) -> None:
    admin, guest = served.boto("cognito-identity", "admin"), served.boto("cognito-identity")
    wish = {
        "AllowUnauthenticatedIdentities": True,
        "CognitoIdentityProviders": [{"ProviderName": PROVIDER, "ClientId": CLIENT, "ServerSideTokenCheck": False}],
        "OpenIdConnectProviderARNs": ["arn:aws:iam::000000000000:oidc-provider/login.example/pool"],
    }

    made = admin.create_identity_pool(IdentityPoolName="users", AllowClassicFlow=True, IdentityPoolTags={"a": "b"}, **wish)
    pool_id = made["IdentityPoolId"]
    found = admin.describe_identity_pool(IdentityPoolId=pool_id)
    identity_id = guest.get_id(IdentityPoolId=pool_id)["IdentityId"]
    no_role = refusal(lambda: guest.get_credentials_for_identity(IdentityId=identity_id))
    admin.set_identity_pool_roles(IdentityPoolId=pool_id, Roles=ROLES)
    roles = admin.get_identity_pool_roles(IdentityPoolId=pool_id)["Roles"]
    lent = guest.get_credentials_for_identity(IdentityId=identity_id)["Credentials"]
    updated = admin.update_identity_pool(IdentityPoolId=pool_id, IdentityPoolName="people", AllowUnauthenticatedIdentities=False)
    closed = refusal(lambda: guest.get_id(IdentityPoolId=pool_id))
    admin.delete_identity_pool(IdentityPoolId=pool_id)

    for pool in (made, found):
        assert (pool["IdentityPoolName"], pool["AllowClassicFlow"], pool["IdentityPoolTags"]) == ("users", True, {"a": "b"})
        assert {name: pool[name] for name in wish} == wish
    assert no_role[1] == "InvalidIdentityPoolConfigurationException"
    assert roles == ROLES
    assert lent["AccessKeyId"].startswith("ASIA")
    assert (updated["IdentityPoolName"], updated["IdentityPoolTags"]) == ("people", {"a": "b"})
    assert closed[1] == "NotAuthorizedException"
    assert refusal(lambda: admin.describe_identity_pool(IdentityPoolId=pool_id))[1] == "ResourceNotFoundException"


def test_what_the_settings_declare_is_read_only(served: Open) -> None:
    admin = served.boto("cognito-identity", "admin")

    refused = [
        refusal(lambda: admin.delete_identity_pool(IdentityPoolId=POOL_ID)),
        refusal(lambda: admin.set_identity_pool_roles(IdentityPoolId=POOL_ID, Roles=ROLES)),
        refusal(lambda: admin.update_identity_pool(IdentityPoolId=POOL_ID, IdentityPoolName="x", AllowUnauthenticatedIdentities=False)),
    ]

    assert {(status, code) for status, code, _ in refused} == {(400, "ResourceConflictException")}
    assert "headwater.toml" in refused[0][2]


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ({"SamlProviderARNs": ["arn:aws:iam::000000000000:saml-provider/corp"]}, "SAML providers are not supported"),
        ({"SupportedLoginProviders": {"graph.facebook.com": "7"}}, "only OpenID Connect issuers"),
        ({"DeveloperProviderName": "login.me"}, "only OpenID Connect issuers"),
        ({"OpenIdConnectProviderARNs": ["login.example/pool/and/more"]}, "oidc-provider"),
        ({"IdentityPoolTags": {"headwater:app-id": "0" * 32}}, "must name an app"),
    ],
)
def test_a_pool_that_could_not_work_is_not_made(served: Open, member: dict[str, Any], says: str) -> None:
    admin = served.boto("cognito-identity", "admin")

    status, code, message = refusal(lambda: admin.create_identity_pool(IdentityPoolName="x", AllowUnauthenticatedIdentities=True, **member))

    assert (status, code) == (400, "InvalidParameterException")
    assert says in message


def test_a_pool_may_be_for_another_app_of_the_project(served: Open) -> None:
    admin, guest = served.boto("cognito-identity", "admin"), served.boto("cognito-identity")
    tags = {"headwater:app-id": served.app_id}
    pool_id = admin.create_identity_pool(IdentityPoolName="other", AllowUnauthenticatedIdentities=True, IdentityPoolTags=tags)[
        "IdentityPoolId"
    ]
    admin.set_identity_pool_roles(IdentityPoolId=pool_id, Roles=ROLES)
    lent = guest.get_credentials_for_identity(IdentityId=guest.get_id(IdentityPoolId=pool_id)["IdentityId"])["Credentials"]
    pinpoint = served.boto("pinpoint", lent=lent)

    pinpoint.put_events(ApplicationId=served.app_id, EventsRequest=EVENTS)

    assert refusal(lambda: pinpoint.put_events(ApplicationId=DECLARED.app_id, EventsRequest=EVENTS))[:2] == (403, "ForbiddenException")


def test_tags_are_set_and_taken_away_as_terraform_does(served: Open) -> None:
    admin = served.boto("cognito-identity", "admin")
    pool_id = admin.create_identity_pool(IdentityPoolName="t", AllowUnauthenticatedIdentities=True, IdentityPoolTags={"a": "1"})[
        "IdentityPoolId"
    ]
    arn = f"arn:aws:cognito-identity:us-east-1:000000000000:identitypool/{pool_id}"

    admin.tag_resource(ResourceArn=arn, Tags={"b": "2", "c": "3"})
    admin.untag_resource(ResourceArn=arn, TagKeys=["a", "b"])

    assert admin.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"c": "3"}
    assert refusal(lambda: admin.list_tags_for_resource(ResourceArn=arn[:-1] + "x"))[1] == "ResourceNotFoundException"
    assert refusal(lambda: admin.list_tags_for_resource(ResourceArn="arn:aws:s3:::bucket/and/more"))[1] == "InvalidParameterException"


def test_lists_come_in_pages(serve: Callable[..., Open]) -> None:
    served = serve()
    admin = served.boto("cognito-identity", "admin")
    for number in range(5):
        admin.create_identity_pool(IdentityPoolName=f"p{number}", AllowUnauthenticatedIdentities=True)
    identities = {served.borrow(f"user-{number}")[0] for number in range(5)}

    pools = admin.get_paginator("list_identity_pools").paginate(PaginationConfig={"PageSize": 2})
    names = [pool["IdentityPoolName"] for page in pools for pool in page["IdentityPools"]]
    found, token = [], {}
    while True:
        page = admin.list_identities(IdentityPoolId=POOL_ID, MaxResults=2, **token)
        found += page["Identities"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    assert sorted(names) == ["p0", "p1", "p2", "p3", "p4", "piano"]
    assert {identity["IdentityId"] for identity in found} == identities
    assert len(found) == 5


def test_deleted_identities_are_gone(served: Open) -> None:
    admin = served.boto("cognito-identity", "admin")
    identity_id, _ = served.borrow("dorothy")

    answer = admin.delete_identities(IdentityIdsToDelete=[identity_id, "us-west-2:0a"])

    assert answer["UnprocessedIdentityIds"] == []
    assert refusal(lambda: admin.describe_identity(IdentityId=identity_id))[1:] == (
        "ResourceNotFoundException",
        f"Identity '{identity_id}' not found.",
    )
    assert served.borrow("dorothy")[0] != identity_id


def test_too_many_calls_of_one_address_are_told_to_wait(serve: Callable[..., Open]) -> None:
    served = serve(knobs={"rate_per_s": 0.01, "rate_burst": 3})

    answers = [served.call("GetId", {"IdentityPoolId": POOL_ID}) for _ in range(5)]

    assert [answer.status for answer in answers] == [200, 200, 200, 400, 400]
    assert answers[-1].json == {"__type": "TooManyRequestsException", "message": "Rate exceeded"}
    assert answers[-1].headers["retry-after"]


def test_behind_a_proxy_it_is_the_clients_address_that_counts(serve: Callable[..., Open]) -> None:
    served = serve(knobs={"rate_per_s": 0.01, "rate_burst": 1}, trusted_proxies=["127.0.0.1", "10.0.0.0/8"])

    def ask(forwarded: str) -> int:
        return served.call("GetId", {"IdentityPoolId": POOL_ID}, **{"X-Forwarded-For": forwarded}).status

    assert [ask("203.0.113.1"), ask("203.0.113.2"), ask("203.0.113.1"), ask("198.51.100.9, 203.0.113.2, 10.1.1.1")] == [200, 200, 400, 400]
    assert [ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:0:1::1")] == [200, 400, 200]


def basic(key: str) -> dict[str, str]:
    import base64

    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


@pytest.mark.parametrize(("query", "headers"), [(f"?key={WRITE_KEY}", {}), ("", basic(WRITE_KEY)), (f"?a=b&key={WRITE_KEY}&c", {})])
def test_a_page_sends_with_the_write_key_and_no_preflight(served: Open, query: str, headers: dict[str, str]) -> None:
    path = f"/v1/apps/{DECLARED.app_id}/events{query}"

    answer = served.ask("POST", path, json.dumps(EVENTS).encode(), {"Content-Type": "text/plain;charset=UTF-8", **headers})

    assert answer.status == 202
    assert "cognito_id" not in served.records()[-1]["client"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("?key=" + "hw" + "0b" * 16, {}, 403, "UnrecognizedClientException"),
        ("?key=", {}, 403, "MissingAuthenticationTokenException"),
        ("?monkey=1", {}, 403, "MissingAuthenticationTokenException"),
        ("", basic("x"), 403, "UnrecognizedClientException"),
        ("", basic(""), 403, "UnrecognizedClientException"),
        ("", {"Authorization": "Basic !"}, 403, "UnrecognizedClientException"),
        ("", {"Authorization": "Bearer x"}, 403, "IncompleteSignatureException"),
    ],
)
def test_a_write_key_nobody_knows_sends_nothing(served: Open, path: str, headers: dict[str, str], status: int, code: str) -> None:
    answer = served.ask("POST", f"/v1/apps/{DECLARED.app_id}/events{path}", b'{"BatchItem":{}}', headers)

    assert (answer.status, answer.error_type) == (status, code)
