"""The supervisor and one role: what it does when there is no process to be had."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import structlog.testing

from headwater.process.supervisor import Role, Supervisor
from tests.waiting import until

READY = 'import socket, sys, time; socket.socket(fileno=int(sys.argv[2])).sendall(b\'{"state": "ready"}\\n\'); time.sleep(600)'


async def test_a_role_that_cannot_be_started_for_now_is_tried_again_and_logged(tmp_path: Path) -> None:
    role = Role("worker", [sys.executable, "-c", READY])
    log_path = tmp_path / "not-yet" / "log"
    supervisor = Supervisor([role], tmp_path / "status.json", {"public_url": "", "private_url": ""}, log_path)

    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(supervisor.run())
        await asyncio.to_thread(until, lambda: role.restarts >= 2)
        log_path.parent.mkdir()
        await asyncio.wait_for(supervisor.ready.wait(), 60)
        supervisor.end()
        await running

    assert [(log["role"], log["restarts"]) for log in logs if log["event"] == "a role died and is started again"] == [
        ("worker", number + 1) for number in range(role.restarts)
    ]
    assert "No such file" in logs[0]["reason"]


async def test_a_role_that_died_once_is_started_again_at_once_and_one_that_keeps_dying_ever_later(tmp_path: Path) -> None:
    role = Role("worker", [sys.executable, "-c", "raise SystemExit(1)"])
    supervisor = Supervisor([role], tmp_path / "status.json", {"public_url": "", "private_url": ""})

    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(supervisor.run())
        await asyncio.to_thread(until, lambda: role.restarts >= 4)
        supervisor.end()
        await running

    pauses = [log["pause_s"] for log in logs if log["event"] == "a role died and is started again"]
    assert pauses[:4] == [0.0, 0.2, 0.4, 0.8]
