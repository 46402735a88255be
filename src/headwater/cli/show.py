"""How commands print rows and keys, and how they show that something goes on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn
from rich.table import Table


@contextmanager
def advancing(lines: IO[bytes]) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal's stderr how far a file is; yield what is told lines and bytes done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda lines_done, bytes_done: None
        return
    with Progress(*Progress.get_default_columns(), TextColumn("{task.fields[events]:,} events"), console=console) as progress:
        size = os.fstat(lines.fileno()).st_size
        task = progress.add_task("sending", total=size or None, events=0)

        def advance(lines_done: int, bytes_done: int) -> None:
            progress.update(task, advance=bytes_done, events=progress.tasks[task].fields["events"] + lines_done)

        yield advance


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal's stderr that something goes on; programs see nothing."""
    console = Console(stderr=True)
    if console.is_terminal and sys.stdout.isatty():
        with console.status(what):
            yield
    else:
        yield


def key_facts(key: Any) -> dict[str, Any]:
    """Return a key as JSON shows it; its secret only where it was just made."""
    shown = {"name": key.name, "access_key_id": key.access_key_id, "allow": ",".join(sorted(key.allow))}
    if key.secret_access_key:
        shown["secret_access_key"] = key.secret_access_key
    return shown | {"created_ms": key.created_ms, "revoked_ms": key.revoked_ms}


def print_key(console: Console, key: Any) -> None:
    """Show a key that was just made, with its secret."""
    console.print(f"Key [bold]{escape(key.name)}[/] (may {', '.join(sorted(key.allow))}). Its secret is shown this once:\n")
    console.print(f"  access key id      {key.access_key_id}\n  secret access key  {key.secret_access_key}", highlight=False)


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Show rows as a table, or as JSON for programs."""
    if as_json:
        click.echo(json.dumps(rows, default=str))
        return
    if not rows:
        click.echo("none")
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for name, value in rows[0].items():
        table.add_column(name, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else escape("" if value is None else str(value)) for value in row.values()))
    Console().print(table)
