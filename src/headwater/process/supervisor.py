"""The supervisor: starts the roles, starts them again when they die, and ends them in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from headwater import memory
from headwater.clock import SystemClock
from headwater.errors import SettingsError
from headwater.process.role import CONFIG_EXIT

FIRST_PAUSE_S, LONGEST_PAUSE_S, CALM_S = 0.2, 10.0, 30.0
# Keeps a SIGTERM within ten seconds: what is not done by then is done at the next start, nothing acknowledged is lost.
END_WITHIN_S = 8.0


@dataclass
class Role:
    """One child process: how to start it, and how it is doing."""

    name: str
    command: Sequence[str]
    listener: socket.socket | None = None
    state: str = "starting"
    pid: int | None = None
    restarts: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    has_been_ready: bool = False
    deaths_ms: list[int] = field(default_factory=list)
    died_of: str | None = None

    def status(self) -> dict[str, Any]:
        """Return what `headwater status` shows of it."""
        died = {"deaths_ms": self.deaths_ms, "died_of": self.died_of} if self.deaths_ms else {}
        return {"state": self.state, "pid": self.pid, "restarts": self.restarts, **died, **self.facts}


class Supervisor:
    """Holds the listening sockets and the roles; writes what it knows to *status_path* at every change."""

    def __init__(self, roles: Sequence[Role], status_path: Path, facts: dict[str, Any], log_path: Path | None = None) -> None:
        """*log_path*: where the roles' log lines go instead of our stderr."""
        self._roles = list(roles)
        self._log_path = log_path
        self._status_path, self.facts = status_path, facts
        self._ending = asyncio.Event()
        self._failure: str | None = None
        self._log = structlog.get_logger("supervisor")
        self.ready = asyncio.Event()

    def end(self) -> None:
        """Ask it to end; `run` returns when all roles have."""
        self._ending.set()

    def roles(self) -> dict[str, dict[str, Any]]:
        """Return how each role is doing."""
        return {role.name: role.status() for role in self._roles}

    async def run(self) -> None:
        """Keep the roles running until `end`, SIGTERM or SIGINT. Raises `SettingsError` if a role can never start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end)
        keepers = [asyncio.create_task(self._keep(role)) for role in self._roles]
        await self._ending.wait()
        await self._end_in_order()
        await asyncio.gather(*keepers)
        self._status_path.unlink(missing_ok=True)
        if self._failure:
            raise SettingsError(self._failure)

    async def _keep(self, role: Role) -> None:
        next_pause_s = 0.0
        while not self._ending.is_set():
            started = time.monotonic()
            try:
                died: dict[str, Any] = {"exit": await self._live_once(role)}
            except OSError as error:  # for now there is no process to be had, or no room for its log
                died = {"reason": f"it cannot be started: {error}"}
            if self._ending.is_set():
                break
            if died.get("exit") == CONFIG_EXIT and not role.has_been_ready:
                self._failure = role.facts.get("reason") or f"the {role.name} cannot start; its reason is in the log above"
                self.end()
                break
            # One that ran well is started again at once; one that keeps dying, ever later.
            pause_s = 0.0 if time.monotonic() - started > CALM_S else next_pause_s
            next_pause_s = min(max(pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            role.restarts += 1
            role.deaths_ms = [*role.deaths_ms[-4:], SystemClock().now_ms()]
            role.died_of = ", ".join(f"{name} {value}" for name, value in died.items())
            self._note(role, f"restarting in {pause_s:.1f} s")
            self._log.error("a role died and is started again", role=role.name, **died, pause_s=pause_s, restarts=role.restarts)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause_s)
        role.pid = None
        self._note(role, "ended")

    async def _live_once(self, role: Role) -> int:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await self._start(role, theirs)
        except OSError:
            ours.close()
            raise
        role.process, role.pid, role.facts = process, process.pid, {}
        self._note(role, "starting")
        listening = asyncio.create_task(self._listen(role, ours))
        try:
            return await process.wait()
        finally:
            await listening

    async def _start(self, role: Role, life_line: socket.socket) -> asyncio.subprocess.Process:
        command = [*role.command, "--life-line-fd", str(life_line.fileno())]
        inherited = [life_line.fileno()]
        if role.listener is not None:
            command += ["--listen-fd", str(role.listener.fileno())]
            inherited.append(role.listener.fileno())
        # Own session: a Ctrl-C in the terminal reaches the supervisor alone, which then ends the roles in order.
        with self._log_path.open("ab") if self._log_path else contextlib.nullcontext() as log:
            return await asyncio.create_subprocess_exec(
                *command,
                pass_fds=inherited,
                start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL,
                stderr=log,
                env=memory.ENVIRONMENT | os.environ,
            )

    async def _listen(self, role: Role, life_line: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=life_line)
        with contextlib.suppress(ConnectionError):  # the role was killed while it spoke; `_live_once` sees that
            while line := await reader.readline():
                said = json.loads(line)
                role.facts |= {key: value for key, value in said.items() if key != "state"}
                role.has_been_ready |= said["state"] == "ready"
                self._note(role, said["state"])
        writer.close()

    async def _end_in_order(self) -> None:
        """End the roles one after the other, first who accepts, then who stores, then who answers."""
        deadline = time.monotonic() + END_WITHIN_S
        for role in self._roles:
            await self._end(role, deadline)

    async def _end(self, role: Role, deadline: float) -> None:
        process = role.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), max(deadline - time.monotonic(), 0.5))
        except TimeoutError:
            self._log.warning("a role did not end in time and is killed", role=role.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _note(self, role: Role, state: str) -> None:
        role.state = state
        if all(each.state == "ready" for each in self._roles) and not self.ready.is_set():
            self.ready.set()
            self._log.info("serving; Ctrl-C ends it", public=self.facts["public_url"], private=self.facts["private_url"])
        status = {
            **self.facts,
            "pid": os.getpid(),
            "roles": self.roles(),
        }
        temporary = self._status_path.with_suffix(".new")
        try:
            temporary.write_text(json.dumps(status))
            temporary.replace(self._status_path)
        except OSError as error:  # a full disk makes the status old; it must not end the supervision
            self._log.warning("the status cannot be written", path=str(self._status_path), reason=str(error))


def role_command(role: str, project: Path) -> list[str]:
    """Return the command line that runs one role alone."""
    return [sys.executable, "-m", "headwater.process", role, "-C", str(project)]
