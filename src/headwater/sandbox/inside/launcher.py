"""Starts sandboxes: a process that has everything loaded, an empty engine open and nothing else, and forks itself.

Loading takes half a second, a fork milliseconds. The engine has no threads yet, for a fork would lose them, and what confines a process
would not reach them; a sandbox starts its own. The launcher is told over a socket: 's' and a number with a socket for the sandbox, 'k' and
the number of one to kill. Only it may kill them, since it alone knows which process ids are still theirs. When the socket closes, all end.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from headwater.sandbox.inside.confine import SandboxBounds
from headwater.sandbox.inside.priority import give_way
from headwater.sandbox.inside.wire import dump, send

MESSAGE = struct.Struct("=cQ")


class _NoPandas:
    """PyArrow and DuckDB load pandas where it is installed: a second and 45 MB for nothing."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("no pandas in a sandbox", name=name)


def main() -> None:
    """Start sandboxes until nobody wants any more, and end; the arguments are the descriptor of the socket, and the bounds as JSON."""
    sys.meta_path.insert(0, _NoPandas())
    from headwater.sandbox.inside.duck import connect
    from headwater.sandbox.inside.worker import serve

    control = socket.socket(fileno=int(sys.argv[1]))
    database, roots, *numbers = json.loads(sys.argv[2])
    bounds = SandboxBounds(tuple(roots), *numbers)
    os.environ.clear()
    give_way()
    engine = connect(database, bounds.memory)
    if _threads() > 1:
        raise RuntimeError("the engine has started threads by itself; no sandbox can be made of that")
    gc.collect()
    gc.freeze()  # what is here is never looked at again, and so stays shared
    children: dict[int, int] = {}
    told = select.poll()  # takes descriptors of any number: a server with a thousand connections has none below 1,024 left to give
    told.register(control, select.POLLIN)
    while True:
        if told.poll(500 if children else None):
            message, fds = _next(control)
            if not message:
                break
            order, number = MESSAGE.unpack(message)
            if order == b"k":
                _kill(children, number)
            elif pid := os.fork():
                os.close(fds[0])
                children[number] = pid
            else:
                control.close()
                _be_sandbox(socket.socket(fileno=fds[0]), lambda sock: serve(sock, engine, bounds, database))
        _reap(children)
    for number in list(children):
        _kill(children, number)
    os._exit(0)


def _threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else 1


def _next(control: socket.socket) -> tuple[bytes, list[int]]:
    message, fds = b"", []
    while len(message) < MESSAGE.size:
        part, found, _, _ = socket.recv_fds(control, MESSAGE.size - len(message), 1)
        if not part:
            return b"", []
        message += part
        fds += found
    return message, fds


def _kill(children: dict[int, int], number: int) -> None:
    if number in children:
        os.kill(children[number], signal.SIGKILL)


def _reap(children: dict[int, int]) -> None:
    for number, pid in list(children.items()):
        if os.waitpid(pid, os.WNOHANG)[0]:
            del children[number]


def _be_sandbox(sock: socket.socket, run: Callable[[socket.socket], None]) -> NoReturn:
    """Be what was forked, and end with it: what stands around this is the launcher's."""
    try:
        # What a library prints when it gives up may quote what it worked on.
        os.dup2(os.open(os.devnull, os.O_RDWR), 2)
        run(sock)
    except BaseException as error:  # noqa: BLE001  # whatever it was, it is told, and is the end of this process
        with suppress(OSError):
            send(sock, b"e", dump(["start", f"{type(error).__name__}: {error}"]))
    finally:
        os._exit(0)
