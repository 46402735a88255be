"""Against a server that answers as it is told: what a client does with each kind of answer."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

import headwater
from headwater.client import NotDelivered, QueueFull
from headwater.client.sender import Sender
from headwater.errors import BadRequest, HeadwaterError, SettingsError
from tests.client.conftest import Scripted, accept


@pytest.fixture
def client(scripted: Scripted) -> Iterator[headwater.Client]:
    client = headwater.Client(scripted.url, "ab" * 16, write_key="hw" + "0" * 32, endpoint_id="here", linger_s=0.05)
    yield client
    client.close(0.1)


def busy(status: int) -> Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]:
    return lambda body: (status, {"message": "not now"})


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_request_that_may_succeed_later_is_sent_again_with_the_same_ids(
    client: headwater.Client, scripted: Scripted, status: int
) -> None:
    scripted.script = [busy(status), busy(status)]

    sent = [client.record("A"), client.record("B")]
    client.flush(60)

    assert scripted.event_ids() == [sent, sent, sent]


def test_only_the_events_that_the_server_could_not_take_are_sent_again(client: headwater.Client, scripted: Scripted) -> None:
    scripted.script = [lambda body: accept(body, b=500, c=429)]

    for event_id in "abcd":
        client.record("A", event_id=event_id)
    client.flush(60)

    assert scripted.event_ids() == [["a", "b", "c", "d"], ["b", "c"]]


def test_an_event_that_the_answer_does_not_mention_is_sent_again(client: headwater.Client, scripted: Scripted) -> None:
    scripted.script = [lambda body: (202, {"Results": {}}), lambda body: (202, {"nonsense": 1}), lambda body: (202, [1])]  # type: ignore[dict-item, list-item, return-value]

    client.record("A", event_id="a")
    client.flush(60)

    assert scripted.event_ids() == [["a"]] * 4


def test_a_connection_that_the_server_let_go_is_made_again_at_once(
    client: headwater.Client, scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.hangs_up = True

    for event_id in "abc":
        client.record("A", event_id=event_id)
        client.flush(60)
        time.sleep(0.05)  # the server's goodbye comes before the next event

    assert scripted.event_ids() == [["a"], ["b"], ["c"]]
    assert "trying again" not in caplog.text


def test_a_refused_request_is_not_repeated_and_the_next_flush_says_why(client: headwater.Client, scripted: Scripted) -> None:
    scripted.script = [lambda body: (403, {"Message": "User: x is not authorized"})]

    event_id = client.record("A", {"a": "b"}, {"n": 1}, user_id="ada", session="s-1")
    with pytest.raises(NotDelivered, match="HTTP 403: User: x is not authorized") as refused:
        client.flush(60)
    client.flush(60)  # it is said once

    [line] = refused.value.events
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "client_id": "ada", "event_id": event_id, "event_type": "A", "session_id": "s-1", "user_id": "ada",
        "attributes": {"a": "b"}, "metrics": {"n": 1},
    }  # fmt: skip
    assert len(scripted.bodies) == 1


def test_a_body_that_is_too_large_for_a_proxy_is_sent_in_parts(client: headwater.Client, scripted: Scripted) -> None:
    def narrow(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return (413, {}) if len(body["BatchItem"]["here"]["Events"]) > 3 else accept(body)

    scripted.script = [narrow] * 20

    sent = [client.record("A", event_id=f"e{number}") for number in range(10)]
    client.flush(60)

    taken = [ids for ids in scripted.event_ids() if len(ids) <= 3]
    assert [event_id for ids in taken for event_id in ids] == sent


def test_a_single_event_that_is_too_large_for_a_proxy_is_refused(client: headwater.Client, scripted: Scripted) -> None:
    scripted.script = [lambda body: (413, {"message": "too large"})]

    client.record("A")

    with pytest.raises(NotDelivered, match="413"):
        client.flush(60)


def test_events_share_requests_and_one_id_stands_in_a_request_once(client: headwater.Client, scripted: Scripted) -> None:
    for event_id in ("a", "b", "a", "c"):
        client.record("A", event_id=event_id)
    client.flush(60)

    assert scripted.event_ids() == [["a", "b"], ["a", "c"]]


def test_a_user_is_named_once_and_before_the_first_event(client: headwater.Client, scripted: Scripted) -> None:
    client.record("A", endpoint_id="tablet", event_id="a")
    client.record("A", endpoint_id="tablet", user_id="ada", event_id="b")
    client.record("A", endpoint_id="tablet", user_id="ada", event_id="c")
    client.flush(60)
    client.record("A", endpoint_id="tablet", user_id="ada", event_id="d")
    client.record("A", endpoint_id="tablet", user_id="bob", event_id="e")
    client.flush(60)

    said = [(body["BatchItem"]["tablet"]["Endpoint"].get("User"), list(body["BatchItem"]["tablet"]["Events"])) for body in scripted.bodies]
    assert said == [(None, ["a"]), ({"UserId": "ada"}, ["b", "c"]), (None, ["d"]), ({"UserId": "bob"}, ["e"])]


def test_changes_of_an_endpoint_keep_their_place_among_its_events(client: headwater.Client, scripted: Scripted) -> None:
    client.record("A", event_id="a")
    client.update_endpoint(attributes={"plan": "gold", "levels": [1, 2]}, user_id="ada", endpoint_id="here")
    client.record("A", event_id="b")
    client.update_endpoint("here", address="ada@example.org", channel_type="EMAIL")
    client.flush(60)

    said = [(body["BatchItem"]["here"]["Endpoint"], list(body["BatchItem"]["here"]["Events"])) for body in scripted.bodies]
    assert said == [
        ({}, ["a"]),
        ({"Attributes": {"plan": ["gold"], "levels": ["1", "2"]}, "User": {"UserId": "ada"}}, ["b"]),
        ({"Address": "ada@example.org", "ChannelType": "EMAIL"}, []),
    ]


def test_a_full_queue_raises_and_keeps_what_it_holds(scripted: Scripted) -> None:
    scripted.script = [busy(500)] * 3
    with headwater.Client(scripted.url, "ab" * 16, write_key="hw", queue_size=3) as client:
        for event_id in "abc":
            client.record("A", event_id=event_id)

        with pytest.raises(QueueFull, match="queue is full") as full:
            client.record("A", event_id="d")

    assert full.value.events[0]["event_id"] == "d"
    assert scripted.event_ids()[-1] == ["a", "b", "c"]


def test_on_error_is_told_of_every_loss_and_then_nothing_raises(scripted: Scripted) -> None:
    told: list[NotDelivered] = []
    scripted.script = [lambda body: accept(body, b=400)]
    with headwater.Client(scripted.url, "ab" * 16, write_key="hw", queue_size=2, on_error=told.append) as client:
        for event_id in "abc":
            client.record("A", event_id=event_id)
        client.flush(60)

    assert [(type(error), error.reason, [line["event_id"] for line in error.events]) for error in told] == [
        (QueueFull, told[0].reason, ["c"]),
        (NotDelivered, "so it is", ["b"]),
    ]


def test_an_on_error_that_fails_stops_nothing(scripted: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    def fail(error: NotDelivered) -> None:
        raise RuntimeError("no disk")

    scripted.script = [lambda body: accept(body, a=400)]
    with headwater.Client(scripted.url, "ab" * 16, write_key="hw", on_error=fail) as client:
        client.record("A", event_id="a")
        client.flush(60)
        client.record("A", event_id="b")

    assert scripted.event_ids() == [["a"], ["b"]]
    assert "no disk" in caplog.text


def test_close_gives_up_in_time_and_says_what_is_left(scripted: Scripted) -> None:
    scripted.script = [busy(500)] * 1000
    client = headwater.Client(scripted.url, "ab" * 16, write_key="hw", batch_size=2)
    for event_id in "abc":
        client.record("A", event_id=event_id)
    with pytest.raises(NotDelivered) as lost:
        client.close(0.5)

    assert [line["event_id"] for line in lost.value.events] == ["a", "b", "c"]
    with pytest.raises(HeadwaterError, match="closed"):
        client.record("A")
    client.close()


def test_close_interrupts_a_server_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = headwater.Client(f"http://127.0.0.1:{silent.getsockname()[1]}", "ab" * 16, write_key="hw", timeout_s=600)
        client.record("A")
        before = time.monotonic()

        with pytest.raises(NotDelivered):
            client.close(0.3)

    assert time.monotonic() - before < 60


def test_flush_that_runs_out_of_time_loses_nothing(client: headwater.Client, scripted: Scripted) -> None:
    scripted.script = [busy(500)] * 3
    client.record("A", event_id="a")

    with pytest.raises(TimeoutError):
        client.flush(0.01)
    client.flush(60)

    assert scripted.event_ids()[-1] == ["a"]


def test_an_error_inside_with_is_not_hidden_by_what_was_lost(scripted: Scripted) -> None:
    scripted.script = [lambda body: (403, {})]

    with pytest.raises(ZeroDivisionError) as raised, headwater.Client(scripted.url, "ab" * 16, write_key="hw") as client:
        client.record("A")
        raise ZeroDivisionError

    assert "not delivered" in raised.value.__notes__[0]


def test_a_client_nobody_remembers_delivers_all_the_same(scripted: Scripted) -> None:
    headwater.Client(scripted.url, "ab" * 16, write_key="hw", linger_s=0.2).record("A", event_id="a")
    gc.collect()
    [sender] = [found for found in gc.get_objects() if isinstance(found, Sender) and not found._closed and found._recorded]

    sender.close(60)

    assert scripted.event_ids() == [["a"]]


def test_many_threads_record_into_one_client(client: headwater.Client, scripted: Scripted) -> None:
    def record(part: int) -> None:
        for number in range(200):
            client.record("A", event_id=f"{part}-{number}")

    threads = [threading.Thread(target=record, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.flush(60)

    received = [event_id for ids in scripted.event_ids() for event_id in ids]
    assert len(received) == len(set(received)) == 1600
    for part in range(8):
        assert [event_id for event_id in received if event_id.startswith(f"{part}-")] == [f"{part}-{number}" for number in range(200)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": "A", "attributes": {1: "a"}},
        {"name": "A", "attributes": {"a": object()}},
        {"name": "A", "attributes": {"a": {"b": {1, 2}}}},
        {"name": "A", "attributes": {"a": "\ud800"}},
        {"name": "A", "attributes": {"a": "x" * 1_000_000}},
        {"name": "A", "metrics": {"n": float("nan")}},
        {"name": "A", "metrics": {"n": "1"}},
        {"name": "A", "metrics": {"n": True}},
        {"name": "A", "user_id": ""},
        {"name": "A", "endpoint_id": "x" * 257},
        {"name": "A", "session": 5},
        {"name": "A", "timestamp": datetime.fromisoformat("2026-11-23")},
    ],
)
def test_what_cannot_be_sent_is_said_at_once(client: headwater.Client, scripted: Scripted, arguments: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        client.record(**arguments)
    client.flush(1)

    assert scripted.bodies == []


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ftp://x", {"write_key": "hw"}),
        ("http://x:port", {"write_key": "hw"}),
        ("localhost:8700", {"write_key": "hw"}),
        ("http://x", {}),
        ("http://x", {"access_key_id": "AKIA"}),
        ("http://x", {"access_key_id": "AKIA", "secret_access_key": "s", "write_key": "hw"}),
        ("http://x", {"write_key": "hw", "queue_size": 0}),
    ],
)
def test_a_client_that_could_not_work_is_not_made(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        headwater.Client(url, "ab" * 16, **options)
