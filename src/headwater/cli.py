"""The commands: parse, call one function, print."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn
from rich.table import Table

from headwater import __version__
from headwater.errors import HeadwaterError

ALLOW = ("send", "query", "admin")


class Commands(click.Group):
    """Prints our own errors as one message on stderr, without a trace: they say what would have worked."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except HeadwaterError as error:
            raise click.ClickException(str(error)) from error


def project_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `-C DIR`, the project it is for."""
    return click.option(
        "-C",
        "--project",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        metavar="DIR",
        help="The project (default: here).",
    )(command)


def tls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--tls-cert` and `--tls-key`."""
    file = click.Path(path_type=Path)
    command = click.option("--tls-key", type=file, metavar="FILE", help="The certificate's private key (PEM, without a password).")(command)
    return click.option(
        "--tls-cert", type=file, metavar="FILE", help="Certificate with its chain (PEM); the public listener then speaks https."
    )(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="headwater")
def main() -> None:
    """Custom app events in, SQL tables out."""


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False, metavar="DIR")
@click.option("--name", help="Name of the app (default: the folder's).")
@click.option("--app-id", help="Keep the Pinpoint application id of shipped apps (32 hex digits).")
@click.option("--identity-pool-id", help="Keep the Cognito identity pool id of shipped apps.")
@click.option("--region", default="us-east-1", show_default=True, help="Region the apps sign for.")
@click.option("--account-id", default="000000000000", show_default=True, help="AWS account id written into records and ARNs.")
@json_option
@project_option
def init(
    folder: Path | None,
    name: str | None,
    app_id: str | None,
    identity_pool_id: str | None,
    region: str,
    account_id: str,
    as_json: bool,
    project: Path,
) -> None:
    """Make a project: headwater.toml, events.py and an owner key."""
    from headwater.process.project import make_project

    folder = project / folder if folder else project
    made = make_project(folder, name or folder.resolve().name[:64] or "app", app_id, identity_pool_id, region, account_id)
    if as_json:
        click.echo(json.dumps({**made._asdict(), "folder": str(made.folder), "owner": _key(made.owner)}))
        return
    console = Console()
    console.print(f"[bold]{escape(str(folder))}[/] is a project now:\n")
    console.print("  headwater.toml  the settings, each with a sentence\n  events.py       your event types; each becomes a table\n")
    _print_key(console, made.owner)
    console.print(f"  app id             {made.app_id}\n  identity pool id   {made.identity_pool_id}\n  region             {made.region}\n")
    where = "" if str(folder) == "." else f" -C {folder}"
    console.print(f"Next:  [green]headwater serve{escape(where)}[/]", highlight=False)


@main.command()
@click.option("--public-port", type=click.IntRange(0, 65535), help="Port of the public listener; 0 picks a free one.")
@click.option("--private-port", type=click.IntRange(0, 65535), help="Port of the private listener; 0 picks a free one.")
@tls_options
@project_option
def serve(public_port: int | None, private_port: int | None, tls_cert: Path | None, tls_key: Path | None, project: Path) -> None:
    """Serve a project: collector, worker and query, started again when they die."""
    from headwater.process.serve import serve_project

    serve_project(project, public_port, private_port, tls_cert, tls_key)


def _role(name: str, summary: str, options: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda command: command) -> None:
    @main.command(name, help=summary)
    @click.option("--listen-fd", type=int, hidden=True)
    @click.option("--life-line-fd", type=int, hidden=True)
    @options
    @project_option
    def run(listen_fd: int | None, life_line_fd: int | None, project: Path, **given: Path | None) -> None:
        from headwater.process.roles import run_named_role

        run_named_role(name, project, listen_fd, life_line_fd, **given)


_role("collect", "Run the collector alone: accepts events and puts them on the stream.", tls_options)
_role("work", "Run the worker alone: moves events from the stream into the lake.")
_role("query", "Run the query role alone: answers on the private listener.")


@main.command()
@json_option
@project_option
def status(as_json: bool, project: Path) -> None:
    """Say whether the project is served, where, and how far the worker is behind."""
    from headwater.process.status import project_status

    facts = asyncio.run(project_status(project))
    if as_json:
        click.echo(json.dumps(facts))
        return
    table = Table.grid(padding=(0, 3))
    for key in ("running", "app_id", "identity_pool_id", "region", "public_url", "private_url"):
        table.add_row(key, escape(str(facts[key])))
    for role, state in facts["roles"].items():
        table.add_row(role, escape(f"{state['state']}, pid {state['pid']}, restarted {state['restarts']} times"))
    lag = facts["lag"]
    table.add_row("lag", f"{lag['records']:,} records, {lag['seconds']:.1f} s")
    Console().print(table)


@main.group()
def keys() -> None:
    """Access keys for servers, tools and people."""


