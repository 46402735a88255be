"""What to do when a project lost a place, or was moved or copied."""

from __future__ import annotations

import json
from pathlib import Path

import click

from headwater.cli.group import json_option, main, project_option
from headwater.cli.show import print_rows, working


@main.group()
def catalog() -> None:
    """The list of tables: catalog.db."""


@catalog.command("rebuild")
@json_option
@project_option
def catalog_rebuild(as_json: bool, project: Path) -> None:
    """Make a lost, damaged or older catalog again from the tables' own metadata; with nothing served. Nothing of the lake is changed."""
    from headwater.process.catalog_rebuild import rebuild_catalog

    with working("reading the tables' metadata …"):
        rebuilt = rebuild_catalog(project)
    rows = [{"table": each.table, "rows": each.rows, "missing_files": len(each.missing), "state": each.location} for each in rebuilt.tables]
    if as_json:
        aside = None if rebuilt.aside is None else str(rebuilt.aside)
        click.echo(json.dumps({"tables": rows, "entries": rebuilt.entries, "statements": rebuilt.statements, "aside": aside}))
        return
    print_rows([{**row, "state": Path(str(row["state"])).name} for row in rows], as_json=False)
    if rebuilt.aside is not None:
        click.echo(
            f"\nThe catalog of before is {rebuilt.aside}; databases, external tables and views in it were taken over: {rebuilt.entries}."
        )
    else:
        click.echo("\nExternal tables, views, partitions and other databases are in no other place than the catalog: make them again.")
    if rebuilt.statements:
        click.echo("The history has these statements that made or changed some:\n")
        click.echo(";\n\n".join(rebuilt.statements) + ";")


@main.command()
@click.option("--give-up", "given_up", metavar="PLACE", help="Go on without this place, which was lost; it says what is lost with it.")
@json_option
@project_option
def doctor(given_up: str | None, as_json: bool, project: Path) -> None:
    """Say which project this is, where each of its places is and whether it is there, and what to do."""
    from headwater.process.doctor import examine, give_up

    if given_up is not None:
        click.echo(give_up(project, given_up))
        return
    found = examine(project)
    if as_json:
        click.echo(json.dumps(found._asdict()))
        return
    print_rows(found.places, as_json=False)
    click.echo(f"\n{found.says}")


@main.command()
@click.option("--copy", "copy", is_flag=True, help="This is a copy and the original goes on elsewhere: it gets an id of its own.")
@click.option("--incomplete", is_flag=True, help="Go on although files that the tables name are missing here.")
@json_option
@project_option
def move(copy: bool, incomplete: bool, as_json: bool, project: Path) -> None:
    """Let the tables of a project that was moved or copied name the files where they are now; with nothing served."""
    from headwater.process.move import move_project

    with working("writing the locations in catalog and metadata anew …"):
        moved = move_project(project, copy=copy, incomplete=incomplete)
    if as_json:
        click.echo(json.dumps(moved._asdict()))
        return
    what = "a project of its own" if moved.is_copy else "the same project"
    counts = f"{moved.tables} tables, {moved.metadata_files:,} metadata files, {moved.data_files:,} data files"
    click.echo(f"{moved.folder} is {what} now (id {moved.id}): {counts}.")
    if moved.missing:
        click.echo(f"Missing: {len(moved.missing):,} files that the tables name, such as {moved.missing[0]}")
