"""After kill -9: how soon the collector answers 202 again, and how soon the whole project is ready."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from statistics import median
from urllib.parse import urlsplit

from benchmarks.events import Source
from benchmarks.measure import Scale
from benchmarks.processes import READY_WITHIN_S, BenchError, LoadGenerator, Project, Serving, temporary_project
from benchmarks.report import Row, at_most
from benchmarks.sigv4 import Signer

ROLES = ("collector", "worker", "query")
_TRY_EVERY_S = 0.005


def killed_rows(scale: Scale) -> list[Row]:
    """Measure, by the wall, a served project with events in every place: its collector killed, then all of its roles at once.

    It is served anew for each: a role that dies again and again is started ever later, and that pause is not what is asked for.
    """
    times = scale.of(7, 3)
    accepts, ready = list[float](), list[float]()
    with temporary_project() as project, LoadGenerator() as load:
        with project.serve() as serving:
            load.prepare(project.order(serving.url, scale.of(1_000, 200), 100, 51))
            load.run()
        for taken, kill in [(accepts, _accepting_again), (ready, _ready_again)] * times:
            with project.serve() as serving:
                taken.append(kill(project, serving))
                serving.server.check()
    accepts, ready = sorted(accepts), sorted(ready)
    start_s = median(_start_s() for _ in range(times))
    note = f"{times} times, at most {accepts[-1]:.2f} s; of it {start_s:.2f} s are Python with the collector's libraries"
    return [
        _row("the collector answers 202 again", accepts, 1, 0.5, note),
        _row("the whole project is ready", ready, 5, 3, f"all roles killed at once; {times} times, at most {ready[-1]:.2f} s"),
    ]


def _row(what: str, taken: list[float], must: float, aim: float, note: str) -> Row:
    return at_most(f"after kill -9: {what}, wall", median(taken), must, aim, f"{median(taken):.2f} s", unit=" s", note=note)


def _accepting_again(project: Project, serving: Serving) -> float:
    before = _pids(project)
    os.kill(before["collector"], signal.SIGKILL)
    killed = time.perf_counter()
    while not _accepts(project, serving.url):
        _give_up_late(serving, killed)
    taken = time.perf_counter() - killed
    _wait_until_ready(project, serving, {**before, "worker": 0, "query": 0})
    return taken


def _ready_again(project: Project, serving: Serving) -> float:
    before = _pids(project)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    killed = time.perf_counter()
    _wait_until_ready(project, serving, before)
    return time.perf_counter() - killed


def _wait_until_ready(project: Project, serving: Serving, before: dict[str, int]) -> None:
    """Return once every role is ready, in another process than *before*."""
    began = time.perf_counter()
    while True:
        roles = project.served()["roles"]
        if all(roles[name]["state"] == "ready" and roles[name]["pid"] != before[name] for name in ROLES):
            return
        _give_up_late(serving, began)


def _give_up_late(serving: Serving, since: float) -> None:
    serving.server.check()
    if time.perf_counter() - since > READY_WITHIN_S:
        raise BenchError(f"a project that was killed is not back after {READY_WITHIN_S:.0f} s: {serving.server.output()}")
    time.sleep(_TRY_EVERY_S)


def _accepts(project: Project, url: str) -> bool:
    where = urlsplit(url).netloc
    path, body = f"/v1/apps/{project.app_id}/events", Source(time.monotonic_ns()).body(0, 1)
    signer = Signer(project.access_key_id, project.secret_access_key, project.region, where)
    connection = HTTPConnection(where, timeout=READY_WITHIN_S)
    with suppress(OSError, HTTPException):  # the process that was killed had accepted this connection
        connection.request("POST", path, body, signer.headers(path, body))
        answer = connection.getresponse()
        answer.read()
        return answer.status == 202
    return False


def _pids(project: Project) -> dict[str, int]:
    return {name: int(role["pid"]) for name, role in project.served()["roles"].items()}


def _start_s() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import headwater.process.collector, headwater.edge, headwater.collect"], check=True)
    return time.perf_counter() - began
