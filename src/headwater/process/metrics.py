"""What each role says of itself in numbers, and all of it together for the private listener's `/metrics`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import structlog

from headwater.clock import SystemClock
from headwater.errors import HeadwaterError
from headwater.jobs.roles import Metrics
from headwater.jobs.socket import SocketAsk
from headwater.places import Paths, open_ledger_reader, open_stream_reader
from headwater.process.standstill import standing_still
from headwater.process.status import measure_lag
from headwater.settings import Settings
from headwater.stream.streams import Streams
from headwater.telemetry.metrics import Family, Histogram, Requests, counter, gauge, histogram

ANSWER_WITHIN_S = 2.0

Values = list[tuple[dict[str, str], float]]

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def collector_families(requests: Requests, connections: int, streams: Streams) -> list[Family]:
    """Return what the collector counts: requests, appends to the app stream, and the shard-level metrics that are enabled."""
    app = streams.app
    shards: dict[str, Values] = {}
    for stream, shard, metric, value in streams.counters():
        shards.setdefault(metric, []).append(({"stream": stream, "shard": shard}, value))
    return [
        *requests.families(),
        gauge("headwater_connections", "Open connections to the public listener.", [({}, connections)]),
        histogram("headwater_append_seconds", "Time until an append to the app stream was durable.", [({}, app.append_seconds)]),
        gauge("headwater_appends_waiting", "Appends to the app stream that wait for the disk.", [({}, app.waiting)]),
        *(_shard_family(metric, values) for metric, values in sorted(shards.items())),
    ]


class CountedFold(Protocol):
    """What a fold did."""

    @property
    def table(self) -> str:
        """Into which table."""

    @property
    def rows(self) -> int:
        """How many rows."""

    @property
    def seconds(self) -> float:
        """In what time."""


class WorkerCounts:
    """What the worker counts."""

    def __init__(self) -> None:
        self.batches, self.records, self.batch_seconds = Counter[str](), Counter[str](), Histogram()
        self.folds, self.fold_rows, self.fold_failures = Counter[str](), Counter[str](), Counter[str]()
        self.fold_seconds = Histogram((0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0))

    def moved(self, pipe: str, records: int, seconds: float) -> None:
        """Count a batch that a pipe committed."""
        self.batches[pipe] += 1
        self.records[pipe] += records
        self.batch_seconds.observe(seconds)

    def folded(self, folds: Iterable[CountedFold]) -> None:
        """Count folds that were done."""
        for fold in folds:
            self.folds[fold.table] += 1
            self.fold_rows[fold.table] += fold.rows
            self.fold_seconds.observe(fold.seconds)

    def families(self) -> list[Family]:
        """Return batches and records by pipe, folds, their rows and failures by table."""
        return [
            counter("headwater_batches", "Batches that a pipe committed.", _by("pipe", self.batches)),
            counter("headwater_batch_records", "Records in them.", _by("pipe", self.records)),
            histogram("headwater_batch_seconds", "Time from reading a batch to its commit.", [({}, self.batch_seconds)]),
            counter("headwater_folds", "Folds of the tail into files.", _by("table", self.folds)),
            counter("headwater_fold_rows", "Rows that were folded.", _by("table", self.fold_rows)),
            counter("headwater_fold_failures", "Folds that could not be done and are tried again.", _by("table", self.fold_failures)),
            histogram("headwater_fold_seconds", "Time of a fold, its files and its Iceberg commit.", [({}, self.fold_seconds)]),
        ]


async def project_families(settings: Settings, project: Path) -> list[Family]:
    """Return all there is to say of a project that is served: of each role, and of what rests in the ledger and the stream."""
    paths = Paths(project)
    sockets = {"collector": paths.collector_socket, "worker": paths.worker_socket}
    answers = await asyncio.gather(*(asyncio.to_thread(_asked, role, socket) for role, socket in sockets.items()))
    resting = await _resting(settings, project)
    roles = _roles(paths.status)
    still: Values = [({"what": each.what}, each.seconds) for each in await standing_still(settings, project)]
    up = [({"role": role}, float(answer is not None)) for role, answer in zip(sockets, answers, strict=True)]
    return [
        gauge("headwater_role_up", "Whether a role answers when it is asked for its metrics.", [*up, ({"role": "query"}, 1.0)]),
        *roles,
        gauge("headwater_standing_still_seconds", "Roles, pipes and tables that do not get on, and for how long.", still),
        *(family for answer in answers if answer is not None for family in answer),
        *resting,
    ]


def _asked(role: str, socket: Path) -> list[Family] | None:
    try:
        return SocketAsk(socket, ANSWER_WITHIN_S)(Metrics()).families
    except HeadwaterError as error:
        structlog.get_logger("metrics").warning("a role does not say its metrics", of=role, reason=str(error))
        return None


async def _resting(settings: Settings, project: Path) -> list[Family]:
    ledger = await asyncio.to_thread(open_ledger_reader, settings, project)
    if ledger is None:
        return []
    stream = open_stream_reader(settings, project)
    try:
        behind = await measure_lag(stream, ledger.positions())
        return [
            gauge("headwater_lag_records", "Accepted records that no pipe has handled yet.", [({}, behind["records"])]),
            gauge("headwater_lag_seconds", "How long ago the oldest of them came.", [({}, behind["seconds"])]),
            *await asyncio.to_thread(_ledger_families, ledger),
        ]
    finally:
        ledger.close()
        await stream.close()


def _ledger_families(ledger: Any) -> list[Family]:
    fates = [
        ({"pipe": total.pipe, "target": total.target, "fate": total.fate, "rule": total.rule}, total.records)
        for total in ledger.fate_counts()
    ]
    waiting, now_ms = ledger.backlog(), SystemClock().now_ms()
    return [
        counter("headwater_events", "Events by what became of them; rule is the reason of a dead letter.", fates),
        gauge("headwater_tail_rows", "Rows that SQL sees and that are not in files yet.", [(_table(one), one.rows) for one in waiting]),
        gauge("headwater_tail_bytes", "What those rows take up in the ledger.", [(_table(one), one.size) for one in waiting]),
        gauge(
            "headwater_tail_oldest_seconds",
            "How long the oldest of them has waited.",
            [(_table(one), max(0.0, (now_ms - one.oldest_ms) / 1000)) for one in waiting],
        ),
    ]


def _roles(status: Path) -> list[Family]:
    """Return restarts, memory and processor time of each role, as far as the supervisor and the system say."""
    try:
        roles: dict[str, Any] = json.loads(status.read_text())["roles"]
    except (FileNotFoundError, ValueError):
        return []  # the roles run without a supervisor, on many hosts
    restarts: Values = [({"role": name}, role["restarts"]) for name, role in roles.items()]
    memory: Values = []
    cpu: Values = []
    uptime: Values = []
    for name, role in roles.items():
        if (found := _process(role.get("pid"))) is not None:
            for values, value in zip((memory, cpu, uptime), found, strict=True):
                values.append(({"role": name}, value))
    return [
        counter("headwater_role_restarts", "How often a role was started again after it died.", restarts),
        gauge("headwater_role_memory_bytes", "Resident memory of a role.", memory),
        counter("headwater_role_cpu_seconds", "Processor time of a role since it started.", cpu),
        gauge("headwater_role_uptime_seconds", "Time since a role started.", uptime),
    ]


def _process(pid: int | None) -> tuple[float, float, float] | None:
    if not pid:
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended, or this system has no /proc
        return None
    boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    user, system, start, pages = int(fields[11]), int(fields[12]), int(fields[19]), int(fields[21])
    return float(pages * _PAGE_BYTES), (user + system) / _TICKS_PER_S, boot_s - start / _TICKS_PER_S


def _shard_family(metric: str, values: Values) -> Family:
    name = "headwater_kinesis_" + _HUMP.sub("_", metric).lower()
    kind = gauge if metric == "IteratorAgeMilliseconds" else counter
    return kind(name, f"Kinesis shard-level metric {metric}, of the streams that have it enabled.", values)


def _by(label: str, counts: Counter[str]) -> Values:
    return [({label: name}, count) for name, count in counts.items()]


def _table(waiting: Any) -> dict[str, str]:
    return {"table": waiting.table}
