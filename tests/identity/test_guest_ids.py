from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from headwater.control.masterkey import KeyRing, rotate_master_keys
from headwater.identity import GuestIds

POOL, OTHER = "us-east-1:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10", "us-east-1:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a11"


@pytest.fixture
def guests(tmp_path: Path) -> GuestIds:
    return GuestIds(KeyRing(tmp_path / "keys.json"))


def test_an_id_is_a_region_and_a_uuid_of_version_4(guests: GuestIds) -> None:
    made = [guests.make(POOL) for _ in range(200)]

    assert len(set(made)) == 200
    for identity_id in made:
        region, _, text = identity_id.partition(":")
        assert (region, uuid.UUID(text).version, uuid.UUID(text).variant) == ("us-east-1", 4, uuid.RFC_4122)


def test_an_id_is_known_as_its_pools_and_no_others(guests: GuestIds) -> None:
    made = [guests.make(POOL) for _ in range(200)]

    assert all(guests.made_for(POOL, identity_id) for identity_id in made)
    assert not any(guests.made_for(OTHER, identity_id) for identity_id in made)


def test_an_id_of_aws_or_with_any_digit_changed_is_not_ours(guests: GuestIds) -> None:
    identity_id = guests.make(POOL)
    digits = [index for index, letter in enumerate(identity_id) if index > len("us-east-1:") and letter != "-"]

    changed = [identity_id[:i] + ("0" if identity_id[i] != "0" else "1") + identity_id[i + 1 :] for i in digits]

    assert not any(guests.made_for(POOL, other) for other in changed)
    assert not any(guests.made_for(POOL, f"us-east-1:{uuid.uuid4()}") for _ in range(1_000))


@pytest.mark.parametrize("given", ["", "us-east-1:", "eu-west-1:{}", "us-east-1:{} ", "us-east-1:X{}"])
def test_what_is_no_id_is_not_ours(guests: GuestIds, given: str) -> None:
    assert not guests.made_for(POOL, given.format(guests.make(POOL).partition(":")[2]))


def test_ids_stay_ours_after_the_master_key_was_rotated(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = GuestIds(KeyRing(path)).make(POOL)

    rotate_master_keys(path)

    assert GuestIds(KeyRing(path)).made_for(POOL, before)
