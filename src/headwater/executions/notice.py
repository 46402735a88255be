"""What a statement that wrote rows leaves in the place of a result: a `.metadata` object with the count, and a list of files."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.executions import metadata
from headwater.executions.columns import column
from headwater.executions.execution import Execution
from headwater.store import Stores

ROWS = (column("rows", "bigint"),)


class Notice:
    """Tells that *rows* were written or changed, and into which *files* where those are the reader's own matter."""

    def __init__(self, stores: Stores, execution: Execution, rows: int, files: Sequence[str] | None) -> None:
        self._store, self._id, self._kind = stores.find(execution.location), execution.id, execution.substatement.replace("_", " ")
        self._rows, self._files = rows, files
        self._metadata = f"{execution.location}.metadata"
        self.manifest = None if files is None else f"{execution.location.removesuffix('.csv')}-manifest.csv"

    def finish(self) -> int:
        """Write it, and return 0: there is no result of any size."""
        content = metadata.encode(self._id, ROWS, update_type=self._kind, update_count=self._rows)
        self._store.write(self._metadata, content, lasting=False)
        if self.manifest is not None:
            self._store.write(self.manifest, "".join(f"{url}\n" for url in self._files or ()).encode(), lasting=False)
        return 0

    def discard(self) -> None:
        """Leave nothing behind."""
        self._store.delete([self._metadata, *([] if self.manifest is None else [self.manifest])])
