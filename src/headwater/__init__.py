"""Headwater: custom app events in, SQL tables out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from headwater.client import Client
    from headwater.client.remote import connect
    from headwater.event import Email, Event
    from headwater.pipeline.query import open_lake as open

__all__ = ["Client", "Email", "Event", "__version__", "connect", "open"]

_HOMES = {
    "Client": ("headwater.client", "Client"),
    "Email": ("headwater.event", "Email"),
    "Event": ("headwater.event", "Event"),
    "connect": ("headwater.client.remote", "connect"),
    "open": ("headwater.pipeline.query", "open_lake"),
}


def __getattr__(name: str) -> Any:
    # Lazily: an events.py that says `from headwater import Event` must not bring DuckDB into the collector.
    try:
        module, attribute = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'headwater' has no attribute {name!r}") from None
    return getattr(import_module(module), attribute)
