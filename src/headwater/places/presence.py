"""Before anything is opened: is this the project, in its folder, and are the places there in which its data rests?"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from headwater.errors import ProjectError, Unavailable
from headwater.places import lake_root, open_lake_store, path_of
from headwater.places.identity import (
    ProjectIdentity,
    home_of,
    identity_lock,
    leads_to,
    new_identity,
    read_identity,
    write_identity,
)
from headwater.places.marker import MARKER, owner_of
from headwater.settings import Settings
from headwater.store import SCHEME


class Place(NamedTuple):
    """A place where data rests: *find* says where it is, *holds* whether anything is there.

    *lost*: what is lost with it for good; "" where the others still know it. *rebuilt_by*: the command that makes it again from them;
    "" where every start does.
    """

    name: str
    what: str
    find: Callable[[Settings, Path], Path | str]
    holds: Callable[[Path], bool]
    lost: str = ""
    rebuilt_by: str = ""


def _is_file(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is not None


def _results(settings: Settings, project: Path) -> Path | str:
    where = settings.query.results
    return where if where.startswith(SCHEME) else project.absolute() / where


PLACES = {
    place.name: place
    for place in (
        Place(
            "stream",
            "stream",
            lambda settings, project: path_of(settings.stream.url, project),
            _is_filled,
            "events that were accepted and had not been stored yet, and other streams that lay beside it",
        ),
        Place("ledger", "ledger", lambda settings, project: path_of(settings.stores.ledger, project), _is_file),
        Place(
            "catalog",
            "catalog",
            lambda settings, project: path_of(settings.stores.catalog, project),
            _is_file,
            rebuilt_by="catalog rebuild",
        ),
        Place(
            "lake",
            "lake",
            lake_root,
            lambda folder: (folder / MARKER).is_file(),
            "all rows that were in files, but for those whose events the stream still has",
        ),
        Place("endpoints", "store of endpoint profiles", lambda settings, project: path_of(settings.stores.endpoints, project), _is_file),
        Place(
            "control",
            "store of keys",
            lambda settings, project: path_of(settings.stores.control, project),
            _is_file,
            "all access keys, apps and identity pools that were made by commands or APIs, and which login has which identity",
        ),
        Place(
            "master_keys",
            "file of master keys",
            lambda settings, project: project.absolute() / settings.stores.master_keys,
            _is_file,
            "all access keys (make new ones, under other names) and what was lent to devices, which ask again",
        ),
        Place(
            "queries",
            "history of queries",
            lambda settings, project: path_of(settings.stores.queries, project),
            _is_file,
            "the history of queries, and workgroups and saved queries that were made by an API",
        ),
        Place("results", "folder of results", _results, Path.is_dir, "the results of queries, and the files of external tables"),
    )
}
REBUILT = frozenset(name for name, place in PLACES.items() if not place.lost and not place.rebuilt_by)
"""Places that a start makes again by itself."""


def places_of(settings: Settings, project: Path, *names: str) -> dict[str, Path | str]:
    """Return where these places are (all, without *names*), by the settings."""
    return {name: PLACES[name].find(settings, project) for name in names or PLACES}


def check_presence(settings: Settings, project: Path, *, begin: bool = False, without: Collection[str] = ()) -> None:
    """Raise `ProjectError`, with the way out, for a project that was moved or copied, or lost a place that no start can make again.

    A project of before, which has no identity, gets one if it *begin*s here and its catalog agrees with where it is. *without*: places
    that may be gone.
    """
    identity = read_identity(project)
    if identity is None:
        identity = _adopted(settings, project, without)
        if begin:
            with identity_lock(project):
                if read_identity(project) is None:
                    write_identity(project, identity)
    if identity.moving is not None:
        raise ProjectError(f"a move of {project.resolve()} was cut off half-way; end it: {command(project, 'move')}")
    if not leads_to(identity.folder, project):
        raise ProjectError(_elsewhere(identity, project))
    if lost := [name for name in lost_places(settings, project, identity) if name not in without]:
        raise ProjectError("\n".join(_told(settings, project, identity, name) for name in lost))
    was, now = identity.places.get("lake"), str(lake_root(settings, project))
    if was is not None and was != now and not leads_to(was, Path(now)):
        raise ProjectError(
            f"lake.folder says that the lake is at {now}, and the tables name files at {was};"
            f" put the setting back or, if you moved the files there: {command(project, 'move')}"
        )


def lost_places(settings: Settings, project: Path, identity: ProjectIdentity) -> list[str]:
    """Return the names of the places that were made, are gone, and are made again by no start."""
    return [
        name
        for name, path in places_of(settings, project).items()
        if name in identity.places and name not in REBUILT and not is_there(name, path)
    ]


def is_there(name: str, path: Path | str) -> bool:
    """Return whether anything is in a place; one in a bucket is asked for by who opens it."""
    return str(path).startswith(SCHEME) or PLACES[name].holds(Path(path))


def command(project: Path, words: str) -> str:
    """Return a command line of ours that a person can copy."""
    return f"headwater {words} -C {shlex.quote(str(project))}"


def _told(settings: Settings, project: Path, identity: ProjectIdentity, name: str) -> str:
    place, path = PLACES[name], PLACES[name].find(settings, project)
    was = identity.places[name]
    moved = f" (it was at {was})" if was != str(path) else ""
    out = (
        f"`{command(project, place.rebuilt_by)}` makes it again from the tables' own metadata"
        if place.rebuilt_by
        else f"`{command(project, f'doctor --give-up {name}')}` goes on without it; lost are then {place.lost}"
    )
    return f"this project had a {place.what} at {path}{moved}, and it is not there: put it back from a backup, or, if there is none, {out}"


def _elsewhere(identity: ProjectIdentity, project: Path) -> str:
    here = project.resolve()
    original = read_identity(Path(identity.folder)) if Path(identity.folder).is_dir() else None
    way = f"stop what serves it, then: {command(project, 'move')}"
    if original is not None and original.id == identity.id:
        return (
            f"{here} is a copy of the project in {identity.folder}: its tables name the files there, and two projects would delete each"
            f" other's. To make it a project of its own, {way}"
        )
    return (
        f"this project lived in {identity.folder} and is now in {here}: its tables name files that are there no more."
        f" {way[0].upper()}{way[1:]}"
    )


def _adopted(settings: Settings, project: Path, without: Collection[str]) -> ProjectIdentity:
    """Return the identity of a project that has none noted. Raises `ProjectError` where its catalog says that it lay elsewhere."""
    there = {name: str(path) for name, path in places_of(settings, project).items() if name != "lake" and is_there(name, path)}
    root = lake_root(settings, project)
    owner = _owner(settings, project, root) if "catalog" in there else None
    if owner is not None:  # the identity was lost, and the lake still says whose it is
        there["lake"] = root
    locations = catalog_locations(path_of(settings.stores.catalog, project)) if "catalog" in there else []
    if not locations:
        if "catalog" not in (*there, *without) and not root.startswith(SCHEME) and any(Path(root).glob("metadata/*/*/*.metadata.json")):
            identity = ProjectIdentity("", str(project.resolve()), {"catalog": str(path_of(settings.stores.catalog, project))})
            raise ProjectError(_told(settings, project, identity, "catalog"))
        return msgspec.structs.replace(owner or new_identity(home_of(project)), places=there)
    roots = {lake_of(location) for location in locations}
    if len(roots) == 1 and (only := roots.pop()) != root:
        relative = settings.lake.folder
        if not only.startswith(SCHEME) and only.endswith(f"/{relative}") and leads_to(only.removesuffix(f"/{relative}"), project):
            return msgspec.structs.replace(owner or new_identity(Path(only.removesuffix(f"/{relative}"))), places=there)
        raise ProjectError(
            f"the tables of {project.resolve()} name files at {only}, and its lake is at {root}: was it moved or copied?"
            f" Stop what serves it, then: {command(project, 'move')}"
        )
    if roots - {root}:
        raise ProjectError(
            f"the catalog names tables at {', '.join(sorted(roots | {root}))}, which is more than one lake; restore it from a backup"
        )
    return msgspec.structs.replace(owner or new_identity(home_of(project)), places=there)


def _owner(settings: Settings, project: Path, root: str) -> ProjectIdentity | None:
    """Return the identity that the lake at *root* knows of the project in this folder, None where it knows of none."""
    try:
        owner = owner_of(open_lake_store(settings, project), root)
    except OSError as error:
        raise Unavailable(f"the lake at {root} cannot be used now: {error}") from error
    return ProjectIdentity(owner.project, owner.folder) if owner is not None and leads_to(owner.folder, project) else None


def catalog_locations(path: Path) -> list[str]:
    """Return where the catalog in the file at *path* says that the metadata of its Iceberg tables lies."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as sql:
            if sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'iceberg_tables'").fetchone() is None:
                return []
            return [str(row[0]) for row in sql.execute("SELECT metadata_location FROM iceberg_tables")]
    except sqlite3.DatabaseError as error:
        raise ProjectError(
            f"the catalog at {path} is damaged: {error}; restore it from a backup, or move it away and rebuild it"
        ) from error


def lake_of(metadata_location: str) -> str:
    """Return the lake that a table's metadata lies in: <lake>/metadata/<database>/<table>/<file>."""
    return metadata_location.removeprefix("file://").rsplit("/metadata/", 1)[0]
