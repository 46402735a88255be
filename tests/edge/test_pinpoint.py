"""Pinpoint as boto3 speaks it."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.collect import BatchVerdict
from headwater.edge.pinpoint import events_response
from headwater.errors import StreamFull, Unavailable
from tests.edge.conftest import DECLARED, Served
from tests.waiting import until

AT = "2026-11-23T03:06:22.544Z"
EVENT = {
    "EventType": "SignUpEvent",
    "Timestamp": AT,
    "Attributes": {"email": "é@example.com"},
    "Metrics": {"score": 1.5},
    "Session": {"Id": "s", "StartTimestamp": AT},
}
ODD_IDS = ["boto:1/é x", "a!'()*b", "...", "%2F", "a//b", "+ &?#=;", "日本", "~-_.", "c843ec7d-cc52-43d2-88db-7c166f329b4f"]


def put(served: Served, endpoint_id: str, events: dict[str, Any]) -> dict[str, Any]:
    request = {"BatchItem": {endpoint_id: {"Endpoint": {}, "Events": events}}}
    answer: dict[str, Any] = served.client().put_events(ApplicationId=served.app_id, EventsRequest=request)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    return answer["EventsResponse"]["Results"]


def raw_put(served: Served, request: Any, **options: Any) -> Any:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    return served.signed("POST", f"/v1/apps/{served.app_id}/events", body, **options)


def error_of(call: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], type(caught.value).__name__


def test_put_events_answers_202_for_the_request_and_for_each_event(served: Served) -> None:
    results = put(served, "e1", {"v1": EVENT, "v2": EVENT})

    accepted = {"StatusCode": 202, "Message": "Accepted"}
    assert results == {"e1": {"EndpointItemResponse": accepted, "EventsItemResponse": {"v1": accepted, "v2": accepted}}}


def test_an_event_is_in_the_stream_when_the_answer_comes(served: Served) -> None:
    event_id = str(uuid.uuid4())

    put(served, "e1", {event_id: EVENT})

    [record] = [r for r in served.records() if r["headwater"]["event_id"] == event_id]
    assert record["attributes"] == {"email": "é@example.com"}
    assert record["headwater"]["door"] == "pinpoint"
    assert len(record["headwater"]["trace_id"]) == 36


def test_one_bad_event_gets_its_own_400(served: Served) -> None:
    results = put(served, "e1", {"good": EVENT, "bad": {"EventType": "", "Timestamp": AT}})

    verdicts = results["e1"]["EventsItemResponse"]
    assert verdicts["good"] == {"StatusCode": 202, "Message": "Accepted"}
    assert verdicts["bad"]["StatusCode"] == 400
    assert "EventType" in verdicts["bad"]["Message"]


def test_what_amplify_really_sends_is_accepted(served: Served) -> None:
    attributes = {"n": 5, "b": True, "nul": None, "list": [1]}
    event = {"EventType": "app/load page", "Timestamp": AT, "Attributes": attributes, "Metrics": {}}
    empty = raw_put(served, {"BatchItem": {}})
    plain_text = raw_put(
        served, {"BatchItem": {"x": {"Endpoint": {}, "Events": {"e": event}}}}, headers={"Content-Type": "text/plain;charset=UTF-8"}
    )

    assert (empty.status, empty.json) == (202, {"Results": {}})
    assert plain_text.status == 202
    assert plain_text.json["Results"]["x"]["EventsItemResponse"] == {"e": {"StatusCode": 202, "Message": "Accepted"}}
    assert served.records()[-1]["attributes"] == {"n": "5", "b": "true", "nul": None, "list": "[1]"}


@pytest.mark.parametrize("endpoint_id", ODD_IDS)
def test_every_endpoint_operation_takes_any_id(served: Served, endpoint_id: str) -> None:
    client, one = served.client(), {"ApplicationId": served.app_id, "EndpointId": endpoint_id}

    updated = client.update_endpoint(**one, EndpointRequest={"Address": "x", "User": {"UserId": "u"}})
    results = put(served, endpoint_id, {endpoint_id: EVENT})
    got = client.get_endpoint(**one)
    deleted = client.delete_endpoint(**one)

    assert updated["MessageBody"]["Message"] == "Accepted"
    assert len(updated["MessageBody"]["RequestID"]) == 36
    assert list(results) == [endpoint_id]
    assert list(results[endpoint_id]["EventsItemResponse"]) == [endpoint_id]
    assert got["EndpointResponse"] == deleted["EndpointResponse"]
    assert got["EndpointResponse"]["Id"] == endpoint_id
    statuses = [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in (updated, got, deleted)]
    assert statuses == [202, 200, 202]
    assert error_of(lambda: client.get_endpoint(**one)) == (404, "NotFoundException")


@pytest.mark.parametrize("user_id", ["us-west-2:c5b0", "a!'()*/é"])
def test_the_endpoints_of_a_user_are_found_and_deleted(served: Served, user_id: str) -> None:
    client, user = served.client(), {"ApplicationId": served.app_id, "UserId": user_id}
    items = [{"Id": name, "User": {"UserId": user_id}, "ChannelType": "EMAIL"} for name in ("u1", "u2")]

    updated = client.update_endpoints_batch(ApplicationId=served.app_id, EndpointBatchRequest={"Item": items})
    got = client.get_user_endpoints(**user)
    deleted = client.delete_user_endpoints(**user)

    assert updated["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert updated["MessageBody"]["Message"] == "Accepted"
    assert [item["Id"] for item in got["EndpointsResponse"]["Item"]] == ["u1", "u2"]
    assert deleted["EndpointsResponse"] == got["EndpointsResponse"]
    assert (got["ResponseMetadata"]["HTTPStatusCode"], deleted["ResponseMetadata"]["HTTPStatusCode"]) == (200, 202)
    assert error_of(lambda: client.get_user_endpoints(**user)) == (404, "NotFoundException")
    assert error_of(lambda: client.delete_user_endpoints(**user)) == (404, "NotFoundException")


def test_an_app_is_made_found_listed_and_deleted(served: Served) -> None:
    client = served.client("admin")

    made = client.create_app(CreateApplicationRequest={"Name": "new", "tags": {"team": "a"}})
    app = made["ApplicationResponse"]
    got = client.get_app(ApplicationId=app["Id"])["ApplicationResponse"]
    listed = client.get_apps(PageSize="100")["ApplicationsResponse"]["Item"]
    deleted = client.delete_app(ApplicationId=app["Id"])["ApplicationResponse"]

    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert app == got == deleted
    assert app in listed
    assert app["Arn"] == f"arn:aws:mobiletargeting:us-east-1:000000000000:apps/{app['Id']}"
    assert (app["Name"], app["tags"]) == ("new", {"team": "a"})
    assert error_of(lambda: client.get_app(ApplicationId=app["Id"])) == (404, "NotFoundException")
    assert error_of(lambda: client.delete_app(ApplicationId=DECLARED.app_id)) == (409, "ConflictException")


def test_apps_come_in_pages(served: Served) -> None:
    client, ids, token = served.client(), [], {}

    while True:
        page = client.get_apps(PageSize="1", **token)["ApplicationsResponse"]
        ids += [app["Id"] for app in page["Item"]]
        if "NextToken" not in page:
            break
        token = {"Token": page["NextToken"]}

    assert ids == sorted(app.app_id for app in served.control.apps())
    assert error_of(lambda: client.get_apps(PageSize="many")) == (400, "BadRequestException")


@pytest.mark.parametrize("body", [b"", b"{", b'{"Name":5}', b'{"Name":""}', b'{"Name":"a","tags":[]}', b'{"Name":"a","tags":{"":""}}'])
def test_an_app_with_a_wrong_body_is_a_bad_request(served: Served, body: bytes) -> None:
    answer = served.signed("POST", "/v1/apps", body, key="admin")

    assert (answer.status, answer.error_type) == (400, "BadRequestException")


def test_an_unknown_app_is_not_found(served: Served) -> None:
    client = served.client()

    assert error_of(lambda: client.put_events(ApplicationId="nope", EventsRequest={"BatchItem": {}})) == (404, "NotFoundException")
    assert error_of(lambda: client.get_app(ApplicationId=served.app_id + "x")) == (404, "NotFoundException")


@pytest.mark.parametrize("key", ["send", "query", "admin"])
def test_a_key_does_what_it_is_allowed_and_no_more(served: Served, key: str) -> None:
    client = served.client(key)
    sending = {
        "put_events": lambda: client.put_events(ApplicationId=served.app_id, EventsRequest={"BatchItem": {}}),
        "update_endpoint": lambda: client.update_endpoint(ApplicationId=served.app_id, EndpointId=key, EndpointRequest={}),
        "get_endpoint": lambda: client.get_endpoint(ApplicationId=served.app_id, EndpointId=key),
        "get_apps": client.get_apps,
        "get_app": lambda: client.get_app(ApplicationId=served.app_id),
    }
    administering = {
        "create_app": lambda: client.create_app(CreateApplicationRequest={"Name": "x"}),
        "delete_app": lambda: client.delete_app(ApplicationId=served.control.create_app("gone", {}).app_id),
    }
    allowed = {"send": sending, "query": {}, "admin": {**sending, **administering}}[key]

    for name, call in {**sending, **administering}.items():
        if name in allowed:
            assert call()["ResponseMetadata"]["HTTPStatusCode"] in (200, 201, 202)
        else:
            assert error_of(call) == (403, "ForbiddenException")


def test_a_refusal_names_principal_action_and_resource_and_comes_before_not_found(served: Served) -> None:
    answer = served.signed("DELETE", "/v1/apps/nope")

    assert (answer.status, answer.error_type) == (403, "ForbiddenException")
    resource = "arn:aws:mobiletargeting:us-east-1:000000000000:apps/nope"
    assert answer.json["Message"] == (
        f"User: send is not authorized to perform: mobiletargeting:DeleteApp on resource: {resource} because the key allows `send`,"
        " and this takes `admin`: headwater keys create NAME --allow admin"
    )


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b"null", b'{"BatchItem":5}', b"\xff\xfe", b"[" * 50_000, b'{"BatchItem":{"a":NaN}}']
)
def test_a_garbage_body_is_a_bad_request(served: Served, body: bytes) -> None:
    answer = raw_put(served, body)

    assert (answer.status, answer.error_type) == (400, "BadRequestException")
    assert answer.json["RequestID"] == answer.headers["x-amzn-RequestId"]


def test_a_path_that_is_not_utf_8_is_a_bad_request(served: Served) -> None:
    answer = served.signed("GET", f"/v1/apps/{served.app_id}/endpoints/%FF")

    assert (answer.status, answer.error_type) == (400, "BadRequestException")


@pytest.mark.parametrize(("error", "retry_after"), [(Unavailable("disk"), "1"), (StreamFull("full"), "60")])
def test_overload_is_answered_500_so_that_clients_try_again(served: Served, error: Exception, retry_after: str) -> None:
    async def refuse(records: Any) -> Any:
        raise error

    served.stream.append = refuse  # type: ignore[method-assign]
    try:
        answer = raw_put(served, {"BatchItem": {"e1": {"Endpoint": {}, "Events": {"v": EVENT}}}})
    finally:
        del served.stream.append

    assert (answer.status, answer.error_type) == (500, "InternalServerErrorException")
    assert answer.headers["Retry-After"] == retry_after
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_an_error_of_ours_is_answered_500_and_logged_without_what_the_client_sent(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(records: Any) -> Any:
        raise RuntimeError("secret-payload")

    served.stream.append = fail  # type: ignore[method-assign]
    try:
        answer = raw_put(served, {"BatchItem": {"e1": {"Endpoint": {}, "Events": {"v": EVENT}}}})
    finally:
        del served.stream.append

    assert (answer.status, answer.error_type) == (500, "InternalServerErrorException")
    assert b"secret-payload" not in answer.body
    assert "RuntimeError at fail" in caplog.text
    assert "secret-payload" not in caplog.text
    assert answer.headers["x-amzn-RequestId"] in caplog.text


def test_a_revoked_key_stops_working_soon(served: Served) -> None:
    key = served.control.create_key("short-lived", frozenset({"send"}))
    served.keys["short-lived"] = key
    before = raw_put(served, {"BatchItem": {}}, key="short-lived")

    served.control.revoke_key("short-lived")
    after = until(lambda: raw_put(served, {"BatchItem": {}}, key="short-lived"), lambda answer: answer.status != 202)

    assert before.status == 202
    assert (after.status, after.error_type) == (403, "UnrecognizedClientException")


@pytest.mark.parametrize(
    "ids", [[], ["a"], ["a", "b"], ["", ","], [",", '","', '"', "\\", '\\","'], ["é", "\u2028", "\x7f", "\n"], ['a",', ',"', "b"]]
)
def test_the_joined_answer_is_the_json_it_stands_for(ids: list[str]) -> None:
    accepted = {"StatusCode": 202, "Message": "Accepted"}

    body = events_response([BatchVerdict('e"1', tuple(ids), {}), BatchVerdict("e2", tuple(ids), dict.fromkeys(ids[:1], "why"))])

    results = json.loads(body)["Results"]
    assert results['e"1'] == {"EndpointItemResponse": accepted, "EventsItemResponse": dict.fromkeys(ids, accepted)}
    refused = {event_id: {"StatusCode": 400, "Message": "why"} for event_id in ids[:1]}
    assert results["e2"]["EventsItemResponse"] == {**dict.fromkeys(ids, accepted), **refused}
