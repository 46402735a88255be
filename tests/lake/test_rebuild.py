"""A lost ledger is rebuilt from the lake, and the pipe still makes one row of each record."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest

from headwater.errors import HeadwaterError
from headwater.lake.rebuild import rebuild

from .conftest import DATABASE, NOON, SHARD, Crash, Project, visits

SHARDS = (SHARD, "shardId-000000000001")
TABLES = ("visits", "clicks", "plays")


def consume(project: Project, already: dict[str, dict[str, int]], shard: str, records: int, end: int) -> None:
    """What a pipe does: the next records of a shard, each a row of some table, but none that is in the lake already."""
    after = project.ledger.positions().get(("main", shard), 0)
    upto = min(after + records, end)
    ids: dict[str, list[str]] = {}
    for number in range(after + 1, upto + 1):
        table = table_of(number)
        if number > already.get(table, {}).get(f"main/{shard}", 0):
            ids.setdefault(table, []).append(f"{shard}:{number}")
    if upto > after:
        project.commit({table: visits(found, at=NOON + timedelta(days=upto % 3)) for table, found in ids.items()}, upto=upto, shard=shard)


def table_of(number: int) -> str:
    return TABLES[number * 7 % 11 % 3]


@pytest.mark.parametrize("seed", range(4))
def test_a_ledger_lost_at_random_points_costs_and_doubles_no_row(project: Project, seed: int) -> None:
    chance = random.Random(seed)
    already = rebuild(project.ledger, project.catalog, DATABASE)
    end = 60

    def maybe_crash(name: str) -> None:
        if chance.random() < 0.05:
            raise Crash

    project.step = maybe_crash
    for _ in range(60):
        try:
            if chance.random() < 0.6:
                consume(project, already, chance.choice(SHARDS), chance.randint(1, 6), end)
            else:
                project.lake.fold(chance.choice(TABLES))
        except Crash:
            project.reopen()
        if chance.random() < 0.1:
            project.lose_ledger()
            already = rebuild(project.ledger, project.catalog, DATABASE)
            if chance.random() < 0.5:
                project.reopen()
                assert rebuild(project.ledger, project.catalog, DATABASE) == already
    project.step = lambda name: None
    for shard in SHARDS:
        while project.ledger.positions().get(("main", shard), 0) < end:
            consume(project, already, shard, 10, end)
    project.maintenance.fold_all()

    rows = Counter(identifier for table in TABLES for identifier in project.in_lake(table))
    assert rows == Counter(f"{shard}:{number}" for shard in SHARDS for number in range(1, end + 1))


def test_a_ledger_that_was_never_lost_is_left_alone(project: Project) -> None:
    project.commit({"visits": visits(["a"])}, upto=5)
    project.lake.fold("visits")
    project.commit({"visits": visits(["b"])}, upto=9)

    already = rebuild(project.ledger, project.catalog, DATABASE)

    assert already == {}
    assert project.ledger.positions() == {("main", SHARD): 9}
    assert project.ledger.last_batch() == 2


def test_a_lost_ledger_goes_on_after_the_last_batch_in_the_lake_from_the_highest_floor(project: Project) -> None:
    project.commit({"visits": visits(["a"]), "clicks": visits(["b"])}, upto=10)
    project.commit({"visits": visits(["c"])}, upto=20)
    project.lake.fold("visits")
    project.lose_ledger()

    already = rebuild(project.ledger, project.catalog, DATABASE)

    assert already == {"visits": {f"main/{SHARD}": 20}}
    assert project.ledger.positions() == {("main", SHARD): 0}
    assert project.commit({"clicks": visits(["b"])}, upto=10) == 3
    assert project.in_tail("clicks") == ["b"]


def test_a_ledger_restored_from_an_old_backup_numbers_its_batches_after_the_lake(project: Project) -> None:
    project.commit({"visits": visits(["a"])}, upto=10)
    project.close()
    backup = (project.folder / "ledger.db").read_bytes()
    project.open()
    project.commit({"visits": visits(["b"])}, upto=20)
    project.lake.fold("visits")
    project.close()
    (project.folder / "ledger.db").write_bytes(backup)
    project.open()

    already = rebuild(project.ledger, project.catalog, DATABASE)
    number = project.commit({"visits": visits(["c"])}, upto=30)
    project.maintenance.fold_all()

    assert number == 3
    assert already == {}
    assert project.ledger.positions() == {("main", SHARD): 30}
    assert sorted(project.in_lake("visits")) == ["a", "b", "c"]


def test_a_project_without_tables_has_nothing_to_rebuild(project: Project) -> None:
    assert rebuild(project.ledger, project.catalog, DATABASE) == {}
    with pytest.raises(HeadwaterError, match="no table"):
        project.index.plan("visits")
