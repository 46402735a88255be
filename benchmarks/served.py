"""A small question to a running server, from the call to the rows: through our own API, and through Athena's as boto3 speaks it."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import headwater
from benchmarks.measure import Scale, percentile
from benchmarks.processes import BenchError, LoadGenerator, Project, temporary_project
from benchmarks.report import Row, at_most

EVENTS = 2_000
POLL_EVERY_S = 0.002
QUESTION = "SELECT piece_id, count(*) AS plays FROM practice_events WHERE level > 2 GROUP BY piece_id"


def served_rows(scale: Scale) -> list[Row]:
    """Measure, by the wall, a small question asked again and again of a server that does nothing else; part of its rows is in no file."""
    times = scale.of(300, 60)
    with temporary_project() as project, LoadGenerator() as load, project.serve() as serving:
        load.prepare(project.order(serving.url, EVENTS // 20, 20, 41))
        load.run()
        project.wait_until_stored()
        url = str(project.status()["private_url"])
        rows = [_row("POST /v1/sql by headwater.connect", (25, 10), _asked(times, lambda: _ours(project, url)))]
        if find_spec("boto3") is not None:
            rows.append(
                _row("Athena's API by boto3: start, poll every 2 ms, results", (40, 20), _asked(times, lambda: _athena(project, url)))
            )
        serving.server.check()
    return rows


def _asked(times: int, opened: Callable[[], Callable[[], int]]) -> list[float]:
    ask = opened()
    if ask() == 0:
        raise BenchError("a question about events that are there had no rows")
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)


def _row(how: str, goal: tuple[float, float], taken: list[float]) -> Row:
    p50, p99 = percentile(taken, 0.5), percentile(taken, 0.99)
    note = f"{len(taken)} times; best {taken[0]:.1f} ms, p99 {p99:.1f} ms"
    return at_most(f"a small question end to end, {how}, p50, wall", p50, *goal, f"{p50:.1f} ms", unit=" ms", note=note)


def _ours(project: Project, url: str) -> Callable[[], int]:
    lake = headwater.connect(url, project.access_key_id, project.secret_access_key)
    return lambda: len(lake.sql(QUESTION).rows())


def _athena(project: Project, url: str) -> Callable[[], int]:
    import boto3

    athena: Any = boto3.client(
        "athena",
        endpoint_url=url,
        region_name=project.region,
        aws_access_key_id=project.access_key_id,
        aws_secret_access_key=project.secret_access_key,
    )

    def ask() -> int:
        asked = athena.start_query_execution(QueryString=QUESTION)["QueryExecutionId"]
        while (state := athena.get_query_execution(QueryExecutionId=asked)["QueryExecution"]["Status"]["State"]) != "SUCCEEDED":
            if state not in ("QUEUED", "RUNNING"):
                raise BenchError(f"the question ended {state}")
            time.sleep(POLL_EVERY_S)
        return len(athena.get_query_results(QueryExecutionId=asked)["ResultSet"]["Rows"]) - 1

    return ask