@keys.command("create")
@click.argument("name")
@click.option("--allow", default="send", show_default=True, help="What it may do: send, query, admin, joined by commas.")
@json_option
@project_option
def keys_create(name: str, allow: str, as_json: bool, project: Path) -> None:
    """Make an access key; its secret is shown this once."""
    from headwater.pipeline import open_project_control

    allowed = frozenset(part.strip() for part in allow.split(","))
    if unknown := allowed - set(ALLOW):
        raise click.BadParameter(f"{', '.join(sorted(unknown))!r} is not one of {', '.join(ALLOW)}", param_hint="--allow")
    key = open_project_control(project).create_key(name, allowed)
    if as_json:
        click.echo(json.dumps(_key(key)))
    else:
        _print_key(Console(), key)


@keys.command("list")
@json_option
@project_option
def keys_list(as_json: bool, project: Path) -> None:
    """List the access keys, without their secrets."""
    from headwater.pipeline import open_project_control

    rows = [_key(key) for key in open_project_control(project).keys()]  # noqa: SIM118 - not a dict
    _print_rows(rows, as_json)


@keys.command("revoke")
@click.argument("name_or_id")
@project_option
def keys_revoke(name_or_id: str, project: Path) -> None:
    """Make an access key useless, by its name or id; within a second for a running collector."""
    from headwater.pipeline import open_project_control

    key = open_project_control(project).revoke_key(name_or_id)
    click.echo(f"revoked {key.name} ({key.access_key_id})")


@keys.command("rotate-master")
@project_option
def keys_rotate_master(project: Path) -> None:
    """Make a fresh master key for what is lent and made from now on; what older ones made stays good."""
    from headwater.control.masterkey import rotate_master_keys
    from headwater.settings import load_settings

    rotated = rotate_master_keys(project.absolute() / load_settings(project).stores.master_keys)
    click.echo(f"the current master key is {rotated.current}, one of {len(rotated.keys)}")


@main.group()
def identity() -> None:
    """Identity pools: who may borrow credentials, and who signed in."""


@identity.command("pools")
@json_option
@project_option
def identity_pools(as_json: bool, project: Path) -> None:
    """List the pools with their roles; the declared one is that of headwater.toml."""
    from headwater.process.identities import list_pools

    _print_rows(list_pools(project), as_json)


@identity.command("logins")
@click.option("--pool", "pool_id", help="Only of this pool (default: the one of headwater.toml).")
@click.option("-n", "--count", type=click.IntRange(1), default=1_000, show_default=True, help="At most this many.")
@json_option
@project_option
def identity_logins(pool_id: str | None, count: int, as_json: bool, project: Path) -> None:
    """List the identities that signed in, with their logins, and those that gave way to another."""
    from headwater.process.identities import list_logins

    _print_rows(list_logins(project, pool_id, count), as_json)


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
    _print_rows(rows, as_json)


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

    _print_rows(
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

    with _working("putting rows into Parquet files …"):
        folds = run_job(project, "fold")
    _print_rows(folds, as_json)


@main.command()
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Keep the project in this folder (default: a temporary one)."
)
@click.option("--seconds", type=click.FloatRange(min=1), help="End after this time (default: Ctrl-C).")
@click.option("--students", type=click.IntRange(1, 5_000), default=300, show_default=True)
@click.option("--rate", type=click.FloatRange(0.1, 2_000), default=150, show_default=True, help="Events a second, all students together.")
@project_option
def demo(data: Path | None, seconds: float | None, students: int, rate: float, project: Path) -> None:
    """Serve a project with a simulated piano-learning app, and show what becomes of its events."""
    from headwater.process.demonstrate import demonstrate

    if data is not None:
        demonstrate(project / data, seconds, students, rate, keep=True)
        return
    with tempfile.TemporaryDirectory(prefix="headwater-demo-") as folder:
        demonstrate(Path(folder) / "piano", seconds, students, rate, keep=False)


@main.command()
@click.option("--quick", is_flag=True, help="Smaller runs: rougher figures in a fifth of the time.")
@click.option("--only", multiple=True, help="Only these parts; `--only list` names them.")
@json_option
@project_option
def bench(quick: bool, only: tuple[str, ...], as_json: bool, project: Path) -> None:
    """Measure this machine's limits and Headwater beside them, as ratios."""
    from headwater.bench import run_bench

    run_bench(quick=quick, only=only, as_json=as_json)


@main.command()
@click.option("--typescript", is_flag=True, help="Write TypeScript, the one language there is.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead of standard output.")
@click.option(
    "--check",
    "checked",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write nothing; end with 1 if this file is not what would be written.",
)
@project_option
def types(typescript: bool, output: Path | None, checked: Path | None, project: Path) -> None:
    """Write the event types of events.py for the app's compiler, with functions that make events as Amplify takes them."""
    from headwater.process.types import check_types, write_types

    if not typescript:
        raise click.UsageError("say which language: --typescript")
    if checked is not None:
        difference = check_types(project, checked)
        if difference:
            click.echo(difference, err=True, nl=False)
            raise click.ClickException(f"{checked} is out of date; headwater types --typescript -o {checked}")
        return
    text = write_types(project, output)
    if output is None:
        click.echo(text, nl=False)


