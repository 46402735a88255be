"""A whole project under load: how soon events can be asked for, what memory that takes, and what the whole flow costs."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec

import headwater
from benchmarks.events import Source, iso, now_ms
from benchmarks.measure import MEBIBYTE, Scale, percentile, process_cpu_s, process_memory
from benchmarks.processes import BenchError, LoadGenerator, Project, Serving, temporary_project
from benchmarks.report import Row, at_least, at_most, shown
from benchmarks.sigv4 import Signer

EVENTS = 100
STEADY_PER_S = 10_000
MARKER_SESSION = "bench-marker"
MARKER_EVERY_S, POLL_EVERY_S, SAMPLE_EVERY_S = 0.05, 0.01, 0.1
QUESTION = f"SELECT max(level) FROM practice_events WHERE session_id = '{MARKER_SESSION}'"


def steady_rows(scale: Scale) -> list[Row]:
    """Measure freshness and memory while 10,000 events a second come in."""
    seconds = scale.of(40, 6)
    with temporary_project() as project, LoadGenerator() as load, project.serve() as serving:
        _warm_up(project, serving, load)
        load.prepare(project.order(serving.url, STEADY_PER_S // EVENTS * seconds, EVENTS, 11, rate=STEADY_PER_S / EVENTS))
        with _sampled_memory(serving.pids) as peak, _Markers(project, serving.url) as markers:
            load.start()
            outcome = load.finish()
            markers.settle()
        serving.server.check()
    rate = outcome.requests * EVENTS / outcome.wall_s
    if rate < 0.95 * STEADY_PER_S:
        raise BenchError(f"the load was {rate:,.0f} events/s instead of {STEADY_PER_S:,}: this machine is too busy to measure it")
    lags = sorted(markers.lags_ms)
    if len(lags) < 20:
        raise BenchError(f"only {len(lags)} markers were seen: {serving.server.output()}")
    p50, p99 = percentile(lags, 0.5), percentile(lags, 0.99)
    note = (
        f"{len(lags)} markers over {seconds} s, worst {lags[-1]:,.0f} ms; {rate:,.0f} events/s were answered, p99 {outcome.p99_ms:.1f} ms;"
        f" a poll took {percentile(markers.polls_ms, 0.5):.1f} ms (p99 {percentile(markers.polls_ms, 0.99):.1f})"
    )
    each = ", ".join(f"{name} {size / MEBIBYTE:,.0f}" for name, size in peak.items() if name != "all")
    memory = peak["all"] / MEBIBYTE
    name = f"acked -> visible in SQL at {STEADY_PER_S:,} events/s, p99, wall"
    return [
        at_most(name, p99, 250, 100, f"{p99:,.0f} ms", unit=" ms", note=note),
        shown(name.replace("p99", "p50"), f"{p50:,.0f} ms"),
        at_most(
            f"peak memory of all roles at {STEADY_PER_S:,} events/s",
            memory,
            500,
            300,
            f"{memory:,.0f} MB",
            unit=" MB",
            note=f"each: {each}",
        ),
    ]


def flow_rows(scale: Scale) -> list[Row]:
    """Measure the whole flow at full speed: CPU of every role from the request to the committed file, and memory with the backlog."""
    requests = scale.of(4_000, 600)
    with temporary_project() as project, LoadGenerator() as load, project.serve() as serving:
        _warm_up(project, serving, load)
        load.prepare(project.order(serving.url, requests, EVENTS, 12))
        before = {name: process_cpu_s(pid) for name, pid in serving.pids.items()}
        with _sampled_memory(serving.pids) as peak:
            outcome = load.run()
            project.wait_until_stored()
            project.command_json("fold")
        spent = {name: process_cpu_s(pid) - before[name] for name, pid in serving.pids.items()}
        serving.server.check()
        with headwater.open(project.folder) as lake:
            names = [table.name for table in lake.tables() if table.name in ("sign_up_events", "sign_in_events", "practice_events")]
            stored = sum(lake.sql(f"SELECT count(*) AS n FROM {name}").arrow()["n"][0].as_py() for name in names)
    events = requests * EVENTS
    if stored < events:
        raise BenchError(f"{events} events were acknowledged and {stored} are in the tables")
    per_s = events / sum(spent.values())
    each = ", ".join(f"{name} {seconds / events * 1e6:.1f}" for name, seconds in spent.items())
    memory = peak["all"] / MEBIBYTE
    roles = ", ".join(f"{name} {size / MEBIBYTE:,.0f}" for name, size in peak.items() if name != "all")
    note = f"us CPU an event: {each}; answered at {events / outcome.wall_s:,.0f} events/s (wall)"
    return [
        at_least("whole flow, HTTP -> committed Parquet, one core", per_s, 50_000, 100_000, f"{per_s:,.0f} events/s", unit="/s", note=note),
        at_most("peak memory of all roles with a backlog", memory, 500, 300, f"{memory:,.0f} MB", unit=" MB", note=f"each: {roles}"),
    ]


def _warm_up(project: Project, serving: Serving, load: LoadGenerator) -> None:
    """Have every role do its work once: endpoints and tables exist, code is loaded."""
    load.prepare(project.order(serving.url, 200, 20, 10))
    load.run()
    project.wait_until_stored()
    project.command_json("fold")


@contextmanager
def _sampled_memory(pids: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Fill the dictionary with the most memory each role, and `all` of them at one moment, had meanwhile; bytes."""
    peak = dict.fromkeys([*pids, "all"], 0)
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_EVERY_S):
            now = {name: process_memory(pid, family=name.startswith("sandboxes")) for name, pid in pids.items()}
            for name, size in (now | {"all": sum(now.values())}).items():
                peak[name] = max(peak[name], size)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peak
    finally:
        done.set()
        sampler.join()


