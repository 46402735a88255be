"""After a process died while it wrote rows into files: the rows at which it dies are found in other processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from headwater.attempt import Attempts
from headwater.lake.conform import conform
from headwater.ledger import TailRows
from headwater.trial import Trial, Work


class FoldCaution:
    """Notes which fold is under way, and finds the rows that ended the process before.

    A death that no trial explains, such as one for want of memory, halves the batches that are folded at once at every further one.
    """

    def __init__(self, attempts: Attempts, trial: Trial) -> None:
        self._attempts, self._trial = attempts, trial
        self._log = structlog.get_logger("lake")

    def limit(self, table: str, tail: list[TailRows]) -> list[TailRows]:
        """Return what of the tail to fold now."""
        left = self._attempts.left
        if left is None or (left.name, left.after) != (table, tail[0].batch) or not left.deaths:
            return tail
        tried = sum(part.batch <= left.upto for part in tail)
        return tail[: max(1, tried // 2)]

    def begin(self, table: str, tail: Sequence[TailRows], schema: pa.Schema | None) -> dict[int, dict[int, Exception]]:
        """Note that these rows are being written; return batch -> position -> how the process ends there, for rows at which it does."""
        left = self._attempts.left
        found: dict[int, dict[int, Exception]] = {}
        if left is not None and (left.name, left.after) == (table, tail[0].batch) and schema is not None:
            for part in tail:
                try:
                    deadly = self._trial.deadly(msgspec.msgpack.encode((part.rows.arrow, schema.serialize().to_pybytes())))
                except OSError as error:  # no process to be had: they are written all the same
                    self._log.warning("rows cannot be tried in another process", table=table, reason=str(error))
                    break
                if deadly:
                    found[part.batch] = {at: RuntimeError(f"it ended the process ({how})") for at, how in deadly.items()}
            self._trial.close()
        self._attempts.begin(table, tail[0].batch, tail[-1].batch)
        return found

    def end(self) -> None:
        """Note that they are written, or that it failed otherwise."""
        self._attempts.end()

    def close(self) -> None:
        """Let go of the file, and end the other process."""
        self._trial.close()
        self._attempts.close()


def trial() -> Callable[[bytes], Work]:
    """Return what makes the work of a trial of a table's rows."""

    def prepare(request: bytes) -> Work:
        packed, as_table = msgspec.msgpack.decode(request, type=tuple[bytes, bytes])
        rows, schema = pa.ipc.open_stream(packed).read_all(), pa.ipc.read_schema(pa.py_buffer(as_table))

        def write(start: int, end: int) -> None:
            written = conform([rows.slice(start, end - start)], schema)
            pq.write_table(written, pa.BufferOutputStream(), compression="zstd", compression_level=3, store_schema=False)

        return rows.num_rows, write

    return prepare
