"""The commands: parse, call one function, print."""

from headwater.cli import access, clients, lake, serve, trials
from headwater.cli.group import main

__all__ = ["access", "clients", "lake", "main", "serve", "trials"]
