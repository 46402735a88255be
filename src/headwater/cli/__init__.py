"""The commands: parse, call one function, print."""

from headwater.cli import access, ask, clients, lake, places, serve, trials
from headwater.cli.group import main

__all__ = ["access", "ask", "clients", "lake", "main", "places", "serve", "trials"]
