"""Asking the lake, and looking after it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from headwater.cli.group import json_option, main, project_option
from headwater.cli.show import print_rows, working


@main.command()
@click.argument("query")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv", "parquet"]), default="table", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead of standard output.")
@project_option
def sql(query: str, form: str, output: Path | None, project: Path) -> None:
    """Ask a question in SQL; QUERY is read from standard input if it is `-`."""
    from headwater.pipeline import open_lake
    from headwater.query import write

    if query == "-":
        query = sys.stdin.read()
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal; add -o FILE")
    with open_lake(project) as lake, output.open("wb") if output else click.open_file("-", "wb") as out:
        write(lake.sql(query), form, out)


@main.command()
@json_option
@project_option
def tables(as_json: bool, project: Path) -> None:
    """List the tables: rows, files, bytes, rows not yet in files, newest event."""
    from headwater.pipeline import open_lake

    with open_lake(project) as lake:
        rows = [table._asdict() for table in lake.tables()]
    print_rows(rows, as_json)


@main.command()
@click.option("--from", "start", type=click.Choice(["now", "beginning"]), default="now", show_default=True)
@click.option("-n", "--count", type=click.IntRange(1), help="End after this many records.")
@json_option
@project_option
def tail(start: str, count: int | None, as_json: bool, project: Path) -> None:
    """Follow the stream: every accepted record, as it comes. Ctrl-C ends it."""
    from headwater.process.follow import follow_stream

    asyncio.run(follow_stream(project, from_beginning=start == "beginning", count=count, as_json=as_json))


@main.command()
@project_option
def check(project: Path) -> None:
    """Check headwater.toml and events.py, and print the tables they make."""
    from headwater.pipeline import load_project_models

    print_rows(
        [
            {"event_type": table.event_type or "", "table": name, "columns": ", ".join(table.schema.names)}
            for name, table in load_project_models(project).tables.items()
        ],
        as_json=False,
    )


@main.command()
@json_option
@project_option
def fold(as_json: bool, project: Path) -> None:
    """Move all rows that wait in the ledger into Parquet now, so that Athena, Trino and Spark see them."""
    from headwater.process.roles import run_job

    with working("putting rows into Parquet files …"):
        folds = run_job(project, "fold")
    print_rows(folds, as_json)
