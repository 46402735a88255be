"""Workgroups and what is saved in them."""

from __future__ import annotations

import pytest

from headwater.executions import InvalidRequest, NamedQuery, PreparedStatement, ResourceMissing, Workgroup
from tests.executions.conftest import LOCATION, Open, Room


@pytest.mark.parametrize(
    ("own", "enforce", "asked", "expected"),
    [
        ("s3://own/a", True, "s3://asked/b", "s3://own/a/"),
        ("s3://own/a", False, "s3://asked/b", "s3://asked/b/"),
        ("s3://own/a/", False, None, "s3://own/a/"),
        (None, False, "s3://asked", "s3://asked/"),
        (None, True, "s3://asked/b", None),
        (None, False, None, None),
    ],
)
def test_where_a_result_goes(own: str | None, enforce: bool, asked: str | None, expected: str | None) -> None:
    workgroup = Workgroup("w", location=own, enforce=enforce)

    if expected is None:
        with pytest.raises(InvalidRequest, match=r"^No output location provided\. An output location is required either through"):
            workgroup.result_location(asked)
    else:
        assert workgroup.result_location(asked) == expected


def test_primary_is_there_and_stays(open_room: Open) -> None:
    room = open_room()
    groups = room.queries.workgroups
    primary = groups.get("primary")

    assert (primary.location, primary.enforce, primary.state) == (LOCATION, False, "ENABLED")
    with pytest.raises(InvalidRequest, match="primary workgroup cannot be deleted"):
        groups.delete("primary")
    groups.update("primary", {"location": "s3://elsewhere", "cutoff_bytes": 20_000_000})
    room.close()
    assert open_room().queries.workgroups.get("primary").location == "s3://elsewhere/"


def test_workgroups_are_made_changed_listed_and_forgotten(open_room: Open) -> None:
    room = open_room()
    groups = room.queries.workgroups
    groups.create(Workgroup("b", "second", cutoff_bytes=10_000_000))
    groups.create(Workgroup("a"))

    assert [each.name for each in groups.all()] == ["a", "b", "primary"]
    assert groups.get("b").created_ms > 0
    with pytest.raises(InvalidRequest, match="already created"):
        groups.create(Workgroup("a"))
    groups.update("b", {"cutoff_bytes": None, "state": "DISABLED", "location": "s3://elsewhere"})
    assert (groups.get("b").cutoff_bytes, groups.get("b").state, groups.get("b").description) == (None, "DISABLED", "second")
    for wrong in ({"cutoff_bytes": 9_999_999}, {"location": "nowhere"}, {"engine": "Athena engine version 2"}):
        with pytest.raises(InvalidRequest):
            groups.update("b", wrong)
    groups.delete("a")
    room.close()
    assert [each.name for each in open_room().queries.workgroups.all()] == ["b", "primary"]


def test_what_headwater_toml_declares_is_not_changed_elsewhere(open_room: Open) -> None:
    room = open_room(workgroups=[Workgroup("primary", location="s3://declared", enforce=True), Workgroup("team")])
    groups = room.queries.workgroups

    assert groups.get("primary").location == "s3://declared/"
    assert groups.get("team").declared
    for name in ("primary", "team"):
        with pytest.raises(InvalidRequest, match=f"^WorkGroup {name} is declared in headwater.toml; change it there"):
            groups.update(name, {"state": "DISABLED"})
        with pytest.raises(InvalidRequest, match="declared"):
            groups.delete(name)
    with pytest.raises(InvalidRequest, match="already created"):
        groups.create(Workgroup("team"))


def test_what_a_workgroup_ran_goes_with_it(room: Room) -> None:
    room.queries.workgroups.create(Workgroup("gone", location=LOCATION))
    execution = room.run("SELECT 1 AS n", workgroup="gone")
    room.run("PREPARE mine FROM SELECT 1 AS n", workgroup="gone")
    kept = room.run("SELECT 1 AS n")

    assert not room.queries.library.is_empty("gone")
    room.executions.forget("gone")
    room.queries.library.forget("gone")

    assert room.queries.library.is_empty("gone")
    assert room.executions.ids("gone", None, 50)[0] == []
    assert not room.file(execution).exists()
    assert room.file(kept).exists()


def test_named_queries(room: Room) -> None:
    library = room.queries.library
    query = NamedQuery("", "mine", "primary", "analytics", "SELECT 1", "why", "t" * 32)
    given, _ = library.named_ids("primary", None, 50)

    made = library.create_named(query)

    assert library.create_named(query) == made
    with pytest.raises(InvalidRequest) as refused:
        library.create_named(NamedQuery("", "other", "primary", "analytics", "SELECT 1", "why", "t" * 32))
    assert refused.value.athena_code == "IDEMPOTENT_PARAMETER_MISMATCH"
    library.update_named(made, "renamed", "SELECT 2", None)
    found = library.named(made)
    assert (found.name, found.query, found.description, found.workgroup) == ("renamed", "SELECT 2", None, "primary")
    others = {library.create_named(NamedQuery("", "n", "primary", "analytics", "SELECT 1")) for _ in range(4)}
    listed: list[str] = []
    token = None
    while True:
        ids, token = library.named_ids("primary", token, 2)
        listed += ids
        if token is None:
            break
    assert sorted(listed) == sorted({made, *others, *given})
    library.delete_named(made)
    with pytest.raises(InvalidRequest, match="was not found"):
        library.named(made)


def test_prepared_statements(room: Room) -> None:
    library = room.queries.library
    library.create_prepared(PreparedStatement("mine", "primary", "SELECT ?", "why"))

    with pytest.raises(InvalidRequest, match="already exists"):
        library.create_prepared(PreparedStatement("mine", "primary", "SELECT ?"))
    library.update_prepared(PreparedStatement("mine", "primary", "SELECT ? AS n"))
    found = library.prepared("primary", "mine")
    assert (found.query, found.description) == ("SELECT ? AS n", None)
    assert found.changed_ms > 0
    assert room.rows("EXECUTE mine USING 7") == [["n"], ["7"]]
    library.delete_prepared("primary", "mine")
    for call in (lambda: library.prepared("primary", "mine"), lambda: library.delete_prepared("primary", "mine")):
        with pytest.raises(ResourceMissing, match=r"^No Prepared Statement with statement name mine exists in WorkGroup primary$"):
            call()
    with pytest.raises(InvalidRequest, match=r"^WorkGroup is not found\.$"):
        library.prepared("nothing-such", "mine")
