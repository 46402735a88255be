"""Who may: access keys, identity pools."""

from __future__ import annotations

import difflib
from contextlib import closing
from pathlib import Path

import click

from headwater.cli.group import json_option, main, placed_project_option
from headwater.cli.show import key_facts, print_json, print_key, print_rows
from headwater.errors import NotFound

ALLOW = ("send", "query", "admin")


@main.group()
def keys() -> None:
    """Access keys for servers, tools and people."""


@keys.command("create")
@click.argument("name")
@click.option("--allow", default="send", show_default=True, help="What it may do: send, query, admin, joined by commas.")
@json_option
@placed_project_option
def keys_create(name: str, allow: str, as_json: bool, project: Path) -> None:
    """Make an access key; its secret is shown this once."""
    from headwater.places import open_project_control

    allowed = frozenset(part.strip() for part in allow.split(","))
    if unknown := allowed - set(ALLOW):
        raise click.BadParameter(f"{', '.join(sorted(unknown))!r} is not one of {', '.join(ALLOW)}", param_hint="--allow")
    with closing(open_project_control(project)) as control:
        key = control.create_key(name, allowed)
    if as_json:
        print_json(key_facts(key))
    else:
        print_key(key)


@keys.command("list")
@json_option
@placed_project_option
def keys_list(as_json: bool, project: Path) -> None:
    """List the access keys, without their secrets; `send` makes one named `cli` for itself."""
    from headwater.places import open_project_control

    with closing(open_project_control(project)) as control:
        rows = [key_facts(key) for key in control.keys()]  # noqa: SIM118 - not a dict
    print_rows(rows, as_json)


@keys.command("revoke")
@click.argument("name_or_id")
@json_option
@placed_project_option
def keys_revoke(name_or_id: str, as_json: bool, project: Path) -> None:
    """Make an access key useless, by its name or id; within a second for a running collector."""
    from headwater.places import open_project_control

    with closing(open_project_control(project)) as control:
        try:
            key = control.revoke_key(name_or_id)
        except NotFound as error:
            names = [known.name for known in control.keys()]  # noqa: SIM118 - not a dict
            close = difflib.get_close_matches(name_or_id, names, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(names)}"
            raise click.ClickException(f"{error}; {hint}") from None
    if as_json:
        print_json(key_facts(key))
    else:
        click.echo(f"revoked {key.name} ({key.access_key_id})")


@keys.command("rotate-master")
@json_option
@placed_project_option
def keys_rotate_master(as_json: bool, project: Path) -> None:
    """Make a fresh master key for what is lent and made from now on; what older ones made stays good."""
    from headwater.control.masterkey import rotate_master_keys
    from headwater.settings import load_settings

    rotated = rotate_master_keys(project.absolute() / load_settings(project).stores.master_keys)
    if as_json:
        print_json({"current": rotated.current, "keys": len(rotated.keys)})
    else:
        click.echo(f"the current master key is {rotated.current}, one of {len(rotated.keys)}")


@main.group()
def identity() -> None:
    """Identity pools: who may borrow credentials, and who signed in."""


@identity.command("pools")
@json_option
@placed_project_option
def identity_pools(as_json: bool, project: Path) -> None:
    """List the pools with their roles; the declared one is that of headwater.toml."""
    from headwater.process.identities import list_pools

    print_rows(list_pools(project), as_json, "no pool")


@identity.command("logins")
@click.option("--pool", "pool_id", help="Only of this pool (default: the one of headwater.toml).")
@click.option("-n", "--count", type=click.IntRange(1), default=1_000, show_default=True, help="At most this many.")
@json_option
@placed_project_option
def identity_logins(pool_id: str | None, count: int, as_json: bool, project: Path) -> None:
    """List the identities that signed in, with their logins, and those that gave way to another."""
    from headwater.process.identities import list_logins

    print_rows(list_logins(project, pool_id, count), as_json, "nobody has signed in yet")
