"""For those who send: types, snippets, and sending itself."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import IO

import click

from headwater.cli.group import json_option, main, project_option
from headwater.cli.show import advancing, print_json, working


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
@json_option
@project_option
def types(typescript: bool, output: Path | None, checked: Path | None, as_json: bool, project: Path) -> None:
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
    if as_json:
        print_json({"typescript": text, "output": None if output is None else str(output)})
    elif output is None:
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
@click.option("--session", help="The session's id (default: a new one).")
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
    """Send one event, or a file of them, and say what became of it. Numbers become metrics, other values attributes.

    Ends with 1 if an event was refused or became a dead letter. With --url, what became of accepted events is not known here.
    """
    from headwater.process.send import find_door, parse_data, send_event, send_lines

    door = find_door(
        project, url, app_id, key_id, secret, working("the project is not served; waiting a moment for `headwater serve` to start …")
    )
    if lines is not None:
        if fields or data is not None or endpoint_id or user_id or session or event_id:
            raise click.UsageError("with --file, each line says its own fields and ids; only EVENT_TYPE may stand for all")
        with advancing(lines) as progress:
            sent = send_lines(door, lines, event_type, None if url else project, timeout, progress)
        letters = sent.dead_letters
        if as_json:
            refused = [each._asdict() for each in sent.refused]
            became = None if letters is None else [each._asdict() for each in letters]
            print_json({"accepted": sent.accepted, "refused": refused, "dead_letters": became})
        else:
            lost = f", of them {len(letters):,} dead letters" if letters else ""
            click.echo(f"{sent.accepted:,} accepted{lost}, {len(sent.refused):,} refused")
            for each in sent.refused[:20]:
                click.echo(f"  line {each.line}: {each.reason}", err=True)
            for each in (letters or [])[:20]:
                click.echo(f"  line {each.line} became a dead letter: {each.reason}", err=True)
        sys.exit(1 if sent.refused or letters else 0)
    if event_type is None:
        raise click.UsageError("say which EVENT_TYPE, or --file FILE")
    ids = {"endpoint_id": endpoint_id, "user_id": user_id, "session": session or str(uuid.uuid4()), "event_id": event_id}
    verdict = send_event(door, event_type, fields, parse_data(data), None if url else project, timeout, **ids)
    if as_json:
        print_json(verdict._asdict())
    elif verdict.accepted:
        click.echo(f"accepted: {verdict.event_type} {verdict.event_id}")
        if verdict.dead_letter is not None:
            click.echo(f"but it became a dead letter: {verdict.dead_letter}", err=True)
        elif verdict.stored:
            click.echo(f"stored in the table {verdict.table}")
        elif not url:
            click.echo(f"not yet in the table {verdict.table}: the worker is behind (headwater status)", err=True)
        if verdict.hint is not None:
            click.echo(verdict.hint, err=True)
    else:
        click.echo(f"not accepted: {verdict.message}", err=True)
    sys.exit(0 if verdict.accepted and verdict.dead_letter is None else 1)


@main.command()
@click.argument("kind", type=click.Choice(["amplify-v6", "amplify-v5", "client", "boto3", "python", "curl"]))
@click.option("--url", help="What apps call the public listener, such as https://events.example.org (default: as it runs, or is set).")
@json_option
@project_option
def snippet(kind: str, url: str | None, as_json: bool, project: Path) -> None:
    """Print what to write into an app, a script or a shell to send events to this project. It holds no secret."""
    from headwater.process.snippet import make_snippet

    text = make_snippet(kind, project, url)
    if as_json:
        print_json({"kind": kind, "text": text})
    else:
        click.echo(text, nl=False)
