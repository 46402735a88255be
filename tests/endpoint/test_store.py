from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.endpoint import Endpoints, Profile, ProfileChange, open_endpoints
from headwater.errors import ProjectError, SettingsError, Unavailable

SHARD = "shardId-000000000000"
NEVER_S = 3_600.0


def profile(endpoint_id: str, body: str = "{}", user_id: str | None = None, app_id: str = "app") -> Profile:
    return Profile(app_id, endpoint_id, user_id, body.encode())


def put(store: Endpoints, position: int, *profiles: Profile) -> None:
    store.apply(store.begin(), {SHARD: position}, [ProfileChange(p.app_id, p.endpoint_id, p) for p in profiles])


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/endpoints.sqlite"


@pytest.fixture
def store(url: str) -> Iterator[Endpoints]:
    opened = open_endpoints(url, flush_interval_s=0.01)
    yield opened
    opened.close()


def test_a_change_is_seen_at_once_and_after_a_restart(store: Endpoints, url: str) -> None:
    put(store, 7, profile("e1", '{"a":1}'))
    seen = store.get("app", "e1")

    store.close()
    again = open_endpoints(url)
    kept, applied = again.get("app", "e1"), again.applied()
    again.close()

    assert seen == kept == profile("e1", '{"a":1}')
    assert applied == {SHARD: 7}


def test_a_deleted_endpoint_is_gone_at_once_and_after_a_restart(store: Endpoints, url: str) -> None:
    put(store, 1, profile("e1", user_id="u"), profile("e2", user_id="u"))
    store.apply(store.begin(), {SHARD: 2}, [ProfileChange("app", "e1", None)])
    seen = store.get("app", "e1"), store.of_user("app", "u")

    store.close()
    again = open_endpoints(url)
    kept = again.get("app", "e1"), again.of_user("app", "u")
    again.close()

    assert seen == kept == (None, [profile("e2", user_id="u")])


@pytest.mark.parametrize("flushed", [True, False])
def test_the_endpoints_of_a_user_follow_every_change(tmp_path: Path, flushed: bool) -> None:
    store = open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=0.0 if flushed else NEVER_S)
    put(
        store, 1, profile("b", user_id="u1"), profile("a", user_id="u1"), profile("c", user_id="u2"), profile("d", user_id="u1", app_id="x")
    )
    put(store, 2, profile("b", user_id="u2"))

    found = [p.endpoint_id for p in store.of_user("app", "u1")], [p.endpoint_id for p in store.of_user("app", "u2")]
    if flushed:
        store.close()

    assert found == (["a"], ["b", "c"])


def test_the_position_never_passes_an_append_whose_fate_is_open(tmp_path: Path) -> None:
    store = open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S)
    put(store, 5, profile("e1"))
    slow = store.begin()
    put(store, 9, profile("e2"))

    store.flush()  # type: ignore[attr-defined]
    behind = store.applied()
    store.apply(slow, {SHARD: 7}, [])
    store.flush()  # type: ignore[attr-defined]

    assert behind == {SHARD: 5}
    assert store.applied() == {SHARD: 9}


def test_an_abandoned_append_holds_nothing_back(tmp_path: Path) -> None:
    store = open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S)
    ticket = store.begin()
    put(store, 5)

    store.abandon(ticket)
    store.flush()  # type: ignore[attr-defined]

    assert store.applied() == {SHARD: 5}


def test_more_changes_than_fit_in_memory_are_refused_before_the_append(tmp_path: Path) -> None:
    store = open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S, backlog_limit=2)
    put(store, 3, profile("a"), profile("b"), profile("c"))

    with pytest.raises(Unavailable, match="written to disk"):
        store.begin()


def test_a_failed_write_is_kept_and_tried_again(tmp_path: Path) -> None:
    store = open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S)
    put(store, 1, profile("e1", "old"))
    blocker = sqlite3.connect(tmp_path / "e", isolation_level=None)
    blocker.execute("DROP TABLE applied")

    with pytest.raises(sqlite3.OperationalError):
        store.flush()  # type: ignore[attr-defined]
    put(store, 2, profile("e1", "new"))
    blocker.execute("CREATE TABLE applied (shard_id TEXT PRIMARY KEY, sequence_number TEXT NOT NULL) STRICT, WITHOUT ROWID")
    store.flush()  # type: ignore[attr-defined]

    assert blocker.execute("SELECT endpoint_id, body FROM endpoints").fetchall() == [("e1", b"new")]
    blocker.close()


def test_another_process_reads_what_is_on_disk_and_cannot_write(store: Endpoints, url: str) -> None:
    put(store, 1, profile("e1", user_id="u"))
    store.flush()  # type: ignore[attr-defined]
    reader = open_endpoints(url, read_only=True)

    read = list(reader.profiles()), reader.get("app", "e1"), reader.of_user("app", "u")
    put(store, 2, profile("e1", "changed", user_id="u"))
    store.flush()  # type: ignore[attr-defined]
    read_later = reader.get("app", "e1")

    with pytest.raises(Unavailable):
        reader.begin()
    reader.close()
    assert read == ([profile("e1", user_id="u")], profile("e1", user_id="u"), [profile("e1", user_id="u")])
    assert read_later == profile("e1", "changed", user_id="u")


def test_a_reader_may_come_before_the_file(url: str) -> None:
    reader = open_endpoints(url, read_only=True)

    found = list(reader.profiles()), reader.get("app", "e1"), reader.of_user("app", "u")
    reader.close()

    assert found == ([], None, [])


def test_a_newer_format_is_refused(store: Endpoints, url: str, tmp_path: Path) -> None:
    store.close()
    connection = sqlite3.connect(tmp_path / "endpoints.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    for read_only in (False, True):
        with pytest.raises(ProjectError, match="format 99"):
            open_endpoints(url, read_only=read_only).get("app", "e1")


def test_an_unknown_backend_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match="sqlite"):
        open_endpoints("redis://x")


def test_whatever_is_cached_or_flushed_the_store_is_the_sum_of_its_changes(tmp_path: Path) -> None:
    chance = random.Random(20261123)
    store = open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S, cache_size=4)
    expected: dict[str, Profile] = {}

    for position in range(1, 800):
        endpoint_id = f"e{chance.randrange(20)}"
        changed = None if chance.random() < 0.3 else profile(endpoint_id, str(position), f"u{chance.randrange(3)}")
        store.apply(store.begin(), {SHARD: position}, [ProfileChange("app", endpoint_id, changed)])
        if changed is None:
            expected.pop(endpoint_id, None)
        else:
            expected[endpoint_id] = changed
        if chance.random() < 0.1:
            store.flush()  # type: ignore[attr-defined]
        looked_at = f"e{chance.randrange(20)}"
        user = f"u{chance.randrange(3)}"

        assert store.get("app", looked_at) == expected.get(looked_at)
        assert store.of_user("app", user) == sorted((p for p in expected.values() if p.user_id == user), key=lambda p: p.endpoint_id)
    store.flush()  # type: ignore[attr-defined]
    assert {p.endpoint_id: p for p in store.profiles()} == expected
