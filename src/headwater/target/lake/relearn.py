"""After a lost ledger: the keys of what was seen, learnt again from what the stream still holds."""

from __future__ import annotations

import structlog

from headwater.clock import Clock
from headwater.ledger import Ledger, LedgerBatch
from headwater.model import Models, Window
from headwater.stream import Stream
from headwater.target.lake.duplicates import SeenKeys
from headwater.target.lake.slices import OpenRecord, slices

# A pipe of this name in the ledger says that keys are being learnt again, and how far that came: a crash goes on from there.
PIPE = "relearn"


def mark_lost(positions: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return the positions to seed a new ledger with: those of the pipes, and beside each shard that its keys are to be learnt."""
    return {**positions, **{(PIPE, shard_id): 0 for _, shard_id in positions}}


async def relearn_keys(
    stream: Stream,
    ledger: Ledger,
    models: Models,
    seen: SeenKeys,
    window: Window,
    clock: Clock,
    batch_size: int,
    open_record: OpenRecord = lambda record, shard_id, number: [record],
) -> int:
    """Learn the keys of the records before the pipes' positions; returns how many. Does nothing for a ledger that was never lost.

    Only the stream is left to learn from: events that were sent again later than its retention after their first arrival are taken for new.
    """
    positions = ledger.positions()
    learnt = 0
    for (pipe, shard_id), after in sorted(positions.items()):
        upto = min((at for (other, shard), at in positions.items() if shard == shard_id and other != PIPE), default=0)
        while pipe == PIPE and after < upto:
            batch = await stream.read(shard_id, after, min(batch_size, upto - after), 0)
            if batch.upto <= after:
                break
            for part in slices(batch, after, batch_size, open_record):
                decoded = models.identify(part.batch.records, shard_id, part.batch.sequence_numbers, window)
                keys = seen.check(decoded.keys, decoded.minutes).keys
                after = min(part.batch.upto, upto)
                ledger.commit(LedgerBatch(PIPE, shard_id, part.after, after, {}, [], keys, clock.now_ms()))
                seen.remember(keys)
            learnt += len(batch.records)
    if learnt:
        structlog.get_logger("pipe").warning("the ledger was lost; keys were learnt again from the stream", records=learnt)
    return learnt
