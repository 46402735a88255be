"""How commands print rows, facts and keys, and how they show that something goes on."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TextColumn

from headwater.jobs import Progress
from headwater.query.text_table import ShownColumn, fact_lines, table_lines, time_text

if TYPE_CHECKING:  # for the reader of types; DuckDB is loaded when there is something to ask
    from headwater.query import Engine


@contextmanager
def advancing(lines: IO[bytes]) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal's stderr how far a file is; yield what is told lines and bytes done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda lines_done, bytes_done: None
        return
    with Bar(*Bar.get_default_columns(), TextColumn("{task.fields[events]:,} events"), console=console) as progress:
        size = os.fstat(lines.fileno()).st_size
        task = progress.add_task("sending", total=size or None, events=0)

        def advance(lines_done: int, bytes_done: int) -> None:
            progress.update(task, advance=bytes_done, events=progress.tasks[task].fields["events"] + lines_done)

        yield advance


@contextmanager
def working(what: str) -> Iterator[Callable[[Progress], None]]:
    """Show on a terminal's stderr that something goes on, and how far it is where that is told; programs see nothing."""
    console = Console(stderr=True)
    if console.is_terminal and sys.stdout.isatty():
        with console.status(what) as status:
            yield lambda progress: status.update(f"{what} {_far(progress)}")
    else:
        yield lambda progress: None


def _far(progress: Progress) -> str:
    total = "" if progress.total is None else f" of {progress.total:,}"
    return f"{progress.done:,}{total} {progress.unit}"


def opened(project: Path) -> Engine:
    """Return the project's lake, and say on a terminal that a server is waited for if one is."""
    from headwater.process.ask import open_served_lake

    return open_served_lake(project, working("waiting for a server that is starting, which makes the tables …"))


def terminal_width() -> int | None:
    """Return how many columns the terminal has that standard output is, None where it is a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def key_facts(key: Any) -> dict[str, Any]:
    """Return a key as JSON shows it; its secret only where it was just made."""
    shown = {"name": key.name, "access_key_id": key.access_key_id, "allow": ",".join(sorted(key.allow))}
    if key.secret_access_key:
        shown["secret_access_key"] = key.secret_access_key
    return shown | {"created_ms": key.created_ms, "revoked_ms": key.revoked_ms}


def print_key(key: Any) -> None:
    """Show a key that was just made, with its secret."""
    click.echo(f"Key {click.style(key.name, bold=True)} (may {', '.join(sorted(key.allow))}). Its secret is shown this once:\n")
    click.echo(f"  access key id      {key.access_key_id}\n  secret access key  {key.secret_access_key}")


def print_json(value: Any) -> None:
    """Print one value as JSON, for programs."""
    click.echo(json.dumps(value, default=str))


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, none: str = "none") -> None:
    """Show rows as a table, or as JSON for programs; *none* where there is no row. Epoch milliseconds (`…_ms`) are shown as moments."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo(none)
        return
    width = terminal_width()
    columns = [
        ShownColumn(name.removesuffix("_ms"), any(_is_number(row[name]) for row in rows) and not name.endswith("_ms")) for name in rows[0]
    ]
    texts = ([_text(name, value, grouped=width is not None) for name, value in row.items()] for row in rows)
    print_lines(table_lines(columns, texts, width, styled=width is not None, counted=False))


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Show names and values, a line each."""
    print_lines(fact_lines((name, _text(name, value, grouped=True) or "-") for name, value in facts))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        click.echo(line)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(name: str, value: Any, *, grouped: bool) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() if name.endswith("_ms"):
            return time_text(datetime.fromtimestamp(value // 1000, UTC))
        case int():
            return f"{value:,}" if grouped else str(value)
        case float():
            return f"{value:,.3f}" if grouped else f"{value:.3f}"
    return str(value)
