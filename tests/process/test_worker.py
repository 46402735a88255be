"""The worker role as a process: a ledger that cannot be synced, and a lake that is away when it is told to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.places import Paths
from headwater.process import listen
from headwater.process.supervisor import Role, Supervisor, role_command
from tests.flow.trouble import FOLD_SOON, Sender, log_of, once, serving, stored, wait_for
from tests.served import Served, invoke


def failing_once(strace: str, path: Path, folder: Path, command: list[str]) -> list[str]:
    """Return *command* such that the first process has the first sync of *path* failed by the kernel, and the next ones run as they are."""
    calls = "fsync,fdatasync"
    traced = [strace, "-D", "-f", "--seccomp-bpf", "-o", str(folder / "trace"), "-P", str(path)]
    traced += ["-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO:when=1"]
    return ["sh", "-c", f'mkdir "$0" || shift {len(traced)}; exec "$@"', str(folder / "traced"), *traced, *command]


@pytest.mark.external_service
async def test_a_worker_whose_ledger_was_not_synced_ends_and_the_next_one_stores_each_event_once(
    tmp_path: Path, require_tool: Callable[..., str]
) -> None:
    served = Served(tmp_path / "piano", FOLD_SOON)
    await asyncio.to_thread(invoke, "fold", "-C", served.folder)  # makes the ledger, so that the sync that fails is one of a batch
    wal = served.folder / "data/ledger.db-wal"
    with listen.bind("127.0.0.1", served.ports[0], "public") as public:
        collector = Role("collector", role_command("collect", served.folder), listener=public)
        worker = Role("worker", failing_once(require_tool("strace"), wal, tmp_path, role_command("work", served.folder)))
        facts = {"public_url": served.url, "private_url": ""}
        supervisor = Supervisor([collector, worker], Paths(served.folder).status, facts, served.log)
        running = asyncio.create_task(supervisor.run())
        await asyncio.wait_for(supervisor.ready.wait(), 60)
        sender = Sender(served)

        await asyncio.to_thread(sender.send, 5)
        await asyncio.to_thread(wait_for, "the worker is back", lambda: worker.restarts == 1 and worker.state == "ready", 60)
        await asyncio.to_thread(sender.send, 5)
        await asyncio.to_thread(served.settle)
        supervisor.end()
        await running

    assert "EIO" in (tmp_path / "trace").read_text()
    assert [line for line in log_of(served).splitlines() if "ends, so that it is started anew" in line and "did not sync" in line]
    assert "Traceback" not in log_of(served)
    assert worker.restarts == 1
    assert len(sender.acked) == 10
    assert stored(served, ["sign_up_events", "dead_letters"]) == once(sender.acked)


def test_a_worker_told_to_end_while_its_lake_is_away_ends_and_finishes_at_the_next_start(tmp_path: Path) -> None:
    with serving(tmp_path / "piano") as served:
        sender = Sender(served)
        sender.send(3)
        served.settle()
        invoke("fold", "-C", served.folder)
        lake, away = served.folder / "data/lake", served.folder / "data/away"
        lake.rename(away)
        lake.write_text("what lies here is no folder")
        sender.send(3)
        wait_for("the worker names the table", lambda: "a table could not be folded" in log_of(served))

        code = served.stop()

        said = log_of(served)
        lake.unlink()
        away.rename(lake)
        served.start()
        invoke("fold", "-C", served.folder)
        assert code == 0
        assert "not everything could be finished" in said
        assert "cannot start" not in said
        assert "Traceback" not in said
        assert stored(served, ["sign_up_events"]) == once(sender.acked)
