"""The view `events`: every event of every type once, with whose it was and all it says."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from headwater.model.system import SYSTEM_TABLES
from headwater.query.views.events import OURS, SYSTEM
from tests.query.conftest import DAY_MS, START_MS, events

from .conftest import Event, History, ms

COLUMNS = (
    "event_id, event_type, datetime, person, session_id, app_id, client_id, cognito_id, arrival_datetime, attributes, year, month, day"
)


def test_the_tables_that_hold_no_events_are_those_of_our_own() -> None:
    assert {table.name for table in SYSTEM_TABLES} - {"other_events"} == OURS
    for table in SYSTEM_TABLES:
        types = {"string": pa.string(), "timestamptz": pa.timestamp("us", "UTC")}
        assert {name: table.schema.field(name).type for name in SYSTEM} == {name: types[kind] for name, kind in SYSTEM.items()}


def test_without_any_event_there_is_no_row_in_any_view(history: History) -> None:
    assert history.engine.sql("SELECT * FROM events").arrow().column_names == COLUMNS.split(", ")
    for view in (
        "events",
        "sessions",
        "daily_active_users",
        "weekly_active_users",
        "monthly_active_users",
        "new_and_returning_users",
        "top_events",
    ):
        assert history.rows(f"SELECT * FROM {view}") == [], view
    assert history.ask("funnel", steps="A,B") == [(1, "A", 0, None, None), (2, "B", 0, None, None)]
    assert history.ask("retention") == history.ask("paths") == history.ask("breakdown", event_type="A", attribute="b") == []


def test_a_lake_without_tables_has_an_empty_view_of_events(tmp_path: Path) -> None:
    made = History(tmp_path / "q")
    for name in made.project.index.tables():
        if name != "identity_log":
            made.project.catalog.drop_table(("analytics", name))

    assert made.rows("SELECT count(*) FROM events") == [(0,)]

    made.close()


def test_events_of_all_tables_are_there_once_in_files_and_in_the_tail(history: History) -> None:
    history.add(
        Event("SignUpEvent", ms("2026-11-20T10:00"), "ada"), Event("PracticeEvent", ms("2026-11-20T10:01"), "ada", level=3), fold=True
    )
    history.add(Event("PracticeEvent", ms("2026-11-20T10:02"), "ada", level=4), Event("Odd.Event", ms("2026-11-20T10:03"), "bob"))

    assert history.rows("SELECT event_type, count(*) FROM events GROUP BY 1 ORDER BY 1") == [
        ("Odd.Event", 1),
        ("PracticeEvent", 2),
        ("SignUpEvent", 1),
    ]
    assert history.rows("SELECT event_type, events, users FROM top_events") == [
        ("PracticeEvent", 2, 1),
        ("Odd.Event", 1, 1),
        ("SignUpEvent", 1, 1),
    ]


def test_what_else_an_event_says_is_json_with_its_types(history: History) -> None:
    odd = Event("Odd", 0, attributes={"plan": "pro", "a'b\"/~c": "q", "twice": "text"}, metrics={"price": 1.5, "twice": 2.0})
    history.add(Event("PracticeEvent", START_MS, level=3), Event("PracticeEvent", START_MS), odd._replace(at_ms=START_MS))

    found = history.rows("SELECT event_type, attributes FROM events ORDER BY event_type, event_id")

    assert [(name, json.loads(text)) for name, text in found] == [
        ("Odd", {"price": 1.5, "twice": "text", "plan": "pro", "a'b\"/~c": "q"}),
        ("PracticeEvent", {"level": 3}),
        ("PracticeEvent", {"level": None}),
    ]
    assert history.rows("SELECT attributes->>'level' FROM events WHERE event_type = 'PracticeEvent' ORDER BY 1") == [("3",), (None,)]


def test_columns_of_every_kind_become_json(history: History) -> None:
    own = {
        "day's name": pa.array(["Friday"]),
        "days": pa.array([[1, 2]]),
        "where": pa.array([{"x": 1.5}]),
        "sure": pa.array([True]),
        "extra": pa.array([[("free", "text")]], pa.map_(pa.string(), pa.string())),
    }
    rows = events([START_MS], **own)
    history.project.lake.ensure("lessons", rows.schema)
    history.project.append("lessons", rows)

    [(text,)] = history.rows("SELECT attributes FROM events")

    assert json.loads(text) == {"day's name": "Friday", "days": [1, 2], "where": {"x": 1.5}, "sure": True, "free": "text"}


def test_a_type_that_comes_later_and_a_column_that_is_added_are_seen_by_an_engine_that_runs(history: History) -> None:
    assert history.rows("SELECT count(*) FROM events") == [(0,)]

    rows = events([START_MS], n=[1])
    history.project.lake.ensure("lessons", rows.schema)
    history.project.append("lessons", rows)
    before = history.rows("SELECT attributes->>'n', attributes->>'m' FROM events")
    wider = events([START_MS + 1], n=[2], m=["new"])
    history.project.lake.ensure("lessons", wider.schema)
    history.project.append("lessons", wider)

    assert before == [("1", None)]
    assert history.rows("SELECT attributes->>'n', attributes->>'m' FROM events ORDER BY datetime") == [("1", None), ("2", "new")]


def test_a_copy_of_a_table_is_not_counted_again(history: History) -> None:
    history.add(Event("SignUpEvent", START_MS), fold=True)
    copied = history.engine.sql("SELECT * FROM sign_up_events").arrow()
    catalog = history.project.catalog
    catalog.create_table(("analytics", "backup"), schema=catalog.load_table(("analytics", "sign_up_events")).schema())
    catalog.load_table(("analytics", "backup")).append(copied.cast(catalog.load_table(("analytics", "backup")).schema().as_arrow()))

    assert history.rows("SELECT count(*) FROM backup") == [(1,)]
    assert history.rows("SELECT count(*) FROM events") == [(1,)]


def test_a_person_is_the_login_else_the_guest_else_the_device(history: History) -> None:
    history.add(
        Event("A", ms("2026-11-20T10:00"), "guest", device="phone"),
        Event("A", ms("2026-11-20T10:01"), "ada", device="phone"),
        Event("A", ms("2026-11-20T10:02"), "stranger", device="tv"),
        Event("A", ms("2026-11-20T10:03"), None, device="tv"),
        Event("A", ms("2026-11-20T10:04"), None),
    ).merge("guest", "ada")

    assert history.rows("SELECT person FROM events ORDER BY datetime") == [("ada",), ("ada",), ("stranger",), ("tv",), (None,)]
    joined = "SELECT DISTINCT i.person = e.person FROM events e JOIN identities i ON i.identity_id = e.cognito_id"
    assert history.rows(joined) == [(True,)]


def test_an_identity_with_many_logins_does_not_double_its_events(history: History) -> None:
    history.add(Event("A", START_MS, "guest")).merge("guest", "ada").merge("other", "ada").merge("third", "ada")

    assert history.rows("SELECT count(*) FROM events") == [(1,)]


def test_a_table_of_the_same_name_takes_the_place_of_a_view_and_ours_goes_on(history: History) -> None:
    history.add(Event("A", START_MS, "ada"))
    for name in ("events", "sessions"):
        rows = events([START_MS, START_MS + 1], mine=[1, 2])
        history.project.lake.ensure(name, rows.schema)
        history.project.append(name, rows)

    assert history.rows("SELECT mine FROM events ORDER BY 1") == history.rows("SELECT mine FROM sessions ORDER BY 1") == [(1,), (2,)]
    # They are tables of events themselves, so ours has their rows, too: 2 + 2 + 1.
    assert history.rows("SELECT sum(events) FROM daily_active_users") == [(5,)]
    assert history.ask("breakdown", event_type="A", attribute="x") == [(None, 1, 1, 1.0)]
    assert "WITH events AS" in history.text("breakdown", event_type="A", attribute="x")
    assert [name for (name,) in history.rows("SHOW TABLES")].count("events") == 1


def test_dates_asked_of_the_view_leave_files_of_every_table_out(history: History) -> None:
    for day in range(10):
        when = START_MS + day * DAY_MS + DAY_MS // 2
        history.add(Event("SignUpEvent", when, "ada"), Event("PracticeEvent", when + 1, "ada"), Event("Odd", when + 2, "bob"), fold=True)
    everything = history.files("SELECT count(*) FROM events")

    assert everything == 30
    for condition, days in (
        ("datetime >= '2026-11-28'", 2),
        ("datetime::date = '2026-11-22'", 1),
        ("year = '2026' AND month = '11' AND day IN ('20', '21', '22')", 3),
        ("datetime >= TIMESTAMPTZ '2026-11-24' AND datetime < TIMESTAMPTZ '2026-11-26'", 2),
        ("person = 'ada'", 10),
        ("arrival_datetime >= '2026-11-28'", 10),
        ("datetime >= '2026-11-28' OR person = 'bob'", 10),
    ):
        assert history.files(f"SELECT * FROM events WHERE {condition}") == 3 * days, condition
        assert history.rows(f"SELECT count(*) FROM events WHERE {condition}") == history.rows(
            f"SELECT count(*) FROM (SELECT * FROM events LIMIT 1000) WHERE {condition}"
        ), condition
    joined = (
        "SELECT count(*) FROM events a JOIN events b ON a.person = b.person WHERE a.datetime >= '2026-11-28' AND b.datetime >= '2026-11-27'"
    )
    assert history.files(joined) == 9
    assert (
        history.files("SELECT count(*) FROM events WHERE datetime > '2026-11-28' UNION ALL SELECT count(*) FROM practice_events")
        == 6 - 2 + 10
    )


def test_saved_queries_leave_files_out_by_their_period(history: History) -> None:
    for day in range(10):
        history.add(Event("PracticeEvent", START_MS + day * DAY_MS + DAY_MS // 2, "ada"), fold=True)

    period = {"since": "2026-11-22", "until": "2026-11-24"}

    assert history.files(history.text("breakdown", event_type="PracticeEvent", attribute="level", **period)) == 2
    assert history.files(history.text("paths", **period)) == 2
    assert history.files(history.text("paths", minutes="720", **period)) == 3
    assert history.files(history.text("funnel", steps="PracticeEvent,Odd", days="1", **period)) == 3
    # Who is new can only be told from everything.
    assert history.files(history.text("retention", **period)) == 10
