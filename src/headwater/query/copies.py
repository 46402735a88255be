"""The files that one query reads: those of buckets as copies, which stay until it has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from headwater.dialect.errors import QueryFailed
from headwater.errors import Unavailable
from headwater.lake import DataFile
from headwater.store import SCHEME, StoredObject, Stores

FAILED = "ICEBERG_FILESYSTEM_ERROR"


class HeldFiles:
    """The files that a query holds; without *stores* there are no buckets. *check* raises once the query is not wanted any more."""

    def __init__(self, stores: Stores | None, check: Callable[[], None]) -> None:
        self._stores, self.check, self._held = stores, check, ExitStack()

    def objects(self, objects: Sequence[StoredObject]) -> list[Path]:
        """Return files with the contents of *objects*, in order.

        Raises `FileNotFoundError` for one that is gone, and `QueryFailed` where they cannot be had now.
        """
        if self._stores is None:
            return [Path(each.url) for each in objects]
        try:
            files = self._held.enter_context(self._stores.hold(objects, self.check))
        except FileNotFoundError:
            raise
        except (OSError, Unavailable) as error:
            raise QueryFailed(FAILED, f"the files of the query cannot be read now: {error}", category=1) from error
        return [files[each.url] for each in objects]

    def files(self, files: Sequence[DataFile]) -> list[DataFile]:
        """Return *files* with paths that can be opened here; raises as `objects` does."""
        if not any(file.path.startswith(SCHEME) for file in files):
            return list(files)
        # A data file never changes under its name.
        paths = self.objects([StoredObject(file.path, file.size, 0) for file in files])
        return [file._replace(path=str(path)) for file, path in zip(files, paths, strict=True)]

    def close(self) -> None:
        """Let others have the room."""
        self._held.close()
