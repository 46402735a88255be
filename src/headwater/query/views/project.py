"""The views of a project: what each of them is now, over the tables it has now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from headwater.query.source import Planner
from headwater.query.views.events import events_sql
from headwater.query.views.saved import TABLES, Saved, library

EVENTS = "events"


def project_views(planner: Planner) -> Mapping[str, Callable[[], str]]:
    """Return each view's name and what gives its SELECT as it is at that moment."""
    return {name: partial(_text, planner, view) for name, view in library().items() if not view.parameters}


def over_our_events(text: str, tables: Collection[str], events: Callable[[], str]) -> str:
    """Return the SQL of one of ours so that `events` means our view, also where one of the project's *tables* has its name."""
    if EVENTS not in tables or f"FROM {EVENTS}" not in text:
        return text
    return f"WITH {EVENTS} AS NOT MATERIALIZED (\n{events()}\n)\nSELECT * FROM (\n{text}\n)"


def _text(planner: Planner, view: Saved) -> str:
    if view.name == EVENTS:
        return _events(planner)
    return over_our_events(view.text, planner.tables(), partial(_events, planner))


def _events(planner: Planner) -> str:
    place = f"(${TABLES})"
    text = library()[EVENTS].text
    assert text.count(place) == 1
    return text.replace(place, f"(\n    {events_sql(planner)}\n)")
