"""kill -9 under load: acknowledged events must be rows or dead letters, each once, whoever died when."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from tests.served import Served, alive

VICTIMS = ("collector", "worker", "query", "supervisor")
SETTINGS = """
lake.fold_seconds = 1
lake.fold_min_rows = 1
lake.fold_max_seconds = 2
lake.orphan_grace_seconds = 2
query.max_seconds = 5
stream.segment_bytes = 200000
"""


class Outcome(NamedTuple):
    """What a run proved: how many were killed, sent, acknowledged and found, and what is wrong (nothing, if all is well)."""

    kills: Counter[str]
    acked: int
    stored: int
    dead_letters: int
    unacked_stored: int
    duplicates_recognised: int
    wrong: list[str]


class Load(threading.Thread):
    """One client that sends batches until told to stop, and sends a batch again with the same ids until it is answered."""

    def __init__(self, served: Served, seed: int) -> None:
        super().__init__(daemon=True)
        self._served, self._random = served, random.Random(seed)
        self._client = served.client()
        self.acked: set[str] = set()
        self.unsure: set[str] = set()
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            events = dict(self._event() for _ in range(self._random.choice((1, 3, 10, 40))))
            batch = {"BatchItem": {f"device-{self._random.randrange(20)}": {"Endpoint": {}, "Events": events}}}
            self.unsure |= events.keys()
            while not self._put(batch) and not self.ending.is_set():
                time.sleep(0.05)  # the collector may be starting
            if self._random.random() < 0.05:
                self._put(batch)  # an answer that got lost: the same ids once more
            time.sleep(0.005)  # leave the roles some of the processor

    def _put(self, batch: dict[str, Any]) -> bool:
        try:
            answer = self._client.put_events(ApplicationId=self._served.app_id, EventsRequest=batch)
        except (BotoCoreError, ClientError):
            return False
        if "Results" not in answer["EventsResponse"]:
            return False  # the collector was killed in the midst of its answer; botocore takes what came for a whole one
        [results] = answer["EventsResponse"]["Results"].values()
        acked = {event_id for event_id, result in results["EventsItemResponse"].items() if result["StatusCode"] == 202}
        self.acked |= acked
        self.unsure -= acked
        return True

    def _event(self) -> tuple[str, dict[str, Any]]:
        event: dict[str, Any] = {"Timestamp": datetime.now(UTC).isoformat(), "EventType": "SignUpEvent"}
        kind = self._random.random()
        if kind < 0.6:
            event["Attributes"] = {"email": "ada@example.org"}
        elif kind < 0.8:
            event |= {"EventType": "NobodyModelledThis", "Attributes": {"a": "b"}, "Metrics": {"m": 1.0}}
        else:
            event["Attributes"] = {"email": "not an address"}  # becomes a dead letter
        return str(uuid.uuid4()), event


def run_chaos(served: Served, seconds: float, seed: int, clients: int = 2, pause_s: tuple[float, float] = (0.3, 2.5)) -> Outcome:
    """Kill roles at random for *seconds* under load, start again what was killed, and compare what was acknowledged with what is stored."""
    chance = random.Random(seed)
    kills: Counter[str] = Counter()
    loads = [Load(served, seed * 100 + number) for number in range(clients)]
    for load in loads:
        load.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end or set(kills) < set(VICTIMS):
        time.sleep(chance.uniform(*pause_s))  # a time in which all may be well again, or not yet
        victim = VICTIMS[kills.total() % 4] if kills.total() < 4 else chance.choice(VICTIMS)
        if victim == "supervisor":
            served.kill()
            served.start(ready_s=120)
        else:
            pid = served.roles().get(victim, {}).get("pid")
            if pid is None or not alive(pid):
                continue
            os.kill(pid, signal.SIGKILL)
        kills[victim] += 1
    served.wait_ready(120)
    for load in loads:
        load.ending.set()
    for load in loads:
        load.join(60)
    served.settle()
    return compare(served, kills, set().union(*(load.acked for load in loads)), set().union(*(load.unsure for load in loads)))


def compare(served: Served, kills: Counter[str], acked: set[str], unsure: set[str]) -> Outcome:
    """Look for every acknowledged id in every table, twice: in the running project, and after it was ended and folded."""
    wrong: list[str] = []
    rows = _find(served)
    served.stop()
    after = _find(served)
    if rows != after:
        wrong.append("rows changed between the running project and the folded one")
    found = Counter(event_id for event_id, _ in rows.elements())
    if lost := acked - found.keys():
        wrong.append(f"{len(lost)} acknowledged events are nowhere, such as {sorted(lost)[:3]}")
    if twice := [event_id for event_id, count in found.items() if count > 1]:
        wrong.append(f"{len(twice)} events are there more than once, such as {sorted(twice)[:3]}")
    if strange := found.keys() - acked - unsure:
        wrong.append(f"{len(strange)} events are there that nobody sent")
    fates = {row["fate"]: row["n"] for row in served.sql("SELECT fate, sum(records) AS n FROM fate_counts GROUP BY fate")}
    in_tables = Counter(kind for _, kind in rows.elements())
    if fates.get("dead-lettered", 0) != in_tables["dead_letters"]:
        wrong.append(f"the ledger counts {fates.get('dead-lettered', 0)} dead letters, the table has {in_tables['dead_letters']}")
    return Outcome(
        kills, len(acked), sum(in_tables.values()) - in_tables["dead_letters"], in_tables["dead_letters"],
        len(found.keys() & unsure), int(fates.get("duplicate", 0)), wrong,
    )  # fmt: skip


def _find(served: Served) -> Counter[tuple[str, str]]:
    tables = ("sign_up_events", "other_events", "dead_letters")
    union = " UNION ALL ".join(f"SELECT event_id, '{table}' AS kind FROM {table}" for table in tables)
    return Counter((row["event_id"], row["kind"]) for row in served.sql(union))
