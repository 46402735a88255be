"""From `headwater init` to rows in files, and a second start: `project_workload.py ROOT`; ROOT is empty."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from headwater.collect import Caller, Collector, decode_put_events
from headwater.pipeline.collector import build_collector
from headwater.places import open_project_control
from headwater.process.project import make_project
from headwater.process.worker import WorkerRole
from headwater.settings import load_settings

APP, ROUNDS = "9d1f0e3c5a7b4d2e8f6a1b3c5d7e9f01", 6


def say(*words: str) -> None:
    os.write(1, ("acked " + " ".join(words) + "\n").encode())


async def main(folder: Path) -> None:
    """Print "acked event ID", "acked endpoint ID NAME", "acked key ID SECRET" and "acked made"."""
    made = make_project(folder, "piano", APP, None, "us-east-1", "000000000000")
    say("key", made.owner.access_key_id, made.owner.secret_access_key or "")
    say("made")
    settings = load_settings(folder)
    collector = (await build_collector(settings, folder, lambda: (True, {}))).collector
    for start in range(2):
        worker = WorkerRole(settings, folder)
        parts = await worker.open()
        for number in range(ROUNDS):
            await put(collector, start * ROUNDS + number)
            while await parts.pipe.step(wait_s=0):
                pass
            if number % 3 == 2:
                await asyncio.to_thread(parts.maintenance.fold_all)
        key = open_project_control(folder).create_key(f"key-{start}", frozenset({"send"}))
        say("key", key.access_key_id, key.secret_access_key or "")
        # not closed: as if killed, the next start finds the files as they are
    await put(collector, 99)


async def put(collector: Collector, number: int) -> None:
    events = {
        f"e-{number}-{n}": {
            "EventType": ("SignUpEvent", "Other", "SignUpEvent")[n],
            "Timestamp": datetime.now(UTC).isoformat(),
            "Attributes": attributes,
        }
        for n, attributes in enumerate(({"email": "ada@example.org"}, {"a": "b"}, {"email": "no address"}))
    }
    body = {"BatchItem": {f"device-{number % 4}": {"Endpoint": {"Address": f"address-{number}"}, "Events": events}}}
    # before the answer comes, the change may be there or not
    say("endpoint-sent", f"device-{number % 4}", f"address-{number}")
    request = decode_put_events(json.dumps(body).encode())
    await collector.put_events(APP, request, Caller("k"), door="test", trace_id="")
    for event_id in events:
        say("event", event_id)
    say("endpoint", f"device-{number % 4}", f"address-{number}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) / "piano"))
    os._exit(0)
