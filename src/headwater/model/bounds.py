"""What a value may be so that every later step can carry it: Arrow, Parquet's and Iceberg's statistics, SQL, printing."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal


def exact_decimal(value: object, digits: int, places: int) -> Decimal:
    """Return *value* in at most *digits* digits, *places* of them after the point, or raise ValueError where it is not that very number.

    Arrow must not be asked: its conversion of an exponent of minus a thousand million ends the process.
    """
    if isinstance(value, int):  # a default, which Pydantic does not look at
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise TypeError(f"a {type(value).__name__} is no Decimal")
    sign, given, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no number")
    significant = len(given)
    while significant > 1 and given[significant - 1] == 0:
        significant -= 1
    exponent += len(given) - significant
    if given[:significant] == (0,):
        return Decimal((sign, (0,), -places))
    if exponent < -places:
        raise ValueError(f"it has more than {places} digits after the point")
    if significant + exponent > digits - places:
        raise ValueError(f"it has more than {digits - places} digits before the point")
    return Decimal((sign, given[:significant], exponent))


def utc_moment(value: object) -> dt.datetime:
    """Return *value* in UTC; one without a zone is in UTC already. Raises ValueError where UTC's year is not one of 1 to 9999.

    Parquet holds such a moment, but Python, Iceberg's statistics and every client of SQL end at these years.
    """
    if not isinstance(value, dt.datetime):
        raise TypeError(f"a {type(value).__name__} is no datetime")
    try:
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("in UTC it is outside the years 1 to 9999") from None


def calendar_date(value: object) -> dt.date:
    """Return *value*, a date; raises TypeError for anything else, since Arrow takes a number for days and has no bounds of its own."""
    if not isinstance(value, dt.date):
        raise TypeError(f"a {type(value).__name__} is no date")
    return value.date() if isinstance(value, dt.datetime) else value


def storable_text(text: str) -> str:
    """Return *text* with half characters (lone surrogates), which no file can hold, written as `\\ud800`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
