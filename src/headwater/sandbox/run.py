"""One query's time in a sandbox: what is worked out to plan it, waiting for its turn, running, being stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headwater.errors import QueryError, QueryLimit, Unavailable
from headwater.query.watch import Stopped
from headwater.sandbox.box import NONE_STARTED, TRIES, Box, BoxRows, NotStarted, SandboxLost, Terms, TooLarge, TooSlow
from headwater.sandbox.inside.wire import Assignment

_LOOK_EVERY_S = 0.05
# As Python objects it takes ten times that.
_ANSWER_BYTES = 16 << 20


class SandboxRun:
    """Takes a process from *box* when it is first needed, and one of *slots* when it starts; gives back the one and ends the other
    when it is closed.
    """

    def __init__(self, slots: threading.Semaphore, box: Callable[[], Box], terms: Terms) -> None:
        self._slots, self._new_box, self._terms = slots, box, terms
        self._lock = threading.Lock()
        self._box: Box | None = None
        self._has_slot = False
        self._stopped = threading.Event()
        self._planning_s = terms.seconds

    def evaluate(self, text: str, parameters: Any, files: Mapping[str, str]) -> Any:
        """Return the first value that *text* gives, in the process that will run the job: no other query sees what that has done to it.

        Raises `duckdb.Error`, `QueryError`, `QueryLimit` where all that is asked takes longer than a query may, `Stopped`, `Unavailable`.
        """
        started = time.monotonic()
        try:
            for _ in range(TRIES):
                box = self._process()
                try:
                    return box.ask(text, parameters, self._planning_s, _ANSWER_BYTES, files)
                except NotStarted:
                    self._drop()
        except TooLarge as error:
            self._drop()
            raise QueryError("what is to be known of the query's files and partitions takes more room than there is for it") from error
        except TooSlow as error:
            self._drop()
            most = f"{self._terms.seconds:g} s, the longest a query may take"
            raise QueryLimit("time", f"the query could not be planned within {most}") from error
        except SandboxLost as error:
            self._drop()
            raise QueryLimit("memory", f"planning the query needed more memory than the {self._terms.memory} a query may use") from error
        finally:
            self._planning_s = max(0.0, self._planning_s - (time.monotonic() - started))
        raise Unavailable(NONE_STARTED)

    def start(self, job: Assignment, fds: Sequence[int], names: Mapping[str, str]) -> BoxRows:
        """Run *job*, whose files messages call as *names* says.

        Raises `duckdb.Error`, `QueryLimit`, `Stopped`, or `Unavailable` if no process can be had.
        """
        self._wait()
        for _ in range(TRIES):
            try:
                return self._process().run(job, fds, self._terms, names)
            except SandboxLost:
                self._drop()
        raise Unavailable(NONE_STARTED)

    def stop(self) -> None:
        """End it soon, from any thread; it may not have started."""
        with self._lock:
            self._stopped.set()
            if self._box is not None:
                self._box.end("stopped")

    def close(self) -> None:
        """End it now."""
        self._drop()
        with self._lock:
            had_slot, self._has_slot = self._has_slot, False
        if had_slot:
            self._slots.release()

    def _process(self) -> Box:
        with self._lock:
            if self._stopped.is_set():
                raise Stopped
            if self._box is None:
                self._box = self._new_box()
            return self._box

    def _drop(self) -> None:
        with self._lock:
            box, self._box = self._box, None
        if box is not None:
            box.close()

    def _wait(self) -> None:
        until = time.monotonic() + self._terms.seconds
        while not self._slots.acquire(timeout=_LOOK_EVERY_S):
            if self._stopped.is_set():
                raise Stopped
            if time.monotonic() > until:
                raise QueryLimit("time", f"the query waited for {self._terms.seconds:g} s, and others were still running; try again later")
        self._has_slot = True
