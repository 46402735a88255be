"""`headwater check`: everything that `headwater serve` would refuse to start with, found without starting anything."""

from __future__ import annotations

import getpass
import os
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from headwater.dialect import athena_type
from headwater.errors import ProjectError
from headwater.pipeline.worker import check_tables
from headwater.places import Paths, load_project_models
from headwater.process import listen
from headwater.process.lock import is_held
from headwater.process.project import check_openable
from headwater.process.tls import load_context, tls_files
from headwater.settings import load_settings


class Checked(NamedTuple):
    """A row for each event type: its table, and the columns that are its own with their types; and *notes* on what changes for clients."""

    rows: list[dict[str, Any]]
    notes: list[str]


def check_project(project: Path) -> Checked:
    """Return what `serve` would serve.

    Raises what `serve` would end with: `SettingsError`, `ProjectError` or `ModelError`. A port counts as taken only while nothing serves.
    """
    settings = load_settings(project)
    tls = tls_files(settings.public, project)
    if tls is not None:
        load_context(tls)
    check_openable(project, settings)
    _check_writable(Paths(project).run)
    models = load_project_models(project, settings)
    added = check_tables(settings, project, models)
    if not is_held(Paths(project).project_lock):
        for what, where in (("public", settings.public), ("private", settings.private)):
            with closing(listen.bind(where.host, where.port, what)):
                pass
    rows = [
        {
            "event_type": event_type,
            "table": event.table.name,
            "columns": ", ".join(f"{field.name} {athena_type(field.column.type)}" for field in event.fields),
        }
        for event_type, event in models.event_types.items()
    ]
    notes = [
        f"{event_type}.{field.name} is new and has no default: events of apps that do not send it yet become dead letters"
        for event_type, event in models.event_types.items()
        for field in event.fields
        if field.required and field.name in added.get(event.table.name, ())
    ]
    return Checked(rows, notes)


def _check_writable(folder: Path) -> None:
    """Raise `ProjectError` where a server could not write its run folder, or the nearest folder that there is yet."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise ProjectError(f"{there} cannot be written by this user ({getpass.getuser()}); `ls -ld` says whose it is")
