"""Taking events in: PutEvents beside a bare ASGI application, and durable appends beside the bare file."""

from __future__ import annotations

import functools
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.bare import append_raw
from benchmarks.events import Source
from benchmarks.load import Outcome
from benchmarks.measure import Scale, difference, fresh_folders, in_turns, process_cpu_s, wall_s
from benchmarks.processes import BenchError, LoadGenerator, Project, Server, bare_server, temporary_project
from benchmarks.report import Row, at_least, at_most, shown
from headwater.record import Record
from headwater.stream import open_stream

GOALS = {1: (3.0, 1.5), 100: (10.0, 6.0)}
# Requests of a full and of a quick turn, by events a request.
REQUESTS = {1: (8_000, 2_500), 10: (3_000, 800), 100: (1_200, 300)}


def http_rows(scale: Scale) -> list[Row]:
    """Measure the collector: signed PutEvents of distinct events, answered when durable, beside a server that answers at once."""
    rows = []
    seeds = itertools.count(1)
    with temporary_project() as project, LoadGenerator() as load, project.role("collect") as collector, bare_server() as bare:
        for server in (collector, bare):
            _turn(load, project, server, 400, 10, next(seeds))
        for events, sizes in REQUESTS.items():
            requests = scale.of(*sizes)
            outcomes: list[Outcome] = []

            def ours(events: int = events, requests: int = requests, outcomes: list[Outcome] = outcomes) -> float:
                cost, outcome = _turn(load, project, collector, requests, events, next(seeds))
                if outcome.accepted != requests * (events + 1):
                    raise BenchError(f"{outcome.accepted} endpoints and events were accepted, expected {requests * (events + 1)}")
                outcomes.append(outcome)
                return cost

            def limit(events: int = events, requests: int = requests) -> float:
                return _turn(load, project, bare, requests, events, next(seeds))[0]

            paired = in_turns(scale.of(5, 2), ours, limit, warm_up=False)
            rate = median(o.requests / o.wall_s for o in outcomes)
            latency = f"p50 {median(o.p50_ms for o in outcomes):.1f} ms, p99 {median(o.p99_ms for o in outcomes):.1f} ms"
            note = f"{rate:,.0f} requests/s = {rate * events:,.0f} events/s, {latency} (wall, 32 connections)"
            name = f"PutEvents of {events}, signed and durable / bare uvicorn"
            texts = f"{paired.ours * 1e6:,.0f} us/request", f"{paired.limit * 1e6:,.0f} us/request"
            if events == 1:
                rows.append(_signature_row(scale, load, project, collector, paired.limit, seeds))
            if events in GOALS:
                rows.append(at_most(name, paired.ratio, *GOALS[events], *texts, note=note))
            else:
                rows.append(shown(name, *texts, paired.ratio, note=note))
    return rows


def _signature_row(scale: Scale, load: LoadGenerator, project: Project, collector: Server, bare_s: float, seeds: Iterator[int]) -> Row:
    """Measure what verifying a signature costs: a signed request less the same with the write key, which nobody signs."""
    requests = scale.of(1_500, 500)

    def signed() -> float:
        return _turn(load, project, collector, requests, 1, next(seeds))[0]

    def keyed() -> float:
        return _turn(load, project, collector, requests, 1, next(seeds), write_key=project.write_key)[0]

    verified_s = difference(scale.of(25, 9), signed, keyed)
    name = "SigV4 of PutEvents of 1, signing key cached / bare uvicorn"
    note = "a signed request less the same one with the write key, which nobody signs"
    texts = f"{verified_s * 1e6:,.0f} us/request", f"{bare_s * 1e6:,.0f} us/request"
    return at_most(name, verified_s / bare_s, 0.7, 0.3, *texts, note=note)


def append_rows(scale: Scale) -> list[Row]:
    """Measure the stream alone, in the loop that roles run: bytes a second made durable, one append at a time, beside write + fdatasync."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folders = fresh_folders(Path(name))
        for events in (1, 10, 100):
            records = Source(4).records(events * 100)
            groups = [records[i : i + events] for i in range(0, len(records), events)]
            blobs = [b"".join(record.body for record in group) for group in groups]
            append_raw(next(folders), blobs[:20])
            one_s = wall_s(functools.partial(append_raw, next(folders), blobs[:50])) / 50
            commits = max(100, min(int(scale.of(1_000, 400) / 1_000 / one_s), 2_000))
            size = sum(map(len, blobs)) * commits / len(groups)

            def ours(groups: list[list[Record]] = groups, commits: int = commits) -> float:
                return uvloop.run(_append(next(folders), itertools.islice(itertools.cycle(groups), commits)))

            def limit(blobs: list[bytes] = blobs, commits: int = commits) -> float:
                return wall_s(lambda: append_raw(next(folders), list(itertools.islice(itertools.cycle(blobs), commits))))

            paired = in_turns(scale.of(5, 3), limit, ours)
            texts = f"{size / paired.limit / 1e6:,.1f} MB/s", f"{size / paired.ours / 1e6:,.1f} MB/s"
            name = f"durable append / raw + fdatasync, {events} a commit, wall"
            note = f"{commits * events / paired.limit:,.0f} events/s"
            if events == 100:
                rows.append(at_least(name, paired.ratio, 0.6, 0.9, *texts, note=note))
            else:
                rows.append(shown(name, *texts, paired.ratio, note=note))
    return rows


def _turn(
    load: LoadGenerator, project: Project, server: Server, requests: int, events: int, seed: int, write_key: str = ""
) -> tuple[float, Outcome]:
    load.prepare(project.order(server.url, requests, events, seed, write_key=write_key))
    before = process_cpu_s(server.pid)
    outcome = load.run()
    server.check()
    return (process_cpu_s(server.pid) - before) / requests, outcome


async def _append(folder: Path, groups: Iterator[list[Record]]) -> float:
    stream = open_stream(f"file://{folder}", mode="write")
    try:
        start = time.perf_counter()
        for group in groups:
            await stream.append(group)
        return time.perf_counter() - start
    finally:
        await stream.close()
