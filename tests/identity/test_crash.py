"""A crash between any two steps of a sign-in: the next start makes the store say what the stream says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from headwater.collect.catchup import catch_up
from headwater.control.identities import IdentityChange, Login
from headwater.errors import StreamFull, Unavailable
from tests.identity.conftest import POOL_ID, PROVIDER, World

ADA = Login(PROVIDER, "ada")


class Crash(Exception):
    """The process is gone."""


def crash(*_: Any) -> Any:
    raise Crash


async def start_again(world: World) -> None:
    world.close()
    world.restart()
    await catch_up(world.stream, world.endpoints, world.store)


async def test_a_change_that_is_on_the_stream_reaches_the_store_at_the_next_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = await world.get_id()
    monkeypatch.setattr(world.store, "apply", crash)
    with pytest.raises(Crash):
        await world.lend(guest, "ada")
    assert world.store.identity(guest) is None

    await start_again(world)

    assert world.store.identity_of(POOL_ID, ADA) == guest
    assert await world.lend(guest, "ada") == guest


async def test_later_changes_do_not_hide_one_that_the_store_missed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    guest, apply = await world.get_id(), world.store.apply
    monkeypatch.setattr(world.store, "apply", crash)
    with pytest.raises(Crash):
        await world.lend(guest, "ada")
    monkeypatch.setattr(world.store, "apply", apply)
    for who in ("bob", "eve"):
        await world.get_id(who)

    await start_again(world)

    assert world.store.identity_of(POOL_ID, ADA) == guest


async def test_what_never_reached_the_stream_never_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = await world.get_id()
    monkeypatch.setattr(world.stream, "append", crash)
    with pytest.raises(Crash):
        await world.lend(guest, "ada")

    await start_again(world)

    assert world.store.identity_of(POOL_ID, ADA) is None


async def test_a_full_stream_refuses_the_sign_in_and_holds_nothing_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(records: Sequence[Any]) -> Any:
        raise StreamFull("the stream is full")

    guest = await world.get_id()
    with monkeypatch.context() as patch:
        patch.setattr(world.stream, "append", full)
        with pytest.raises(Unavailable):
            await world.lend(guest, "ada")

    assert await world.lend(guest) == guest
    assert await world.lend(guest, "ada") == guest
    world.endpoints.close()
    world.endpoints = type(world.endpoints)(f"sqlite:///{world.folder}/endpoints.db")  # type: ignore[call-arg]
    assert world.endpoints.applied() == {"shardId-000000000000": 1}


async def test_no_two_changes_have_the_same_time(world: World) -> None:
    seen: list[IdentityChange] = []
    apply = world.store.apply

    def watch(changes: Sequence[IdentityChange]) -> None:
        seen.extend(changes)
        apply(changes)

    world.store.apply = watch  # type: ignore[method-assign]
    for who in ("ada", "ada", "bob", "ada"):
        await world.lend(await world.get_id(), who)

    times = [change.at_ms for change in seen]
    assert times == sorted(set(times))
    assert [record["event_timestamp"] for record in await world.records()] == times
