"""Time zones, as Athena tells them and as the engine knows them."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headwater.dialect.errors import QueryFailed

_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?")


def zone_name(text: str, where: str) -> str:
    """Return a time zone as Athena tells it (`UTC`, `Europe/Paris`, `+02:00`); raise `QueryFailed` for one there is none of."""
    if text.upper() in ("UTC", "Z", "GMT", "UCT", "ETC/UTC"):
        return "UTC"
    if offset := _OFFSET.fullmatch(text):
        hours, minutes = int(offset[2]), int(offset[3] or 0)
        return "UTC" if hours == minutes == 0 else f"{offset[1]}{hours:02d}:{minutes:02d}"
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{where}'{text}' is not a valid time zone") from error
    return text


def engine_zone(zone: str) -> str:
    """Return a zone as the engine knows it: an offset needs GMT before it."""
    return "GMT" + zone if zone[:1] in "+-" else zone
