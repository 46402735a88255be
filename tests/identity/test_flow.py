"""A served project: people are guests, sign in on two devices, and SQL knows that they are one person."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.identity.conftest import CLIENT, ISSUER, PROVIDER, RSA_KEY, public_jwk, sign, write_jwks
from tests.served import Served, invoke, run

DOCS = Path(__file__).parents[2] / "docs/identities.md"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("people") / "piano") as made:
        write_jwks(made.folder / "jwks.json", public_jwk(RSA_KEY, "rsa-1"))
        made.configure('stream.retention_hours = 48\nidentity.user_actions = ["mobiletargeting:GetEndpoint"]')
        with (made.folder / "headwater.toml").open("a") as file:
            file.write(f'\n[[identity.issuers]]\nissuer = "{ISSUER}"\nclient_ids = ["{CLIENT}"]\njwks = "jwks.json"\n')
        made.start()
        yield made


def settings(served: Served) -> dict[str, Any]:
    import tomllib

    return dict(tomllib.loads((served.folder / "headwater.toml").read_text())["app"])


def borrow(served: Served, identity_id: str | None = None, subject: str | None = None) -> tuple[str, dict[str, Any]]:
    cognito = boto3.client("cognito-identity", endpoint_url=served.url, region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    now_s = int(time.time())
    claims = {"iss": ISSUER, "aud": CLIENT, "sub": subject, "iat": now_s, "exp": now_s + 600}
    logins = {} if subject is None else {"Logins": {PROVIDER: sign(claims)}}
    if identity_id is None:
        identity_id = cognito.get_id(IdentityPoolId=settings(served)["identity_pool_id"], **logins)["IdentityId"]
    answer = cognito.get_credentials_for_identity(IdentityId=identity_id, **logins)
    cognito.close()
    return answer["IdentityId"], answer["Credentials"]


def send(served: Served, lent: dict[str, Any], email: str, endpoint_id: str = "device") -> None:
    pinpoint = boto3.client(
        "pinpoint",
        endpoint_url=served.url,
        region_name="us-east-1",
        aws_access_key_id=lent["AccessKeyId"],
        aws_secret_access_key=lent["SecretKey"],
        aws_session_token=lent["SessionToken"],
    )
    event = {"EventType": "SignUpEvent", "Timestamp": datetime.now(UTC).isoformat(), "Attributes": {"email": email}}
    batch = {endpoint_id: {"Endpoint": {}, "Events": {str(uuid.uuid4()): event}}}
    pinpoint.put_events(ApplicationId=served.app_id, EventsRequest={"BatchItem": batch})
    pinpoint.close()


def test_events_before_and_after_sign_in_on_two_devices_are_one_persons(served: Served) -> None:
    phone, lent = borrow(served)
    send(served, lent, "phone-before@example.org")
    signed_in, lent = borrow(served, phone, "ada")
    send(served, lent, "phone-after@example.org")
    laptop, lent = borrow(served)
    send(served, lent, "laptop-before@example.org")
    known, lent = borrow(served, laptop, "ada")
    send(served, lent, "laptop-after@example.org")
    stranger, lent = borrow(served)
    send(served, lent, "stranger@example.org")
    served.settle()
    [query] = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)

    people = served.sql(query)

    assert (signed_in, known) == (phone, phone)
    assert {row["person"]: row["sign_ups"] for row in people} == {phone: 4, stranger: 1}
    assert {row["cognito_id"] for row in served.sql("SELECT DISTINCT cognito_id FROM sign_up_events")} == {phone, laptop, stranger}
    identities = served.sql("SELECT identity_id, merged_into, logins FROM identities ORDER BY merged_into NULLS FIRST")
    assert identities == [
        {"identity_id": phone, "merged_into": None, "logins": [{"provider": PROVIDER, "subject": "ada"}]},
        {"identity_id": laptop, "merged_into": phone, "logins": None},
    ]


def test_the_commands_show_pools_and_logins(served: Served) -> None:
    identity_id, _ = borrow(served, None, "grace")

    [pool] = json.loads(invoke("identity", "pools", "--json", "-C", served.folder).stdout)
    logins = json.loads(invoke("identity", "logins", "--json", "-C", served.folder).stdout)

    assert pool["identity_pool_id"] == settings(served)["identity_pool_id"]
    assert (pool["guests"], pool["declared"], pool["guest_role"][-5:]) == ("yes", "yes", "guest")
    assert {row["identity_id"]: row["logins"] for row in logins}[identity_id] == f"{PROVIDER} grace"
    assert invoke("identity", "logins", "--pool", "us-east-1:0a", "-C", served.folder, check=False).returncode == 1


def test_a_rotation_while_it_runs_breaks_nothing(served: Served) -> None:
    before_id, before = borrow(served)

    said = run("keys", "rotate-master", "-C", served.folder).stdout
    time.sleep(1.1)  # the roles look for a new master key once a second
    after_id, after = borrow(served)
    for lent in (before, after):
        send(served, lent, "rotated@example.org")
    again, _ = borrow(served, before_id)
    key = json.loads(invoke("keys", "create", "later", "--json", "-C", served.folder).stdout)
    served.owner, owner = key, served.owner
    endpoint = served.client().get_endpoint(ApplicationId=served.app_id, EndpointId="device")
    served.owner = owner

    assert "one of 2" in said
    assert again == before_id != after_id
    assert endpoint["EndpointResponse"]["Id"] == "device"
    assert served.client().get_app(ApplicationId=served.app_id)["ApplicationResponse"]["Id"] == served.app_id


def test_links_and_lent_credentials_outlive_a_kill(served: Served) -> None:
    identity_id, lent = borrow(served, None, "hedy")
    served.kill()
    (served.folder / "data/run/status.json").unlink()  # it still says what ran before
    served.start()

    send(served, lent, "killed@example.org")
    again, _ = borrow(served, None, "hedy")

    assert again == identity_id
    served.settle()
    assert served.sql("SELECT cognito_id FROM sign_up_events WHERE email = 'killed@example.org'") == [{"cognito_id": identity_id}]
    assert served.sql(f"SELECT count(*) AS n FROM identity_log WHERE cognito_id = '{identity_id}'") == [{"n": 1}]


def test_the_write_key_that_init_made_sends(served: Served) -> None:
    import urllib.request

    key = settings(served)["write_key"]
    event = {"EventType": "SignUpEvent", "Timestamp": datetime.now(UTC).isoformat(), "Attributes": {"email": "page@example.org"}}
    body = json.dumps({"BatchItem": {"page": {"Endpoint": {}, "Events": {"1": event}}}}).encode()
    request = urllib.request.Request(f"{served.url}/v1/apps/{served.app_id}/events?key={key}", body, {"Content-Type": "text/plain"})

    with urllib.request.urlopen(request) as answer:
        status = answer.status

    assert re.fullmatch(r"hw[0-9a-f]{32}", key)
    assert status == 202
    served.settle()
    assert served.sql("SELECT client_id FROM sign_up_events WHERE email = 'page@example.org'") == [{"client_id": "page"}]
