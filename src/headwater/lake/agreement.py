"""Whether catalog, ledger and folders agree about which tables there are, and how new these are; nothing is swept where they do not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from headwater.catalog.durable import local_path
from headwater.catalog.names import join_name
from headwater.errors import ProjectError
from headwater.store import Store, join_url

_METADATA = re.compile(r"(\d+)-[^/]*\.metadata\.json")
WAY_OUT = (
    "put the newest catalog.db back (with catalog.db-wal, if there is one); or, with nothing served, `headwater catalog rebuild` makes it"
    " again from the tables' own metadata. Nothing is deleted meanwhile"
)


class _Metadata(msgspec.Struct):
    uuid: str = msgspec.field(name="table-uuid")


def check_agreement(tables: Mapping[str, str], noted: Mapping[str, str | None], store: Store, root: str, database: str) -> dict[str, str]:
    """Raise `ProjectError` where ledger or folders know of tables, or of newer states of them, that the catalog does not know.

    *tables*: table -> location of its metadata, as the catalog has it; *noted*: what the ledger remembers of them. The catalog may be
    ahead of the ledger: that is a crash between the two. Returns the states that the ledger is to remember now.
    """
    root = root.rstrip("/")
    for table, location in tables.items():
        if not local_path(location).startswith(f"{root}/"):
            raise ProjectError(
                f"the catalog says that table {table} lies at {location}, and the lake of this project is {root}: if the project or its"
                " lake was moved, `headwater move` mends that; else put the right catalog.db back"
            )
    for table, state in noted.items():
        if state is None:
            continue
        if table not in tables:
            raise ProjectError(
                f"the ledger knows of table {table} and the catalog does not: is it an older or another catalog.db? {WAY_OUT}"
            )
        if _version(state) > _version(tables[table]):
            raise ProjectError(
                f"the ledger knows of a newer state of table {table} ({state}) than the catalog ({state_of(tables[table])}):"
                f" is it an older catalog.db? {WAY_OUT}"
            )
    found = metadata_of_tables(store, root, database)
    if not tables and (lost := sorted(name for name in found if name not in noted)):
        raise ProjectError(f"the lake has tables ({', '.join(lost)}) and the catalog knows of none: {WAY_OUT}")
    for table, location in tables.items():
        if newer := newer_state(found.get(table, ()), location, store):
            raise ProjectError(f"table {table} has a newer state ({newer}) than the catalog says ({location}): is it older? {WAY_OUT}")
    return {table: name for table, location in tables.items() if noted.get(table) != (name := state_of(location))}


def newer_state(urls: Iterable[str], location: str, store: Store) -> str | None:
    """Return the metadata file, of these, of a state of the table that is newer than what is at *location* by more than one commit.

    By one it may be: that of a commit which died before it reached the catalog.
    """
    current = _version(location)
    newer = sorted((url for url in urls if _version(url) > current + 1), key=_version, reverse=True)
    for url in newer:
        # A table that was dropped and made anew begins with low numbers again.
        if (uuid := _uuid(store, url)) and uuid == _uuid(store, location):
            return url
    return None


def metadata_of_tables(store: Store, root: str, database: str) -> dict[str, list[str]]:
    """Return table -> its metadata files, of all tables whose folders are in the lake at *root*."""
    beneath = join_url(root, "metadata", "")
    found: dict[str, list[str]] = {}
    for each in store.list(beneath):
        names = each.url.removeprefix(beneath).split("/")
        if len(names) == 3 and _METADATA.fullmatch(names[2]):
            found.setdefault(join_name(names[0], names[1], database), []).append(each.url)
    return found


def state_of(location: str) -> str:
    """Return what the ledger remembers of a state of a table: the name of its metadata file."""
    return location.rpartition("/")[2]


def _version(location: str) -> int:
    found = _METADATA.fullmatch(state_of(location))
    return int(found[1]) if found else -1


def _uuid(store: Store, location: str) -> str:
    try:
        return msgspec.json.decode(store.read(local_path(location)), type=_Metadata).uuid
    except (OSError, msgspec.MsgspecError):
        return ""  # half-written, or gone: it is no state
