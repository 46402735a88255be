"""The store of pools and identities, and the master keys behind what is lent."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.clock import ManualClock
from headwater.control import open_control
from headwater.control.identities import Identity, IdentityChange, IdentityStore, Login, Pool, open_identity_store
from headwater.control.masterkey import KeyRing, open_master_keys, rotate_master_keys
from headwater.errors import Conflict, NotFound

DECLARED = Pool("us-east-1:0a", "declared", True)
MADE = Pool("us-east-1:0b", "made", False, tags={"a": "b"}, roles={"authenticated": "arn:aws:iam::000000000000:role/user"})
ADA = Login("login.example", "ada")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[IdentityStore]:
    opened = open_identity_store(f"sqlite:///{tmp_path}/control.db", [DECLARED], clock=clock)
    yield opened
    opened.close()


def change(operation: str, identity_id: str, at_ms: int = 1, **rest: object) -> IdentityChange:
    return IdentityChange(operation, identity_id, "us-east-1:0b", at_ms, **rest)  # type: ignore[arg-type]


def test_pools_are_those_of_settings_and_those_that_were_made(store: IdentityStore) -> None:
    store.put_pool(MADE)

    assert [(pool.pool_id, pool.declared) for pool in store.pools()] == [("us-east-1:0a", True), ("us-east-1:0b", False)]
    assert store.find_pool("us-east-1:0b") == MADE
    assert store.find_pool("us-east-1:0c") is None


def test_a_declared_pool_is_changed_in_its_file_only(store: IdentityStore) -> None:
    for change_it in (lambda: store.put_pool(DECLARED), lambda: store.delete_pool(DECLARED.pool_id)):
        with pytest.raises(Conflict, match=r"declared in headwater\.toml"):
            change_it()


def test_a_deleted_pool_is_gone(store: IdentityStore) -> None:
    store.put_pool(MADE)

    assert store.delete_pool(MADE.pool_id) == MADE
    assert store.find_pool(MADE.pool_id) is None
    with pytest.raises(NotFound):
        store.delete_pool(MADE.pool_id)


def test_a_pool_made_by_another_process_is_seen_within_a_second(store: IdentityStore, tmp_path: Path, clock: ManualClock) -> None:
    store.pools()
    other = open_identity_store(f"sqlite:///{tmp_path}/control.db")
    other.put_pool(MADE)
    other.close()

    clock.advance(1)

    assert store.find_pool(MADE.pool_id) == MADE


def test_it_shares_its_file_with_keys_and_apps(store: IdentityStore, tmp_path: Path) -> None:
    control = open_control(f"sqlite:///{tmp_path}/control.db")
    control.create_key("phone", frozenset({"send"}))
    store.put_pool(MADE)

    again = open_identity_store(f"sqlite:///{tmp_path}/control.db")

    assert again.find_pool(MADE.pool_id) == MADE
    assert [key.name for key in control.keys()] == ["phone"]  # noqa: SIM118 - not a dict
    again.close()
    control.close()


def test_changes_add_up(store: IdentityStore) -> None:
    store.apply([change("link", "i1", 1, login=ADA), change("merge", "i2", 2, merged_into="i1"), change("link", "i1", 3, login=ADA)])

    assert store.identity("i1") == Identity("i1", "us-east-1:0b", 1, 3, (ADA,))
    assert store.identity("i2") == Identity("i2", "us-east-1:0b", 2, 2, (), "i1")
    assert store.identity_of("us-east-1:0b", ADA) == "i1"
    assert store.identity_of("us-east-1:0a", ADA) is None
    assert [found.identity_id for found in store.identities("us-east-1:0b", "i1", 10)] == ["i2"]


def test_a_login_is_one_identitys_at_a_time(store: IdentityStore) -> None:
    store.apply([change("link", "i1", 1, login=ADA), change("link", "i2", 2, login=ADA), change("unlink", "i2", 3, login=ADA)])

    assert [store.identity(name).logins for name in ("i1", "i2")] == [(), ()]  # type: ignore[union-attr]


def test_changes_of_one_call_are_all_made_or_none(store: IdentityStore) -> None:
    with pytest.raises(AssertionError):
        store.apply([change("link", "i1", 1, login=ADA), change("link", "i2", 2)])

    assert store.identities("us-east-1:0b", "", 10) == []


def test_a_rotation_keeps_every_key_and_makes_a_new_one_current(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = open_master_keys(path)

    after = rotate_master_keys(path)

    assert after.current not in before.keys
    assert {name: after.keys[name] for name in before.keys} == before.keys
    assert open_master_keys(path).keys == after.keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]


def test_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    code = "import sys, pathlib, headwater.control.masterkey as m\nfor _ in range(20): m.rotate_master_keys(pathlib.Path(sys.argv[1]))"
    open_master_keys(path)

    processes = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]

    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(open_master_keys(path).keys) == 61


def test_long_lived_keys_survive_a_rotation_while_a_collector_runs(tmp_path: Path, clock: ManualClock) -> None:
    url = f"sqlite:///{tmp_path}/control.db"
    running = open_control(url, clock=clock)
    old = running.create_key("old", frozenset({"send"}))

    rotate_master_keys(tmp_path / "master-keys.json")
    elsewhere = open_control(url)
    new = elsewhere.create_key("new", frozenset({"send"}))
    elsewhere.close()
    clock.advance(1)

    assert running.find_key(old.access_key_id) == old
    assert running.find_key(new.access_key_id) == new
    running.close()


def test_a_key_ring_sees_a_rotation_at_once_when_something_names_the_new_key(tmp_path: Path, clock: ManualClock) -> None:
    ring = KeyRing(tmp_path / "keys.json", clock)
    rotated = rotate_master_keys(tmp_path / "keys.json")

    assert ring.keys().current != rotated.current
    assert ring.holding("ffffffff") is None
    found = ring.holding(rotated.current)
    assert found is not None
    assert found.current == rotated.current


def test_keys_for_different_purposes_have_nothing_in_common(tmp_path: Path) -> None:
    keys = open_master_keys(tmp_path / "keys.json")
    purposes = ("session token", "openid token", "identity id")

    made = {keys.subkey(keys.current, purpose) for purpose in purposes} | {
        keys.derive(keys.current, purpose).encode() for purpose in purposes
    }

    assert len(made) == 6
