"""SQL over the lake and the rows that are on their way into it."""

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
