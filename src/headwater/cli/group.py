"""The group that all commands belong to, and the options that many have."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from headwater import __version__
from headwater.errors import HeadwaterError


class Commands(click.Group):
    """Prints what a person can mend as one message on stderr, without a trace; whatever else comes up is a fault of ours."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with its whole first sentence: click would cut it at the end of the line."""
        commands = [(name, command) for name in self.list_commands(ctx) if (command := self.get_command(ctx, name)) and not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(_WHOLE)) for name, command in commands])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except HeadwaterError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise  # whoever read has enough: click ends the program without a word
        except OSError as error:
            raise click.ClickException(_told(error)) from error
        except sqlite3.Error as error:
            raise click.ClickException(f"a database of the project cannot be used: {error}; {_WHO_AND_ROOM}") from error


_WHOLE = 1_000  # characters: more than any first sentence has
_WHO_AND_ROOM = "may this user write in its folder data/, and is there room on the disk?"
_WAYS_OUT = {
    errno.EACCES: "this user may not do that; whose it is says `ls -l`",
    errno.EPERM: "this user may not do that; whose it is says `ls -l`",
    errno.ENOSPC: "make room on that disk, then do the same again",
    errno.EDQUOT: "make room within this user's quota, then do the same again",
    errno.EROFS: "that place can only be read; choose another",
    errno.ENOENT: "make the folder first, or check the spelling",
    errno.ENOTDIR: "a part of that path is a file",
    errno.EISDIR: "that is a folder; name a file",
    errno.EMFILE: "raise the limit of open files: ulimit -n",
}


def _told(error: OSError) -> str:
    """Say what the system refused, about which file, and what helps."""
    where = f"{error.filename}: " if error.filename else ""
    helps = f"; {_WAYS_OUT[error.errno]}" if error.errno in _WAYS_OUT else ""
    return f"{where}{error.strerror or error}{helps}"


def _project(command: Callable[..., Any], callback: Callable[..., Path] | None) -> Callable[..., Any]:
    return click.option(
        "-C",
        "--project",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        metavar="DIR",
        help="The project (default: here).",
        callback=callback,
    )(command)


def project_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `-C DIR`, the project it is for."""
    return _project(command, None)


def placed_project_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `-C DIR` that is a project with all its places: one that was moved, or lost one, is refused with the way out."""

    def checked(_context: click.Context, _option: click.Parameter, project: Path) -> Path:
        from headwater.process.project import check_openable
        from headwater.settings import load_settings

        check_openable(project, load_settings(project))
        return project

    return _project(command, checked)


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