class _Markers:
    """Sends numbered events, and polls for the newest that can be seen: lag = seen - acknowledged."""

    def __init__(self, project: Project, url: str) -> None:
        self._project = project
        where = urlsplit(url)
        self._signer = Signer(project.access_key_id, project.secret_access_key, project.region, where.netloc)
        self._connection = http.client.HTTPConnection(where.netloc, timeout=30)
        self._source = Source(13)
        self._acked: list[float] = []
        self._done = threading.Event()
        self._error: Exception | None = None
        self.lags_ms: list[float] = []
        self.polls_ms: list[float] = []

    def settle(self) -> None:
        """Send no more, and wait until all that were sent are seen; raises `BenchError` if that takes 30 s."""
        self._done.set()
        for thread in self._threads:
            thread.join(60)
        if self._error is not None:
            raise BenchError(f"markers could not be followed: {self._error}") from self._error
        if len(self.lags_ms) < len(self._acked):
            raise BenchError(f"{len(self._acked) - len(self.lags_ms)} acknowledged markers were not seen within 30 s")

    def __enter__(self) -> _Markers:
        self._lake = headwater.open(self._project.folder)
        self._lake.sql(QUESTION).arrow()
        self._threads = [threading.Thread(target=self._run, args=(work,), daemon=True) for work in (self._send, self._poll)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(60)
        self._lake.close()
        self._connection.close()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  (raised again where the run ends)
            self._error = error
            self._done.set()

    def _send(self) -> None:
        number = 0
        while not self._done.wait(MARKER_EVERY_S):
            number += 1
            event = {
                "EventType": "PracticeEvent",
                "Timestamp": iso(now_ms()),
                "Attributes": {"piece_id": "marker"},
                "Metrics": {"level": float(number), "accuracy": 1.0, "tempo": 60.0, "duration_s": 1.0},
                "Session": {"Id": MARKER_SESSION, "StartTimestamp": iso(now_ms())},
            }
            events = {self._source.uuid(): event}
            body = msgspec.json.encode({"BatchItem": {self._source.endpoint(0): {"Endpoint": {}, "Events": events}}})
            path = f"/v1/apps/{self._project.app_id}/events"
            self._connection.request("POST", path, body, self._signer.headers(path, body))
            answer = self._connection.getresponse()
            said = answer.read()
            if answer.status != 202:
                raise BenchError(f"a marker was refused: {answer.status} {said[:300].decode(errors='replace')}")
            self._acked.append(time.perf_counter())

    def _poll(self) -> None:
        seen, last_try = 0, float("inf")
        while seen < len(self._acked) or not self._done.is_set():
            if self._done.is_set():
                last_try = min(last_try, time.perf_counter() + 30)
                if time.perf_counter() > last_try:
                    return
            start = time.perf_counter()
            newest = self._lake.sql(QUESTION).arrow().column(0)[0].as_py() or 0
            now = time.perf_counter()
            self.polls_ms.append((now - start) * 1000)
            # A marker may be seen before its answer has come back; its lag is 0 then.
            newest = min(newest, len(self._acked))
            self.lags_ms += [max(0.0, now - acked) * 1000 for acked in self._acked[seen:newest]]
            seen = max(seen, newest)
            time.sleep(POLL_EVERY_S)
