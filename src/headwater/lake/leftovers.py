"""Files of tables that are no more, or never came to be: marked when they are found, deleted some time after."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from headwater.catalog.names import join_name
from headwater.lake.index import LakeIndex
from headwater.store import Store, join_url

NOBODY = ""
"""Whose files these are, as the index has it."""
_KINDS = ("data", "metadata")


def sweep_leftovers(
    index: LakeIndex, store: Store, root: str, database: str, gone: Collection[str], now_ms: int, grace_ms: int
) -> set[str]:
    """Delete what lies in the folders of the tables *gone*, once that has been so for the grace time; return whose files there are now."""
    files: dict[str, list[str]] = {}
    for kind in _KINDS:
        beneath = join_url(root, kind, "")
        for found in store.list(beneath):
            names = found.url.removeprefix(beneath).split("/")
            if len(names) > 2:
                files.setdefault(join_name(names[0], names[1], database), []).append(found.url)
    since = index.mark(NOBODY, [url for table in gone for url in files.get(table, ())], now_ms)
    deleted = {path for path, marked_ms in since.items() if marked_ms + grace_ms <= now_ms}
    store.delete(deleted)
    index.forget(deleted)
    # Buckets have no folders; here, none is left empty.
    for folder in (folder for kind in _KINDS for folder in Path(root).glob(f"{kind}/*/*")):
        if join_name(folder.parent.name, folder.name, database) in gone:
            for parent, _, _ in os.walk(folder, topdown=False):
                with suppress(OSError):  # something is in it yet
                    Path(parent).rmdir()
    return {table for table, urls in files.items() if not deleted.issuperset(urls)}
