"""On random histories, full of edges and ties, every metric is what plain Python makes of the same events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from . import naive
from .conftest import Event, History, ms
from .naive import Seen

DAY_MS = 86_400_000
HISTORIES = 6
FIRST = ms("2026-10-20")


class Story(History):
    """A history with the same events as the naive metrics take them."""

    seen: list[Seen]


def tell(made: Story, seed: int) -> None:
    chance = random.Random(seed)
    members = [f"p{number}" for number in range(chance.choice([1, 4, 9]))]
    guests = {f"g{number}": chance.choice(members) for number in range(len(members))}
    unmerged = {guest for guest in guests if chance.random() < 0.3}
    days = chance.choice([2, 15, 40])
    made.seen = []
    told = []
    for number in range(chance.choice([30, 150, 400])):
        who = chance.choice([*members, *guests, None])
        device = chance.choice(["phone", None]) if who is None else chance.choice(["phone", "tv", None])
        # Whole multiples of ten minutes: many events at one moment, many pauses of exactly half an hour, many at midnight.
        at_ms = FIRST + chance.randrange(days) * DAY_MS + chance.choice([0, 0, 1]) + chance.choice([0, 6, 12, 142, 143]) * 600_000
        session = chance.choice([None, None, f"s{chance.randrange(3)}"])
        kind = chance.choice(["SignUpEvent", "PracticeEvent", "PracticeEvent", "Odd", "Odder"])
        level = chance.choice([None, 1, 2]) if kind == "PracticeEvent" else None
        event = Event(kind, at_ms + chance.choice([0, 600_000, 1_800_000]), who, session, device, level=level, id=f"e{number:04d}")
        person = guests[who] if who in guests and who not in unmerged else who
        made.seen.append(Seen(person or device, event.at_ms, kind, session, f"e{number:04d}", level))
        told.append(event)
    for start in range(0, len(told), 25):
        made.add(*told[start : start + 25], fold=chance.random() < 0.3)
    for guest, member in guests.items():
        if guest not in unmerged:
            made.merge(guest, member)


@pytest.fixture(scope="module", params=range(HISTORIES))
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    made = Story(tmp_path_factory.mktemp("story") / "p")
    tell(made, request.param)
    yield made
    made.close()


def in_ms(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(round(value.timestamp() * 1000) if isinstance(value, datetime) else value for value in row) for row in rows]


def ordered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


def test_events(story: Story) -> None:
    found = story.rows("SELECT person, datetime, event_type, session_id, event_id, CAST(attributes->>'level' AS BIGINT) FROM events")

    assert ordered(in_ms(found)) == ordered([tuple(event) for event in story.seen])


def test_sessions(story: Story) -> None:
    found = story.rows(
        "SELECT person, session_id, started_at, ended_at, duration_s, events, first_event_type, last_event_type FROM sessions"
    )

    assert ordered(in_ms(found)) == ordered(naive.sessions(story.seen))


@pytest.mark.parametrize(
    ("view", "unit"), [("daily_active_users", "day"), ("weekly_active_users", "week"), ("monthly_active_users", "month")]
)
def test_active_users(story: Story, view: str, unit: str) -> None:
    assert story.rows(f"SELECT * FROM {view}") == naive.active(story.seen, unit)


def test_new_and_returning_users(story: Story) -> None:
    assert story.rows("SELECT * FROM new_and_returning_users") == naive.new_and_returning(story.seen)


def test_top_events(story: Story) -> None:
    assert in_ms(story.rows("SELECT * FROM top_events")) == naive.top(story.seen)


@pytest.mark.parametrize("seed", range(8))
def test_funnels(story: Story, seed: int) -> None:
    chance = random.Random(seed)
    steps = [
        (chance.choice(["SignUpEvent", "PracticeEvent", "Odd"]), chance.choice([None, None, 1, 2])) for _ in range(chance.randrange(1, 4))
    ]
    steps = [(kind, level if kind == "PracticeEvent" else None) for kind, level in steps]
    days = chance.choice([0.125, 1, 7])
    since, until = FIRST + chance.randrange(3) * DAY_MS, FIRST + chance.randrange(3, 40) * DAY_MS

    found = story.ask(
        "funnel",
        steps=",".join(kind if level is None else f"{kind}[level={level}]" for kind, level in steps),
        days=str(days),
        since=datetime.fromtimestamp(since / 1000).astimezone().isoformat(),
        until=datetime.fromtimestamp(until / 1000).astimezone().isoformat(),
    )

    assert [row[2] for row in found] == naive.funnel(story.seen, steps, days, since, until)


@pytest.mark.parametrize("unit", ["day", "week", "month"])
@pytest.mark.parametrize(
    ("event_type", "return_type"), [(None, None), ("SignUpEvent", None), ("SignUpEvent", "PracticeEvent"), (None, "Odd")]
)
def test_retention(story: Story, unit: str, event_type: str | None, return_type: str | None) -> None:
    found = story.ask("retention", unit=unit, periods="4", event_type=event_type or "null", return_type=return_type or "null")

    assert found == naive.retention(story.seen, unit, 4, event_type, return_type)


@pytest.mark.parametrize("minutes", [10, 30, 1440])
def test_paths(story: Story, minutes: int) -> None:
    assert story.ask("paths", minutes=str(minutes)) == naive.paths(story.seen, minutes)


def test_breakdown(story: Story) -> None:
    assert story.ask("breakdown", event_type="PracticeEvent", attribute="level") == naive.breakdown(story.seen, "PracticeEvent")
