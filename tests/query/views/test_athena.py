"""The named queries that every project has, and saved queries as table functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.executions import InvalidRequest, NamedQuery
from headwater.query.views import project_views
from tests.executions.conftest import Room

from .conftest import Event, History, ms

STEPS = "steps => 'SignUpEvent,PracticeEvent'"


@pytest.fixture
def room(tmp_path: Path, history: History) -> Iterator[Room]:
    """Three people signed up, and two of them practised half a day later."""
    signed_ms = ms("2026-11-20")
    history.add(*(Event("SignUpEvent", signed_ms + n, f"us-east-1:{n}") for n in range(3)), fold=True)
    history.add(*(Event("PracticeEvent", signed_ms + 43_200_000 + n, f"us-east-1:{n}", level=3) for n in range(2)))
    made = Room(tmp_path, history.project, views=project_views(history.project.index))
    yield made
    made.close()


def test_every_query_that_a_project_has_is_listed_and_runs_as_it_is(room: Room) -> None:
    library = room.queries.library
    ids, more = library.named_ids("primary", None, 50)
    named = [library.named(each) for each in ids]
    given = {"funnel": ("'SignUpEvent,PracticeEvent'",), "breakdown": ("'PracticeEvent'", "'piece_id'")}

    ended = {each.name: room.run(each.query, parameters=given.get(each.name, ())) for each in named}

    assert more is None
    assert {"funnel", "retention", "paths", "breakdown", "sessions", "daily_active_users"} <= ended.keys()
    assert {name: execution.reason for name, execution in ended.items() if execution.state != "SUCCEEDED"} == {}
    assert all(each.description and each.database == "analytics" for each in named)


def test_a_saved_query_is_a_table_function_with_types_that_other_sql_can_use(room: Room) -> None:
    rows = room.rows(f"SELECT step, users, round(of_first, 2) AS share FROM TABLE(funnel({STEPS}, days => 7)) AS f WHERE step > 1")
    halves = room.rows(f"SELECT users FROM TABLE(funnel({STEPS}, days => 0.25))")

    assert rows == [["step", "users", "share"], ["2", "2", "0.67"]]
    assert halves[1:] == [["3"], ["0"]]
    assert room.rows(f"SELECT count(*) AS n FROM TABLE(funnel({STEPS}, since => TIMESTAMP '2026-11-21 00:00:00 UTC'))")[1:] == [["2"]]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("funnel()", "funnel needs steps"),
        ("funnel(steps => 'a', dayz => 7)", "did you mean days"),
        ("funnel('a')", "takes its arguments by name"),
        ("funnel(steps => 'a', steps => 'b')", "Duplicate argument specification"),
        ("funnel(steps => lower('A'))", "an argument of a saved query is a constant"),
        ("funnel(steps => 'a', days => 'seven')", "is no number above 0"),
        ("tunnel(steps => 'a')", "Table function 'tunnel' not registered"),
        ("sessions()", "Table function 'sessions' not registered"),
    ],
)
def test_a_call_that_cannot_be_made_says_what_would_do(room: Room, call: str, reason: str) -> None:
    execution = room.run(f"SELECT * FROM TABLE({call})")

    assert execution.state == "FAILED"
    assert reason in str(execution.reason)


def test_what_every_project_has_is_not_changed_but_stands_beside_what_people_save(room: Room) -> None:
    library = room.queries.library
    own = library.create_named(NamedQuery("", "mine", "primary", "analytics", "SELECT 1"))
    page, token = library.named_ids("primary", None, 5)
    every = list(page)
    while token is not None:
        page, token = library.named_ids("primary", token, 5)
        every += page
    given = next(each for each in every if each != own)

    assert len(every) == len(set(every)) > 10
    assert own in every
    for change in (lambda: library.delete_named(given), lambda: library.update_named(given, "x", "SELECT 2", None)):
        with pytest.raises(InvalidRequest, match="save a copy"):
            change()
    library.delete_named(own)
    assert own not in library.named_ids("primary", None, 50)[0]
