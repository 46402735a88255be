from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.endpoint import Profile
from headwater.endpoint.profile import Demographic, Location, ProfileUpdate, UserUpdate, merge
from headwater.errors import BadRequest

AT = 1_795_403_181_190


def merged(current: Profile | None, update: ProfileUpdate, at_ms: int = AT) -> dict[str, Any]:
    profile, _ = merge("app", "e1", current, update, at_ms, "request")
    response: dict[str, Any] = json.loads(profile.body)
    return response


def test_a_new_endpoint_has_the_shape_of_an_endpoint_response() -> None:
    response = merged(None, ProfileUpdate(effective_date="2026-11-23T03:06:21.154Z", request_id="r1"))

    assert response == {
        "Id": "e1",
        "ApplicationId": "app",
        "EndpointStatus": "ACTIVE",
        "OptOut": "NONE",
        "RequestId": "r1",
        "EffectiveDate": "2026-11-23T03:06:21.154Z",
        "CreationDate": "2026-11-23T03:06:21.190Z",
        "CohortId": response["CohortId"],
        "Demographic": {},
        "Location": {},
        "Attributes": {},
        "Metrics": {},
    }
    assert 0 <= int(response["CohortId"]) <= 99


def test_what_is_not_sent_stays_and_a_sent_attribute_replaces_its_list() -> None:
    first, _ = merge(
        "app",
        "e1",
        None,
        ProfileUpdate(
            address="a@b",
            attributes={"plan": ["free", "trial"], "kept": ["1"]},
            demographic=Demographic(make="Gecko", model="Chrome"),
            location=Location(city="Lyon"),
            metrics={"score": 1.0, "level": 2.0},
            user=UserUpdate("u1", {"langs": ["fr"], "kept": ["x"]}),
        ),
        AT,
        "r",
    )

    response = merged(
        first,
        ProfileUpdate(
            attributes={"plan": ["paid"]},
            demographic=Demographic(model="Firefox"),
            location=Location(country="FR"),
            metrics={"score": 3.0},
            user=UserUpdate(user_attributes={"langs": ["en"]}),
        ),
        AT + 1000,
    )

    assert response["Address"] == "a@b"
    assert response["Attributes"] == {"plan": ["paid"], "kept": ["1"]}
    assert response["Demographic"] == {"Make": "Gecko", "Model": "Firefox"}
    assert response["Location"] == {"City": "Lyon", "Country": "FR"}
    assert response["Metrics"] == {"score": 3.0, "level": 2.0}
    assert response["User"] == {"UserId": "u1", "UserAttributes": {"langs": ["en"], "kept": ["x"]}}
    assert response["CreationDate"] == "2026-11-23T03:06:21.190Z"
    assert response["EffectiveDate"] == "2026-11-23T03:06:22.190Z"


@pytest.mark.parametrize("sent", ["yesterday", "", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+05:00"])
def test_an_effective_date_that_is_no_time_is_the_time_of_arrival(sent: str) -> None:
    response = merged(None, ProfileUpdate(effective_date=sent))

    assert response["EffectiveDate"] == "2026-11-23T03:06:21.190Z"


def test_a_cohort_belongs_to_the_id_alone() -> None:
    first, _ = merge("app", "e1", None, ProfileUpdate(), AT, "r")
    second, _ = merge("other", "e1", None, ProfileUpdate(), AT + 5, "s")

    assert json.loads(first.body)["CohortId"] == json.loads(second.body)["CohortId"]


def test_only_effective_date_and_request_id_do_not_count_as_a_change() -> None:
    first, created = merge("app", "e1", None, ProfileUpdate(attributes={"b": ["1"], "a": ["2"]}), AT, "r")

    _, touched = merge("app", "e1", first, ProfileUpdate(effective_date="2026-11-24T00:00:00Z", request_id="x"), AT, "r")
    _, same = merge("app", "e1", first, ProfileUpdate(attributes={"a": ["2"]}), AT, "r")
    _, different = merge("app", "e1", first, ProfileUpdate(opt_out="ALL"), AT, "r")

    assert (created, touched, same, different) == (True, False, False, True)


def test_a_profile_cannot_grow_without_bound() -> None:
    profile, _ = merge("app", "e1", None, ProfileUpdate(attributes={f"a{i}": ["x"] for i in range(400)}), AT, "r")

    with pytest.raises(BadRequest, match="500 attributes"):
        merge("app", "e1", profile, ProfileUpdate(attributes={f"b{i}": ["x"] for i in range(101)}), AT, "r")
    with pytest.raises(BadRequest, match="65,536 bytes"):
        merge("app", "e1", profile, ProfileUpdate(address="x" * 65_536), AT, "r")
