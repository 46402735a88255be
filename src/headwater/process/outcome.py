"""What became of events that were sent to the project served here: asked once the worker has handled them, not guessed before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from headwater.ledger import LAKE
from headwater.pipeline.query import open_lake
from headwater.places import ledger_positions, open_stream_reader
from headwater.process.status import FAR_FUTURE_MS
from headwater.settings import Settings, load_settings

# The server is on this machine, but its clock may have been set meanwhile.
_LEEWAY_S = 60.0


class FoundLetter(NamedTuple):
    """An event that was accepted and became no row; `reason` is the letter's message."""

    event_id: str
    reason: str


def dead_letters(project: Path, sent: Mapping[str, object], since: float, within_s: float) -> list[FoundLetter] | None:
    """Return which of the *sent* events, by their ids, became dead letters; None if the worker has not handled them in *within_s* seconds.

    *since*: when sending began, in epoch seconds; letters of before are of other sendings.
    """
    if not asyncio.run(_handled(load_settings(project), project, within_s)):
        return None
    moment = datetime.fromtimestamp(since - _LEEWAY_S, UTC)
    query = "SELECT event_id, any_value(message) FROM dead_letter_log WHERE datetime >= ? GROUP BY event_id"
    with open_lake(project) as lake:
        return [FoundLetter(*row) for row in lake.sql(query, [moment]).rows() if row[0] in sent]


async def _handled(settings: Settings, project: Path, within_s: float) -> bool:
    """Wait until the worker is past all that the stream holds now; return whether it is."""
    stream = open_stream_reader(settings, project)
    try:
        heads = {shard_id: await stream.position_at(shard_id, FAR_FUTURE_MS) for shard_id in await stream.shards()}
    finally:
        await stream.close()
    deadline = time.monotonic() + within_s
    while True:
        done = ledger_positions(settings, project)
        if all(done.get((LAKE, shard_id), 0) >= head for shard_id, head in heads.items()):
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
