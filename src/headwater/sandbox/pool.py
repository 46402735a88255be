"""The sandboxes of a query process: some warm, some at work, and what they may use."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any, cast

import duckdb
import structlog

from headwater.errors import QueryError, QueryLimit, Unavailable
from headwater.query.predicate import Node
from headwater.sandbox.box import NONE_STARTED, TRIES, Box, NotStarted, SandboxLost, Terms, TooLarge, TooSlow
from headwater.sandbox.deadline import Deadlines
from headwater.sandbox.gate import check
from headwater.sandbox.inside import landlock
from headwater.sandbox.inside.confine import SandboxBounds
from headwater.sandbox.launch import Launcher
from headwater.sandbox.run import SandboxRun
from headwater.sandbox.session import SandboxSession
from headwater.sandbox.share import SharedTails

SPARES = 2
"""How many sandboxes wait for a query, ready to take it."""

# Against a process that hangs only, and so generous: how long an answer takes by the clock is the machine's load as much as the text's
# doing. What a text may cost is bounded by its length, by the size of the answer and by the processor time of the process.
_ASK_WITHIN_S = 60.0
# The tree of a text of 256 KB is larger than this only if it has tens of thousands of parts. As Python objects it takes ten times that.
_ANSWER_BYTES = 4 << 20
_ASKERS = 2
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s?([KMGT])(i?)B")


class Sandboxes:
    """Runs each query in a process of its own, at most *most* at a time; safe to share between threads.

    roots: folders of which a sandbox may open files; data files are named from the first. memory (like '1GB'), threads and seconds are
    what one query may use.
    """

    def __init__(self, roots: Sequence[Path], *, database: str, memory: str, threads: int, max_seconds: float, most: int) -> None:
        self._roots = [os.path.realpath(root) for root in roots]
        self._prefixes = sorted({f"{self._roots[0]}/", f"{roots[0].absolute()}/"}, key=len, reverse=True)
        self._terms = Terms(max_seconds, memory, self._roots[0])
        self._deadlines = Deadlines()
        # Processor time is a second line only: a query ends by the clock.
        bounds = SandboxBounds(tuple(self._roots), _bytes(memory), threads, ceil(max_seconds + 2) * (threads + 1) + 10)
        self._launcher = Launcher(bounds, database, self._deadlines)
        self._slots = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._spares: deque[Box] = deque()
        self._askers: deque[Box] = deque()
        self._closed = False
        self._tails = SharedTails()
        if not self.confined:
            structlog.get_logger("query").warning(
                "this kernel has no Landlock: the engine's settings alone hold what a query may open; let nobody else query",
            )

    @property
    def confined(self) -> bool:
        """Whether the kernel holds a sandbox to its files, so that it may run what somebody else than the owner wrote."""
        return landlock.version() > 0

    def warm(self) -> None:
        """Let spares start, so that no query waits for one."""
        with self._lock:
            while not self._closed and len(self._spares) < SPARES:
                self._spares.append(self._launcher.box())

    def take(self) -> SandboxSession:
        """Return what one statement is put together in."""
        return SandboxSession(SandboxRun(self._slots, self._spare, self._terms), self.ask, self._tails, self._inside)

    def give_back(self, session: SandboxSession, *, broken: bool = False) -> None:
        """Take it back; its process is ended."""
        session.close()
        self.warm()

    def check(self, statement: Node) -> None:
        """Raise `QueryError` for a statement that may not run in a sandbox."""
        check(statement)

    def ask(self, text: str, parameters: Any) -> Any:
        """Return the first value that *text*, one of ours, gives for *parameters*. It reads texts of statements, and runs none of them.

        Raises `duckdb.Error`, `QueryError`, or `Unavailable` if no process can be had.
        """
        within_s = min(_ASK_WITHIN_S, self._terms.seconds)
        for _ in range(TRIES):
            box = self._asker()
            used = box.used
            try:
                value = box.ask(text, parameters, within_s, _ANSWER_BYTES)
            except duckdb.Error:
                self._keep(box)
                raise
            except TooLarge as error:
                box.close()
                raise QueryError("the statement is too long, or has too many parts") from error
            except TooSlow as error:
                box.close()
                raise QueryLimit("time", f"the statement could not be read within {within_s:g} s") from error
            except Unavailable:
                box.close()
                raise
            except SandboxLost as error:
                box.close()
                if not used and not isinstance(error, NotStarted):
                    raise QueryLimit("memory", "the statement needs more memory to be read than there is for that") from error
                # One that has answered many questions may have used up its processor time: another is asked.
            else:
                self._keep(box)
                return value
        raise Unavailable(NONE_STARTED)

    def close(self) -> None:
        """End all processes, the queries with them."""
        with self._lock:
            self._closed = True
            boxes = [*self._spares, *self._askers]
            self._spares.clear()
            self._askers.clear()
        for box in boxes:
            box.close()
        self._launcher.close()
        self._deadlines.close()

    def _asker(self) -> Box:
        with self._lock:
            return self._askers.popleft() if self._askers else self._launcher.box()

    def _keep(self, box: Box) -> None:
        with self._lock:
            if not self._closed and len(self._askers) < _ASKERS:
                self._askers.append(box)
                return
        box.close()

    def _spare(self) -> Box:
        with self._lock:
            if self._closed:
                raise Unavailable("no queries are taken any more")
            # The next spare starts when a query has ended: while it runs, it needs the processors more.
            return self._spares.popleft() if self._spares else self._launcher.box()

    def _inside(self, path: str) -> str:
        """Return how a sandbox names a data file."""
        for prefix in self._prefixes:
            if path.startswith(prefix):
                return path.removeprefix(prefix)
        return path


def _bytes(text: str) -> int:
    number, factor, binary = cast("re.Match[str]", _MEMORY.fullmatch(text)).groups()
    return int(float(number) * (1024 if binary else 1000) ** "BKMGT".index(factor))
