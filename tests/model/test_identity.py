"""By what a record is known again, and what it says of itself when it is rejected."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.model import Models, compile_models
from headwater.model.decode.verdicts import MINUTES
from tests.model.bodies import ARRIVAL, AT, DAY, SHARD, decode, event, record, rows
from tests.model.declared import CLASSES
from tests.model.declared import models as models


@pytest.mark.parametrize(
    "body",
    [
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp=ARRIVAL - 40 * DAY),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp=ARRIVAL + 40 * DAY),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp="yesterday"),
        event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, event_timestamp=2**70),
        event("PracticeEvent", {"piece_id": "p"}, {"level": "high"}),
        event("Validated", {"word": 5}),
        event("nobody/modelled", event_timestamp=ARRIVAL - 31 * DAY),
        event("_headwater.marriage"),
    ],
)
def test_what_a_client_sends_again_has_its_key_in_the_same_bucket_whenever_it_arrives(models: Models, body: Any) -> None:
    first = models.decode([record(body)], SHARD, [1])
    again = models.decode([record(body, arrival_ms=ARRIVAL + 2 * DAY)], SHARD, [2])

    assert (first.keys, first.minutes) == (again.keys, again.minutes)
    assert 0 <= first.minutes[0] < MINUTES


def test_the_same_event_has_the_same_key_wherever_it_lies_and_any_difference_another() -> None:
    models = compile_models(CLASSES)
    first = event("PracticeEvent", {"piece_id": "p"}, {"level": 1})
    others = [
        event("x", headwater={"v": 1, "event_id": "event"}),
        {**first, "event_timestamp": AT + 1},
        {**first, "application": {"app_id": "app2"}},
        {**first, "client": {"client_id": "client2"}},
        {**first, "headwater": {"v": 1, "event_id": "event2"}},
        {**first, "client": {"client_id": "clientevent"}, "headwater": {"v": 1, "event_id": ""}},
    ]

    keys = decode(models, first, {**first, "attributes": {}}, {**first, "session": 5}, *others).keys

    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys)) == 1 + len(others)


def test_a_record_without_event_id_is_known_by_its_place(models: Models) -> None:
    body = event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, headwater=...)

    decoded = decode(models, body, body, b"garbage")
    again = models.decode([record(body)], SHARD, [2])

    assert len(set(decoded.keys)) == 3
    assert again.keys == [decoded.keys[1]]
    assert [row["event_id"] for row in rows(decoded, "practice_events")] == [f"{SHARD}:1", f"{SHARD}:2"]
    assert decoded.identity(2).event_id == f"{SHARD}:3"


def test_an_identity_tells_what_a_rejected_record_says_of_itself(models: Models) -> None:
    decoded = decode(models, event("PracticeEvent"), event("PracticeEvent", session=5))

    wrong_field, wrong_envelope = decoded.identity(0), decoded.identity(1)

    assert wrong_field == ("event", "PracticeEvent", "app", "client", "us-west-2:identity", "session", AT, ARRIVAL)
    assert wrong_envelope == ("event", "PracticeEvent", "app", "client", "us-west-2:identity", None, ARRIVAL, ARRIVAL)


def test_a_redriven_record_names_its_letter(models: Models) -> None:
    redriven = event("PracticeEvent", {"piece_id": "p"}, {"level": 1}, headwater={"v": 1, "event_id": "e", "letter_id": "l-1"})

    decoded = decode(models, b"garbage", event("x"), redriven)

    assert decoded.letter_ids == {2: "l-1"}
