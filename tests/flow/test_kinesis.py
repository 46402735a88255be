"""Records put through the Kinesis door are rows in SQL; any consumer reads the raw stream; a Pinpoint event stream leads on."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import headwater
from headwater.stream import FIRST_SHARD
from tests.packed.kpl import aggregate
from tests.served import Served
from tests.waiting import until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = 'identity.guest_streams = ["app"]'
    with Served(tmp_path_factory.mktemp("flow") / "piano", settings).start() as served:
        yield served


NOW = datetime.now(UTC).replace(microsecond=544000)


def eventually(served: Served, query: str, expected: list[dict[str, Any]], within_s: float = 60) -> None:
    assert until(lambda: served.sql(query), lambda rows: rows == expected, within_s) == expected


def put(served: Served, *events: Any) -> Any:
    data = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return served.client("kinesis").put_records(StreamName="app", Records=[{"Data": each, "PartitionKey": "p"} for each in data])


def consume(served: Served, stream: str, count: int | None) -> list[bytes]:
    """Read from the beginning until there are *count* records, or, if there is no count, all that are there."""
    client, found = served.client("kinesis"), list[bytes]()
    began = client.get_shard_iterator(StreamName=stream, ShardId=FIRST_SHARD, ShardIteratorType="TRIM_HORIZON")
    position = began["ShardIterator"]

    def read() -> bool:
        nonlocal position
        answer = client.get_records(ShardIterator=position)
        position = answer["NextShardIterator"]
        found.extend(record["Data"] for record in answer["Records"])
        time.sleep(0.03)  # a shard may be read five times a second: as a consumer does, not in a tight loop
        return not answer["MillisBehindLatest"] if count is None else len(found) >= count

    assert until(read), found
    return found


def test_every_record_is_a_row_or_a_dead_letter(served: Served) -> None:
    event_id, other_id = str(uuid.uuid4()), str(uuid.uuid4())
    attributes = {"email": "ada@example.org", "id": "u1", "is_test_user": True, "user_type": "null"}
    full = {
        "event_type": "SignInEvent", "event_timestamp": int(NOW.timestamp() * 1000), "event_version": "3.1",
        "client": {"client_id": "kinesis-1"}, "session": {"session_id": "s-1"}, "attributes": attributes,
        "headwater": {"event_id": event_id},
    }  # fmt: skip
    plain = {"event_type": "SignUpEvent", "email": "ada@example.org", "client_id": "kinesis-2"}
    other = {"event_type": "level passed", "event_id": other_id, "tempo": 90, "client_id": "kinesis-3"}
    wrong = {"event_type": "SignUpEvent", "email": "no address", "client_id": "kinesis-4"}

    answer = put(served, full, plain, other, wrong, b"\xff\x00 no event \xff\x00")

    assert answer["FailedRecordCount"] == 0
    numbers = [record["SequenceNumber"] for record in answer["Records"]]
    eventually(
        served,
        f"SELECT datetime, session_id, app_id, client_id, email, is_test_user, user_type FROM sign_in_events WHERE event_id = '{event_id}'",
        [{
            "datetime": NOW, "session_id": "s-1", "app_id": served.app_id, "client_id": "kinesis-1", "email": "ada@example.org",
            "is_test_user": True, "user_type": None,
        }],
    )  # fmt: skip
    eventually(
        served,
        "SELECT event_id, email FROM sign_up_events WHERE client_id = 'kinesis-2'",
        [{"event_id": f"{FIRST_SHARD}:{numbers[1]}", "email": "ada@example.org"}],
    )
    eventually(served, f"SELECT metrics['tempo'] AS tempo FROM other_events WHERE event_id = '{other_id}'", [{"tempo": 90.0}])
    eventually(
        served,
        f"SELECT reason, field, sequence_number FROM dead_letters WHERE sequence_number IN ('{numbers[3]}', '{numbers[4]}') ORDER BY 3",
        [
            {"reason": "field", "field": "email", "sequence_number": numbers[3]},
            {"reason": "not-json", "field": None, "sequence_number": numbers[4]},
        ],
    )


def test_the_same_record_sent_again_is_one_row_where_it_has_an_id(served: Served) -> None:
    event_id = str(uuid.uuid4())
    stamp = int(NOW.timestamp() * 1000)
    with_id = {"event_type": "SignUpEvent", "email": "ada@example.org", "event_id": event_id, "event_timestamp": stamp}
    without = {"event_type": "SignUpEvent", "email": "grace@example.org", "client_id": "no-id"}

    for _ in range(3):
        put(served, with_id, without)

    eventually(served, f"SELECT fate FROM fates WHERE event_id = '{event_id}'", [{"fate": "duplicate"}] * 2)
    eventually(served, f"SELECT count(*) AS n FROM sign_up_events WHERE event_id = '{event_id}'", [{"n": 1}])
    eventually(served, "SELECT count(*) AS n FROM sign_up_events WHERE client_id = 'no-id'", [{"n": 3}])


def test_any_kinesis_consumer_reads_the_app_stream(served: Served) -> None:
    event_id = str(uuid.uuid4())
    event = {"EventType": "SignUpEvent", "Timestamp": NOW.isoformat(), "Attributes": {"email": "ada@example.org"}}
    batch = {"device-k": {"Endpoint": {}, "Events": {event_id: event}}}
    before = len(consume(served, "app", None))

    served.client().put_events(ApplicationId=served.app_id, EventsRequest={"BatchItem": batch})

    found = [json.loads(data) for data in consume(served, "app", before + 2)[before:]]
    [mine] = [record for record in found if record["event_type"] == "SignUpEvent"]
    assert (mine["client"]["client_id"], mine["application"]["app_id"], mine["event_version"]) == ("device-k", served.app_id, "3.1")


def test_a_guest_puts_records_where_the_pool_says_and_does_nothing_else(served: Served) -> None:
    cognito = served.client("cognito-identity")
    identity_id = cognito.get_id(IdentityPoolId=served.status()["identity_pool_id"])["IdentityId"]
    lent = cognito.get_credentials_for_identity(IdentityId=identity_id)["Credentials"]
    guest = boto3.client(
        "kinesis",
        endpoint_url=served.url,
        region_name="us-east-1",
        aws_access_key_id=lent["AccessKeyId"],
        aws_secret_access_key=lent["SecretKey"],
        aws_session_token=lent["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    served.client("kinesis").create_stream(StreamName="not-for-guests", ShardCount=1)
    forged = {"cognito_id": "somebody else", "client_id": "guest"}
    data = json.dumps({"event_type": "guest sent", "client": forged, "application": {"app_id": "another"}}).encode()

    guest.put_records(StreamName="app", Records=[{"Data": data, "PartitionKey": "p"}])
    refused = [
        error_of(lambda: guest.put_record(StreamName="not-for-guests", Data=data, PartitionKey="p")),
        error_of(lambda: guest.describe_stream(StreamName="app")),
        error_of(lambda: guest.get_shard_iterator(StreamName="app", ShardId=FIRST_SHARD, ShardIteratorType="LATEST")),
        error_of(lambda: guest.list_streams()),
    ]

    assert refused == ["AccessDeniedException"] * 4
    eventually(
        served,
        "SELECT app_id, client_id, cognito_id FROM other_events WHERE event_type = 'guest sent'",
        [{"app_id": served.app_id, "client_id": "guest", "cognito_id": identity_id}],
    )


def error_of(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_what_terraform_sets_up_is_there_and_works_after_a_restart(served: Served) -> None:
    kinesis, pinpoint = served.client("kinesis"), served.client()
    kinesis.create_stream(StreamName="piano-events", StreamModeDetails={"StreamMode": "ON_DEMAND"}, Tags={"Environment": "prd"})
    arn = kinesis.describe_stream_summary(StreamName="piano-events")["StreamDescriptionSummary"]["StreamARN"]
    app_id = pinpoint.create_app(CreateApplicationRequest={"Name": "piano"})["ApplicationResponse"]["Id"]
    pinpoint.put_event_stream(
        ApplicationId=app_id, WriteEventStream={"DestinationStreamArn": arn, "RoleArn": "arn:aws:iam::000000000000:role/r"}
    )

    send_one(pinpoint, app_id, "one")
    first = [json.loads(data)["event_type"] for data in consume(served, "piano-events", 1)]
    assert served.stop() == 0
    served.start()
    send_one(served.client(), app_id, "two")
    second = [json.loads(data)["event_type"] for data in consume(served, "piano-events", 2)]

    assert (first, second) == (["one"], ["one", "two"])
    kept = served.client("kinesis").list_tags_for_stream(StreamName="piano-events")["Tags"]
    assert kept == [{"Key": "Environment", "Value": "prd"}]


def send_one(pinpoint: Any, app_id: str, event_type: str) -> None:
    event = {"EventType": event_type, "Timestamp": NOW.isoformat()}
    pinpoint.put_events(ApplicationId=app_id, EventsRequest={"BatchItem": {"d": {"Endpoint": {}, "Events": {str(uuid.uuid4()): event}}}})


def test_events_packed_into_one_record_are_rows_each_and_consumers_read_the_record_as_it_was_put(served: Served) -> None:
    tag = str(uuid.uuid4())
    held = {name: [json.dumps({"event_type": "packed", "tag": tag, "of": name, "n": n}).encode() for n in range(3)] for name in PACKED}
    data = {name: PACKED[name](events) for name, events in held.items()}
    data["unknown"] = b"\x28\xb5\x2f\xfd not really"

    numbers = dict(zip(data, (record["SequenceNumber"] for record in put(served, *data.values())["Records"]), strict=True))

    eventually(
        served,
        f"SELECT attributes['of'] AS name, event_id FROM other_events WHERE attributes['tag'] = '{tag}' ORDER BY 1, metrics['n']",
        [{"name": name, "event_id": f"{FIRST_SHARD}:{numbers[name]}:{n}"} for name in sorted(PACKED) for n in range(3)],
    )
    eventually(
        served,
        f"SELECT reason, message LIKE 'the record is zstd%' AS named FROM dead_letters WHERE sequence_number = '{numbers['unknown']}'",
        [{"reason": "not-json", "named": True}],
    )
    assert set(consume(served, "app", None)) >= set(data.values())


def test_who_put_a_packed_record_is_who_its_events_are_from(served: Served) -> None:
    cognito = served.client("cognito-identity")
    identity_id = cognito.get_id(IdentityPoolId=served.status()["identity_pool_id"])["IdentityId"]
    lent = cognito.get_credentials_for_identity(IdentityId=identity_id)["Credentials"]
    guest = boto3.client(
        "kinesis",
        endpoint_url=served.url,
        region_name="us-east-1",
        aws_access_key_id=lent["AccessKeyId"],
        aws_secret_access_key=lent["SecretKey"],
        aws_session_token=lent["SessionToken"],
    )
    forged = {"event_type": "packed by a guest", "client": {"cognito_id": "somebody else"}, "application": {"app_id": "another"}}
    ours = {"event_type": "_headwater.endpoint", "attributes": {"operation": "delete"}, "n": "packed by a guest"}

    answer = guest.put_record(StreamName="app", Data=aggregate(json.dumps(forged).encode(), json.dumps(ours).encode()), PartitionKey="p")

    eventually(
        served,
        "SELECT app_id, cognito_id FROM other_events WHERE event_type = 'packed by a guest'",
        [{"app_id": served.app_id, "cognito_id": identity_id}],
    )
    eventually(
        served,
        f"SELECT reason, event_id FROM dead_letters WHERE sequence_number = '{answer['SequenceNumber']}'",
        [{"reason": "refused", "event_id": f"{FIRST_SHARD}:{answer['SequenceNumber']}:1"}],
    )


@pytest.mark.parametrize(
    ("sent", "as_decimal"),
    [
        ("9007199254740993", 9007199254740993),
        ("-9007199254740993", -9007199254740993),
        ("99999999999999999999", 99999999999999999999),
        ("9007199254740992", 9007199254740992),
        ("7", 7),
        ("2.5", 3),
        ('7,"attributes":{"n":"1234567890123456789"}', 7),
    ],
)
def test_a_whole_number_of_an_event_that_nobody_modelled_is_exact_where_sql_asks_for_it(served: Served, sent: str, as_decimal: int) -> None:
    event_id = str(uuid.uuid4())
    put(served, b'{"event_type":"numbered","event_id":"%s","n":%s}' % (event_id.encode(), sent.encode()))

    key, secret = served.owner["access_key_id"], served.owner["secret_access_key"]
    with headwater.connect(str(served.status()["private_url"]), key, secret, dialect="athena") as lake:
        asked = f"SELECT CAST(o.metrics['n'] AS decimal(38, 0)), o.metrics['n'] FROM other_events o WHERE event_id = '{event_id}'"
        found = until(lambda: lake.sql(asked).rows(), bool, 20)

    number = float(sent.partition(",")[0])
    assert found == [(Decimal(as_decimal), number)]


PACKED: dict[str, Callable[[list[bytes]], bytes]] = {
    "aggregate": lambda events: aggregate(*events),
    "array": lambda events: b"[" + b",".join(events) + b"]",
    "concatenated": b"".join,
    "gzip": lambda events: gzip.compress(b"\n".join(events)),
    "lines": lambda events: b"\n".join(events) + b"\n",
}
