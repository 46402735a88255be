"""What was measured, as rows: ours, the limit, their ratio, what must hold, the aim, the verdict."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Paired

Verdict = Literal["aim", "holds", "misses", "shown", "failed"]

WIDTH_OF_FILES = 170  # where nobody can widen the window, a row stays on one line

COLOURS = {"aim": "green", "holds": "cyan", "misses": "bold red", "shown": "dim", "failed": "bold red"}


class Row(NamedTuple):
    """One figure. `ours` and `limit` say value and unit; a row without a goal is `shown`, one whose part broke is `failed`."""

    name: str
    ours: str
    limit: str
    ratio: str
    must: str
    aim: str
    verdict: Verdict
    value: float | None = None
    note: str = ""


def at_most(name: str, value: float, must: float, aim: float, ours: str, limit: str = "", unit: str = "", note: str = "") -> Row:
    """Return the row of a figure that should be small: a ratio, or a quantity in *unit*."""
    verdict: Verdict = "aim" if value <= aim else "holds" if value <= must else "misses"
    return Row(name, ours, limit, _number(value, unit), f"<= {must:g}{unit}", f"<= {aim:g}{unit}", verdict, value, note)


def at_most_ms(name: str, paired: Paired, must: tuple[float, float], aim: tuple[float, float], note: str) -> Row:
    """Return the row of seconds that should be few: *must* and *aim* say so many times the limit, and so many ms more."""
    (held, held_text), (aimed, aimed_text) = (
        (times * paired.limit + more / 1000, f"<= {times:g}x + {more:g} ms = {milliseconds(times * paired.limit + more / 1000)}")
        for times, more in (must, aim)
    )
    verdict: Verdict = "aim" if paired.ours <= aimed else "holds" if paired.ours <= held else "misses"
    ours, limit = milliseconds(paired.ours), milliseconds(paired.limit)
    return Row(name, ours, limit, f"{paired.ratio:.2f}", held_text, aimed_text, verdict, paired.ratio, note)


def milliseconds(seconds: float) -> str:
    """Return a time as figures have it."""
    return f"{seconds * 1000:,.1f} ms"


def at_least(name: str, value: float, must: float, aim: float, ours: str, limit: str = "", unit: str = "", note: str = "") -> Row:
    """Return the row of a figure that should be large."""
    verdict: Verdict = "aim" if value >= aim else "holds" if value >= must else "misses"
    return Row(name, ours, limit, _number(value, unit), f">= {must:,g}{unit}", f">= {aim:,g}{unit}", verdict, value, note)


def shown(name: str, ours: str, limit: str = "", value: float | None = None, unit: str = "", note: str = "") -> Row:
    """Return a row that no goal is set for."""
    return Row(name, ours, limit, "" if value is None else _number(value, unit), "", "", "shown", value, note)


def failed(name: str, error: BaseException) -> Row:
    """Return the row of a part that could not be measured."""
    return Row(name, "", "", "", "", "", "failed", None, f"{type(error).__name__}: {error}")


class Report(NamedTuple):
    """All rows of a run, and the machine it ran on."""

    rows: list[Row]
    machine: dict[str, str | int | float]


def machine_facts() -> dict[str, str | int | float]:
    """Return what a reader must know of the machine to judge the figures."""
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "processors": len(models) or 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("pyarrow", "duckdb", "msgspec", "pydantic", "uvicorn")},
    }


def print_report(report: Report, as_json: bool) -> None:
    """Print the table, or JSON with the same texts and the bare `value` of each row, to standard output."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_FILES)
    if as_json:
        rows = [row._asdict() for row in report.rows]
        console.file.write(msgspec.json.encode({"machine": report.machine, "rows": rows}).decode() + "\n")
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("what", "ours", "limit", "ratio", "must hold", "aim", "verdict"):
        table.add_column(heading, justify="left" if heading in ("what", "verdict") else "right", overflow="fold")
    for row in report.rows:
        texts = row.name, row.ours, row.limit, row.ratio, row.must, row.aim
        table.add_row(*texts, f"[{COLOURS[row.verdict]}]{row.verdict}[/]", style="dim" if row.verdict == "shown" else "")
    console.print(table)
    for row in report.rows:
        if row.note:
            console.print(f"{row.name}: {row.note}", style="dim", markup=False, highlight=False)
    console.print(", ".join(f"{key} {value}" for key, value in report.machine.items()), style="dim", markup=False, highlight=False)


def misses(rows: Iterable[Row]) -> Sequence[Row]:
    """Return the rows whose goal does not hold, and those that could not be measured."""
    return [row for row in rows if row.verdict in ("misses", "failed")]


def _number(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    return f"{value:,.{digits}f}{unit}"
