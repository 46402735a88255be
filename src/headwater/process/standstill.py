"""What of a served project stands still: a role, the pipe or a table that does not get on, and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwater.clock import SystemClock
from headwater.errors import HeadwaterError, ProjectError
from headwater.jobs.roles import Standstill, Standstills
from headwater.jobs.socket import SocketAsk
from headwater.places import Paths, open_ledger_reader, open_stream_reader
from headwater.process.starting import served_facts
from headwater.process.status import measure_lag
from headwater.settings import Settings

# What moves is through with anything in less than that; a minute is what a standstill may take to be seen.
PATIENCE_S = 45.0
PASSING_S = 5.0
ANSWER_WITHIN_S = 2.0
# Dying once is mended; dying again and again is not.
MANY_DEATHS, DEATHS_WITHIN_MS = 3, 120_000


class Troubles:
    """What a process fails at for now: noted when it fails, taken back when it goes on."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[str, float]] = {}

    def failed(self, what: str, reason: str) -> None:
        """Note a failure, or the newest reason of one that lasts."""
        _, since = self._since.get(what, ("", time.monotonic()))
        self._since[what] = (reason, since)

    def went_on(self, what: str) -> None:
        """Take it back."""
        self._since.pop(what, None)

    def replace(self, kind: str, reasons: Mapping[str, str]) -> None:
        """Make *reasons* (name -> reason) all that is of this kind."""
        for what in [what for what in self._since if what.startswith(f"{kind} ") and what.removeprefix(f"{kind} ") not in reasons]:
            self.went_on(what)
        for name, reason in reasons.items():
            self.failed(f"{kind} {name}", reason)

    def lasting(self) -> list[Standstill]:
        """Return those that were not over after a few tries."""
        now = time.monotonic()
        return [
            Standstill(what, reason, round(now - since, 1))
            for what, (reason, since) in list(self._since.items())
            if now - since > PASSING_S
        ]


async def standing_still(settings: Settings, project: Path) -> list[Standstill]:
    """Return what stands still in a project that is served; nothing where it is not."""
    roles: dict[str, Any] = served_facts(project).get("roles", {})
    if not roles:
        return []
    found = {still.what: still for still in [*await _resting(settings, project), *_roles(roles)]}
    if roles.get("worker", {}).get("state") == "ready":
        found |= {still.what: still for still in await asyncio.to_thread(_said_by_worker, project)}  # it knows more about the same
    return list(found.values())


def _roles(roles: Mapping[str, Any]) -> list[Standstill]:
    now_ms = SystemClock().now_ms()
    found = []
    for name, role in roles.items():
        deaths = [at_ms for at_ms in role.get("deaths_ms", []) if now_ms - at_ms < DEATHS_WITHIN_MS]
        if role["state"] != "ready" and role["restarts"]:
            found.append(Standstill(f"role {name}", f"it is {role['state']}; {_dying(role)}", _ago(role, now_ms)))
        elif len(deaths) >= MANY_DEATHS:
            found.append(Standstill(f"role {name}", _dying(role), _ago(role, now_ms)))
    return found


def _dying(role: Mapping[str, Any]) -> str:
    return f"it died {role['restarts']} times, last with {role.get('died_of') or 'nothing said'}; the log says more"


def _ago(role: Mapping[str, Any], now_ms: int) -> float:
    last_ms: int = max(role.get("deaths_ms") or [now_ms])
    return round((now_ms - last_ms) / 1000, 1)


def _said_by_worker(project: Path) -> list[Standstill]:
    try:
        return SocketAsk(Paths(project).worker_socket, ANSWER_WITHIN_S)(Standstills()).still
    except HeadwaterError as error:
        return [Standstill("role worker", f"it does not answer: {error}", ANSWER_WITHIN_S)]


async def _resting(settings: Settings, project: Path) -> list[Standstill]:
    """Return what can be seen from outside: records that nobody takes, rows that nobody folds."""
    stream = open_stream_reader(settings, project)
    try:
        ledger = await asyncio.to_thread(open_ledger_reader, settings, project)
        if ledger is None:
            return []
        try:
            behind = await measure_lag(stream, ledger.positions())
            waiting = await asyncio.to_thread(ledger.backlog)
        finally:
            ledger.close()
    except ProjectError as error:  # a damaged one: nothing of what it holds moves
        return [Standstill("ledger", str(error), 0.0)]
    finally:
        await stream.close()
    found = []
    if behind["seconds"] > PATIENCE_S:
        reason = f"{behind['records']:,} accepted records wait, the oldest for {behind['seconds']:.0f} s"
        found.append(Standstill("pipe lake", reason, round(behind["seconds"], 1)))
    now_ms = SystemClock().now_ms()
    for each in waiting:
        late_s = (now_ms - each.oldest_ms) / 1000 - settings.lake.fold_max_seconds
        if late_s > PATIENCE_S:
            found.append(Standstill(f"table {each.table}", f"{each.rows:,} rows should be in files since {late_s:.0f} s", round(late_s, 1)))
    return found
