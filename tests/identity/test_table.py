"""The tables `identity_log` and `identities`: events before and after a sign-in come together in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.model import compile_models
from headwater.query.views import IDENTITIES
from headwater.record import Record
from tests.identity.conftest import POOL_ID, PROVIDER, World
from tests.query.conftest import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "lake").mkdir()
    made = Project(tmp_path / "lake")
    yield made
    made.ledger.close()


async def rows(world: World, project: Project, query: str) -> list[tuple[Any, ...]]:
    """Do as the pipe does, then ask."""
    batch = await world.stream.read("shardId-000000000000", 0, 1_000, 0)
    models = compile_models([])
    decoded = models.decode(batch.records, batch.shard_id, batch.sequence_numbers)
    assert decoded.letters == {}
    project.lake.ensure("identity_log", models.tables["identity_log"].schema)
    for table, found in decoded.tables().items():
        project.append(table, found)
    with project.engine(views={"identities": IDENTITIES}) as engine:
        return list(engine.sql(query).rows())


async def test_a_change_is_a_row(world: World, project: Project) -> None:
    guest = await world.get_id()
    await world.lend(guest, "ada")

    columns = "event_type, cognito_id, identity_pool_id, operation, provider, subject, merged_into, client_id"
    found = await rows(world, project, f"SELECT {columns} FROM identity_log")

    assert found == [("_headwater.identity", guest, POOL_ID, "link", PROVIDER, "ada", None, None)]


async def test_every_identity_has_its_logins_and_the_person_it_belongs_to(world: World, project: Project) -> None:
    first, second, third = [await world.get_id() for _ in range(3)]
    await world.lend(first, "ada")
    await world.lend(second, "ada")
    await world.lend(third, "bob")
    await world.pools.unlink(third, world.logins("bob"), [PROVIDER], "t")
    moved = await world.get_id("bob")
    await world.pools.delete(third, "t")

    columns = "identity_id, [login.subject FOR login IN logins], merged_into, person, deleted, first_seen IS NOT NULL"
    found = await rows(world, project, f"SELECT {columns} FROM identities")

    assert sorted(found) == sorted(
        [
            (first, ["ada"], None, first, False, True),
            (second, None, first, first, False, True),
            (third, None, None, third, True, True),
            (moved, ["bob"], None, moved, False, True),
        ]
    )


@pytest.mark.parametrize("attributes", ['{"operation":"marry"}', "{}", "null", '{"operation":"link","subject":7}'])
def test_a_record_that_says_nothing_we_know_is_a_dead_letter(attributes: str) -> None:
    body = f'{{"event_type":"_headwater.identity","event_timestamp":1,"client":{{"cognito_id":"x"}},"attributes":{attributes}}}'

    decoded = compile_models([]).decode([Record(body.encode(), "k", 1)], "s", [1])

    assert [letter.reason for letter in decoded.letters.values()] == ["envelope"]
    assert decoded.tables() == {}
