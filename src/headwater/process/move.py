"""`headwater move`: the tables of a project that was moved or copied name their files where these are now."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from headwater.errors import ProjectError
from headwater.lake.relocate import Relocation, missing_files, relocate
from headwater.places import open_lake_store, path_of, s3_access
from headwater.places.identity import Move, ProjectIdentity, identity_lock, leads_to, new_identity, read_identity, write_identity
from headwater.places.marker import Marker, write_marker
from headwater.places.presence import PLACES, catalog_locations, is_there, lake_of, places_of
from headwater.process.catalog_rebuild import alone
from headwater.process.project import check_formats
from headwater.settings import Settings, load_settings
from headwater.store import SCHEME

_LOCATIONS = {
    "iceberg_tables": ("metadata_location", "previous_metadata_location"),
    "iceberg_namespace_properties": ("property_value",),
    "headwater_heads": ("metadata_location",),
    "headwater_files": ("path",),
    "headwater_superseded": ("path",),
    "headwater_garbage": ("path",),
}


class Moved(NamedTuple):
    """What a move made: the project's id and folder, whether it is a copy with an id of its own, and what was looked through.

    *missing*: files that the tables name and that are not there.
    """

    id: str
    folder: str
    is_copy: bool
    tables: int
    metadata_files: int
    data_files: int
    missing: list[str]


def move_project(project: Path, *, copy: bool = False, incomplete: bool = False, step: Callable[[str], None] = lambda name: None) -> Moved:
    """Make the project at home in the folder it lies in. Killed at any instruction, it is done again; until then nothing starts there.

    It is a copy, and gets an id of its own, if *copy* says so or the folder it lived in still has it. Raises `ProjectLocked` while it is
    served, `ProjectError` for a copy that shares a place with its original, and, unless *incomplete*, where files are missing. *step* is
    called between any two steps.
    """
    settings = load_settings(project)
    check_formats(project)
    with alone(project, "headwater move"):
        identity = read_identity(project) or _unknown(settings, project)
        plan = _plan(settings, project, identity, copy)
        catalog, store = path_of(settings.stores.catalog, project), open_lake_store(settings, project)
        with_catalog = is_there("catalog", catalog)
        # All that the locations may begin with, also where another move, to another folder, was cut off before.
        old = {*(lake_of(each) for each in (catalog_locations(catalog) if with_catalog else ())), *_lakes(identity)}
        moved = Relocation(old, plan.lake)
        _keep(project, msgspec.structs.replace(identity, moving=plan))
        step("begun")
        found = relocate(store, moved, step)
        if with_catalog:
            _relocate_catalog(catalog, moved)
            step("catalog")
        locations = catalog_locations(catalog) if with_catalog else []
        if damaged := sorted(set(locations) & set(found.unreadable)):
            raise ProjectError(f"{damaged[0]} cannot be read: copy it once more, or restore it from a backup; then `headwater move` again")
        named, missing = missing_files(store, plan.lake, locations, s3_access(settings).properties())
        if missing and not incomplete:
            raise ProjectError(
                f"{len(missing)} files that the tables name are not in {plan.lake}, such as {missing[0]}: copy them, then `headwater move`"
                " again; if they are lost, `headwater move --incomplete` goes on without them"
            )
        if "lake" in plan.places:
            write_marker(store, plan.lake, Marker(plan.id, plan.folder))
            step("marked")
        _keep(project, ProjectIdentity(plan.id, plan.folder, plan.places))
        return Moved(plan.id, plan.folder, plan.id != identity.id, len(locations), found.files, named, missing)


def _plan(settings: Settings, project: Path, identity: ProjectIdentity, copy: bool) -> Move:
    here = project.resolve()
    folder = identity.folder if leads_to(identity.folder, project) else str(here)
    root = settings.lake.folder.rstrip("/")
    lake = root if root.startswith(SCHEME) else str(Path(folder) / settings.lake.folder)
    now = {**places_of(settings, Path(folder)), "lake": lake}
    if identity.moving is not None and (identity.moving.folder, identity.moving.lake) == (folder, lake):
        return identity.moving
    is_copy = copy or _original_is_there(identity, here)
    was_here = folder == identity.folder and lake == identity.places.get("lake", lake)
    if was_here and not copy and identity.moving is None:
        raise ProjectError(f"{here} is where this project lives: there is nothing to move")
    if is_copy and not was_here:
        _refuse_shared(identity, now)
    there = {name: str(now[name]) for name in PLACES if name in identity.places}
    if not lake.startswith(SCHEME) and Path(lake).is_dir():
        there["lake"] = lake
    keep = identity.id if identity.moving is None else identity.moving.id
    return Move(secrets.token_hex(16) if is_copy and keep == identity.id else keep, folder, lake, there)


def _original_is_there(identity: ProjectIdentity, here: Path) -> bool:
    folder = Path(identity.folder)
    if not folder.is_dir() or leads_to(identity.folder, here):
        return False
    original = read_identity(folder)
    return original is not None and original.id == identity.id


def _refuse_shared(identity: ProjectIdentity, now: dict[str, Path | str]) -> None:
    for name, was in identity.places.items():
        shared = now[name] == was if was.startswith(SCHEME) else leads_to(was, Path(now[name]))
        if shared and not (name == "results" and was.startswith(SCHEME)):
            raise ProjectError(
                f"the {PLACES[name].what} of this copy, {now[name]}, is the original's: copy it, too, and let the settings of this project"
                " name the copy; then `headwater move` again"
            )


def _unknown(settings: Settings, project: Path) -> ProjectIdentity:
    """Return what can be told of a project of before, which has no identity: where its tables think that they are."""
    catalog = path_of(settings.stores.catalog, project)
    places = {name: str(path) for name, path in places_of(settings, project).items() if name != "lake" and is_there(name, path)}
    roots = {lake_of(each) for each in catalog_locations(catalog)} if "catalog" in places else set()
    if not roots:
        raise ProjectError(f"nothing says that {project.resolve()} ever lay elsewhere: there is nothing to move")
    root, relative = min(roots), settings.lake.folder
    was = root.removesuffix(f"/{relative}") if root.endswith(f"/{relative}") else str(project.resolve())
    return ProjectIdentity(new_identity(project).id, was, {**places, "lake": root})


def _lakes(identity: ProjectIdentity) -> set[str]:
    known = {identity.places.get("lake"), identity.moving and identity.moving.lake}
    return {each for each in known if each}


def _relocate_catalog(path: Path, moved: Relocation) -> None:
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as sql:
        sql.execute("PRAGMA synchronous = FULL")
        sql.create_function("relocated", 1, lambda text: text if text is None else moved(str(text)), deterministic=True)
        there = {name for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        sql.execute("BEGIN IMMEDIATE")
        for table in there & _LOCATIONS.keys():
            for column in _LOCATIONS[table]:
                sql.execute(f"UPDATE {table} SET {column} = relocated({column}) WHERE relocated({column}) <> {column}")
        sql.execute("COMMIT")


def _keep(project: Path, identity: ProjectIdentity) -> None:
    with identity_lock(project):
        write_identity(project, identity)
