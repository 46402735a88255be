"""A project folder: making one, finding it, and the format numbers of what rests in it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import sys
import uuid
from pathlib import Path
from typing import NamedTuple

from headwater import __version__
from headwater.control import Key
from headwater.errors import ProjectError
from headwater.places import open_project_control
from headwater.places.identity import new_identity, note_places, write_identity
from headwater.places.presence import check_presence, places_of
from headwater.settings import FILE, Settings, load_settings, settings_file
from headwater.store.durable import sync_folder

FORMATS = {"stream": 1, "ledger": 1, "endpoints": 1, "control": 1, "catalog": 1, "queries": 1}
FORMAT_FILE = "project.json"
OWNER = "owner"


class NewProject(NamedTuple):
    """What `make_project` made: where, its ids, and the key that may do everything (its secret is shown once)."""

    folder: Path
    app_id: str
    identity_pool_id: str
    region: str
    owner: Key


def make_project(folder: Path, name: str, app_id: str | None, identity_pool_id: str | None, region: str, account_id: str) -> NewProject:
    """Write headwater.toml, events.py and project.json into *folder*; ids that are not given are made up.

    Raises `ProjectError`, and writes nothing, if one of the files is there already; `SettingsError` if an id is malformed.
    """
    files = [folder / FILE, folder / "events.py", folder / FORMAT_FILE]
    if present := [path.name for path in files if path.exists()]:
        raise ProjectError(f"{folder} already has {', '.join(present)}; nothing was written. Choose an empty folder, or use what is there")
    made_up = [each for each in (folder, *folder.parents) if not each.exists()]
    app_id = app_id or secrets.token_hex(16)
    identity_pool_id = identity_pool_id or f"{region}:{uuid.uuid4()}"
    # All of it synced, the names too: events are acknowledged into these folders a moment later, and apps have the ids baked in.
    _make_folder(folder)
    settings = folder / FILE
    ids = {"id": app_id, "name": name, "identity_pool_id": identity_pool_id, "region": region, "account_id": account_id}
    _write(settings, settings_file(**ids, write_key=f"hw{secrets.token_hex(16)}"))
    try:
        load_settings(folder)
    except Exception:
        settings.unlink()
        for empty in made_up:
            empty.rmdir()
        raise
    from headwater.model import example_events  # brings PyArrow, which a role that only checks formats must not load

    _write(folder / "events.py", example_events())
    _write(folder / FORMAT_FILE, json.dumps({"headwater": __version__, "formats": FORMATS}, indent=2) + "\n")
    ignore = folder / ".gitignore"
    if not ignore.exists():
        _write(ignore, "/data/\n__pycache__/\n")
    _make_folder(folder / "data")
    sync_folder(folder)
    write_identity(folder, new_identity(folder.resolve()))
    owner = open_project_control(folder).create_key(OWNER, frozenset({"send", "query", "admin"}))
    note_places(folder, places_of(load_settings(folder), folder, "control", "master_keys"))
    return NewProject(folder, app_id, identity_pool_id, region, owner)


def our_command() -> str:
    """Return what a person types for this very Headwater, also in another terminal: its name, or its path where that is not looked for."""
    found = shutil.which("headwater")
    here = Path(sys.executable).with_name("headwater")
    return "headwater" if found is not None and Path(found).resolve() == here.resolve() else shlex.quote(str(here))


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def check_openable(folder: Path, settings: Settings, *, begin: bool = False) -> None:
    """Refuse a project that this code cannot read, that was moved or copied, or that lost a place: raises `ProjectError` with the way out.

    *begin*: it is about to be opened to write, so that one of before gets its identity.
    """
    check_formats(folder)
    check_presence(settings, folder, begin=begin)


def check_formats(folder: Path) -> None:
    """Refuse a project whose files this code cannot read: raises `ProjectError` that says which and what to do."""
    path = folder / FORMAT_FILE
    try:
        formats = json.loads(path.read_text(encoding="utf-8"))["formats"]
    except FileNotFoundError:
        raise ProjectError(
            f"no {FORMAT_FILE} in {folder.resolve()}; it says which formats the data has: restore it from a backup"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ProjectError(f"{path} is damaged ({error}); restore it from a backup") from error
    for place, number in formats.items():
        known = FORMATS.get(place)
        if known is None or number > known:
            raise ProjectError(
                f"the {place} of this project has format {number}, this Headwater ({__version__}) reads up to {known or 'none'}; "
                "install the newer Headwater that wrote it"
            )
        if number < known:
            raise ProjectError(
                f"the {place} of this project has format {number}, this Headwater writes {known}; it was made by an older one"
            )
