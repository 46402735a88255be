"""The table of current endpoint profiles, one row each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from headwater.model.system import ENDPOINT_UPDATES

_NAMES = (
    "app_id", "client_id", "user_id", "channel_type", "address", "opt_out", "endpoint_status", "effective_date", "creation_date",
    "request_id", "cohort_id", "demographic", "location", "attributes", "metrics", "user_attributes",
)  # fmt: skip

ENDPOINTS_SCHEMA = pa.schema([ENDPOINT_UPDATES.schema.field(name) for name in _NAMES])
"""The columns of `endpoints`, typed like those of `endpoint_updates`; objects are JSON text."""


def endpoint_rows(profiles: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return one row per profile in the shape of Pinpoint's EndpointResponse; what a profile does not have is null."""
    rows = [_row(profile) for profile in profiles]
    columns = zip(*rows, strict=True) if rows else [()] * len(_NAMES)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, ENDPOINTS_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=ENDPOINTS_SCHEMA)


def _row(profile: Mapping[str, Any]) -> list[Any]:
    user = profile.get("User") or {}
    return [
        profile.get("ApplicationId"),
        profile.get("Id"),
        user.get("UserId"),
        *(profile.get(name) for name in ("ChannelType", "Address", "OptOut", "EndpointStatus")),
        _moment(profile.get("EffectiveDate")),
        _moment(profile.get("CreationDate")),
        profile.get("RequestId"),
        profile.get("CohortId"),
        *(_json(profile.get(name)) for name in ("Demographic", "Location", "Attributes", "Metrics")),
        _json(user.get("UserAttributes")),
    ]


def _moment(text: str | None) -> datetime | None:
    """Read a date as clients sent it, UTC where it has no zone; what is none is null."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