@main.command()
@click.argument("event_type", required=False)
@click.argument("fields", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--data", help="Fields as a JSON object, where KEY=VALUE does not do.", metavar="JSON")
@click.option(
    "--file",
    "lines",
    type=click.File("rb"),
    help="Send the events of this file, a JSON object a line; `-` is standard input.",
    metavar="FILE",
)
@click.option("--endpoint-id", help="The device, column client_id (default: the user's id, else this machine's name).")
@click.option("--user-id", help="The user of that device.")
@click.option("--session", help="The session's id.")
@click.option("--event-id", help="The event's id (default: a new one); the same id is the same event.")
@click.option("--url", help="A server elsewhere (default: the project served here).")
@click.option("--app-id", help="The app there; for --url outside of a project.")
@click.option("--key-id", help="Access key id (default: with --url AWS_ACCESS_KEY_ID, else a key named cli, made at the first use).")
@click.option("--secret", help="Its secret (default: with --url AWS_SECRET_ACCESS_KEY).")
@click.option("--timeout", type=click.FloatRange(0.1), default=30, show_default=True, help="Seconds to go on trying.")
@json_option
@project_option
def send(
    event_type: str | None,
    fields: tuple[str, ...],
    data: str | None,
    lines: IO[bytes] | None,
    endpoint_id: str | None,
    user_id: str | None,
    session: str | None,
    event_id: str | None,
    url: str | None,
    app_id: str | None,
    key_id: str | None,
    secret: str | None,
    timeout: float,
    as_json: bool,
    project: Path,
) -> None:
    """Send one event, or a file of them, and say what became of it. Numbers become metrics, other values attributes."""
    from headwater.process.send import find_door, parse_data, send_event, send_lines

    door = find_door(project, url, app_id, key_id, secret)
    if lines is not None:
        if fields or data is not None or endpoint_id or user_id or session or event_id:
            raise click.UsageError("with --file, each line says its own fields and ids; only EVENT_TYPE may stand for all")
        with _advancing(lines) as progress:
            accepted, refusals = send_lines(door, lines, event_type, timeout, progress)
        if as_json:
            click.echo(json.dumps({"accepted": accepted, "refused": [refusal._asdict() for refusal in refusals]}))
        else:
            click.echo(f"{accepted:,} accepted, {len(refusals):,} refused")
            for refusal in refusals[:20]:
                click.echo(f"  line {refusal.line}: {refusal.reason}", err=True)
        sys.exit(1 if refusals else 0)
    if event_type is None:
        raise click.UsageError("say which EVENT_TYPE, or --file FILE")
    ids = {"endpoint_id": endpoint_id, "user_id": user_id, "session": session, "event_id": event_id}
    verdict = send_event(door, event_type, fields, parse_data(data), None if url else project, timeout, **ids)
    if as_json:
        click.echo(json.dumps(verdict._asdict()))
    elif verdict.accepted:
        click.echo(f"accepted: {verdict.event_type} {verdict.event_id}")
        if verdict.dead_letter is not None:
            click.echo(f"but events.py refuses it, so it becomes a dead letter: {verdict.dead_letter}", err=True)
    else:
        click.echo(f"not accepted: {verdict.message}", err=True)
    sys.exit(0 if verdict.accepted else 1)


@main.command()
@click.argument("kind", type=click.Choice(["amplify-v6", "amplify-v5", "client", "boto3", "python", "curl"]))
@click.option("--url", help="What apps call the public listener, such as https://events.example.org (default: as it runs, or is set).")
@project_option
def snippet(kind: str, url: str | None, project: Path) -> None:
    """Print what to write into an app, a script or a shell to send events to this project. It holds no secret."""
    from headwater.process.snippet import make_snippet

    click.echo(make_snippet(kind, project, url), nl=False)


@contextmanager
def _advancing(lines: IO[bytes]) -> Iterator[Callable[[int, int], None]]:
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
def _working(what: str) -> Iterator[None]:
    """Show on a terminal's stderr that something goes on; programs see nothing."""
    console = Console(stderr=True)
    if console.is_terminal and sys.stdout.isatty():
        with console.status(what):
            yield
    else:
        yield


def _key(key: Any) -> dict[str, Any]:
    shown = {"name": key.name, "access_key_id": key.access_key_id, "allow": ",".join(sorted(key.allow))}
    if key.secret_access_key:
        shown["secret_access_key"] = key.secret_access_key
    return shown | {"created_ms": key.created_ms, "revoked_ms": key.revoked_ms}


def _print_key(console: Console, key: Any) -> None:
    console.print(f"Key [bold]{escape(key.name)}[/] (may {', '.join(sorted(key.allow))}). Its secret is shown this once:\n")
    console.print(f"  access key id      {key.access_key_id}\n  secret access key  {key.secret_access_key}", highlight=False)


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
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
