"""Asking from the command line: beside `headwater serve`, and without it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from headwater.pipeline.query import build_catalog, open_lake
from headwater.places import open_ledger_reader
from headwater.process.starting import wait_for_server
from headwater.query import Engine
from headwater.query.reading import Reading
from headwater.settings import load_settings


def open_served_lake(project: Path, while_waiting: AbstractContextManager[object]) -> Engine:
    """Open the project's lake; where it has no tables yet, a server that is starting is given the time to make them."""
    settings = load_settings(project)
    if (ledger := open_ledger_reader(settings, project)) is None:
        with while_waiting:
            wait_for_server(project)
    else:
        ledger.close()
    return open_lake(project)


def ask_athena(project: Path, lake: Engine, sql: str) -> Reading:
    """Return the answer to one statement in Athena's SQL. Raises `QueryError`, also for a statement that changes something."""
    from headwater.executions.offline import answer

    settings = load_settings(project)
    with build_catalog(settings, project, lake) as catalog:
        return answer(lake, catalog, settings.app.database, sql)
