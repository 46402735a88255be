"""The query process's end of one sandbox."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import duckdb
import pyarrow as pa

from headwater.errors import QueryLimit, Unavailable
from headwater.query.session import NO_FILES, called
from headwater.query.watch import Stopped
from headwater.sandbox.deadline import Deadlines
from headwater.sandbox.inside.wire import Assignment, load, receive, send, send_job, send_question

# A row of 64 MB, and what stands around it.
_MOST = 80 << 20
KILL_AFTER_S = 1.0
"""How long after it was told to stop a sandbox is killed."""
TRIES = 4
"""How many boxes are tried: spares can be gone without having done anything, with the process that started them."""
NONE_STARTED = "no sandbox could be started; try again later"
# The first waits for all that is loaded before it can be made; nobody waits longer for one that never comes.
_START_WITHIN_S = 20.0

End = Literal["time", "stopped"]

_ADVICE = re.compile(r"\s*(?:Possible solutions:|Database is launched|Use \"SET ).*", re.DOTALL)


class SandboxLost(Exception):
    """The process behind a box ended before it had answered."""


class NotStarted(SandboxLost):
    """It never said that it is ready: nothing it was asked can be the reason, and another will do."""


class TooSlow(Exception):
    """What is asked for takes more time than there is for it."""


class TooLarge(Exception):
    """What is asked for takes more room than there is for it."""


class Terms(NamedTuple):
    """What a query may use, to tell who asked for more: seconds, and the memory as it was set. No message names *root*."""

    seconds: float
    memory: str
    root: str


class Box:
    """One process, which *kill* ends at once. It answers questions, and then runs one query."""

    def __init__(self, sock: socket.socket, deadlines: Deadlines, kill: Callable[[], None]) -> None:
        self._socket, self._deadlines, self._kill = sock, deadlines, kill
        self._sending = threading.Lock()
        self._timers: list[int] = []
        self._ended: End | None = None
        self._greeted = False
        self.used = False

    def ask(self, text: str, parameters: Any, within_s: float, most: int, files: Mapping[str, str] = NO_FILES) -> Any:
        """Return the first value that *text* gives, which may open *files*, each with what messages call it.

        Raises `duckdb.Error`, `TooLarge` for a value of more than *most* bytes, `TooSlow` if it does not come within that time,
        `SandboxLost` if it never will, `Stopped`.
        """
        self._greet()
        self.used = True
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._give_up()

        timer = self._deadlines.set(within_s, give_up)
        try:
            with self._sending:
                self._send(lambda: send_question(self._socket, text, parameters))
            kind, body = self._receive(most)
        except ValueError as error:
            raise TooLarge from error
        except SandboxLost as error:
            if self._ended is not None:
                raise self._why() from error
            if late.is_set():
                raise TooSlow from error
            raise
        finally:
            self._deadlines.call_off(timer)
        if kind == b"e":
            cause, message = load(body)
            if cause == "memory":
                raise TooLarge
            raise duckdb.Error(_without_paths(_plainly(message), files))
        return load(body)

    def run(self, job: Assignment, fds: Sequence[int], terms: Terms, names: Mapping[str, str]) -> BoxRows:
        """Begin the query; return its rows when the first may come. Raises `duckdb.Error`, `QueryLimit` or `Stopped`.

        *names*: what messages call its files.

        Raises `SandboxLost` if the process was gone before it had the query: another will do.
        """
        self._terms, self._files = terms, names
        self._timers.append(self._deadlines.set(terms.seconds, lambda: self.end("time")))
        try:
            self._greet()
            with self._sending:
                self._send(lambda: send_job(self._socket, job, list(fds)))
        except SandboxLost:
            if self._ended is None:
                raise
            raise self._why() from None
        try:
            _, body = self._answer()
        except SandboxLost as error:
            raise self._why() from error
        return BoxRows(self, pa.ipc.open_stream(pa.py_buffer(body)).schema)

    def next_batch(self) -> pa.RecordBatch | None:
        """Return the next rows, None after the last. Raises as `run` does."""
        try:
            kind, body = self._answer()
        except SandboxLost as error:
            raise self._why() from error
        if kind == b"d":
            return None
        batch = pa.ipc.open_stream(pa.py_buffer(body)).read_next_batch()
        # What comes out of a sandbox is not believed: offsets that lead out of the batch would be followed by whoever reads it.
        batch.validate(full=True)
        return batch

    def end(self, why: End) -> None:
        """Interrupt the query, and kill the process a little later. From any thread, any number of times."""
        if self._ended is None:
            self._ended = why
            self._timers.append(self._deadlines.set(KILL_AFTER_S, self._give_up))
        # A send that waits is one to a process that does not listen, and will be killed.
        if self._sending.acquire(blocking=False):
            try:
                send(self._socket, b"i")
            except OSError:
                self._give_up()
            finally:
                self._sending.release()

    def close(self) -> None:
        """End the process now."""
        for timer in self._timers:
            self._deadlines.call_off(timer)
        self._kill()
        self._socket.close()

    def _give_up(self) -> None:
        self._kill()
        # A process that has much memory takes a while to end, and nobody need wait for that.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _greet(self) -> None:
        if self._greeted:
            return
        timer = self._deadlines.set(_START_WITHIN_S, self._give_up)
        try:
            kind, body = self._receive(1 << 20)
        except SandboxLost as error:
            raise NotStarted from error
        finally:
            self._deadlines.call_off(timer)
        if kind == b"e":
            raise Unavailable(f"a sandbox did not start: {load(body)[1]}")
        self._greeted = True

    def _answer(self) -> tuple[bytes, memoryview]:
        try:
            kind, body = self._receive(_MOST)
        except ValueError as error:
            raise SandboxLost from error
        if kind == b"e":
            cause, message = load(body)
            if cause == "interrupted" or self._ended is not None:
                raise self._why()
            if cause == "memory":
                raise self._too_much_memory(_plainly(message))
            raise duckdb.Error(_without_paths(_plainly(message), self._files, self._terms.root))
        return kind, body

    def _why(self) -> Exception:
        if self._ended == "time":
            return QueryLimit("time", f"the query was stopped after {self._terms.seconds:g} s, the longest a query may take")
        if self._ended == "stopped":
            return Stopped()
        return self._too_much_memory("its process was ended")

    def _too_much_memory(self, what: str) -> QueryLimit:
        return QueryLimit("memory", f"the query needed more memory than the {self._terms.memory} a query may use: {what}")

    def _receive(self, most: int) -> tuple[bytes, memoryview]:
        try:
            frame = receive(self._socket, most)
        except OSError as error:
            raise SandboxLost from error
        if frame is None:
            raise SandboxLost
        return frame

    def _send(self, sending: Callable[[], None]) -> None:
        try:
            sending()
        except OSError as error:
            raise SandboxLost from error


class BoxRows:
    """The rows of a query that a box runs, read as an Arrow reader is."""

    def __init__(self, box: Box, schema: pa.Schema) -> None:
        self._box, self._schema = box, schema
        self._done = False

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self._schema

    def read_next_batch(self) -> pa.RecordBatch:
        """Return the next rows; raises `StopIteration` after the last."""
        batch = None if self._done else self._box.next_batch()
        if batch is None:
            self._done = True
            raise StopIteration
        return batch

    def close(self) -> None:
        """Want no more rows."""
        self._box.close()


def _without_paths(message: str, files: Mapping[str, str], root: str = "") -> str:
    """Return what the engine said with the paths of *files*, which it may tell from *root* on, as others call them."""
    return called(called(message, {f"{root}/{file}": file for file in files}), files)


def _plainly(message: str) -> str:
    """Return what the engine said without its advice on settings that nobody can change here."""
    return _ADVICE.sub("", message).strip()
