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
    from headwater.query.views import library

    with open_lake(project) as lake:
        rows = [table._asdict() for table in lake.tables()]
    print_rows(rows, as_json)
    if not as_json:
        views = ", ".join(view.name for view in library().values() if not view.parameters)
        click.echo(f"\nViews: {views} (headwater views says what they are)")


@main.command()
@click.argument("name", required=False)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of a saved query; may be given several times.")
@click.option("--show", is_flag=True, help="Print the SQL instead of running it.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@project_option
def views(name: str | None, settings: tuple[str, ...], show: bool, form: str, project: Path) -> None:
    """List the views and saved queries that every project has, or run NAME; docs/views.md says what each answers."""
    from headwater.pipeline import open_lake
    from headwater.query import write
    from headwater.query.views import library, over_our_events, saved

    with open_lake(project) as lake:
        own = {table.name for table in lake.tables()}
        if name is None:
            rows = [
                {
                    "name": each.name,
                    "kind": "saved query" if each.parameters else "view",
                    "answers": each.says,
                    "note": "in SQL, this is your own table" if each.name in own else "",
                }
                for each in library().values()
            ]
            print_rows(rows, as_json=form == "json")
            return
        asked = saved(name)
        text = asked.filled(dict(_assignment(setting) for setting in settings))
        if not asked.parameters:
            text = lake.view(asked.name)
            if asked.name in own:
                click.echo(f"In SQL, {asked.name} is your own table; this is the view that every project has.", err=True)
        else:
            text = over_our_events(text, own, lambda: lake.view("events"))
        if show:
            click.echo(text.strip())
        else:
            with click.open_file("-", "wb") as out:
                write(lake.sql(text), form, out)


def _assignment(setting: str) -> tuple[str, str]:
    name, mark, value = setting.partition("=")
    if not mark:
        raise click.UsageError(f"--set {setting}: write NAME=VALUE")
    return name, value


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
    from headwater.places import load_project_models

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
