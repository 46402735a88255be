"""How often one address, one identity and one key may ask, and what they are told then."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import timeit
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.clock import ManualClock
from headwater.edge import Rate, Rates
from headwater.edge.http.limits import Limits
from headwater.edge.http.ratelimit import Networks
from headwater.edge.principal import Principal
from headwater.errors import TooManyRequests
from tests.edge.conftest import DECLARED, Answer, Served
from tests.edge.identities import POOL_ID, WRITE_KEY, Open
from tests.edge.streams import StreamsServed
from tests.served import Served as Project

EVENTS = f"/v1/apps/{DECLARED.app_id}/events"
EMPTY = b'{"BatchItem":{}}'
GUEST = Principal("arn", "secret", None, identity_id="us-east-1:a")
KEY = Principal("backend", "secret", None)
WRITE = Principal("write key", "", None)


def refused(call: Callable[[], None]) -> bool:
    try:
        call()
    except TooManyRequests:
        return True
    return False


def test_an_address_has_its_burst_and_then_its_rate_and_others_theirs() -> None:
    clock = ManualClock()
    limits = Limits(Rates(address=Rate(2, 3)), clock)

    told = [refused(lambda: limits.arrive("203.0.113.7")) for _ in range(5)]
    other = refused(lambda: limits.arrive("203.0.113.8"))
    clock.advance(0.5)
    later = [refused(lambda: limits.arrive("203.0.113.7")) for _ in range(2)]

    assert told == [False, False, False, True, True]
    assert not other
    assert later == [False, True]


def test_a_customers_ipv6_addresses_count_as_one_and_ipv4_in_ipv6_as_ipv4() -> None:
    limits = Limits(Rates(address=Rate(1, 1)), ManualClock())
    addresses = ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1", "203.0.113.7", "::ffff:203.0.113.7"]

    assert [refused(lambda a=a: limits.arrive(a)) for a in addresses] == [False, True, False, False, True]  # type: ignore[misc]


def test_exempt_addresses_and_those_that_nobody_knows_are_not_counted() -> None:
    limits = Limits(Rates(address=Rate(1, 1), exempt=("10.0.0.0/8", "::1/128")), ManualClock())

    assert not any(refused(lambda a=a: limits.arrive(a)) for a in ["10.1.2.3", "::ffff:10.9.9.9", "::1", ""] * 5)  # type: ignore[misc]


def test_what_a_long_term_key_signs_does_not_count_against_its_address() -> None:
    limits = Limits(Rates(address=Rate(1, 2)), ManualClock())

    def ask(principal: Principal) -> bool:
        return refused(lambda: (limits.arrive("203.0.113.7"), limits.allow(principal, "203.0.113.7", 0)))  # type: ignore[arg-type]

    assert [ask(KEY) for _ in range(50)] == [False] * 50
    assert [ask(GUEST), ask(WRITE), ask(KEY)] == [False, False, True]


def test_an_identity_and_a_key_have_limits_of_their_own() -> None:
    limits = Limits(Rates(identity=Rate(1, 2), key=Rate(1, 3)), ManualClock())
    other = Principal("arn", "secret", None, identity_id="us-east-1:b")

    assert [refused(lambda: limits.allow(GUEST, "a", 0)) for _ in range(3)] == [False, False, True]
    assert not refused(lambda: limits.allow(other, "a", 0))
    assert [refused(lambda: limits.allow(KEY, "a", 0)) for _ in range(4)] == [False, False, False, True]
    assert [refused(lambda: limits.allow(WRITE, "a", 0)) for _ in range(4)] == [False, False, False, True]


def test_a_large_body_counts_more_often() -> None:
    limits = Limits(Rates(identity=Rate(1, 66)), ManualClock())

    assert [refused(lambda size=size: limits.allow(GUEST, "a", size)) for size in (4 * 1024 * 1024, 65_536, 65_535, 0)] == [  # type: ignore[misc]
        False,
        True,
        False,
        True,
    ]


def test_nothing_a_second_is_no_limit() -> None:
    limits = Limits(Rates(), ManualClock())

    for _ in range(1_000):
        limits.arrive("203.0.113.7")
        limits.allow(GUEST, "203.0.113.7", 0)
        limits.allow(KEY, "203.0.113.7", 0)


def test_a_refusal_says_when_to_come_back() -> None:
    limits = Limits(Rates(address=Rate(0.1, 1)), ManualClock())
    limits.arrive("203.0.113.7")

    with pytest.raises(TooManyRequests) as caught:
        limits.arrive("203.0.113.7")

    assert caught.value.retry_after_s == 10


def test_a_flood_of_refusals_is_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    limits = Limits(Rates(address=Rate(0.001, 1)), clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(1_001):
            refused(lambda: limits.arrive("203.0.113.7"))
        clock.advance(60)
        refused(lambda: limits.arrive("203.0.113.7"))

    assert [record.getMessage() for record in caplog.records] == [
        "1 requests were refused by [limits], most of them of address 203.0.113.7",
        "1000 requests were refused by [limits], most of them of address 203.0.113.7",
    ]


def test_networks_remember_and_know_ipv4_in_ipv6() -> None:
    networks = Networks("10.0.0.0/8", "2001:db8::/32")
    asked = ["10.1.1.1", "::ffff:10.1.1.1", "11.1.1.1", "2001:db8::1", "2001:db9::1", "", "unix:"]

    assert [[address in networks for address in asked] for _ in range(2)] == [[True, True, False, True, False, False, False]] * 2


def test_counting_a_request_takes_no_time() -> None:
    limits = Limits(Rates(Rate(1e9, 10**9), Rate(1e9, 10**9), Rate(1e9, 10**9), ("127.0.0.0/8",)), ManualClock())

    def count() -> None:
        limits.arrive("203.0.113.7")
        limits.allow(GUEST, "203.0.113.7", 0)

    best_s = min(timeit.repeat(count, number=10_000, repeat=5)) / 10_000

    assert best_s < 20e-6  # ten times what it takes on a machine with nothing else to do


FROM = {"X-Forwarded-For": "203.0.113.7"}
NARROW = {"rates": Rates(address=Rate(0.2, 2)), "trusted_proxies": ["127.0.0.1/32"]}


@pytest.fixture
def open_doors(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Every door open, behind a trusted proxy, with the options given."""
    made: list[Served] = []

    def start(kind: type[Served] = Open, **options: Any) -> Any:
        made.append(kind(tmp_path, **{**NARROW, **options}))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def exhaust(served: Served) -> None:
    for _ in range(2):
        assert served.ask("GET", "/healthz", headers=FROM).status == 200


