"""The measurements: this machine's limits and Headwater beside them, both sides in turns, as ratios."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from rich.console import Console

from benchmarks.measure import Scale, stolen_share
from benchmarks.report import Report, Row, failed, machine_facts, misses, print_report
from headwater.errors import BadRequest

__all__ = ["PARTS", "Part", "measure", "run_benchmarks"]


class Part(NamedTuple):
    """One part of the measurements: what it does, in a sentence, and `module:function` that gives its rows."""

    summary: str
    function: str

    def rows(self, scale: Scale) -> list[Row]:
        """Measure."""
        # Imported only now: the load generator and the bare server live in this package, too, and want none of it.
        module, _, name = self.function.partition(":")
        function: Callable[[Scale], list[Row]] = getattr(import_module(module), name)
        return function(scale)


PARTS = {
    "decode": Part("records -> Arrow, beside bare msgspec", "benchmarks.transform:decode_rows"),
    "refused": Part("large refused events, beside good ones of their size", "benchmarks.refused:refused_rows"),
    "parquet": Part("stream -> Parquet, beside the article's path and DuckDB's COPY", "benchmarks.transform:parquet_rows"),
    "rest": Part("what events take on disk, compacted, and the whole project", "benchmarks.at_rest:at_rest_rows"),
    "append": Part("durable appends, beside write + fdatasync", "benchmarks.accept:append_rows"),
    "http": Part("signed PutEvents -> durable answer, beside bare uvicorn", "benchmarks.accept:http_rows"),
    "steady": Part("all roles at 10,000 events/s: how soon SQL sees an event, and their memory", "benchmarks.live:steady_rows"),
    "slope": Part("memory of all roles over time", "benchmarks.slope:slope_rows"),
    "flow": Part("HTTP -> committed Parquet at full speed: CPU of all roles, and their memory", "benchmarks.live:flow_rows"),
    "question": Part("small questions, beside bare DuckDB on compacted files", "benchmarks.ask:question_rows"),
    "served": Part("a small question to a running server, end to end", "benchmarks.served:served_rows"),
    "analytics": Part("a product team's questions on ten million events, beside bare DuckDB", "benchmarks.analytics:analytics_rows"),
    "tpch": Part("TPC-H on external Parquet by Athena's API, beside bare DuckDB", "benchmarks.tpch:tpch_rows"),
    "bombs": Part("answers to PutEvents beside questions without an end", "benchmarks.bombs:bomb_rows"),
    "killed": Part("how soon a project that was killed is back", "benchmarks.killed:killed_rows"),
    "commit": Part("Iceberg commits as they pile up", "benchmarks.commits:commit_rows"),
    "plan": Part("one day among 10,000 files, beside PyIceberg's planning", "benchmarks.commits:plan_rows"),
}


def run_benchmarks(quick: bool, only: tuple[str, ...], as_json: bool) -> None:
    """Measure and print. *only*: these parts, all if empty; `("list",)` prints their names instead.

    Raises `BadRequest` for a part that there is none of. Exits with 1 if a part could not be measured.
    """
    if "list" in only:
        for name, part in PARTS.items():
            Console().print(f"{name:10} {part.summary}", highlight=False, soft_wrap=True)
        return
    if unknown := [name for name in only if name not in PARTS]:
        raise BadRequest(f"no part {', '.join(map(repr, unknown))}; there are: {', '.join(PARTS)}")
    report = measure(quick, only or tuple(PARTS))
    print_report(report, as_json)
    if any(row.verdict == "failed" for row in report.rows):
        sys.exit(1)


def measure(quick: bool, parts: tuple[str, ...]) -> Report:
    """Run *parts* in the order of `PARTS` and return their rows; a part that breaks is a row that says so. Progress goes to stderr."""
    progress = Console(stderr=True)
    began = time.monotonic()
    (_, counters), busy = stolen_share(), os.getloadavg()[0]
    rows: list[Row] = []
    for name, part in PARTS.items():
        if name not in parts:
            continue
        started = time.monotonic()
        progress.print(f"{name}: {part.summary} …", highlight=False, soft_wrap=True)
        try:
            found = part.rows(Scale(quick))
        except Exception as error:  # noqa: BLE001  (told in full; the other parts have their turn)
            progress.print(traceback.format_exc(), markup=False, highlight=False, soft_wrap=True)
            found = [failed(name, error)]
        rows += found
        missed = f", {len(misses(found))} missed" if misses(found) else ""
        progress.print(f"{name}: {time.monotonic() - started:.1f} s{missed}", highlight=False, soft_wrap=True)
    stolen, _ = stolen_share(counters)
    facts = machine_facts() | {"run": "quick" if quick else "full", "seconds": round(time.monotonic() - began), "stolen": f"{stolen:.0%}"}
    # Wall times mean little on a machine that was busy before we came.
    facts["load before"] = round(busy, 1)
    return Report(rows, facts)
