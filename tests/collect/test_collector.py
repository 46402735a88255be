"""Events in, records out, endpoints kept."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from headwater.collect import Caller, Collector, decode_endpoint_update, decode_put_events
from headwater.endpoint import open_endpoints
from headwater.errors import BadRequest, NotFound, StreamFull, Unavailable
from headwater.stream import open_stream
from tests.collect.conftest import ACCOUNT, APP, AT, POOL, Bench

FULL_EVENT = {
    "EventType": "SignUpEvent",
    "Timestamp": AT,
    "Attributes": {"email": "zoe@example.com"},
    "Metrics": {"score": 1.5},
    "Session": {"Id": "s1", "StartTimestamp": "2026-11-23T03:06:21.152Z", "StopTimestamp": "2026-11-23T03:07:21.152Z", "Duration": 60000},
    "AppPackageName": "com.example",
    "AppTitle": "Piano",
    "AppVersionCode": "42",
    "SdkName": "amplify-flutter",
    "ClientSdkVersion": "2.1",
}
FULL_ENDPOINT = {
    "Demographic": {
        "AppVersion": "1.0",
        "Locale": "fr_FR",
        "Make": "Gecko",
        "Model": "Chrome",
        "Platform": "Linux x86_64",
        "PlatformVersion": "6",
    },
    "User": {"UserId": "u1"},
}  # fmt: skip
SEND: dict[str, Any] = {"door": "pinpoint", "trace_id": "trace"}


async def test_a_full_event_is_a_record_of_pinpoints_event_stream(bench: Bench) -> None:
    caller = Caller("guest", identity_id="us-west-2:c5b0", identity_pool_id="us-west-2:pool")

    await bench.put({"BatchItem": {"e1": {"Endpoint": FULL_ENDPOINT, "Events": {"v1": FULL_EVENT}}}}, caller)

    changed, record = await bench.records()
    profile = record.pop("endpoint")
    assert record == {
        "event_type": "SignUpEvent",
        "event_timestamp": 1795403182544,
        "arrival_timestamp": bench.clock.now_ms(),
        "event_version": "3.1",
        "application": {
            "app_id": APP,
            "cognito_identity_pool_id": "us-west-2:pool",
            "package_name": "com.example",
            "title": "Piano",
            "version_name": "1.0",
            "version_code": "42",
            "sdk": {"name": "amplify-flutter", "version": "2.1"},
        },
        "client": {"client_id": "e1", "cognito_id": "us-west-2:c5b0"},
        "device": {
            "locale": {"code": "fr_FR", "country": "FR", "language": "fr"},
            "make": "Gecko",
            "model": "Chrome",
            "platform": {"name": "linux x86_64", "version": "6"},
        },
        "session": {"session_id": "s1", "start_timestamp": 1795403181152, "stop_timestamp": 1795403241152, "duration": 60000},
        "attributes": {"email": "zoe@example.com"},
        "metrics": {"score": 1.5},
        "awsAccountId": ACCOUNT,
        "headwater": {"v": 1, "event_id": "v1", "door": "pinpoint", "trace_id": "trace"},
    }
    assert profile == changed["endpoint"] == json.loads(bench.collector.endpoint(APP, "e1").body)
    assert profile["User"] == {"UserId": "u1", "UserAttributes": {}}


async def test_the_barest_event_is_a_record_with_empty_parts(bench: Bench) -> None:
    record = await bench.one({"EventType": "app/load page", "Timestamp": AT})

    assert record["application"] == {"app_id": APP, "cognito_identity_pool_id": POOL, "sdk": {}}
    assert record["client"] == {"client_id": "e1"}
    assert record["device"] == {"platform": {}}
    assert record["session"] == record["attributes"] == record["metrics"] == {}


async def test_the_sdk_of_amplify_js_comes_from_its_user_agent(bench: Bench) -> None:
    caller = Caller("k", user_agent="aws-amplify/6.22.1 analytics/1 framework/0")

    record = await bench.one({"EventType": "x", "Timestamp": AT}, caller)

    assert record["application"]["sdk"] == {"name": "aws-amplify", "version": "6.22.1"}


@pytest.mark.parametrize(
    ("code", "locale"),
    [
        ("fr_FR", {"code": "fr_FR", "country": "FR", "language": "fr"}),
        ("en-us", {"code": "en-us", "country": "US", "language": "en"}),
        ("de", {"code": "de", "language": "de"}),
        ("zh_Hant_TW", {"code": "zh_Hant_TW", "country": "TW", "language": "zh"}),
        ("es-419", {"code": "es-419", "country": "419", "language": "es"}),
        ("?", {"code": "?"}),
    ],
)
async def test_a_locale_is_taken_apart(bench: Bench, code: str, locale: dict[str, str]) -> None:
    event = {"EventType": "x", "Timestamp": AT}
    await bench.put({"BatchItem": {"e1": {"Endpoint": {"Demographic": {"Locale": code}}, "Events": {"v": event}}}})

    records = await bench.records()

    assert records[-1]["device"]["locale"] == locale


async def test_an_endpoint_nobody_announced_is_created_by_a_record_before_its_events(bench: Bench) -> None:
    await bench.put({"BatchItem": {"e1": {"Endpoint": {}, "Events": {"v1": {"EventType": "a", "Timestamp": AT}}}}})
    await bench.put({"BatchItem": {"e1": {"Endpoint": {}, "Events": {"v2": {"EventType": "b", "Timestamp": AT}}}}})

    records = await bench.records()

    assert [r["event_type"] for r in records] == ["_headwater.endpoint", "a", "b"]
    assert records[0]["attributes"] == {"operation": "update"}
    assert records[0]["event_timestamp"] == records[0]["arrival_timestamp"] == bench.clock.now_ms()
    assert len(records[0]["headwater"]["event_id"]) == 36


async def test_an_endpoint_that_says_nothing_new_makes_no_record(bench: Bench) -> None:
    endpoint = {**FULL_ENDPOINT, "EffectiveDate": AT, "RequestId": "r1"}
    event = {"EventType": "a", "Timestamp": AT}
    await bench.put({"BatchItem": {"e1": {"Endpoint": endpoint, "Events": {"v1": event}}}})

    await bench.put(
        {
            "BatchItem": {
                "e1": {"Endpoint": {**endpoint, "EffectiveDate": "2026-11-24T00:00:00Z", "RequestId": "r2"}, "Events": {"v2": event}}
            }
        }
    )
    await bench.put({"BatchItem": {"e1": {"Endpoint": {"OptOut": "ALL"}, "Events": {"v3": event}}}})

    assert [r["event_type"] for r in await bench.records()] == ["_headwater.endpoint", "a", "a", "_headwater.endpoint", "a"]


async def test_one_bad_event_among_good_ones_is_the_only_one_refused(bench: Bench) -> None:
    good, bad = {"EventType": "a", "Timestamp": AT}, {"EventType": "", "Timestamp": AT}

    verdicts = await bench.put(
        {"BatchItem": {"e1": {"Endpoint": {}, "Events": {"v1": good, "v2": bad, "v3": good}}, "e2": {"Events": {"v4": good}}}}
    )

    assert [(v.endpoint_id, list(v.event_ids), list(v.refused)) for v in verdicts] == [
        ("e1", ["v1", "v2", "v3"], ["v2"]),
        ("e2", ["v4"], []),
    ]
    assert [r["headwater"]["event_id"] for r in await bench.records() if r["event_type"] == "a"] == ["v1", "v3", "v4"]


async def test_a_bad_endpoint_is_refused_and_its_events_are_accepted(bench: Bench) -> None:
    [verdict] = await bench.put(
        {"BatchItem": {"e1": {"Endpoint": {"Metrics": "x"}, "Events": {"v1": {"EventType": "a", "Timestamp": AT}}}}}
    )

    assert list(verdict.refused) == [None]
    assert [r["event_type"] for r in await bench.records()] == ["_headwater.endpoint", "a"]


@pytest.mark.parametrize("endpoint_id", ["", "x" * 257, "a\0b"])
async def test_an_endpoint_id_that_cannot_be_a_partition_key_refuses_its_events_only(bench: Bench, endpoint_id: str) -> None:
    event = {"EventType": "a", "Timestamp": AT}

    bad, good = await bench.put({"BatchItem": {endpoint_id: {"Events": {"v1": event}}, "e1": {"Events": {"v2": event}}}})

    assert set(bad.refused) == {None, "v1"}
    assert good.refused == {}


async def test_many_tiny_events_cannot_blow_up_to_more_than_fits(bench: Bench) -> None:
    await bench.put({"BatchItem": {"e1": {"Endpoint": {"Address": "x" * 60_000}, "Events": {}}}})
    events = {f"v{i}": {"EventType": "a", "Timestamp": AT} for i in range(2_000)}

    big, small = await bench.put({"BatchItem": {"e1": {"Events": events}, "e2": {"Events": {"v": {"EventType": "b", "Timestamp": AT}}}}})

    assert len(big.refused) == 2_000
    assert "67,108,864 bytes" in big.refused["v0"]
    assert [r["event_type"] for r in await bench.records()] == ["_headwater.endpoint", "_headwater.endpoint", "b"]
    assert small.refused == {}


async def test_the_partition_key_is_the_client_id_and_one_request_is_one_append(bench: Bench) -> None:
    events = {f"v{i}": {"EventType": "a", "Timestamp": AT} for i in range(3)}
    appends: list[int] = []
    append = bench.stream.append

    async def counted(records: Any) -> Any:
        appends.append(len(records))
        return await append(records)

    bench.stream.append = counted  # type: ignore[method-assign]
    await bench.put({"BatchItem": {"e1": {"Endpoint": {}, "Events": events}, "e2": {"Endpoint": {}, "Events": events}}})

    [shard] = await bench.stream.shards()
    records = (await bench.stream.read(shard, 0, 100, 0)).records
    assert appends == [8]
    assert [r.partition_key for r in records] == ["e1", "e2", "e1", "e1", "e1", "e2", "e2", "e2"]
    assert {r.arrival_ms for r in records} == {bench.clock.now_ms()}


async def test_an_empty_request_appends_nothing(bench: Bench) -> None:
    verdicts = await bench.put({"BatchItem": {}})

    assert verdicts == []
    assert await bench.records() == []


async def test_an_update_is_a_record_with_the_whole_new_profile(bench: Bench) -> None:
    update = decode_endpoint_update(b'{"Attributes":{"plan":["free"]},"User":{"UserId":"u"}}')
    await bench.collector.update_endpoints(APP, [("e1", update)], Caller("k"), **SEND)

    await bench.collector.update_endpoints(APP, [("e1", decode_endpoint_update(b'{"OptOut":"ALL"}'))], Caller("k"), **SEND)

    records = await bench.records()
    assert [r["event_type"] for r in records] == ["_headwater.endpoint"] * 2
    assert (records[1]["endpoint"]["Attributes"], records[1]["endpoint"]["OptOut"]) == ({"plan": ["free"]}, "ALL")
    assert [p.endpoint_id for p in bench.collector.user_endpoints(APP, "u")] == ["e1"]


async def test_a_batch_of_updates_is_all_or_none(bench: Bench) -> None:
    good, too_big = decode_endpoint_update(b'{"OptOut":"ALL"}'), decode_endpoint_update(json.dumps({"Address": "x" * 65_536}).encode())

    with pytest.raises(BadRequest):
        await bench.collector.update_endpoints(APP, [("e1", good), ("e2", too_big)], Caller("k"), **SEND)

    assert await bench.records() == []
    with pytest.raises(NotFound):
        bench.collector.endpoint(APP, "e1")


async def test_two_updates_of_one_endpoint_in_a_batch_both_count(bench: Bench) -> None:
    updates = [("e1", decode_endpoint_update(body)) for body in (b'{"Attributes":{"a":["1"]}}', b'{"Attributes":{"b":["2"]}}')]

    await bench.collector.update_endpoints(APP, updates, Caller("k"), **SEND)

    assert json.loads(bench.collector.endpoint(APP, "e1").body)["Attributes"] == {"a": ["1"], "b": ["2"]}


async def test_concurrent_updates_of_one_endpoint_lose_nothing(bench: Bench) -> None:
    append = bench.stream.append

    async def slow(records: Any) -> Any:
        await asyncio.sleep(0)  # let the others in between reading and appending
        return await append(records)

    bench.stream.append = slow  # type: ignore[method-assign]
    updates = [decode_endpoint_update(json.dumps({"Attributes": {f"a{i}": ["x"]}}).encode()) for i in range(50)]
    events = [{"BatchItem": {"e1": {"Endpoint": {"Metrics": {f"m{i}": i}}, "Events": {}}}} for i in range(50)]

    await asyncio.gather(
        *(bench.collector.update_endpoints(APP, [("e1", update)], Caller("k"), **SEND) for update in updates),
        *(bench.put(request) for request in events),
    )

    profile = json.loads(bench.collector.endpoint(APP, "e1").body)
    assert len(profile["Attributes"]) == len(profile["Metrics"]) == 50
    assert (await bench.records())[-1]["endpoint"] == profile


async def test_deleting_is_a_record_and_the_next_event_makes_the_endpoint_anew(bench: Bench) -> None:
    event = {"BatchItem": {"e1": {"Endpoint": {"Address": "x"}, "Events": {"v": {"EventType": "a", "Timestamp": AT}}}}}
    await bench.put(event)

    deleted = await bench.collector.delete_endpoint(APP, "e1", Caller("k"), **SEND)
    with pytest.raises(NotFound):
        await bench.collector.delete_endpoint(APP, "e1", Caller("k"), **SEND)
    await bench.put(event)

    records = await bench.records()
    assert json.loads(deleted.body)["Address"] == "x"
    assert [r["attributes"].get("operation") for r in records] == ["update", None, "delete", "update", None]


async def test_deleting_a_user_deletes_all_of_their_endpoints(bench: Bench) -> None:
    update = decode_endpoint_update(b'{"User":{"UserId":"u"}}')
    await bench.collector.update_endpoints(APP, [("e1", update), ("e2", update)], Caller("k"), **SEND)

    deleted = await bench.collector.delete_user_endpoints(APP, "u", Caller("k"), **SEND)

    assert [p.endpoint_id for p in deleted] == ["e1", "e2"]
    with pytest.raises(NotFound, match="user"):
        bench.collector.user_endpoints(APP, "u")
    with pytest.raises(NotFound, match="user"):
        await bench.collector.delete_user_endpoints(APP, "u", Caller("k"), **SEND)


async def test_a_full_stream_accepts_nothing_and_changes_no_profile(tmp_path: Path) -> None:
    endpoints = open_endpoints(f"sqlite:///{tmp_path}/e")
    full = Bench(open_stream("memory:", max_bytes=10), endpoints)
    await full.collector.start()

    with pytest.raises(StreamFull):
        await full.put({"BatchItem": {"e1": {"Endpoint": {}, "Events": {"v1": {"EventType": "a", "Timestamp": AT}}}}})

    with pytest.raises(NotFound):
        full.collector.endpoint(APP, "e1")
    endpoints.close()


async def test_nothing_is_accepted_before_the_start(bench: Bench) -> None:
    early = Collector(bench.stream, bench.endpoints, account_id=ACCOUNT)

    with pytest.raises(Unavailable):
        await early.put_events(APP, decode_put_events(b'{"BatchItem":{"e":{"Events":{}}}}'), Caller("k"), **SEND)