def check_retry_after(answer: Answer) -> None:
    assert 1 <= int(answer.headers["Retry-After"]) <= 5


def test_pinpoint_answers_500_which_every_client_sends_again(open_doors: Callable[..., Open]) -> None:
    served = open_doors()
    exhaust(served)

    answer = served.ask("POST", EVENTS, EMPTY, FROM)
    other = served.ask("POST", EVENTS, EMPTY, {"X-Forwarded-For": "203.0.113.8"})

    assert (answer.status, answer.error_type) == (500, "InternalServerErrorException")
    assert answer.json == {"Message": "Rate exceeded", "RequestID": answer.headers["x-amzn-RequestId"]}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    check_retry_after(answer)
    assert other.status == 403  # it was read: unsigned


def test_cognito_answers_in_json_11(open_doors: Callable[..., Open]) -> None:
    served = open_doors()
    exhaust(served)

    answer = served.call("GetId", {"IdentityPoolId": POOL_ID}, **FROM)

    assert (answer.status, answer.error_type) == (400, "TooManyRequestsException")
    assert answer.json == {"__type": "TooManyRequestsException", "message": "Rate exceeded"}
    check_retry_after(answer)


def test_sts_answers_in_xml(open_doors: Callable[..., Open]) -> None:
    served = open_doors()
    exhaust(served)

    form = {"Content-Type": "application/x-www-form-urlencoded", **FROM}
    answer = served.ask("POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", form)

    assert (answer.status, answer.error_type, answer.headers["Content-Type"]) == (400, "Throttling", "text/xml")
    told = {part.tag.rpartition("}")[2]: part.text for part in ET.fromstring(answer.body).iter()}
    assert (told["Type"], told["Code"], told["Message"]) == ("Sender", "Throttling", "Rate exceeded")
    check_retry_after(answer)


def test_kinesis_answers_with_the_code_that_its_producers_know(open_doors: Callable[..., Any]) -> None:
    served = open_doors(StreamsServed)
    exhaust(served)

    headers = {"X-Amz-Target": "Kinesis_20131202.PutRecords", "Content-Type": "application/x-amz-json-1.1", **FROM}
    answer = served.ask("POST", "/", b"{}", headers)

    assert (answer.status, answer.json["__type"]) == (400, "ProvisionedThroughputExceededException")
    check_retry_after(answer)


def test_segment_answers_429_which_its_libraries_wait_for(open_doors: Callable[..., Open]) -> None:
    served = open_doors()
    exhaust(served)

    answer = served.ask("POST", "/v1/batch", b"{}", FROM)

    assert (answer.status, answer.json["code"], answer.json["message"]) == (429, "TooManyRequestsException", "Rate exceeded")
    check_retry_after(answer)


