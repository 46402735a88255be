"""The group that all commands belong to, and the options that many have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from headwater import __version__
from headwater.errors import HeadwaterError


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
