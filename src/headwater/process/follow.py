"""`headwater tail`: the stream, as it comes."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from headwater.collect.frames import as_put
from headwater.places import Paths, open_stream_reader
from headwater.process.lock import is_held
from headwater.process.status import FAR_FUTURE_MS
from headwater.record import Record
from headwater.settings import load_settings


async def follow_stream(project: Path, from_beginning: bool, count: int | None, as_json: bool, width: int | None) -> None:
    """Print every record, oldest first, until *count* are printed or the process is interrupted; damage goes to stderr.

    *width*: where a line is cut, None for nowhere.
    """
    stream = open_stream_reader(load_settings(project), project)
    if not is_held(Paths(project).project_lock):
        sys.stderr.write("the project is not served: nothing comes until `headwater serve` runs\n")
    try:
        [shard_id, *_] = await stream.shards()
        after = 0 if from_beginning else await stream.position_at(shard_id, FAR_FUTURE_MS)
        left = count
        while left is None or left > 0:
            batch = await stream.read(shard_id, after, min(1_000, left or 1_000), wait_s=0.5)
            for number, record in zip(batch.sequence_numbers, batch.records, strict=True):
                record = Record(as_put(record.body), record.partition_key, record.arrival_ms)
                line = _json(number, record) if as_json else _text(number, record, width)
                sys.stdout.write(line + "\n")
            for damage in batch.damaged:
                sys.stderr.write(f"{damage.first}..{damage.last}: cannot be read ({damage.reason})\n")
            sys.stdout.flush()
            after = batch.upto
            left = None if left is None else left - len(batch.records)
    finally:
        await stream.close()


def _json(number: int, record: Record) -> str:
    return json.dumps(
        {"sequence_number": str(number), "arrival_ms": record.arrival_ms, "partition_key": record.partition_key}
        | {"data": record.body.decode("utf-8", errors="replace")}
    )


def _text(number: int, record: Record, width: int | None) -> str:
    time = datetime.fromtimestamp(record.arrival_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    try:
        body = json.loads(record.body)
        what = f"{body['event_type']}  {record.partition_key}  {json.dumps({**body['attributes'], **body['metrics']}, ensure_ascii=False)}"
    except (ValueError, KeyError, TypeError, RecursionError):
        what = f"{len(record.body)} bytes that are not an event"
    # What an event contains must not steer the terminal.
    line = "".join(c if c.isprintable() else "�" for c in f"{number:>10}  {time}  {what}")
    return line if width is None or len(line) <= width else line[: width - 1] + "…"
