"""A project of another region: our own clients need not be told which, and everybody else hears it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

import headwater
from headwater.client import NotDelivered
from tests.served import Served
from tests.waiting import until

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("region") / "school", options=["--region", REGION]) as served:
        yield served.start()


def test_the_client_and_connect_find_out_the_region(served: Served) -> None:
    key, secret = served.owner["access_key_id"], served.owner["secret_access_key"]

    with headwater.Client(served.url, served.app_id, access_key_id=key, secret_access_key=secret) as client:
        event_id = client.record("asked nobody")

    with headwater.connect(str(served.status()["private_url"]), key, secret) as lake:
        asked = f"SELECT count(*) FROM other_events WHERE event_id = '{event_id}'"
        assert until(lambda: lake.sql(asked).rows(), lambda rows: rows == [(1,)], 20) == [(1,)]


def test_a_region_that_was_chosen_stays_and_the_server_names_its_own(served: Served) -> None:
    key, secret = served.owner["access_key_id"], served.owner["secret_access_key"]
    client = headwater.Client(served.url, served.app_id, access_key_id=key, secret_access_key=secret, region="us-west-2")
    client.record("asked nobody")

    with pytest.raises(NotDelivered, match="valid region: 'eu-central-1', given 'us-west-2'"):
        client.close()


@pytest.mark.parametrize("service", ["pinpoint", "kinesis"])
def test_boto3_is_told_the_region(served: Served, service: str) -> None:
    made = boto3.client(
        service,
        endpoint_url=served.url,
        region_name="us-east-1",
        aws_access_key_id=served.owner["access_key_id"],
        aws_secret_access_key=served.owner["secret_access_key"],
    )

    with pytest.raises(ClientError, match="Credential should be scoped to a valid region: 'eu-central-1', given 'us-east-1'"):
        made.get_apps() if service == "pinpoint" else made.list_streams()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl_asks_as_the_docs_write_it(served: Served) -> None:
    user = f"{served.owner['access_key_id']}:{served.owner['secret_access_key']}"
    body, url = '{"sql": "SELECT 1 AS n", "format": "json"}', f"{served.status()['private_url']}/v1/sql"
    signed = ["--aws-sigv4", "aws:amz:us-east-1:headwater", "--user", user]

    done = subprocess.run(
        ["curl", "-sS", *signed, "-H", "content-type: application/json", "-d", body, url],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert '"n":1' in done.stdout.replace(" ", ""), (done.stdout, done.stderr)
