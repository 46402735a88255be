"""Running one role: its lock, its signals, its life line to the supervisor."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol

import structlog
import uvloop

from headwater.errors import HeadwaterError, Unavailable, mistake
from headwater.process.lock import FileLock

# A role that cannot start because of what the user wrote says so by this exit code (EX_CONFIG of sysexits.h): starting it again is no use.
CONFIG_EXIT = 78


class Service(Protocol):
    """What a role runs."""

    async def start(self) -> dict[str, Any]:
        """Begin; return once it is ready, with facts for the status (such as its URL)."""

    async def stop(self, within_s: float) -> None:
        """Finish what was begun, within that time as far as possible, and let go of everything.

        Raises a `HeadwaterError` for what could not be finished and is done at the next start, after it let go.
        """


class LifeLine:
    """The role's end of a socket pair: what it says goes to the supervisor, and its end of file means that the supervisor is gone.

    Unlike a signal on the parent's death it works on every Unix, and it cannot be missed. Until `when_cut` says otherwise,
    the process ends at once when it is cut: it is importing, or waits for a lock, and has nothing to finish.
    """

    def __init__(self, fd: int | None) -> None:
        self._socket = None if fd is None else socket.socket(fileno=fd)
        self._cut: Callable[[], object] = _leave
        if self._socket is not None:
            threading.Thread(target=self._watch, args=(self._socket,), name="life-line", daemon=True).start()

    def say(self, **facts: Any) -> None:
        """Tell the supervisor; a supervisor that is gone is noticed elsewhere."""
        if self._socket is not None:
            try:
                self._socket.sendall(json.dumps(facts).encode() + b"\n")
            except OSError as error:
                structlog.get_logger("role").warning("the supervisor cannot be told", reason=str(error))

    def when_cut(self, cut: Callable[[], object]) -> None:
        """From now on call *cut*, from another thread, once the supervisor has ended, however it ended."""
        self._cut = cut

    def _watch(self, life_line: socket.socket) -> None:
        try:
            while life_line.recv(64):  # it says nothing; one day it is closed
                pass
        except OSError as error:
            structlog.get_logger("role").warning("the life line broke", reason=str(error))
        self._cut()


def run_role(name: str, run_folder: Path, build: Callable[[], Service], life_line_fd: int | None = None, within_s: float = 7.0) -> None:
    """Run one role until SIGTERM, SIGINT or the end of its supervisor; exits the process with the outcome.

    *within_s* is a little less than the supervisor's patience, so that a role that cannot finish still ends by itself.
    Waits up to 15 s for the role's lock: after the supervisor was killed, the former role may still be finishing.
    """
    log = structlog.get_logger(name)
    life_line = LifeLine(life_line_fd)
    try:
        with (
            FileLock(run_folder / f"{name}.lock", f"the {name}").acquire(wait_s=15),
            # a listening role spends most of its time on sockets, which this loop serves in C
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_live(build, life_line, within_s, log))
    except HeadwaterError as error:
        life_line.say(state="failed", reason=str(error))
        log.error("cannot start", reason=str(error))
        sys.exit(1 if isinstance(error, Unavailable) else CONFIG_EXIT)


async def _live(build: Callable[[], Service], life_line: LifeLine, within_s: float, log: Any) -> None:
    # First, because it imports a lot and nothing is open yet: until the signals below are ours, they end the process at once.
    service = build()
    loop = asyncio.get_running_loop()
    asked_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_end.set)
    life_line.when_cut(lambda: loop.call_soon_threadsafe(asked_to_end.set))
    starting = asyncio.ensure_future(service.start())
    told = asyncio.ensure_future(asked_to_end.wait())
    await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        log.info("told to end before it was ready")
        _leave()
    facts = starting.result()
    gc.enable()  # which the supervisor's program of a role turns off while it imports
    life_line.say(state="ready", **facts)
    log.info("ready", **facts)
    await asked_to_end.wait()
    life_line.say(state="draining")
    log.info("draining")
    try:
        async with asyncio.timeout(within_s + 0.5):
            await service.stop(within_s)
    except TimeoutError:
        log.warning("did not finish in time; what is left is done at the next start", within_s=within_s)
    except HeadwaterError as error:
        log.warning("not everything could be finished; what is left is done at the next start", reason=str(error))
    except Exception as error:
        log.error("did not end well; what is left is done at the next start", reason=str(error), exc_info=mistake(error))
    log.info("ended")
    _leave()


def give_up(log: Any, reason: str) -> NoReturn:
    """End the process now, for a *reason* that only a new one can mend; by the exit code the supervisor starts that."""
    log.error("ends, so that it is started anew", reason=reason)
    _leave(1)


def _leave(code: int = 0) -> NoReturn:
    """End the process now: closing the loop would wait for its threads, such as a fold that waits for a lock."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