def test_a_body_that_is_refused_is_not_read(open_doors: Callable[..., Open]) -> None:
    served = open_doors()
    exhaust(served)

    answer = served.ask("POST", EVENTS, b"", {"Content-Length": "4000000", **FROM})

    assert (answer.status, answer.headers["Connection"]) == (500, "close")


def test_a_preflight_is_answered_whatever_else_was_asked(open_doors: Callable[..., Open]) -> None:
    served = open_doors()
    exhaust(served)

    # Refused, it would be no answer at all to a page, after which Amplify drops what it has to send.
    assert served.ask("OPTIONS", EVENTS, headers=FROM).status == 204


def test_the_proxys_own_questions_are_nobodys(open_doors: Callable[..., Open]) -> None:
    served = open_doors(rates=Rates(address=Rate(0.2, 1), exempt=("127.0.0.1/32",)))

    assert [served.ask("GET", "/healthz").status for _ in range(5)] == [200] * 5


def test_a_client_cannot_choose_its_address_by_a_header(open_doors: Callable[..., Open]) -> None:
    served = open_doors()
    said = [{"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"} for number in range(4)]

    assert [served.ask("GET", "/healthz", headers=one).status for one in said] == [200, 200, 500, 500]


def test_without_a_trusted_proxy_the_header_says_nothing(open_doors: Callable[..., Open]) -> None:
    served = open_doors(trusted_proxies=[])
    said = [{"X-Forwarded-For": f"198.51.100.{number}"} for number in range(3)]

    assert [served.ask("GET", "/healthz", headers=one).status for one in said] == [200, 200, 500]


def test_boto3_waits_and_comes_through_at_every_door(open_doors: Callable[..., Open]) -> None:
    served = open_doors(rates=Rates(address=Rate(5, 1), identity=Rate(5, 1), key=Rate(5, 1)), trusted_proxies=[])

    pinpoint, sts = served.boto("pinpoint", "send", attempts=10), served.boto("sts", "send", attempts=10)
    answers = [pinpoint.put_events(ApplicationId=DECLARED.app_id, EventsRequest={"BatchItem": {}}) for _ in range(2)]
    cognito = served.boto("cognito-identity", attempts=10)
    ids = [cognito.get_id(IdentityPoolId=POOL_ID) for _ in range(2)]

    retried = [answer["ResponseMetadata"] for answer in (*answers, sts.get_caller_identity(), *ids)]
    assert {answer["HTTPStatusCode"] for answer in retried} == {200, 202}
    assert sum(answer["RetryAttempts"] for answer in retried) > 1


def test_an_identity_that_asks_too_often_is_refused_and_others_are_not(open_doors: Callable[..., Open]) -> None:
    served = open_doors(rates=Rates(identity=Rate(0.1, 2)))
    _, one = served.borrow()
    _, two = served.borrow()

    def statuses(lent: dict[str, Any], count: int) -> list[int]:
        client, told = served.boto("pinpoint", lent=lent), []
        for _ in range(count):
            try:
                answer = client.put_events(ApplicationId=DECLARED.app_id, EventsRequest={"BatchItem": {}})
            except ClientError as error:
                answer = error.response
            told.append(answer["ResponseMetadata"]["HTTPStatusCode"])
        return told

    assert statuses(one, 4) == [202, 202, 500, 500]
    assert statuses(two, 1) == [202]


def test_a_write_key_that_is_used_too_often_is_refused(open_doors: Callable[..., Open]) -> None:
    served = open_doors(rates=Rates(key=Rate(0.1, 2)))
    basic = {"Authorization": "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()}
    track = json.dumps({"anonymousId": "a", "event": "E"}).encode()

    first = [served.ask("POST", EVENTS, EMPTY, basic).status, served.ask("POST", "/v1/track", track, basic).status]
    then = [served.ask("POST", EVENTS, EMPTY, basic).status, served.ask("POST", "/v1/track", track, basic).status]

    assert (first, then) == ([202, 200], [500, 429])


def test_the_settings_of_a_project_reach_its_collector(tmp_path: Path) -> None:
    lines = ["exempt = []", "address_per_second = 0.01", "address_burst = 3", "connections_per_address = 2"]
    project = Project(tmp_path / "app", "\n".join(f"limits.{line}" for line in lines)).start()
    try:
        statuses = []
        kept = [http.client.HTTPConnection("127.0.0.1", project.ports[0], timeout=60) for _ in range(3)]
        for number, connection in enumerate(kept * 2):
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            statuses.append((number, answer.status, len(answer.read())))
    finally:
        for connection in kept:
            connection.close()
        project.stop()

    assert [(number, status) for number, status, _ in statuses] == [(0, 200), (1, 200), (2, 500), (3, 200), (4, 500), (5, 500)]
    assert [number for number, _, size in statuses if not size] == [2, 5]  # connections too many
