"""What questions that never end cost those who send events: the collector's answers beside four of them, and without."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median

from benchmarks.local import DATABASE
from benchmarks.measure import Scale
from benchmarks.processes import BenchError, LoadGenerator, Project, Serving, temporary_project
from benchmarks.report import Row, at_most, shown
from headwater.errors import QueryError
from headwater.lake import open_index
from headwater.ledger.sqlite import SqliteLedger
from headwater.query import Engine
from headwater.sandbox import Sandboxes

AT_ONCE = 4
LIMIT_S = 3.0
EVENTS, REQUESTS_PER_S = 10, 200
BOMBS = (
    "SELECT count(*) FROM range(1_000_000) a(i), range(1_000_000) b(j) WHERE (i * j) % 7 = 3",
    "SELECT md5(i::VARCHAR) AS m FROM range(1_000_000_000) t(i) ORDER BY m DESC OFFSET 999_999_000",
    "SELECT length(string_agg(repeat('x', 1_000), '')) FROM range(10_000_000)",
    "SELECT count(*) FROM (SELECT md5(i::VARCHAR) AS m, count(*) FROM range(1_000_000_000) t(i) GROUP BY m)",
    "WITH RECURSIVE t AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM t) SELECT count(*) FROM t",
)


def bomb_rows(scale: Scale) -> list[Row]:
    """Measure the p99 of answers to PutEvents at 2,000 events a second in turns, with bombs in sandboxes and without."""
    turns, seconds = scale.of(5, 2), scale.of(12, 6)
    with temporary_project() as project, LoadGenerator() as load, project.serve() as serving:
        quiet, bombed, neighboured, late = [], [], [], [0.0]
        _p99(project, serving, load, 3)  # roles that have done their work once
        for _ in range(turns):
            quiet.append(_p99(project, serving, load, seconds))
            with _bombs(project.folder / "data", late):
                bombed.append(_p99(project, serving, load, seconds))
            with _neighbours():
                neighboured.append(_p99(project, serving, load, seconds))
        serving.server.check()
    ratio = median(b / q for b, q in zip(bombed, quiet, strict=True))
    beside = median(n / q for n, q in zip(neighboured, quiet, strict=True))
    note = f"medians of {turns} turns of {seconds} s at {EVENTS * REQUESTS_PER_S:,} events/s in requests of {EVENTS}"
    return [
        at_most(
            f"PutEvents answered, p99: beside {AT_ONCE} questions without an end / without them, wall",
            ratio, 1.5, 1.1, f"{median(bombed):,.1f} ms", f"{median(quiet):,.1f} ms", note=note,
        ),
        shown(
            f"the same beside {AT_ONCE} programs that only count, as nice as the questions / without them",
            f"{median(neighboured):,.1f} ms", f"{median(quiet):,.1f} ms", beside,
        ),
        shown(f"such a question stopped after its {LIMIT_S:g} s, at the latest", f"{late[0] * 1000:,.0f} ms"),
    ]  # fmt: skip


def _p99(project: Project, serving: Serving, load: LoadGenerator, seconds: int) -> float:
    load.prepare(project.order(serving.url, REQUESTS_PER_S * seconds, EVENTS, 31, rate=REQUESTS_PER_S))
    return load.run().p99_ms


@contextmanager
def _neighbours() -> Iterator[None]:
    """Let `AT_ONCE` programs of others keep the processors busy: what any neighbour costs, whatever it is."""
    program = "import os; os.nice(10)\nwhile True: pass"
    counting = [subprocess.Popen([sys.executable, "-c", program], start_new_session=True) for _ in range(AT_ONCE)]  # ours
    try:
        yield
    finally:
        for process in counting:
            process.kill()
            process.wait()


@contextmanager
def _bombs(data: Path, late: list[float]) -> Iterator[None]:
    """Ask one bomb after the other from `AT_ONCE` threads; `late[0]` is the most seconds that one ran beyond its limit."""
    sandboxes = Sandboxes([data / "lake"], database=DATABASE, memory="512MB", threads=2, max_seconds=LIMIT_S, most=AT_ONCE)
    ledger = SqliteLedger(f"sqlite:///{data / 'ledger.db'}", read_only=True)
    done = threading.Event()
    answered: list[str] = []

    def ask(engine: Engine, first: int) -> None:
        for bomb in cycle(BOMBS[first:] + BOMBS[:first]):
            started = time.monotonic()
            try:
                answered.append(str(engine.sql(bomb).rows()))
            except QueryError:
                late[0] = max(late[0], time.monotonic() - started - LIMIT_S)
            if done.is_set() or answered:
                return

    with Engine(open_index(data / "catalog.db", DATABASE), ledger, DATABASE, sessions=sandboxes) as engine:
        engine.sql("SELECT 1").rows()  # the launcher has started
        threads = [threading.Thread(target=ask, args=(engine, number)) for number in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join()
    if answered:
        raise BenchError(f"a question without an end was answered: {answered[0][:100]}")
