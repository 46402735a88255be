"""Partition projection: which partitions a table has by the word of its properties, without asking the catalog or listing folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import NamedTuple

from headwater.catalog.shapes import Table
from headwater.dialect.errors import QueryFailed
from headwater.dialect.formats import joda_format

MOST_VALUES = 1_000_000
"""How many values one key may take: a range with more is a mistake."""
LONGEST_LOCATION = 1_200
"""How many characters the URL of a folder may have: a bucket and a key of S3 have fewer."""
MOST_DIGITS = 38
# How often it is asked whether anybody still wants the values: writing one date takes microseconds.
_LOOK_EVERY = 4_096

_NOW = re.compile(r"NOW(?:\s*([+-])\s*(\d{1,9})\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?)?")
_UNITS = ("YEARS", "MONTHS", "WEEKS", "DAYS", "HOURS", "MINUTES", "SECONDS")
# What a format's finest letter says of the steps from one value to the next.
_FINEST = (("s", "SECONDS"), ("m", "MINUTES"), ("H", "HOURS"), ("h", "HOURS"), ("d", "DAYS"), ("M", "MONTHS"), ("y", "YEARS"))
_LETTERS = re.compile(r"'[^']*'")
_STEPS = {"WEEKS": timedelta(weeks=1), "DAYS": timedelta(days=1), "HOURS": timedelta(hours=1), "MINUTES": timedelta(minutes=1),
          "SECONDS": timedelta(seconds=1)}  # fmt: skip
# No shorter than any month or year, in seconds.
_SECONDS = {"YEARS": 365 * 86_400, "MONTHS": 28 * 86_400, **{unit: int(step.total_seconds()) for unit, step in _STEPS.items()}}
_WHOLE = re.compile(r"\s*([+-]?\d{1,19})\s*,\s*([+-]?\d{1,19})\s*", re.ASCII)
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


class ProjectedKey(NamedTuple):
    """A partition key: the values it takes, None for one whose values the query has to say."""

    name: str
    values: Sequence[str] | None


def is_projected(table: Table) -> bool:
    """Return whether the table's partitions are projected."""
    return table.parameters.get("projection.enabled", "").strip().lower() == "true"


def projected_keys(table: Table, now: datetime, check: Callable[[], None]) -> list[ProjectedKey]:
    """Return the partition keys with their values, in the table's order. Raises `QueryFailed` for properties that are missing or wrong.

    *check* is called again and again meanwhile, and may raise.
    """
    properties = {key.lower(): value for key, value in table.parameters.items()}
    missing = [key.name for key in table.partition_keys if f"projection.{key.name}.type" not in properties]
    if missing:
        raise _wrong(
            table, f"is configured for partition projection, but the following partition columns are missing projection configuration: "
            f"[{', '.join(missing)}]",
        )  # fmt: skip
    return [ProjectedKey(key.name, _values(table, key.name, properties, now, check)) for key in table.partition_keys]


def projected_location(table: Table, values: Mapping[str, str]) -> str:
    """Return where the partition of *values* lies. Raises `QueryFailed` for a template that does not say it."""
    template = table.parameters.get("storage.location.template")
    if template is None:
        below = "/".join(f"{key.name}={values[key.name]}" for key in table.partition_keys)
        return _check_length(table, f"{(table.storage_descriptor.location or '').rstrip('/')}/{below}/")
    named = {name.lower() for name in _PLACEHOLDER.findall(template)}
    if lacking := [key.name for key in table.partition_keys if key.name not in named]:
        raise _wrong(table, f"has a storage.location.template without the partition columns: {', '.join(lacking)}")
    if strange := sorted(named - values.keys()):
        raise _wrong(table, f"has a storage.location.template with what is no partition column: {', '.join(strange)}")
    return _check_length(table, _PLACEHOLDER.sub(lambda found: values[found[1].lower()], template).rstrip("/") + "/")


def _check_length(table: Table, location: str) -> str:
    if len(location) > LONGEST_LOCATION:
        raise _wrong(table, f"has partitions at more than {LONGEST_LOCATION:,} characters, which no folder has: {location[:100]}…")
    return location


def _values(table: Table, key: str, properties: Mapping[str, str], now: datetime, check: Callable[[], None]) -> Sequence[str] | None:
    def needed(name: str) -> str:
        try:
            return properties[f"projection.{key}.{name}"]
        except KeyError:
            raise _wrong(table, f"has a projected column {key} that is missing the property projection.{key}.{name}") from None

    kind = needed("type").strip().lower()
    match kind:
        case "injected":
            return None
        case "enum":
            return [value.strip() for value in needed("values").split(",")]
        case "integer":
            return _integers(table, key, needed("range"), properties)
        case "date":
            return _dates(table, key, needed("range"), needed("format"), properties, now, check)
    raise _wrong(table, f"has projection.{key}.type = {kind!r}; there are: enum, integer, date, injected")


