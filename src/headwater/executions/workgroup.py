"""A workgroup: where its results go, what its queries may cost, and who may change that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from headwater.executions.errors import InvalidRequest
from headwater.executions.location import prefix_of

WorkgroupState = Literal["ENABLED", "DISABLED"]

PRIMARY = "primary"
MIN_CUTOFF_BYTES = 10_000_000
ENGINE_VERSIONS = ("AUTO", "Athena engine version 3")


class Workgroup(msgspec.Struct, frozen=True):
    """A workgroup. *enforce*: its own configuration holds whatever a client asks for. Times are epoch milliseconds.

    *cutoff_bytes*: a query that has read more is stopped. *concurrency* and *time_limit_s*: None = as the settings say for all.
    *declared*: it stands in headwater.toml and cannot be changed through the API. *metrics* is what a client said of CloudWatch;
    the counts at `/metrics` do not depend on it.
    """

    name: str
    description: str = ""
    state: WorkgroupState = "ENABLED"
    location: str | None = None
    enforce: bool = True
    cutoff_bytes: int | None = None
    metrics: bool = False
    requester_pays: bool = False
    engine: str = "AUTO"
    concurrency: int | None = None
    time_limit_s: float | None = None
    created_ms: int = 0
    declared: bool = False

    def changed(self, changes: Mapping[str, Any]) -> Workgroup:
        """Return it with some fields set anew; `InvalidRequest` for a value that no workgroup can have."""
        made = msgspec.structs.replace(self, **changes)
        if made.location is not None:
            made = msgspec.structs.replace(made, location=prefix_of(made.location))
        if made.cutoff_bytes is not None and made.cutoff_bytes < MIN_CUTOFF_BYTES:
            raise InvalidRequest(f"BytesScannedCutoffPerQuery must be at least {MIN_CUTOFF_BYTES}.")
        if made.engine not in ENGINE_VERSIONS:
            raise InvalidRequest(f"The engine version {made.engine} is not available; there are: {', '.join(ENGINE_VERSIONS)}")
        return made

    def result_location(self, asked: str | None) -> str:
        """Return where a query's result goes, given what its client asked for."""
        chosen = self.location if self.enforce else asked or self.location
        if chosen is None:
            raise InvalidRequest(
                "No output location provided. An output location is required either through the Workgroup result configuration setting"
                " or as an API input."
            )
        return prefix_of(chosen)
