"""`headwater doctor`: what there is of a project, and going on without a place that is lost for good."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from headwater.errors import ProjectError
from headwater.places import lake_root, open_lake_store, path_of
from headwater.places.identity import identity_lock, read_identity, write_identity
from headwater.places.marker import owner_of
from headwater.places.presence import PLACES, REBUILT, check_presence, command, is_there, places_of
from headwater.process.catalog_rebuild import alone
from headwater.process.project import check_formats
from headwater.settings import Settings, load_settings
from headwater.store import SCHEME


class Examined(NamedTuple):
    """What there is: the project's id and folder, a row for each place, and what to do."""

    id: str | None
    folder: str | None
    places: list[dict[str, Any]]
    says: str


def examine(project: Path) -> Examined:
    """Look at all places of a project, served or not, and change nothing."""
    settings, identity = load_settings(project), read_identity(project)
    made = {} if identity is None else identity.places
    rows = []
    for name, path in places_of(settings, project).items():
        there = is_there(name, path)
        state = "there" if there else "not made yet" if name not in made else "made again at the next start" if name in REBUILT else "LOST"
        rows.append({"place": name, "state": state, "path": str(path)})
    try:
        check_formats(project)
        check_presence(settings, project)
        says = "All places that were made are there."
    except ProjectError as error:
        says = str(error)
    return Examined(identity.id if identity else None, identity.folder if identity else None, rows, says)


def give_up(project: Path, name: str) -> str:
    """Go on without a place that is lost, and return what that means. Raises `ProjectError` for one that is there, or can be made again."""
    settings = load_settings(project)
    check_formats(project)
    place = PLACES.get(name)
    if place is None or not place.lost:
        known = ", ".join(each.name for each in PLACES.values() if each.lost)
        raise ProjectError(f"{name!r} is no place that can be given up; there are: {known}")
    with alone(project, "headwater doctor"):
        check_presence(settings, project, without=tuple(PLACES))
        identity = read_identity(project)
        if identity is None or name not in identity.places:
            raise ProjectError(f"this project made no {place.what} yet: there is nothing to give up")
        if _is_there(settings, project, name):
            raise ProjectError(f"the {place.what} at {place.find(settings, project)} is there: move it away first, if it is to go")
        aside = _begin_lake_anew(settings, project) if name == "lake" else ""
        with identity_lock(project):
            places = {each: path for each, path in identity.places.items() if each != name}
            write_identity(project, msgspec.structs.replace(identity, places=places))
    return f"The {place.what} is made anew at the next start. Lost are {place.lost}.{aside}{_next(project, name)}"


def _is_there(settings: Settings, project: Path, name: str) -> bool:
    path = PLACES[name].find(settings, project)
    if name == "lake" and str(path).startswith(SCHEME):
        return owner_of(open_lake_store(settings, project), lake_root(settings, project)) is not None
    return is_there(name, path)


def _next(project: Path, name: str) -> str:
    if name not in ("control", "master_keys"):
        return ""
    return f" Next: {command(project, 'keys create NAME --allow send,query,admin')}"


def _begin_lake_anew(settings: Settings, project: Path) -> str:
    """Take the tables out of the catalog, and set the ledger aside: so the stream is read again as far back as it goes."""
    aside = f".{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.aside"
    ledger, catalog = path_of(settings.stores.ledger, project), path_of(settings.stores.catalog, project)
    # The ledger first: cut off here, the tables are still in the catalog and the place is still lost, so that this is done again.
    for end in ("-wal", "-shm", ""):
        path = ledger.with_name(ledger.name + end)
        if path.exists():
            path.replace(path.with_name(ledger.name + aside + end))
    if catalog.exists():
        with closing(sqlite3.connect(catalog, timeout=10, isolation_level=None)) as sql:
            there = {name for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            sql.execute("BEGIN IMMEDIATE")
            for table in ("iceberg_tables", "headwater_heads", "headwater_files", "headwater_superseded", "headwater_garbage"):
                if table in there:
                    sql.execute(f"DELETE FROM {table}")
            sql.execute("COMMIT")
    return f" The ledger of before is {ledger.name}{aside}."
