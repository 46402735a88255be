"""Deletes files that no kept snapshot names, some time after that became so."""

from __future__ import annotations

from pyiceberg.table import Table

from headwater.errors import ProjectError
from headwater.lake.agreement import WAY_OUT, newer_state
from headwater.lake.iceberg import metadata_files, named_files
from headwater.lake.index import LakeIndex
from headwater.store import Store


class Sweeper:
    """Cleans the *folders* of one table, where nothing lies but Iceberg's metadata, in the first, and data files, in the second.

    Mark and sweep: what is unneeded is worked out anew each time from the table itself, and only how long it has been so
    is remembered (durably, in *index*). So a crash at any point neither leaks a file nor deletes one that came into use.
    """

    def __init__(self, index: LakeIndex, name: str, store: Store, folders: tuple[str, str], grace_ms: int) -> None:
        self._index, self._name, self._store, self._grace_ms = index, name, store, grace_ms
        self._metadata, self._data = folders
        self._manifest_lists: dict[str, frozenset[str]] = {}

    def sweep(self, table: Table, now_ms: int, *, search: bool) -> list[str]:
        """Delete what has been unneeded for the grace time and return the paths; *search* the data folder for orphans, too.

        The index must reflect *table*, and nobody may write to the table meanwhile. Raises `ProjectError`, and deletes nothing, where the
        folder has a newer state than the catalog.
        """
        name = self._name
        in_metadata = self._files(self._metadata)
        if newer := newer_state(in_metadata, table.metadata_location, self._store):
            raise ProjectError(
                f"nothing is swept of table {name}: there is a newer state of it ({newer}) than the catalog says"
                f" ({table.metadata_location}). Is the catalog older? {WAY_OUT}"
            )
        marked = self._index.marked(name)
        there = in_metadata | (self._files(self._data) if search else marked.keys())
        superseded = self._index.superseded(name)
        kept = [snapshot.sequence_number or 0 for snapshot in table.metadata.snapshots]
        old = {file.path for file in superseded if not any(file.added <= sequence < file.removed for sequence in kept)}
        unknown = there - metadata_files(table, self._manifest_lists) - {file.path for file in superseded}
        if _data_files(unknown):
            unknown -= {file.path for file in self._index.plan(name).files}
        if _data_files(unknown):
            # Left by a fold that died, or by somebody else. Only here is it worth reading every manifest to be sure.
            unknown -= named_files(table)
        since = self._index.mark(name, unknown | old, now_ms)
        deleted = [path for path, marked_ms in since.items() if marked_ms + self._grace_ms <= now_ms]
        if deleted:
            self._store.delete(deleted)
            self._index.forget(deleted)
        return deleted

    def _files(self, folder: str) -> set[str]:
        return {found.url for found in self._store.list(f"{folder}/")}


def _data_files(paths: set[str]) -> bool:
    return any(path.endswith(".parquet") for path in paths)
