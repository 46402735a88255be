"""A sandbox: one process, one query. It confines itself, says so, waits for its query, sends the rows, and ends."""

from __future__ import annotations

import mmap
import os
import socket
import threading
import time
from collections.abc import Iterator

import duckdb
import pyarrow as pa

from headwater.sandbox.inside.confine import SandboxBounds, confine
from headwater.sandbox.inside.duck import lock, put_view, session
from headwater.sandbox.inside.wire import Assignment, dump, read_question, receive, receive_job, send

# As few as the engine makes at a time: rows may be long, and this many of them must fit into the memory there is.
_ROWS = 2_048
_SEND_BYTES = 1 << 20
_SEND_AFTER_S = 0.05
PIECE_BYTES = 4 << 20
ROW_BYTES = 64 << 20
"""The largest row that is sent: it has to fit into the query process."""


def serve(sock: socket.socket, engine: duckdb.DuckDBPyConnection, bounds: SandboxBounds, database: str) -> None:
    """Answer questions about texts until a job comes; run it on *engine*, and return."""
    held = confine(bounds)
    connection = session(engine, database, bounds.threads)
    send(sock, b"v", dump(held._asdict()))
    while (frame := receive(sock)) is not None:
        kind, body = frame
        if kind == b"a":
            _answer(sock, connection, body)
        elif kind == b"r":
            job, fds = receive_job(sock, body)
            threading.Thread(target=_watch, args=(sock, connection), daemon=True).start()
            _run(sock, connection, database, job, fds)
            return


def _answer(sock: socket.socket, connection: duckdb.DuckDBPyConnection, body: memoryview) -> None:
    text, parameters = read_question(body)
    try:
        value = connection.execute(text, parameters).fetchall()[0][0]
    except (duckdb.Error, UnicodeEncodeError, MemoryError) as error:
        _fail(sock, error)
    else:
        send(sock, b"v", dump(value))


def _run(sock: socket.socket, connection: duckdb.DuckDBPyConnection, database: str, job: Assignment, fds: list[int]) -> None:
    try:
        parts = iter(fds)
        for name, count in job.tables:
            connection.register(name, pa.concat_tables([_read(next(parts)) for _ in range(count)]))
        lock(connection, job.files)
        for name, text in job.views:
            put_view(connection, database, name, text)
        reader = connection.sql(job.text, params=job.parameters).to_arrow_reader(_ROWS)
        send(sock, b"s", _packed(reader.schema.empty_table()))
        for rows in _gathered(reader):
            send(sock, b"b", _packed(rows))
    except (duckdb.Error, pa.ArrowException, OSError, ValueError, TypeError, MemoryError, OverflowError, RecursionError) as error:
        _fail(sock, error)
    else:
        send(sock, b"d")


def _watch(sock: socket.socket, connection: duckdb.DuckDBPyConnection) -> None:
    while (frame := receive(sock)) is not None:
        if frame[0] == b"i":
            connection.interrupt()
    os._exit(0)  # nobody waits for the answer any more


def _read(fd: int) -> pa.Table:
    with open(fd, "rb") as file:
        return pa.ipc.open_stream(pa.py_buffer(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))).read_all()


def _gathered(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield the rows in tables of about a megabyte, or what there is of one when it has waited long enough."""
    waiting: list[pa.RecordBatch] = []
    size, since = 0, time.monotonic()
    for batch in reader:
        for piece in _pieces(batch):
            if waiting and (size + piece.nbytes > PIECE_BYTES or size > _SEND_BYTES or time.monotonic() - since > _SEND_AFTER_S):
                yield pa.Table.from_batches(waiting).combine_chunks()
                waiting, size, since = [], 0, time.monotonic()
            waiting.append(piece)
            size += piece.nbytes
    if waiting:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch into pieces that are small enough to be sent."""
    if batch.nbytes <= PIECE_BYTES:
        yield batch
    elif batch.num_rows == 1:
        if batch.nbytes > ROW_BYTES:
            raise ValueError(f"a row of the result has {batch.nbytes >> 20} MB; at most {ROW_BYTES >> 20} MB can be handed over")
        yield batch
    else:
        half = batch.num_rows // 2
        yield from _pieces(batch.slice(0, half))
        yield from _pieces(batch.slice(half))


def _packed(rows: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return memoryview(sink.getvalue())


def _fail(sock: socket.socket, error: BaseException) -> None:
    memory = isinstance(error, (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError)) or "Out of Memory Error" in str(error)
    kind = "memory" if memory else "interrupted" if isinstance(error, duckdb.InterruptException) else "engine"
    send(sock, b"e", dump([kind, str(error).strip() or type(error).__name__]))
