"""A lost endpoint store: what the stream no longer holds is read back from the table `endpoint_updates`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from headwater.endpoint import Endpoints, Profile, ProfileChange
from headwater.stream import Stream

# The last change of each endpoint; a deleted one stays deleted.
LATEST_PROFILES = """
SELECT app_id, client_id, user_id, profile FROM endpoint_updates
QUALIFY row_number() OVER (PARTITION BY app_id, client_id ORDER BY arrival_datetime DESC) = 1 AND operation <> 'delete'
"""
_AT_ONCE = 5_000
_log = logging.getLogger(__name__)


async def restore_profiles(
    stream: Stream, endpoints: Endpoints, ask: Callable[[str], Awaitable[list[dict[str, Any]]]], *, consumed: bool = False
) -> int:
    """Fill a store that is empty although the stream has been trimmed, or lost; return how many profiles that were.

    Call it before the store catches up with the stream, whose records are newer. *ask* answers SQL and may raise: then nobody may
    start, for a profile that is guessed to be new would overwrite a real one. *consumed*: records of the stream were stored once, so that
    an empty one was lost.
    """
    if endpoints.applied() or not await _is_trimmed(stream, consumed=consumed):
        return 0
    _log.warning("the endpoint store is empty; profiles are read back from endpoint_updates")
    rows = await ask(LATEST_PROFILES)
    for start in range(0, len(rows), _AT_ONCE):
        endpoints.apply(endpoints.begin(), {}, [_change(row) for row in rows[start : start + _AT_ONCE]])
    return len(rows)


async def _is_trimmed(stream: Stream, *, consumed: bool) -> bool:
    for shard_id in await stream.shards():
        oldest = await stream.read(shard_id, 0, 1, 0)
        if oldest.sequence_numbers[0] > 1 if oldest.sequence_numbers else consumed:
            return True
    return False


def _change(row: dict[str, Any]) -> ProfileChange:
    app_id, endpoint_id = row["app_id"], row["client_id"]
    return ProfileChange(app_id, endpoint_id, Profile(app_id, endpoint_id, row["user_id"], row["profile"].encode()))
