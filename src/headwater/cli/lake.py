"""Looking at the lake and the stream, and after them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec

from headwater.cli.group import json_option, main, placed_project_option, project_option
from headwater.cli.show import opened, print_rows, terminal_width, working


@main.command()
@json_option
@project_option
def tables(as_json: bool, project: Path) -> None:
    """List the tables: rows, files and their bytes, how many of the rows are in no file yet (tail_rows), newest event."""
    from headwater.query.views import library

    with opened(project) as lake:
        rows = [table._asdict() for table in lake.tables()]
    print_rows(rows, as_json)
    if not as_json:
        click.echo(f"\nThere are {sum(not view.parameters for view in library().values())} views, too: headwater views")


@main.command()
@click.option("--from", "start", type=click.Choice(["now", "beginning"]), default="now", show_default=True)
@click.option("-n", "--count", type=click.IntRange(1), help="End after this many records.")
@json_option
@placed_project_option
def tail(start: str, count: int | None, as_json: bool, project: Path) -> None:
    """Follow the stream: every accepted record, as it comes. Ctrl-C ends it."""
    from headwater.process.follow import follow_stream

    asyncio.run(follow_stream(project, from_beginning=start == "beginning", count=count, as_json=as_json, width=terminal_width()))


@main.command()
@json_option
@project_option
def check(as_json: bool, project: Path) -> None:
    """Check all that `serve` needs: headwater.toml, events.py and the tables there are; print the event types and their own columns."""
    from headwater.process.check import check_project

    rows, notes = check_project(project)
    print_rows(rows, as_json, "no event type of its own: all events go to other_events")
    for note in notes:
        click.echo(f"\nnote: {note}", err=True)
    if not as_json:
        click.echo("\nok")


@main.command()
@json_option
@project_option
def fold(as_json: bool, project: Path) -> None:
    """Move all rows that wait in the ledger into Parquet now, so that Athena, Trino and Spark see them."""
    from headwater.jobs.roles import FoldAll
    from headwater.process.roles import run_job

    with working("putting rows into Parquet files …") as told:
        folds = [msgspec.structs.asdict(each) for each in run_job(project, FoldAll(), told).folds]
    shown = folds if as_json else [{key: row[key] for key in ("table", "rows", "files", "size", "seconds")} for row in folds]
    print_rows(shown, as_json, "nothing to do: all rows are in files")
