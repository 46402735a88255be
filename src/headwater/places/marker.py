"""The file in the lake that says whose it is: no two projects may write one lake, and an empty folder is no lake."""

from __future__ import annotations

from pathlib import Path

import msgspec

from headwater.errors import ProjectError, Unavailable
from headwater.places import lake_root, open_lake_store
from headwater.places.identity import read_identity
from headwater.settings import Settings
from headwater.store import SCHEME, Store, join_url

MARKER = "headwater.json"


class Marker(msgspec.Struct):
    """What the file says: the id of the project whose tables these are, and the folder that it lives in."""

    project: str
    folder: str = ""


def claim_lake(settings: Settings, project: Path) -> None:
    """Make sure that the lake is this project's: write that into a new one.

    Raises `ProjectError` for the lake of another project, and for one that was this project's and does not say so any more: it is lost, or
    its disk is not there. `Unavailable` where it cannot be read now.
    """
    identity = read_identity(project)
    if identity is None:
        return
    root, store = lake_root(settings, project), open_lake_store(settings, project)
    try:
        owner = owner_of(store, root)
        if owner is None and "lake" not in identity.places:
            write_marker(store, root, Marker(identity.id, identity.folder))
            return
    except OSError as error:
        raise Unavailable(f"the lake at {root} cannot be used now: {error}") from error
    if owner is None:
        raise ProjectError(
            f"the lake at {root} has no {MARKER}, which this project wrote there: are its files lost, or is its disk not there? Put them"
            " back; `headwater doctor` says what there is and what else can be done"
        )
    if owner.project == identity.id and root.startswith(SCHEME) and owner.folder != identity.folder:
        raise ProjectError(
            f"the lake at {root} belongs to this project in {owner.folder}, and this one is in {identity.folder}: one of them is a copy."
            " Give the copy a copy of the lake, by lake.folder, then: `headwater move --copy` there"
        )
    if owner.project != identity.id:
        raise ProjectError(
            f"the lake at {root} belongs to another project ({owner.project}, in {owner.folder}), and this one is {identity.id}:"
            " two projects would delete each other's files. Give lake.folder a place of its own, with a copy of these files, then:"
            " `headwater move --copy`"
        )


def owner_of(store: Store, root: str) -> Marker | None:
    """Return whose lake it is at *root*, None if nothing says so. Raises `OSError`, and `ProjectError` for damage."""
    url = join_url(root, MARKER)
    try:
        return msgspec.json.decode(store.read(url), type=Marker)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise ProjectError(f"{url} is damaged: {error}; restore it from a backup") from error


def write_marker(store: Store, root: str, owner: Marker) -> None:
    """Say whose lake it is at *root*."""
    store.write(join_url(root, MARKER), msgspec.json.encode(owner))
