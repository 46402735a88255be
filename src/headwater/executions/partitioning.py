"""How WITH (partitioning = ARRAY['day(at)', 'bucket(id, 16)']) and its relatives say by what an Iceberg table is partitioned."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from headwater.dialect import QueryFailed

_CALL = re.compile(r'(\w+)\(\s*"?([\w$]+)"?\s*(?:,\s*(\d+)\s*)?\)')
_PLURALS = {"years": "year", "months": "month", "days": "day", "hours": "hour"}

Partitioning = list[tuple[str, str, int | None]]


def partitioning(properties: Mapping[str, str | Sequence[str]]) -> Partitioning:
    """Return (transform, column, number) of each. Raises `QueryFailed` for what cannot be read."""
    asked = properties.get("partitioning", properties.get("partitioned_by", ()))
    return [_transform(text) for text in ([asked] if isinstance(asked, str) else asked)]


def _transform(text: str) -> tuple[str, str, int | None]:
    found = _CALL.fullmatch(text.strip())
    if found is None:
        return "identity", text.strip().strip('"').lower(), None
    name, first, second = found[1].lower(), found[2].lower(), found[3]
    name = _PLURALS.get(name, name)
    if name in ("bucket", "truncate"):
        # Trino says bucket(column, 16), Athena's DDL bucket(16, column).
        if second is None and not first.isdigit():
            raise QueryFailed("INVALID_TABLE_PROPERTY", f"Invalid partition field declaration: {text}")
        return (name, first, int(second)) if second is not None else (name, first, None)
    return name, first, None
