"""`data/identity.json`: which project this is, the folder it lives in, and which of its places were made."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from headwater.errors import ProjectError
from headwater.store.durable import write_file


class Move(msgspec.Struct, frozen=True):
    """A move that has begun: the lake's locations become those of *lake*, and the project gets *id*, *folder* and *places*."""

    id: str
    folder: str
    lake: str
    places: dict[str, str]


class ProjectIdentity(msgspec.Struct, frozen=True, omit_defaults=True):
    """What tells a project from its copies. *folder* is the path that the locations of its tables begin with.

    *places*: name -> path of each place that was made; one of these that is not there has been lost.
    """

    id: str
    folder: str
    places: dict[str, str] = {}
    moving: Move | None = None


def identity_path(project: Path) -> Path:
    """Return where the identity of the project lies: beside the data, in no repository."""
    return project / "data" / "identity.json"


def new_identity(folder: Path) -> ProjectIdentity:
    """Return the identity of a project that begins in *folder*."""
    return ProjectIdentity(secrets.token_hex(16), str(folder))


def read_identity(project: Path) -> ProjectIdentity | None:
    """Return the identity that was written, None for a project that has none yet. Raises `ProjectError` for a damaged file."""
    path = identity_path(project)
    try:
        return msgspec.json.decode(path.read_bytes(), type=ProjectIdentity)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise ProjectError(
            f"{path} cannot be read: {error}; restore it from a backup, or remove it: it is made again from the catalog"
        ) from error


def write_identity(project: Path, identity: ProjectIdentity) -> None:
    """Write the identity, durable when this returns."""
    write_file(str(identity_path(project).absolute()), msgspec.json.format(msgspec.json.encode(identity)) + b"\n")


def note_places(project: Path, places: Mapping[str, Path | str]) -> None:
    """Remember that these places were made; nothing is written where that is known."""
    with identity_lock(project):
        found = read_identity(project)
        if found is None:  # whoever opened the places did so without a start of the project
            return
        made = {**found.places, **{name: str(path) for name, path in places.items()}}
        if made != found.places:
            write_identity(project, msgspec.structs.replace(found, places=made))


def leads_to(path: str, folder: Path) -> bool:
    """Return whether *path* names the same folder as *folder*, by whatever way."""
    try:
        return Path(path).samefile(folder)
    except OSError:
        return False


def home_of(project: Path) -> Path:
    """Return the path by which the project's locations are written: the one that was noted, as long as it leads here."""
    found = read_identity(project)
    return Path(found.folder) if found is not None and leads_to(found.folder, project) else project.resolve()


@contextmanager
def identity_lock(project: Path) -> Iterator[None]:
    """Let nobody else change the identity meanwhile; the file is replaced, so the lock is on its folder."""
    folder = identity_path(project).parent
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
