"""Which stretch of time a condition can be true in: symbolic until its constants are known, and never too narrow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal, NamedTuple, TypeAlias

DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal() - _EPOCH
_FIRST_DAY = date.min.toordinal() - _EPOCH

ColumnName = Literal["datetime", "year", "month", "day"]


class Atom(NamedTuple):
    """`f(column) op constant`, where f moves `datetime` down by less than `span_us`; `values` are places in the list of constants.

    `now` says that a constant depends on the time of asking.
    """

    column: ColumnName
    op: Literal["ge", "le", "eq"]
    values: tuple[int, ...]
    span_us: int = 0
    now: bool = False


class AllOf(NamedTuple):
    """Every part holds."""

    parts: tuple[Condition, ...]


class OneOf(NamedTuple):
    """At least one part holds."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = Atom | AllOf | OneOf | None
"""None is a condition nothing is known of."""


class TimeWindow(NamedTuple):
    """Microseconds since the epoch, both ends included, and the years, months and days; None is no bound."""

    lower_us: int | None = None
    upper_us: int | None = None
    years: frozenset[int] | None = None
    months: frozenset[int] | None = None
    days: frozenset[int] | None = None

    def day_bounds(self) -> tuple[int | None, int | None]:
        """Return the first and the last day, in days since the epoch, that can hold a row of this window."""
        first = None if self.lower_us is None else self.lower_us // DAY_US
        last = None if self.upper_us is None else self.upper_us // DAY_US
        if self.years:
            low, high = min(self.years), max(self.years)
            if 1 <= low <= high <= 9999:
                first = max(date(low, 1, 1).toordinal() - _EPOCH, _FIRST_DAY if first is None else first)
                last = min(date(high, 12, 31).toordinal() - _EPOCH, _LAST_DAY if last is None else last)
        return first, last

    def admits(self, day: int, lower_ms: int | None, upper_ms: int | None) -> bool:
        """Return False only if no row of that day with a `datetime` within those bounds can lie in the window."""
        if self.lower_us is not None and upper_ms is not None and upper_ms * 1000 < self.lower_us:
            return False
        if self.upper_us is not None and lower_ms is not None and lower_ms * 1000 > self.upper_us:
            return False
        if self.years is None and self.months is None and self.days is None:
            return True
        when = date.fromordinal(day + _EPOCH)
        sets = ((self.years, when.year), (self.months, when.month), (self.days, when.day))
        return all(allowed is None or value in allowed for allowed, value in sets)

    def of(self, columns: frozenset[ColumnName]) -> TimeWindow:
        """Return what is left when only *columns* are known to be bounded."""
        lower_us, upper_us = (self.lower_us, self.upper_us) if "datetime" in columns else (None, None)
        sets = [found if name in columns else None for name, found in (("year", self.years), ("month", self.months), ("day", self.days))]
        return TimeWindow(lower_us, upper_us, *sets)


EVERYTHING = TimeWindow()
_NOTHING = TimeWindow(1, 0)


def keep(condition: Condition, columns: frozenset[ColumnName]) -> Condition:
    """Return what *condition* says of *columns* alone."""
    match condition:
        case Atom(column=column):
            return condition if column in columns else None
        case AllOf(parts):
            return all_of([keep(part, columns) for part in parts])
        case OneOf(parts):
            return any_of([keep(part, columns) for part in parts])
    return None


def all_of(parts: Sequence[Condition]) -> Condition:
    """Join with AND; an unknown part restricts nothing."""
    known = tuple(part for part in parts if part is not None)
    return None if not known else known[0] if len(known) == 1 else AllOf(known)


def any_of(parts: Sequence[Condition]) -> Condition:
    """Join with OR; an unknown part makes the whole unknown."""
    if not parts or any(part is None for part in parts):
        return None
    return parts[0] if len(parts) == 1 else OneOf(tuple(parts))


def window_of(condition: Condition, constants: Sequence[int | None]) -> TimeWindow:
    """Return the window of *condition*; a constant that is None (not known) restricts nothing."""
    match condition:
        case Atom():
            return _atom(condition, [constants[at] for at in condition.values])
        case AllOf(parts):
            found = EVERYTHING
            for part in parts:
                found = both(found, window_of(part, constants))
            return found
        case OneOf(parts):
            found = _NOTHING
            for part in parts:
                found = either(found, window_of(part, constants))
            return found
    return EVERYTHING


def _atom(atom: Atom, values: list[int | None]) -> TimeWindow:
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return EVERYTHING
    if atom.column == "year":
        return TimeWindow(years=frozenset(known))
    if atom.column == "month":
        return TimeWindow(months=frozenset(known))
    if atom.column == "day":
        return TimeWindow(days=frozenset(known))
    # The clock is read again, later, when the query runs.
    slack = DAY_US if atom.now else 0
    low, high = min(known) - slack, max(known) + slack
    return TimeWindow(None if atom.op == "le" else low, None if atom.op == "ge" else high + atom.span_us)


def both(a: TimeWindow, b: TimeWindow) -> TimeWindow:
    """Return a window that holds every moment that is in both."""

    def meet(x: frozenset[int] | None, y: frozenset[int] | None) -> frozenset[int] | None:
        return y if x is None else x if y is None else x & y

    return TimeWindow(
        b.lower_us if a.lower_us is None else a.lower_us if b.lower_us is None else max(a.lower_us, b.lower_us),
        b.upper_us if a.upper_us is None else a.upper_us if b.upper_us is None else min(a.upper_us, b.upper_us),
        meet(a.years, b.years),
        meet(a.months, b.months),
        meet(a.days, b.days),
    )


def either(a: TimeWindow, b: TimeWindow) -> TimeWindow:
    """Return a window that holds every moment that is in one of them."""

    if a is _NOTHING:
        return b
    if b is _NOTHING:
        return a

    def join(x: frozenset[int] | None, y: frozenset[int] | None) -> frozenset[int] | None:
        return None if x is None or y is None else x | y

    return TimeWindow(
        None if a.lower_us is None or b.lower_us is None else min(a.lower_us, b.lower_us),
        None if a.upper_us is None or b.upper_us is None else max(a.upper_us, b.upper_us),
        join(a.years, b.years),
        join(a.months, b.months),
        join(a.days, b.days),
    )
