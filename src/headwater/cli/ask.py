"""Asking the lake: SQL, views and saved queries."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headwater.cli.group import main, project_option
from headwater.cli.show import opened, print_rows, terminal_width

if TYPE_CHECKING:  # for the reader of types; DuckDB is loaded when there is something to ask
    from headwater.query.reading import Reading


def format_options(*forms: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command `--format` with a choice of *forms*, and `--json` for one of them."""

    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.option("--json", "form", flag_value="json", help="The same as --format json.")(command)
        return click.option("--format", "form", type=click.Choice(forms), default="table", show_default=True)(command)

    return give


@main.command()
@click.argument("query")
@click.option(
    "--dialect", type=click.Choice(["duckdb", "athena"]), default="duckdb", show_default=True, help="Whose SQL QUERY is written in."
)
@format_options("table", "json", "csv", "parquet")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead of standard output.")
@project_option
def sql(query: str, dialect: str, form: str, output: Path | None, project: Path) -> None:
    """Ask a question in SQL; QUERY is read from standard input if it is `-`. Files on this machine can be read, too: read_csv('a.csv')."""
    from headwater.process.ask import ask_athena

    if query == "-":
        try:
            query = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            raise click.ClickException(f"what standard input gives is no SQL, it is not even text: {error}") from None
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal; add -o FILE")
    with opened(project) as lake:
        _print(ask_athena(project, lake, query) if dialect == "athena" else lake.sql(query), form, output)


@main.command()
@click.argument("name", required=False)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of a saved query; may be given several times.")
@click.option("--show", is_flag=True, help="Print the SQL instead of running it.")
@format_options("table", "json", "csv")
@project_option
def views(name: str | None, settings: tuple[str, ...], show: bool, form: str, project: Path) -> None:
    """List the views and saved queries that every project has, or run NAME; docs/views.md says what each answers."""
    from headwater.errors import QueryError
    from headwater.query.views import library, over_our_events, saved

    with opened(project) as lake:
        own = {table.name for table in lake.tables()}
        if name is None:
            rows = [
                {
                    "name": each.name,
                    "kind": "saved query" if each.parameters else "view",
                    "answers": each.says + (" In SQL, this is your own table." if each.name in own else ""),
                }
                for each in library().values()
            ]
            print_rows(rows, as_json=form == "json")
            return
        asked = saved(name)
        values = dict(_assignment(setting) for setting in settings)
        try:
            text = asked.filled(values)
        except QueryError as error:
            needed = "".join(f" --set {each.name}=…" for each in asked.missing(values))
            raise click.UsageError(f"{error}. Add{needed}") if needed else error from None
        if not asked.parameters:
            text = lake.view(asked.name)
            if asked.name in own:
                click.echo(f"In SQL, {asked.name} is your own table; this is the view that every project has.", err=True)
        else:
            text = over_our_events(text, own, lambda: lake.view("events"))
        if show:
            click.echo(text.strip())
        else:
            _print(lake.sql(text), form, None)


def _print(answer: Reading, form: str, output: Path | None) -> None:
    from headwater.query import write

    width = terminal_width() if output is None else None
    with answer:
        if output is None:
            with click.open_file("-", "wb") as out:
                write(answer, form, out, width=width, styled=width is not None)
            return
        try:
            with output.open("wb") as out:
                write(answer, form, out)
        except BaseException:
            if output.is_file():
                output.unlink()  # a part of the rows must not look like all of them
            raise


def _assignment(setting: str) -> tuple[str, str]:
    name, mark, value = setting.partition("=")
    if not mark:
        raise click.UsageError(f"--set {setting}: write NAME=VALUE")
    return name, value