def _integers(table: Table, key: str, given: str, properties: Mapping[str, str]) -> Sequence[str]:
    digits = _number(table, key, "digits", properties, 0, MOST_DIGITS)
    step = _number(table, key, "interval", properties, 1)
    if (found := _WHOLE.fullmatch(given)) is None:
        raise _wrong(table, f"has projection.{key}.range = {given!r}, which is no pair of whole numbers")
    first, last = int(found[1]), int(found[2])
    _check_count(table, key, (last - first) // step)
    return [f"{value:0{digits}d}" if digits else str(value) for value in range(first, last + 1, step)]


def _dates(
    table: Table, key: str, given: str, form: str, properties: Mapping[str, str], now: datetime, check: Callable[[], None]
) -> Sequence[str]:
    written = joda_format(form, "")
    parts = given.split(",")
    if len(parts) != 2:
        raise _wrong(table, f"has projection.{key}.range = {given!r}, which is no pair of dates")
    first, last = (_moment(table, key, part.strip(), form, now) for part in parts)
    letters = _LETTERS.sub("", form)
    if "S" in letters:
        raise _wrong(table, f"has projection.{key}.format = {form!r}; a second is the finest step")
    finest = next((unit for letter, unit in _FINEST if letter in letters), "DAYS")
    unit = properties.get(f"projection.{key}.interval.unit", finest).strip().upper()
    step = _number(table, key, "interval", properties, 1)
    if unit not in _UNITS:
        raise _wrong(table, f"has projection.{key}.interval.unit = {unit!r}; there are: {', '.join(_UNITS)}")
    # By the steps, not by the values: years that are told every second are few values, and endless work.
    _check_count(table, key, (last - first).total_seconds() / (_SECONDS[unit] * step))
    values = dict.fromkeys(moment.strftime(written) for moment in _moments(first, last, unit, step, check))
    # The end counts by what it is written as: NOW is within the day that NOW's date names.
    values[last.strftime(written)] = None
    return list(values)


def _moments(first: datetime, last: datetime, unit: str, step: int, check: Callable[[], None]) -> Iterator[datetime]:
    at, count = first, 0
    while at <= last:
        if not count // step % _LOOK_EVERY:
            check()
        yield at
        count += step
        try:
            at = _later(first, unit, count)
        except OverflowError:
            return  # a range may end where time does


def _later(moment: datetime, unit: str, count: int) -> datetime:
    """Return the moment *count* units after *moment*. Raises `OverflowError` where there are no dates."""
    return moment + _STEPS[unit] * count if unit in _STEPS else _months_later(moment, count * (12 if unit == "YEARS" else 1))


def _months_later(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not MINYEAR <= year <= MAXYEAR:
        raise OverflowError(f"there is no year {year}")
    for day in range(moment.day, 0, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue  # a shorter month
    raise AssertionError


def _moment(table: Table, key: str, text: str, form: str, now: datetime) -> datetime:
    if found := _NOW.fullmatch(text.upper()):
        if found[1] is None:
            return now
        count = int(found[2]) * (1 if found[1] == "+" else -1)
        try:
            return _later(now, found[3] + "S", count)
        except OverflowError:
            raise _wrong(table, f"has projection.{key}.range with {text!r}, which is before or after all dates") from None
    try:
        return datetime.strptime(text, joda_format(form, "", parsing=True).replace("%-", "%")).replace(tzinfo=UTC)
    except ValueError:
        raise _wrong(table, f"has projection.{key}.range with {text!r}, which is no date written as {form!r}") from None


def _number(table: Table, key: str, name: str, properties: Mapping[str, str], default: int, most: int = 10**9) -> int:
    text = properties.get(f"projection.{key}.{name}", str(default)).strip()
    number = int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else -1
    if not (number == default or 1 <= number <= most):
        raise _wrong(table, f"has projection.{key}.{name} = {text[:64]!r}, which is no whole number from 1 to {most:,}")
    return number


def _check_count(table: Table, key: str, steps: float) -> None:
    if steps >= MOST_VALUES:
        raise _wrong(table, f"has a projected column {key} with more than {MOST_VALUES:,} values")


def _wrong(table: Table, what: str) -> QueryFailed:
    return QueryFailed("INVALID_TABLE_PROPERTY", f"Table {table.name} {what}")
