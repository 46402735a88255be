"""Whether a project is served, where, and how far the worker is behind the collector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headwater.clock import SystemClock
from headwater.errors import ProjectError
from headwater.ledger import LAKE
from headwater.places import Paths, ledger_positions, open_stream_reader
from headwater.process.lock import is_held
from headwater.process.starting import served_facts
from headwater.settings import Settings, load_settings
from headwater.stream import Stream

FAR_FUTURE_MS = 1 << 62


async def project_status(project: Path) -> dict[str, Any]:
    """Return app_id, identity_pool_id, region, running, public_url, private_url, roles and lag.

    The lag is records, and seconds of the oldest; None where the ledger cannot be read, which `standing_still` names.
    """
    settings, paths = load_settings(project), Paths(project)
    served = served_facts(project)
    return {
        "running": is_held(paths.project_lock),
        "app_id": settings.app.id,
        "identity_pool_id": settings.app.identity_pool_id,
        "region": settings.app.region,
        "database": settings.app.database,
        "public_url": served.get("public_url"),
        "private_url": served.get("private_url"),
        "roles": served.get("roles", {}),
        "lag": await lag(settings, project),
    }


async def lag(settings: Settings, project: Path) -> dict[str, float] | None:
    """Return how many accepted records the worker has yet to handle, and how many seconds ago the oldest of them came; None if unknown."""
    stream = open_stream_reader(settings, project)
    try:
        return await measure_lag(stream, ledger_positions(settings, project))
    except ProjectError:
        return None
    finally:
        await stream.close()


async def measure_lag(stream: Stream, positions: dict[tuple[str, str], int]) -> dict[str, float]:
    """Return {records, seconds} between the head of the stream and *positions*."""
    records, seconds = 0, 0.0
    for shard_id in await stream.shards():
        at = positions.get((LAKE, shard_id), 0)
        behind = await stream.position_at(shard_id, FAR_FUTURE_MS) - at
        if behind > 0:
            records += behind
            oldest = await stream.read(shard_id, at, 1, 0)
            if oldest.records:
                seconds = max(seconds, (SystemClock().now_ms() - oldest.records[0].arrival_ms) / 1000)
    return {"records": records, "seconds": seconds}
