"""Who gets which identity: guests, people who sign in, and people who come back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.collect.links import identity_change
from headwater.control.identities import Identity
from headwater.errors import HeadwaterError
from headwater.identity import Login
from headwater.identity.errors import (
    ExpiredToken,
    InvalidParameter,
    InvalidToken,
    LoginConflict,
    NoRole,
    NotAuthorized,
    RoleDenied,
    UnknownIdentity,
    UnknownPool,
)
from tests.identity.conftest import POOL_ID, PROVIDER, ROLES, World, other_pool, provider

ADOPTED = "us-east-1:c5b03c5f-41c7-5fd5-9ef7-9d822e8a0e2b"
FORBIDDEN = "Access to Identity '{}' is forbidden."
MISMATCH = "Logins don't match. Please include at least one valid login for this identity or identity pool."


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def start(**options: Any) -> World:
        made.append(World(tmp_path, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


async def refusal(asking: Coroutine[Any, Any, Any]) -> HeadwaterError:
    with pytest.raises(HeadwaterError) as refused:
        await asking
    return refused.value


async def operations(world: World) -> list[tuple[str, str, str | None]]:
    records = await world.records()
    return [(r["attributes"]["operation"], r["client"]["cognito_id"], r["attributes"].get("merged_into")) for r in records]


async def test_a_guest_gets_an_id_and_credentials_and_leaves_no_trace(world: World) -> None:
    identity_id = await world.get_id()

    found = await world.lend(identity_id)

    assert found == identity_id
    assert await world.records() == []
    assert world.store.identities(POOL_ID, "", 10) == []


async def test_guests_may_be_refused(build: Callable[..., World]) -> None:
    world = build(guests=False)
    text = "Unauthenticated access is not supported for this identity pool."

    errors = [await refusal(world.get_id()), await refusal(world.lend(ADOPTED))]

    assert [(type(error), str(error)) for error in errors] == [(NotAuthorized, text)] * 2


async def test_a_first_sign_in_keeps_the_guests_identity_and_is_a_record(world: World) -> None:
    guest = await world.get_id()

    found = await world.lend(guest, "ada")

    assert found == guest
    [record] = await world.records()
    assert record["event_type"] == "_headwater.identity"
    assert record["application"]["cognito_identity_pool_id"] == POOL_ID
    assert record["client"] == {"cognito_id": guest}
    assert record["attributes"] == {"operation": "link", "provider": PROVIDER, "subject": "ada"}


async def test_signing_in_again_changes_nothing(world: World) -> None:
    guest = await world.get_id()

    found = [await world.lend(guest, "ada") for _ in range(3)]

    assert (found, await world.get_id("ada")) == ([guest] * 3, guest)
    assert len(await world.records()) == 1


async def test_on_a_second_device_the_guest_gives_way_to_the_known_identity(world: World) -> None:
    first, second = await world.get_id(), await world.get_id()
    await world.lend(first, "ada")

    found = await world.lend(second, "ada")

    assert found == first
    assert await operations(world) == [("link", first, None), ("merge", second, first)]


async def test_an_identity_that_gave_way_is_gone_with_the_text_old_clients_know(world: World) -> None:
    first, second = await world.get_id(), await world.get_id()
    await world.lend(first, "ada")
    await world.lend(second, "ada")

    error = await refusal(world.lend(second))

    assert isinstance(error, UnknownIdentity)
    assert (error.code, str(error)) == ("ResourceNotFoundException", f"Identity '{second}' not found.")


async def test_a_sign_in_whose_answer_was_lost_may_be_sent_again(world: World) -> None:
    first, second = await world.get_id(), await world.get_id()
    await world.lend(first, "ada")

    found = [await world.lend(second, "ada") for _ in range(3)]
    identity_id, _ = await world.pools.get_open_id_token(second, world.logins("ada"), "t")
    error = await refusal(world.lend(second, "eve"))

    assert [*found, identity_id] == [first] * 4
    assert str(error) == MISMATCH
    assert len(await world.records()) == 2


async def test_a_signed_in_identity_is_not_lent_to_who_only_knows_its_id(world: World) -> None:
    identity_id = await world.get_id()
    await world.lend(identity_id, "ada")

    error = await refusal(world.lend(identity_id))

    assert (type(error), str(error)) == (NotAuthorized, FORBIDDEN.format(identity_id))


async def test_a_signed_in_identity_cannot_be_taken_over_by_another_login(world: World) -> None:
    identity_id = await world.get_id()
    await world.lend(identity_id, "ada")
    await world.get_id("eve")

    errors = [await refusal(world.lend(identity_id, who)) for who in ("bob", "eve")]

    assert [str(error) for error in errors] == [MISMATCH] * 2
    assert world.store.identity_of(POOL_ID, Login(PROVIDER, "bob")) is None


async def test_an_id_that_aws_issued_is_adopted_and_may_sign_in(world: World) -> None:
    assert await world.lend(ADOPTED) == ADOPTED
    assert await world.lend(ADOPTED, "ada") == ADOPTED

    assert await world.get_id("ada") == ADOPTED


async def test_where_nothing_is_adopted_only_our_own_ids_are_known(build: Callable[..., World]) -> None:
    world = build(adopt=False)
    ours = await world.get_id()

    error = await refusal(world.lend(ADOPTED))

    assert await world.lend(ours) == ours
    assert (error.code, str(error)) == ("ResourceNotFoundException", f"Identity '{ADOPTED}' not found.")


@pytest.mark.parametrize("identity_id", ["eu-west-1:c5b03c5f-41c7-5fd5-9ef7-9d822e8a0e2b", "us-east-1:c5b03c5f", "us-east-1:-"])
async def test_what_cannot_be_of_the_pools_region_is_not_adopted(world: World, identity_id: str) -> None:
    assert isinstance(await refusal(world.lend(identity_id)), UnknownIdentity)


@pytest.mark.parametrize("given", ["", "x", "us-east-1:" + "a" * 60, "us-east-1:ABC", "us-east-1:a\n", "é:abc"])
async def test_what_is_no_id_at_all_is_a_wrong_parameter(world: World, given: str) -> None:
    errors = [await refusal(world.lend(given)), await refusal(world.get_id(pool_id=given))]

    assert [type(error) for error in errors] == [InvalidParameter] * 2


async def test_a_pool_nobody_knows_has_no_identities(world: World) -> None:
    error = await refusal(world.get_id(pool_id="us-east-1:aaaa"))

    assert (type(error), str(error)) == (UnknownPool, "IdentityPool 'us-east-1:aaaa' not found.")


async def test_guests_of_two_pools_are_told_apart_by_their_ids(build: Callable[..., World]) -> None:
    world = build(pools=[other_pool(allow_guests=False)])
    [declared, other] = sorted(world.store.pools(), key=lambda pool: not pool.declared)

    of_other = world.guests.make(other.pool_id)

    assert world.pools.known(await world.get_id()).pool == declared
    assert world.pools.known(of_other).pool == other
    assert isinstance(await refusal(world.lend(of_other)), NotAuthorized)


async def test_a_pool_that_an_api_made_takes_only_the_clients_it_names(build: Callable[..., World]) -> None:
    pool = other_pool(providers=(provider(),))
    world = build(pools=[pool])

    found = await world.get_id("ada", pool.pool_id)
    world.store.put_pool(other_pool(providers=(provider("client-2"),)))
    error = await refusal(world.get_id("ada", pool.pool_id))

    assert world.pools.known(found).pool.pool_id == pool.pool_id
    assert str(error) == "Token is not from a supported provider of this identity pool."


async def test_a_login_has_an_identity_of_its_own_in_each_pool(build: Callable[..., World]) -> None:
    pool = other_pool(providers=(provider(),))
    world = build(pools=[pool])

    here, there = await world.get_id("ada"), await world.get_id("ada", pool.pool_id)

    assert here != there


async def test_a_pool_without_a_role_lends_nothing(build: Callable[..., World]) -> None:
    pool = other_pool(roles={})
    world = build(pools=[pool])

    error = await refusal(world.lend(await world.get_id(pool_id=pool.pool_id)))

    assert isinstance(error, NoRole)
    assert error.code == "InvalidIdentityPoolConfigurationException"


async def test_a_login_that_signs_in_twice_at_once_gets_one_identity(world: World) -> None:
    guests = [await world.get_id() for _ in range(8)]

    found = await asyncio.gather(*(world.lend(guest, "ada") for guest in guests), *(world.get_id("ada") for _ in range(8)))

    assert len(set(found)) == 1
    assert [operation for operation, _, _ in await operations(world)].count("link") == 1


async def test_two_logins_of_different_identities_conflict(build: Callable[..., World]) -> None:
    from tests.identity.conftest import CLIENT, Issuer

    world = build()
    second = Issuer("https://second.example", frozenset({CLIENT}), world.folder / "jwks.json")
    world.close()
    world.options["issuers"] = [second]
    world.restart()
    both = {PROVIDER: world.token("ada"), "second.example": world.token("ada", iss="https://second.example")}
    await world.pools.get_id(POOL_ID, {PROVIDER: both[PROVIDER]}, "t")
    await world.pools.get_id(POOL_ID, {"second.example": both["second.example"]}, "t")

    error = await refusal(world.pools.get_id(POOL_ID, both, "t"))

    assert isinstance(error, LoginConflict)


async def test_a_second_login_joins_the_identity_that_the_first_proves(build: Callable[..., World]) -> None:
    from tests.identity.conftest import CLIENT, Issuer

    world = build()
    world.close()
    world.options["issuers"] = [Issuer("https://second.example", frozenset({CLIENT}), world.folder / "jwks.json")]
    world.restart()
    identity_id = await world.get_id("ada")
    both = {PROVIDER: world.token("ada"), "second.example": world.token("lovelace", iss="https://second.example")}

    found, _ = await world.pools.get_credentials(identity_id, both, "t")
    alone = await world.pools.get_id(POOL_ID, {"second.example": both["second.example"]}, "t")

    assert found == alone == identity_id
    stored = world.store.identity(identity_id)
    assert stored is not None
    assert stored.logins == (Login(PROVIDER, "ada"), Login("second.example", "lovelace"))


async def test_unlinking_needs_a_login_of_the_identity_and_frees_it(world: World) -> None:
    identity_id = await world.get_id("ada")

    stranger = await refusal(world.pools.unlink(identity_id, world.logins("eve"), [PROVIDER], "t"))
    await world.pools.unlink(identity_id, world.logins("ada"), [PROVIDER], "t")

    assert str(stranger) == MISMATCH
    assert str(await refusal(world.lend(identity_id))) == FORBIDDEN.format(identity_id)
    assert await world.get_id("ada") != identity_id


async def test_a_deleted_identity_is_gone_and_its_login_begins_anew(world: World) -> None:
    signed_in, guest = await world.get_id("ada"), await world.get_id()

    for identity_id in (signed_in, guest):
        await world.pools.delete(identity_id, "t")

    assert [isinstance(await refusal(world.lend(gone)), UnknownIdentity) for gone in (signed_in, guest)] == [True, True]
    assert await world.get_id("ada") not in (signed_in, guest)


async def test_credentials_are_for_the_role_of_the_pool_and_no_other(world: World) -> None:
    identity_id = await world.get_id()
    ask = world.pools.get_credentials

    _, lent = await ask(identity_id, {}, "t", ROLES["unauthenticated"])
    error = await refusal(ask(identity_id, {}, "t", ROLES["authenticated"]))

    opened = world.seal.open(lent.access_key_id, lent.session_token)
    assert opened is not None
    assert (opened.grant.authenticated, opened.grant.identity_id) == (False, identity_id)
    assert isinstance(error, InvalidParameter)


async def test_the_roles_are_exact_lists(world: World) -> None:
    guest, user = (world.roles.find(POOL_ID, authenticated=kind) for kind in (False, True))

    assert guest.actions == {"mobiletargeting:PutEvents", "mobiletargeting:UpdateEndpoint"}
    assert guest.streams == frozenset()
    assert user.actions == guest.actions | {"kinesis:PutRecord", "kinesis:PutRecords"}
    assert user.streams == {"clicks"}


async def test_the_classic_flow_lends_what_the_enhanced_one_does(world: World) -> None:
    guest = await world.get_id()
    _, token = await world.pools.get_open_id_token(guest, {}, "t")
    _, user_token = await world.pools.get_open_id_token(guest, world.logins("ada"), "t")

    holder, lent = world.pools.assume_role(ROLES["unauthenticated"], "web", token, 900)
    user, user_lent = world.pools.assume_role(ROLES["authenticated"], "web", user_token, None)

    assert (holder.sub, holder.aud, holder.amr) == (guest, POOL_ID, ("unauthenticated",))
    assert user.amr == ("authenticated", PROVIDER)
    assert lent.expires_s == world.clock.now_ms() // 1000 + 900
    opened = world.seal.open(user_lent.access_key_id, user_lent.session_token)
    assert opened is not None
    assert (opened.grant.authenticated, opened.grant.session) == (True, "web")


async def test_the_classic_flow_gives_no_role_but_the_holders(world: World) -> None:
    guest = await world.get_id()
    _, token = await world.pools.get_open_id_token(guest, {}, "t")

    with pytest.raises(RoleDenied):
        world.pools.assume_role(ROLES["authenticated"], "web", token, None)
    with pytest.raises(InvalidToken):
        world.pools.assume_role(ROLES["unauthenticated"], "web", token[:-4] + "AAAA", None)
    with pytest.raises(InvalidToken):
        world.pools.assume_role(ROLES["unauthenticated"], "web", world.token(), None)
    world.clock.advance(601)
    with pytest.raises(ExpiredToken):
        world.pools.assume_role(ROLES["unauthenticated"], "web", token, None)


async def test_the_classic_flow_may_be_off(build: Callable[..., World]) -> None:
    pool = other_pool(allow_classic_flow=False)
    world = build(pools=[pool])

    error = await refusal(world.pools.get_open_id_token(await world.get_id(pool_id=pool.pool_id), {}, "t"))

    assert str(error) == "Basic (classic) flow is not enabled, please use enhanced flow."


async def test_the_stream_alone_gives_the_same_store_again(world: World, tmp_path: Path) -> None:
    guests = [await world.get_id() for _ in range(6)]
    for guest, who in zip(guests, ("ada", "ada", "bob", "eve", "eve", "bob"), strict=True):
        await world.lend(guest, who)
    await world.pools.unlink(guests[2], world.logins("bob"), [PROVIDER], "t")
    await world.pools.delete(guests[3], "t")
    await world.get_id("bob")
    batch = await world.stream.read("shardId-000000000000", 0, 1_000, 0)
    changes = [change for record in batch.records if (change := identity_change(record)) is not None]

    def everything() -> list[Identity]:
        return world.store.identities(POOL_ID, "", 100)

    expected = everything()
    for start in range(len(changes)):  # a crash anywhere: what comes after is applied again
        world.store.apply(changes[start:])
        assert everything() == expected
    world.close()
    (tmp_path / "control.db").unlink()
    world.restart()
    world.store.apply(changes)

    assert len(changes) == len(batch.records)
    assert everything() == expected


async def test_records_that_only_mention_an_identity_change_nothing(world: World) -> None:
    from headwater.record import Record

    texts = [b'{"event_type":"Other","attributes":{"a":"_headwater.identity"}}', b'["_headwater.identity"]', b'{"a":"_headwater.identity']

    assert [identity_change(Record(text, "k", 1)) for text in texts] == [None] * 3


def test_an_adopted_id_is_any_uuid() -> None:
    assert uuid.UUID(ADOPTED.partition(":")[2]).version == 5
