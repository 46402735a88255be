"""SQL over the lake and the rows that are on their way into it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.query.endpoints import endpoint_rows
    from headwater.query.engine import Engine
    from headwater.query.formats import FORMATS, write
    from headwater.query.result import Result, Statistics
    from headwater.query.source import Planner, TableStats, TailSource
    from headwater.query.views import DEAD_LETTERS, IDENTITIES

__all__ = [
    "DEAD_LETTERS",
    "FORMATS",
    "IDENTITIES",
    "Engine",
    "Planner",
    "Result",
    "Statistics",
    "TableStats",
    "TailSource",
    "endpoint_rows",
    "write",
]

SUBMODULES = (
    "external",
    "external.hidden",
    "external.projection",
    "external.properties",
    "fates",
    "predicate",
    "reading",
    "relation",
    "scope",
    "session",
    "tail",
    "text_table",
    "views",
    "watch",
)
"""What other rooms may import from beside this module, which would load more than they need."""

_HOMES = {
    "DEAD_LETTERS": "views",
    "FORMATS": "formats",
    "IDENTITIES": "views",
    "Engine": "engine",
    "Planner": "source",
    "Result": "result",
    "Statistics": "result",
    "TableStats": "source",
    "TailSource": "source",
    "endpoint_rows": "endpoints",
    "write": "formats",
}


def __getattr__(name: str) -> Any:
    # Lazily: what runs inside a sandbox is part of this room, and should have little of the rest in it.
    if name not in _HOMES:
        raise AttributeError(f"module 'headwater.query' has no attribute {name!r}")
    return getattr(import_module(f"headwater.query.{_HOMES[name]}"), name)
