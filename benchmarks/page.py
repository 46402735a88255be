"""The tables of docs/performance.md, from what `python -m benchmarks --json` printed: `python -m benchmarks.page < run.json`."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from benchmarks.report import Row


class Printed(msgspec.Struct):
    """What `python -m benchmarks --json` prints."""

    machine: dict[str, Any]
    rows: list[dict[str, Any]]


def markdown(printed: bytes) -> str:
    """Return the machine, the figures that have a goal, the others, and what was measured beside each."""
    run = msgspec.json.decode(printed, type=Printed)
    rows = [Row(**row) for row in run.rows]
    judged, others = [row for row in rows if row.must], [row for row in rows if not row.must]
    lines = ["Measured on: " + ", ".join(f"{key} {value}" for key, value in run.machine.items()) + ".", ""]
    lines += ["| what | ours | the limit | ratio | must hold | aim | |", "|---|--:|--:|--:|--:|--:|---|"]
    lines += [f"| {row.name} | {row.ours} | {row.limit} | {row.ratio} | {row.must} | {row.aim} | **{row.verdict}** |" for row in judged]
    lines += ["", "| shown beside | ours | the limit | ratio |", "|---|--:|--:|--:|"]
    lines += [f"| {row.name} | {row.ours} | {row.limit} | {row.ratio} |" for row in others]
    lines += ["", *(f"- {row.name}: {row.note}" for row in rows if row.note)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown(sys.stdin.buffer.read()))
