"""The rows of a query, left for the worker as an Arrow file in the spill folder, and removed whatever comes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from headwater.dialect import QueryFailed


class Spill:
    """The file `<execution id>.arrow` in *folder*, of at most *limit_bytes*; use it in a `with`: it is gone afterwards."""

    def __init__(self, folder: Path, execution_id: str, limit_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{execution_id}.arrow"
        self._path, self._limit_bytes = folder / self.name, limit_bytes
        self._file = pa.OSFile(str(self._path), "w")
        self._writer: Any = None
        self.rows = 0

    def begin(self, schema: pa.Schema) -> None:
        """Say what columns the rows have."""
        self._writer = pa.ipc.new_stream(self._file, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows; raises `QueryFailed` once there are too many bytes of them."""
        self._writer.write_batch(batch)
        self.rows += batch.num_rows
        if self._file.tell() > self._limit_bytes:
            raise QueryFailed("EXCEEDED_RESULT_SIZE", f"the rows to write have more than {self._limit_bytes:,} bytes (query.result_bytes)")

    def finish(self) -> str:
        """Make the file whole and return its name."""
        self._writer.close()
        self._file.close()
        return self.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def remove_spilled(folder: Path) -> None:
    """Remove what a process left that ended in the middle."""
    for path in folder.glob("*.arrow"):
        path.unlink(missing_ok=True)


def named(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Return the batch with its columns so called, by place, as plain Arrow types."""
    columns = [column.storage if isinstance(column, pa.ExtensionArray) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=list(names))
