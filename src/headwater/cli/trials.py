"""Trying Headwater out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from headwater.cli.group import json_option, main, project_option
from headwater.cli.show import terminal_width


@main.command()
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Keep the project in this folder (default: a temporary one)."
)
@click.option("--seconds", type=click.FloatRange(min=1), help="End after this time (default: Ctrl-C).")
@click.option("--students", type=click.IntRange(1, 5_000), default=300, show_default=True)
@click.option("--rate", type=click.FloatRange(0.1, 2_000), default=150, show_default=True, help="Events a second, all students together.")
@json_option
@project_option
def demo(data: Path | None, seconds: float | None, students: int, rate: float, as_json: bool, project: Path) -> None:
    """Serve a project with a simulated piano-learning app, and show what becomes of its events."""
    from headwater.process.demonstrate import demonstrate

    if data is not None:
        demonstrate(project / data, seconds, students, rate, keep=True, width=terminal_width(), as_json=as_json)
        return
    with tempfile.TemporaryDirectory(prefix="headwater-demo-") as folder:
        demonstrate(Path(folder) / "piano", seconds, students, rate, keep=False, width=terminal_width(), as_json=as_json)
