"""Making a project, serving it, and seeing how it does."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from headwater.cli.group import json_option, main, project_option, tls_options
from headwater.cli.show import key_facts, print_facts, print_json, print_key


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
    from headwater.process.project import make_project, our_command

    folder = project / folder if folder else project
    made = make_project(folder, name or folder.resolve().name[:64] or "app", app_id, identity_pool_id, region, account_id)
    if as_json:
        print_json({**made._asdict(), "folder": str(made.folder), "owner": key_facts(made.owner)})
        return
    click.echo(f"{click.style(str(folder), bold=True)} is a project now:\n")
    click.echo("  headwater.toml  the settings, each with a sentence\n  events.py       your event types; each becomes a table\n")
    print_key(made.owner)
    click.echo(f"  app id             {made.app_id}\n  identity pool id   {made.identity_pool_id}\n  region             {made.region}\n")
    where = "" if str(folder) == "." else f" -C {shlex.quote(str(folder))}"
    click.echo("Next:  " + click.style(f"{our_command()} serve{where}", fg="green"))


@main.command()
@click.option("--public-port", type=click.IntRange(0, 65535), help="Port of the public listener; 0 picks a free one.")
@click.option("--private-port", type=click.IntRange(0, 65535), help="Port of the private listener; 0 picks a free one.")
@tls_options
@click.option("--json", "as_json", is_flag=True, help="Write log lines as JSON, also on a terminal.")
@project_option
def serve(
    public_port: int | None, private_port: int | None, tls_cert: Path | None, tls_key: Path | None, as_json: bool, project: Path
) -> None:
    """Serve a project: collector, worker and query, started again when they die."""
    from headwater.process.serve import serve_project

    if as_json:
        os.environ["HEADWATER_LOG__FORMAT"] = "json"  # the roles inherit it
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
    """Say whether the project is served, where, how far the worker is behind, and what stands still."""
    from headwater.process.standstill import standing_still
    from headwater.process.status import project_status
    from headwater.settings import load_settings

    facts = asyncio.run(project_status(project))
    still = asyncio.run(standing_still(load_settings(project), project))
    facts["standing_still"] = [msgspec.structs.asdict(each) for each in still]
    if as_json:
        print_json(facts)
        return
    lag = facts["lag"]
    named = [(key, facts[key]) for key in ("running", "app_id", "identity_pool_id", "region", "public_url", "private_url")]
    roles = [(role, _told(state)) for role, state in facts["roles"].items()]
    stands = [("stands still", f"{each.what}, for {each.seconds:.0f} s: {each.reason}") for each in still]
    behind = "not known: the ledger cannot be read" if lag is None else f"{lag['records']:,} records, {lag['seconds']:.1f} s"
    print_facts([*named, *roles, *stands, ("lag", behind)])


def _told(role: dict[str, Any]) -> str:
    reason = f": {role['reason']}" if role.get("reason") else ""
    return f"{role['state']}, pid {role['pid']}, restarted {role['restarts']} times{reason}"
