"""What Terraform's `aws_pinpoint_app` and `aws_pinpoint_event_stream` call, and Amplify's in-app messaging."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.stream import FIRST_SHARD
from tests.edge.conftest import ACCOUNT, DECLARED, REGION
from tests.edge.streams import StreamsServed
from tests.edge.streams import served as served

AT = "2026-11-23T03:06:22.544Z"
ROLE = "arn:aws:iam::000000000000:role/pinpoint"
STREAMS = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/"


def error_of(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], type(caught.value).__name__


@pytest.fixture
def admin(served: StreamsServed) -> Any:
    return served.client("admin")


@pytest.fixture
def app(admin: Any) -> dict[str, Any]:
    return dict(admin.create_app(CreateApplicationRequest={"Name": "piano", "tags": {"Environment": "prd"}})["ApplicationResponse"])


def test_what_terraform_calls_for_an_app_works(admin: Any, app: dict[str, Any]) -> None:
    one = {"ApplicationId": app["Id"]}
    fresh = admin.get_application_settings(**one)["ApplicationSettingsResource"]
    wanted = {
        "Limits": {"Daily": 3, "MaximumDuration": 600, "MessagesPerSecond": 50, "Total": 10},
        "QuietTime": {"Start": "22:00", "End": "06:00"},
    }
    updated = admin.update_application_settings(**one, WriteApplicationSettingsRequest=wanted)["ApplicationSettingsResource"]
    again = admin.update_application_settings(**one, WriteApplicationSettingsRequest={"CampaignHook": {"Mode": "FILTER"}})
    read = admin.get_application_settings(**one)["ApplicationSettingsResource"]
    admin.delete_app(**one)

    nothing_set = {"Daily": 0, "MaximumDuration": 60, "MessagesPerSecond": 50, "Total": 0}
    assert fresh == {"ApplicationId": app["Id"], "CampaignHook": {}, "Limits": nothing_set, "QuietTime": {}}
    assert {name: updated[name] for name in wanted} == wanted
    assert (
        again["ApplicationSettingsResource"]
        == read
        == {**updated, "CampaignHook": {"Mode": "FILTER"}, "LastModifiedDate": read["LastModifiedDate"]}
    )
    assert error_of(lambda: admin.get_application_settings(**one)) == (404, "NotFoundException")


def test_tags_are_put_replaced_taken_and_listed(admin: Any, app: dict[str, Any]) -> None:
    admin.tag_resource(ResourceArn=app["Arn"], TagsModel={"tags": {"Environment": "dev", "é+=": "+ %"}})
    both = admin.list_tags_for_resource(ResourceArn=app["Arn"])["TagsModel"]["tags"]
    admin.untag_resource(ResourceArn=app["Arn"], TagKeys=["é+=", "never there"])
    one = admin.list_tags_for_resource(ResourceArn=app["Arn"])["TagsModel"]["tags"]

    assert both == {"Environment": "dev", "é+=": "+ %"}
    assert one == {"Environment": "dev"}
    for wrong in ({"aws:mine": "x"}, {"a": "b!"}, {"a&": "b"}):
        call = {"ResourceArn": app["Arn"], "TagsModel": {"tags": wrong}}
        assert error_of(lambda call=call: admin.tag_resource(**call)) == (400, "BadRequestException")  # type: ignore[misc]
    assert error_of(lambda: admin.list_tags_for_resource(ResourceArn=app["Arn"] + "x")) == (404, "NotFoundException")
    assert error_of(lambda: admin.list_tags_for_resource(ResourceArn="arn:aws:sns:us-east-1:000000000000:topic")) == (
        404,
        "NotFoundException",
    )


def test_an_app_of_headwater_toml_keeps_its_tags(admin: Any) -> None:
    arn = f"arn:aws:mobiletargeting:{REGION}:{ACCOUNT}:apps/{DECLARED.app_id}"

    assert error_of(lambda: admin.tag_resource(ResourceArn=arn, TagsModel={"tags": {"a": "b"}})) == (409, "ConflictException")


def test_an_event_stream_to_a_stream_of_this_project_simply_works(served: StreamsServed, admin: Any, app: dict[str, Any]) -> None:
    kinesis, one = served.kinesis("admin"), {"ApplicationId": app["Id"]}
    kinesis.create_stream(StreamName="destination", ShardCount=1)
    copying = served.run_forever(served.event_streams.run)
    missing = error_of(lambda: admin.get_event_stream(**one))
    wanted = {"DestinationStreamArn": f"{STREAMS}destination", "RoleArn": ROLE}

    made = admin.put_event_stream(**one, WriteEventStream=wanted)["EventStream"]
    got = admin.get_event_stream(**one)["EventStream"]
    event = {"EventType": "SignUpEvent", "Timestamp": AT, "Attributes": {"email": "é@example.org"}}
    admin.put_events(**one, EventsRequest={"BatchItem": {"d": {"Endpoint": {}, "Events": {"e": event}}}})
    admin.put_events(ApplicationId=served.app_id, EventsRequest={"BatchItem": {"d": {"Endpoint": {}, "Events": {"e": event}}}})
    records = read(kinesis, "destination", 1)
    deleted = admin.delete_event_stream(**one)["EventStream"]
    copying.cancel()

    assert missing == (404, "NotFoundException")
    assert made == got == deleted
    assert {name: made[name] for name in (*wanted, "ApplicationId", "LastUpdatedBy")} == {**wanted, **one, "LastUpdatedBy": "admin"}
    [copied] = [json.loads(record["Data"]) for record in records]
    assert (copied["event_type"], copied["application"]["app_id"], copied["attributes"]) == ("SignUpEvent", app["Id"], event["Attributes"])
    assert copied in served.records()
    assert error_of(lambda: admin.delete_event_stream(**one)) == (404, "NotFoundException")


def read(kinesis: Any, stream: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    began = kinesis.get_shard_iterator(StreamName=stream, ShardId=FIRST_SHARD, ShardIteratorType="TRIM_HORIZON")
    position = began["ShardIterator"]
    while len(found) < count and time.monotonic() < deadline:
        answer = kinesis.get_records(ShardIterator=position)
        position, found = answer["NextShardIterator"], found + answer["Records"]
    return found


def test_an_event_stream_to_the_app_stream_copies_nothing(served: StreamsServed, admin: Any, app: dict[str, Any]) -> None:
    one = {"ApplicationId": app["Id"]}

    made = admin.put_event_stream(**one, WriteEventStream={"DestinationStreamArn": f"{STREAMS}app", "RoleArn": ROLE})
    before = len(served.records())
    admin.put_events(**one, EventsRequest={"BatchItem": {"d": {"Endpoint": {}, "Events": {"e": {"EventType": "X", "Timestamp": AT}}}}})
    served.run(lambda: asyncio.sleep(0.1))  # time enough for the copy that must not come

    assert made["EventStream"]["DestinationStreamArn"] == f"{STREAMS}app"
    assert len(served.records()) == before + 2  # the new endpoint, and the event


@pytest.mark.parametrize(
    "arn",
    [
        f"{STREAMS}nope",
        f"arn:aws:kinesis:eu-west-1:{ACCOUNT}:stream/app",
        f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/x",
        "nonsense",
        "",
    ],
)
def test_an_event_stream_to_elsewhere_says_what_to_do(served: StreamsServed, admin: Any, app: dict[str, Any], arn: str) -> None:
    with pytest.raises(admin.exceptions.BadRequestException) as caught:
        admin.put_event_stream(ApplicationId=app["Id"], WriteEventStream={"DestinationStreamArn": arn, "RoleArn": ROLE})

    assert f"{STREAMS}app" in str(caught.value)
    assert "CreateStream" in str(caught.value)


@pytest.mark.parametrize(("path", "body"), [
    ("settings", b""), ("settings", b"[]"), ("settings", b'{"Limits":5}'), ("eventstream", b"{}"),
    ("eventstream", b'{"DestinationStreamArn":5}'),
])  # fmt: skip
def test_a_wrong_body_is_a_bad_request(served: StreamsServed, app: dict[str, Any], path: str, body: bytes) -> None:
    answer = served.signed("PUT" if path == "settings" else "POST", f"/v1/apps/{app['Id']}/{path}", body, key="admin")

    assert (answer.status, answer.error_type) == (400, "BadRequestException")


def test_there_are_no_in_app_messages(served: StreamsServed) -> None:
    answer = served.client("send").get_in_app_messages(ApplicationId=served.app_id, EndpointId="é/x")

    assert answer["InAppMessagesResponse"] == {"InAppMessageCampaigns": []}


def test_a_key_that_may_send_does_not_change_settings(served: StreamsServed, app: dict[str, Any]) -> None:
    client, one = served.client("send"), {"ApplicationId": app["Id"]}
    calls = [
        lambda: client.get_application_settings(**one),
        lambda: client.update_application_settings(**one, WriteApplicationSettingsRequest={}),
        lambda: client.put_event_stream(**one, WriteEventStream={"DestinationStreamArn": f"{STREAMS}app", "RoleArn": ROLE}),
        lambda: client.get_event_stream(**one),
        lambda: client.delete_event_stream(**one),
        lambda: client.tag_resource(ResourceArn=app["Arn"], TagsModel={"tags": {}}),
        lambda: client.untag_resource(ResourceArn=app["Arn"], TagKeys=["a"]),
        lambda: client.list_tags_for_resource(ResourceArn=app["Arn"]),
    ]

    assert [error_of(call) for call in calls] == [(403, "ForbiddenException")] * len(calls)
