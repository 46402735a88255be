"""Every metric once more, in the plainest Python there is: what the SQL is compared with on random histories."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """An event as the metrics see it."""

    person: str | None
    at_ms: int
    event_type: str
    session: str | None
    id: str
    level: int | None


Rows = list[tuple[Any, ...]]


def day_of(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


def period_of(unit: str) -> Callable[[int], date]:
    def week(at_ms: int) -> date:
        return day_of(at_ms) - timedelta(days=day_of(at_ms).weekday())

    return {"day": day_of, "week": week, "month": lambda at_ms: day_of(at_ms).replace(day=1)}[unit]


def periods_between(unit: str, first: date, last: date) -> int:
    if unit == "month":
        return (last.year - first.year) * 12 + last.month - first.month
    return (last - first).days // (7 if unit == "week" else 1)


def people(events: Sequence[Seen]) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.at_ms, event.id)):
        if event.person is not None:
            found[event.person].append(event)
    return found


def sessions(events: Sequence[Seen]) -> Rows:
    groups: list[list[Seen]] = []
    by_id: dict[tuple[str | None, str], list[Seen]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.at_ms, event.id)):
        if event.session is not None:
            by_id[event.person, event.session].append(event)
    for found in people([event for event in events if event.session is None]).values():
        last = None
        for event in found:
            if last is None or event.at_ms - last > 30 * 60_000:
                groups.append([])
            groups[-1].append(event)
            last = event.at_ms
    return [
        (g[0].person, g[0].session, g[0].at_ms, g[-1].at_ms, (g[-1].at_ms - g[0].at_ms) / 1000, len(g), g[0].event_type, g[-1].event_type)
        for g in [*groups, *by_id.values()]
    ]


def active(events: Sequence[Seen], unit: str) -> Rows:
    users, counts = defaultdict(set), Counter[date]()
    for event in events:
        if event.person is not None:
            users[period_of(unit)(event.at_ms)].add(event.person)
            counts[period_of(unit)(event.at_ms)] += 1
    return [(period, len(users[period]), counts[period]) for period in sorted(users)]


def new_and_returning(events: Sequence[Seen]) -> Rows:
    first = {person: day_of(found[0].at_ms) for person, found in people(events).items()}
    days = sorted({(day_of(event.at_ms), event.person) for event in events if event.person is not None})
    found = []
    for day in sorted({day for day, _ in days}):
        there = [person for when, person in days if when == day]
        new = sum(first[person] == day for person in there)
        found.append((day, len(there), new, len(there) - new))
    return found


def top(events: Sequence[Seen]) -> Rows:
    kinds = {event.event_type for event in events}
    rows = []
    for kind in kinds:
        mine = [event for event in events if event.event_type == kind]
        times = [event.at_ms for event in mine]
        rows.append((kind, len(mine), len({event.person for event in mine} - {None}), min(times), max(times)))
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def funnel(events: Sequence[Seen], steps: Sequence[tuple[str, int | None]], days: float, since: int, until: int) -> list[int]:
    """Return how many people came to each step; tries every choice of events for the steps."""

    def fits(event: Seen, step: tuple[str, int | None]) -> bool:
        return event.event_type == step[0] and step[1] in (None, event.level)

    def deepest(found: list[Seen], begun: int, last: int, number: int) -> int:
        if number == len(steps):
            return number
        later = [e for e in found if fits(e, steps[number]) and e.at_ms > last and e.at_ms - begun <= days * 86_400_000]
        return max((deepest(found, begun, event.at_ms, number + 1) for event in later), default=number)

    reached = [
        max((deepest(found, e.at_ms, e.at_ms, 1) for e in found if fits(e, steps[0]) and since <= e.at_ms < until), default=0)
        for found in people(events).values()
    ]
    return [sum(depth > number for depth in reached) for number in range(len(steps))]


def retention(events: Sequence[Seen], unit: str, periods: int, event_type: str | None, return_type: str | None) -> Rows:
    period = period_of(unit)
    cohorts: dict[date, int] = Counter()
    back: dict[tuple[date, int], int] = Counter()
    last = max((period(event.at_ms) for event in events if event.person is not None), default=date.min)
    for found in people(events).values():
        comings = [event for event in found if event_type in (None, event.event_type)]
        if not comings:
            continue
        first = comings[0].at_ms
        cohorts[period(first)] += 1
        returns = {period(e.at_ms) for e in found if e.at_ms >= first and return_type in (None, e.event_type)}
        for number in {periods_between(unit, period(first), when) for when in returns}:
            back[period(first), number] += 1
    return [
        (cohort, size, number, back[cohort, number], back[cohort, number] / size)
        for cohort, size in sorted(cohorts.items())
        for number in range(min(periods, periods_between(unit, cohort, last)) + 1)
    ]


def paths(events: Sequence[Seen], minutes: float) -> Rows:
    times, users, all_of = Counter[tuple[str, str | None]](), defaultdict(set), Counter[str]()
    for person, found in people(events).items():
        for event, following in zip(found, [*found[1:], None], strict=True):
            soon = following is not None and following.at_ms - event.at_ms <= minutes * 60_000
            pair = event.event_type, following.event_type if soon and following else None
            times[pair] += 1
            users[pair].add(person)
            all_of[event.event_type] += 1
    rows = [(*pair, count, len(users[pair]), count / all_of[pair[0]]) for pair, count in times.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1] is None, row[1] or ""))


def breakdown(events: Sequence[Seen], event_type: str) -> Rows:
    mine = [event for event in events if event.event_type == event_type]
    counts = Counter(None if event.level is None else str(event.level) for event in mine)
    rows = []
    for value, count in counts.items():
        people_of = {event.person for event in mine if (None if event.level is None else str(event.level)) == value}
        rows.append((value, count, len(people_of - {None}), count / len(mine)))
    return sorted(rows, key=lambda row: (-row[1], row[0] is None, row[0] or ""))
