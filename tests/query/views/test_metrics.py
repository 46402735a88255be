"""Each view and saved query on a small history whose answers were worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from .conftest import Event, History, at, ms

SESSIONS = """
SELECT person, session_id, started_at, ended_at, duration_s, events, first_event_type, last_event_type
FROM sessions ORDER BY started_at, person
"""


def test_a_session_is_a_persons_events_with_one_id_over_midnight_and_sign_in(history: History) -> None:
    history.add(
        Event("open", ms("2026-11-20T23:50"), "guest", "s1"),
        Event("sign in", ms("2026-11-21T00:10"), "ada", "s1"),
        Event("close", ms("2026-11-21T03:10:30"), "ada", "s1"),  # three hours later: the id says it is the same
        Event("open", ms("2026-11-21T03:11"), "ada", "s2"),
        Event("open", ms("2026-11-21T03:12"), "bob", "s1"),  # ids of two people are two sessions
    ).merge("guest", "ada")

    assert history.rows(SESSIONS) == [
        ("ada", "s1", at("2026-11-20T23:50"), at("2026-11-21T03:10:30"), 12030.0, 3, "open", "close"),
        ("ada", "s2", at("2026-11-21T03:11"), at("2026-11-21T03:11"), 0.0, 1, "open", "open"),
        ("bob", "s1", at("2026-11-21T03:12"), at("2026-11-21T03:12"), 0.0, 1, "open", "open"),
    ]


def test_without_ids_a_pause_of_more_than_thirty_minutes_ends_a_session(history: History) -> None:
    history.add(
        Event("a", ms("2026-11-20T23:45"), "guest"),
        Event("b", ms("2026-11-21T00:15"), "ada"),  # exactly 30 minutes, on the next day, signed in
        Event("b2", ms("2026-11-21T00:20"), "ada", "with id"),  # has its own session and bridges nothing
        Event("c", ms("2026-11-21T00:45:00.001"), "ada"),  # 30 minutes and a millisecond after b
        Event("x", ms("2026-11-21T00:46"), None),  # nobody's
    ).merge("guest", "ada")

    assert history.rows(SESSIONS) == [
        ("ada", None, at("2026-11-20T23:45"), at("2026-11-21T00:15"), 1800.0, 2, "a", "b"),
        ("ada", "with id", at("2026-11-21T00:20"), at("2026-11-21T00:20"), 0.0, 1, "b2", "b2"),
        ("ada", None, at("2026-11-21T00:45:00.001"), at("2026-11-21T00:45:00.001"), 0.0, 1, "c", "c"),
    ]


def test_apps_have_sessions_of_their_own(history: History) -> None:
    history.add(Event("a", ms("2026-11-20T10:00"), "ada", app="one"), Event("a", ms("2026-11-20T10:01"), "ada", app="two"))

    assert history.rows("SELECT app_id, events FROM sessions ORDER BY 1") == [("one", 1), ("two", 1)]


def test_active_users_are_people_by_day_week_and_month_in_utc(history: History) -> None:
    history.add(
        Event("a", ms("2026-10-31T23:59:59.999"), "ada"),  # a Saturday
        Event("a", ms("2026-11-01T00:00"), "ada"),  # Sunday: the same week, another month
        Event("a", ms("2026-11-01T12:00"), "guest", device="phone"),
        Event("a", ms("2026-11-01T13:00"), "bob", device="phone"),  # one device, two people
        Event("a", ms("2026-11-02T00:00"), "ada", device="tv"),  # Monday
        Event("a", ms("2026-11-04T00:00"), "ada", device="phone"),
        Event("a", ms("2026-11-04T00:00"), None),  # nobody's
        fold=True,
    ).merge("guest", "ada")

    assert history.rows("SELECT * FROM daily_active_users") == [
        (date(2026, 10, 31), 1, 1),
        (date(2026, 11, 1), 2, 3),
        (date(2026, 11, 2), 1, 1),
        (date(2026, 11, 4), 1, 1),
    ]
    assert history.rows("SELECT * FROM weekly_active_users") == [(date(2026, 10, 26), 2, 4), (date(2026, 11, 2), 1, 2)]
    assert history.rows("SELECT * FROM monthly_active_users") == [(date(2026, 10, 1), 1, 1), (date(2026, 11, 1), 2, 5)]
    assert history.rows("SELECT * FROM new_and_returning_users") == [
        (date(2026, 10, 31), 1, 1, 0),
        (date(2026, 11, 1), 2, 1, 1),
        (date(2026, 11, 2), 1, 0, 1),
        (date(2026, 11, 4), 1, 0, 1),
    ]


def test_an_iso_week_over_the_turn_of_the_year_is_one_week(history: History) -> None:
    history.add(
        Event("a", ms("2026-12-28T00:00"), "ada"),
        Event("a", ms("2027-01-03T23:59:59.999"), "ada"),
        Event("a", ms("2027-01-04T00:00"), "ada"),
    )

    assert history.rows("SELECT week, users FROM weekly_active_users") == [(date(2026, 12, 28), 1), (date(2027, 1, 4), 1)]


def test_an_event_sent_twice_or_from_two_places_counts_as_often_as_it_is_a_row(history: History) -> None:
    history.add(Event("a", ms("2026-11-20T10:00"), "ada"), fold=True)
    history.merge("guest", "ada").merge("guest", "ada")

    assert history.rows("SELECT users, events FROM daily_active_users") == [(1, 1)]
    assert history.rows("SELECT events, users FROM top_events") == [(1, 1)]


def steps(found: list[tuple[object, ...]]) -> list[object]:
    return [row[2] for row in found]


def test_a_funnel_goes_from_the_first_step_through_all_in_order(history: History) -> None:
    history.add(
        # ada: as a guest first, all three steps
        Event("A", ms("2026-11-20T10:00"), "guest"),
        Event("other", ms("2026-11-20T10:30"), "guest"),
        Event("B", ms("2026-11-20T11:00"), "ada"),
        Event("C", ms("2026-11-20T12:00"), "ada"),
        # bob: B before A, so only the first
        Event("B", ms("2026-11-20T09:00"), "bob"),
        Event("A", ms("2026-11-20T10:00"), "bob"),
        # cleo: B at the very moment of A is not later
        Event("A", ms("2026-11-20T10:00"), "cleo"),
        Event("B", ms("2026-11-20T10:00"), "cleo"),
        # dan: twice through the first two steps counts once
        *(Event(kind, ms(f"2026-11-20T{hour}:00"), "dan") for kind, hour in (("A", 10), ("B", 11), ("A", 12), ("B", 13))),
        # nobody
        Event("A", ms("2026-11-20T10:00"), None),
    ).merge("guest", "ada")

    assert history.ask("funnel", steps="A,B,C") == [(1, "A", 4, 1.0, None), (2, "B", 2, 0.5, 0.5), (3, "C", 1, 0.25, 0.5)]


def test_a_funnels_window_runs_from_the_first_step(history: History) -> None:
    history.add(
        # ada: C within a day of B, but a second more than a day after A
        Event("A", ms("2026-11-20T10:00"), "ada"),
        Event("B", ms("2026-11-20T22:00"), "ada"),
        Event("C", ms("2026-11-21T10:00:01"), "ada"),
        # bob: exactly a day
        Event("A", ms("2026-11-20T10:00"), "bob"),
        Event("B", ms("2026-11-20T22:00"), "bob"),
        Event("C", ms("2026-11-21T10:00"), "bob"),
        # cleo: her first attempt ends early, her second comes through
        Event("A", ms("2026-11-01T10:00"), "cleo"),
        Event("A", ms("2026-11-20T10:00"), "cleo"),
        Event("B", ms("2026-11-20T11:00"), "cleo"),
        Event("C", ms("2026-11-20T12:00"), "cleo"),
    )

    assert steps(history.ask("funnel", steps="A,B,C", days="1")) == [3, 3, 2]
    assert steps(history.ask("funnel", steps="A,B,C", days="0.5")) == [3, 3, 1]
    assert steps(history.ask("funnel", steps="A,B,C", days="2")) == [3, 3, 3]
    # An attempt that begins in the period may end after it.
    assert steps(history.ask("funnel", steps="A,B,C", days="2", since="2026-11-20", until="2026-11-20T10:00:00.001")) == [3, 3, 3]
    assert steps(history.ask("funnel", steps="A,B,C", days="2", until="2026-11-20T10:00")) == [1, 0, 0]


def test_a_funnel_may_ask_for_one_type_twice_and_for_attributes(history: History) -> None:
    history.add(
        Event("PracticeEvent", ms("2026-11-20T10:00"), "ada", level=1),
        Event("PracticeEvent", ms("2026-11-20T11:00"), "ada", level=2),
        Event("PracticeEvent", ms("2026-11-20T10:00"), "bob", level=2),
        Event("buy, now [quick]", ms("2026-11-20T12:00"), "ada", attributes={"it's/~odd": "x;--"}),
    )

    assert steps(history.ask("funnel", steps="PracticeEvent, PracticeEvent")) == [2, 1]
    assert steps(history.ask("funnel", steps="PracticeEvent[level=1] , PracticeEvent[level=2]")) == [1, 1]
    assert steps(history.ask("funnel", steps="PracticeEvent[level=2][none=1]")) == [0]
    odd = '["PracticeEvent", {"event_type": "buy, now [quick]", "where": {"it\'s/~odd": "x;--"}}]'
    assert steps(history.ask("funnel", steps=odd)) == [2, 1]


def test_retention_by_day_week_and_month(history: History) -> None:
    history.add(
        Event("SignUp", ms("2026-11-01T23:00"), "guest"),  # a Sunday
        Event("open", ms("2026-11-01T23:30"), "ada"),
        Event("open", ms("2026-11-02T00:30"), "ada"),  # the next day, the next week
        Event("open", ms("2026-11-01T10:00"), "bob"),
        Event("SignUp", ms("2026-11-01T11:00"), "bob"),
        Event("SignUp", ms("2026-11-03T10:00"), "cleo"),
    ).merge("guest", "ada")
    first, third = date(2026, 11, 1), date(2026, 11, 3)

    assert history.ask("retention", unit="day", periods="5") == [
        (first, 2, 0, 2, 1.0),
        (first, 2, 1, 1, 0.5),
        (first, 2, 2, 0, 0.0),  # the last day on which anything happened
        (third, 1, 0, 1, 1.0),
    ]
    # Coming is signing up, being back is opening: bob opened before he signed up, and never after.
    assert history.ask("retention", unit="day", periods="1", event_type="SignUp", return_type="open") == [
        (first, 2, 0, 1, 0.5),
        (first, 2, 1, 1, 0.5),
        (third, 1, 0, 0, 0.0),
    ]
    assert history.ask("retention") == [
        (date(2026, 10, 26), 2, 0, 2, 1.0),
        (date(2026, 10, 26), 2, 1, 1, 0.5),
        (date(2026, 11, 2), 1, 0, 1, 1.0),
    ]
    assert history.ask("retention", unit="month") == [(first, 3, 0, 3, 1.0)]
    assert history.ask("retention", unit="day", since="2026-11-02", until="2026-11-04") == [(third, 1, 0, 1, 1.0)]


def test_paths_say_what_follows_what(history: History) -> None:
    history.add(
        Event("A", ms("2026-11-20T10:00"), "guest"),
        Event("B", ms("2026-11-20T10:30"), "ada"),  # exactly 30 minutes
        Event("A", ms("2026-11-20T11:00:00.001"), "ada"),  # too late to follow
        Event("A", ms("2026-11-20T10:00"), "bob"),
        Event("B", ms("2026-11-20T10:01"), "bob"),
        Event("B", ms("2026-11-20T10:02"), "bob"),
        Event("A", ms("2026-11-20T10:03"), None),
    ).merge("guest", "ada")

    assert history.ask("paths") == [
        ("A", "B", 2, 2, 2 / 3),
        ("B", None, 2, 2, 2 / 3),
        ("A", None, 1, 1, 1 / 3),
        ("B", "B", 1, 1, 1 / 3),
    ]
    assert history.ask("paths", event_type="B", minutes="31", limit="2") == [("B", "A", 1, 1, 1 / 3), ("B", "B", 1, 1, 1 / 3)]
    # What follows the period's last event may come after it.
    assert history.ask("paths", until="2026-11-20T10:00:01") == [("A", "B", 2, 2, 1.0)]


def test_a_breakdown_counts_the_values_of_an_attribute(history: History) -> None:
    history.add(
        Event("PracticeEvent", ms("2026-11-20T10:00"), "guest", level=3),
        Event("PracticeEvent", ms("2026-11-20T10:01"), "ada", level=3),
        Event("PracticeEvent", ms("2026-11-21T10:02"), "bob", level=2),
        Event("PracticeEvent", ms("2026-11-21T10:03"), "bob"),
        Event("Odd", ms("2026-11-20T10:00"), "ada", attributes={"level": "text", "$.x": "dollar"}),
    ).merge("guest", "ada")

    assert history.ask("breakdown", event_type="PracticeEvent", attribute="level") == [
        ("3", 2, 1, 0.5),
        ("2", 1, 1, 0.25),
        (None, 1, 1, 0.25),
    ]
    assert history.ask("breakdown", event_type="PracticeEvent", attribute="level", limit="1", since="2026-11-21") == [("2", 1, 1, 0.5)]
    assert history.ask("breakdown", event_type="Odd", attribute="$.x") == [("dollar", 1, 1, 1.0)]


@pytest.mark.parametrize("fold", [True, False])
def test_events_of_no_known_time_are_in_no_period(history: History, fold: bool) -> None:
    history.add(Event("PracticeEvent", ms("2026-11-20T10:00"), "ada"), fold=fold)

    assert history.rows("SELECT count(*) FROM events WHERE datetime IS NULL") == [(0,)]
    assert history.rows("SELECT sum(users) FROM daily_active_users") == [(1,)]
