"""The SQL files: what they say of themselves is so, and no value given to them is ever more than a value."""

from __future__ import annotations

import json
import re

import duckdb
import pytest

from headwater.errors import QueryError
from headwater.model.naming import RESERVED_TABLES
from headwater.query.views import RESERVED, library, saved
from headwater.query.views.value import sql_value
from headwater.sandbox.gate import check

from .conftest import Event, History, ms

EXAMPLES = {
    "breakdown": {"event_type": "PracticeEvent", "attribute": "level"},
    "funnel": {"steps": "SignUpEvent,PracticeEvent"},
    "paths": {},
    "retention": {},
}
NASTY = [
    "'",
    "''",
    "\\'",
    "x' OR '1'='1",
    "x'); DROP TABLE practice_events; --",
    "x' UNION SELECT body FROM dead_letter_log --",
    "$since",
    "$$x$$ $1 ? :a",
    "*/ x /*",
    "-- x",
    "a\n-- b\n'; SELECT 1",
    "E'\\x27'",
    "ünï\u2028'",
    "{'a': 1}",
    "null ",
]


@pytest.mark.parametrize("name", library())
def test_a_file_tells_its_columns_in_their_order(history: History, name: str) -> None:
    told = [column for names, _ in library()[name].columns for column in names.split(", ") if column != "…"]
    with history.engine.sql(
        saved(name).filled(EXAMPLES.get(name, {})) if library()[name].parameters else f"SELECT * FROM {name}"
    ) as result:
        found = result.schema.names

    if name == "dead_letters":
        assert set(told) < set(found)
    else:
        assert sorted(told) == sorted(found)


@pytest.mark.parametrize("name", library())
def test_a_file_tells_its_parameters_and_uses_them(name: str) -> None:
    query = "\n".join(line for line in library()[name].text.splitlines() if not line.lstrip().startswith("--"))

    assert set(re.findall(r"\$([a-z_]+)", query)) - {"tables"} == {parameter.name for parameter in library()[name].parameters}
    assert library()[name].says.endswith(".")


@pytest.mark.parametrize("name", library())
def test_a_sandbox_would_run_it(history: History, name: str) -> None:
    text = history.text(name, **EXAMPLES[name]) if name in EXAMPLES else history.engine.view(name)
    [(tree,)] = duckdb.execute("SELECT json_serialize_sql(CAST(? AS VARCHAR), skip_null := true, skip_empty := true)", [text]).fetchall()

    [statement] = json.loads(tree)["statements"]
    check(statement)


def test_no_event_type_can_take_a_name_that_others_of_ours_need() -> None:
    assert RESERVED < RESERVED_TABLES
    assert library().keys() > RESERVED


def test_views_are_in_what_show_tables_says(history: History) -> None:
    names = {name for (name,) in history.rows("SHOW TABLES")}

    assert {name for name, each in library().items() if not each.parameters} < names
    assert "funnel" not in names


@pytest.mark.parametrize("value", NASTY)
def test_a_value_is_only_ever_a_value(history: History, value: str) -> None:
    history.add(
        Event(value, ms("2026-11-20T10:00"), "ada", attributes={value: "first"}),
        Event("Odd", ms("2026-11-20T10:01"), "ada", attributes={"plan": value}),
        Event("Odd", ms("2026-11-20T10:02"), "bob", attributes={"plan": "free"}),
    )

    assert history.ask("breakdown", event_type=value, attribute=value) == [("first", 1, 1, 1.0)]
    assert history.ask("breakdown", event_type="Odd", attribute="plan", until="2026-11-20T10:01:30") == [(value, 1, 1, 1.0)]
    assert [row[:3] for row in history.ask("paths", event_type=value)] == [(value, "Odd", 1)]
    assert history.ask("retention", unit="day", event_type=value)[0][1:3] == (1, 0)
    assert history.ask("retention", unit="day", event_type="Odd", return_type=value)[0][1:] == (2, 0, 0, 0.0)
    written = {"event_type": "Odd", "where": {"plan": value}}
    assert [row[2] for row in history.ask("funnel", steps=json.dumps([value, written]))] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", "1; DROP TABLE x"),
        ("number", "nan"),
        ("number", "inf"),
        ("number", "-1"),
        ("number", "0"),
        ("number", "1e300"),
        ("count", "1.5"),
        ("count", "0"),
        ("count", "99999999"),
        ("count", "1 OR 1=1"),
        ("count", "١"),
        ("time", "yesterday"),
        ("time", "2026-11-23'); --"),
        ("time", "0001-01-01T00:00+10:00"),
        ("unit", "day'"),
        ("unit", "hour"),
        ("steps", ""),
        ("steps", "[]"),
        ("steps", "A,,B"),
        ("steps", "A[level]"),
        ("steps", "A]"),
        ("steps", '["A", 1]'),
        ("steps", '[{"where": {}}]'),
        ("steps", '[{"event_type": "A", "where": {"level": 3}}]'),
        ("steps", "[" * 100_000),
        ("text", "a\0b"),
    ],
)
def test_a_value_that_will_not_do_is_refused(kind: str, value: str) -> None:
    with pytest.raises(QueryError):
        sql_value(kind, value)


def test_what_is_missing_or_unknown_is_named_with_what_would_do() -> None:
    with pytest.raises(QueryError, match=r"funnel needs steps: event types in their order"):
        saved("funnel").filled({})
    with pytest.raises(QueryError, match=r"funnel has no parameter 'step'; did you mean steps\?"):
        saved("funnel").filled({"step": "A"})
    with pytest.raises(QueryError, match=r"events has no parameter 'x'; it has: none"):
        saved("events").filled({"x": "A"})
    with pytest.raises(QueryError, match=r"no view or saved query 'funel'; did you mean funnel\?"):
        saved("funel")
    with pytest.raises(QueryError, match=r"retention, unit: 'year' is none of day, week, month"):
        saved("retention").filled({"unit": "year"})
