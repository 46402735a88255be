"""Processes that die, are killed, or are told to end: roles come back, nothing is left behind, nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from headwater.process.lock import is_held
from tests.crash.chaos import Load
from tests.flow.trouble import Sender, log_of, once, serving, stored, wait_for
from tests.served import Served, alive


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("trouble") / "piano") as served:
        yield served


def under_load(served: Served, trouble: signal.Signals) -> tuple[set[str], set[str], int, float]:
    """Send with two clients, signal the supervisor in the midst; return what was acknowledged, what may be, exit code and seconds taken."""
    loads = [Load(served, seed) for seed in (1, 2)]
    for load in loads:
        load.start()
    wait_for("events are acknowledged", lambda: all(len(load.acked) > 100 for load in loads))
    assert served.process is not None
    began = time.monotonic()
    served.process.send_signal(trouble)
    code = served.process.wait(60)
    took = time.monotonic() - began
    served.process = None
    for load in loads:
        load.ending.set()
    for load in loads:
        load.join(60)
    return set().union(*(load.acked for load in loads)), set().union(*(load.unsure for load in loads)), code, took


def test_a_role_that_dies_is_started_again_later_each_time_counted_and_logged(served: Served) -> None:
    sender = Sender(served)
    sender.send(3)

    for role in ("collector", "worker", "query", "worker"):
        pid, count = served.roles()[role]["pid"], served.roles()[role]["restarts"]
        os.kill(pid, signal.SIGKILL)
        wait_for(f"the {role} is back", lambda r=role, c=count: served.roles()[r]["state"] == "ready" and served.roles()[r]["restarts"] > c)
    sender.send(3)
    served.settle()

    assert {name: role["restarts"] for name, role in served.status()["roles"].items()} == {"collector": 1, "worker": 2, "query": 1}
    pauses = [float(line.partition('"pause_s": ')[2].partition(",")[0]) for line in log_of(served).splitlines() if "a role died" in line]
    assert len(pauses) == 4
    assert pauses[3] > pauses[1]
    assert stored(served) == once(sender.acked)


def test_event_types_that_turn_wrong_while_served_keep_their_events_waiting_until_they_are_mended(served: Served) -> None:
    sender = Sender(served)
    before = stored(served)
    events, restarts = served.folder / "events.py", served.roles()["worker"]["restarts"]
    right = events.read_text()
    events.write_text(right + "\nclass Broken(Event:\n")
    os.kill(served.roles()["worker"]["pid"], signal.SIGKILL)

    wait_for("the worker has tried and failed", lambda: served.roles()["worker"]["restarts"] >= restarts + 2)
    sender.send(4)
    meanwhile = stored(served)
    events.write_text(right)
    wait_for("the worker is back", lambda: served.roles()["worker"]["state"] == "ready")
    served.settle()

    assert served.roles()["collector"]["restarts"] == 1  # from the test before
    assert meanwhile == before
    assert "events.py" in log_of(served)
    assert "Traceback" not in log_of(served)
    assert stored(served) - before == once(sender.acked)


def test_a_killed_supervisor_leaves_no_process_no_lock_and_no_port_behind(served: Served) -> None:
    pids = [role["pid"] for role in served.roles().values()]
    before = stored(served)

    acked, unsure, code, _ = under_load(served, signal.SIGKILL)
    wait_for("the roles have ended", lambda: not any(alive(pid) for pid in pids))

    assert code == -signal.SIGKILL
    assert not any(is_held(lock) for lock in (served.folder / "data/run").glob("*.lock"))
    for port in served.ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    served.start()
    served.settle()
    found = stored(served) - before
    assert set(found.values()) <= {1}
    assert acked <= found.keys() <= acked | unsure
    assert len(acked) > 200


@pytest.mark.alone
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_told_to_end_under_load_it_ends_in_ten_seconds_with_all_it_acknowledged(served: Served, told: signal.Signals) -> None:
    pids = [role["pid"] for role in served.roles().values()]
    before = stored(served)

    acked, unsure, code, took = under_load(served, told)
    ended = [pid for pid in pids if not alive(pid)]
    served.start()
    served.settle()

    assert code == 0
    assert took < 10
    assert ended == pids
    found = stored(served) - before
    assert set(found.values()) <= {1}
    assert acked <= found.keys() <= acked | unsure
    assert len(acked) > 200
    assert "Traceback" not in log_of(served)


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGKILL])
def test_a_fold_that_waits_for_a_lock_does_not_keep_the_project_from_ending(served: Served, told: signal.Signals) -> None:
    pids = [role["pid"] for role in served.roles().values()]
    sender = Sender(served)
    before = stored(served)

    with closing(sqlite3.connect(served.folder / "data/catalog.db", timeout=60, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        sender.send(3)
        sender.send(3, "Other")
        wait_for("folds are due", lambda: stored(served).total() == before.total() + 6)
        assert served.process is not None
        served.process.send_signal(told)
        code = served.process.wait(60)
        wait_for("all roles have ended", lambda: not any(alive(pid) for pid in pids))
    served.process = None
    served.start()
    served.settle()

    assert code == (0 if told is signal.SIGTERM else -told)
    assert stored(served) - before == once(sender.acked)


@pytest.mark.alone
def test_a_role_that_hangs_does_not_keep_the_project_from_ending(served: Served) -> None:
    worker = served.roles()["worker"]["pid"]
    os.kill(worker, signal.SIGSTOP)

    began = time.monotonic()
    code = served.stop()
    took = time.monotonic() - began

    assert code == 0
    assert took < 12  # eight seconds of patience with it, and the others after that
    assert not alive(worker)


def test_a_supervisor_killed_while_its_roles_start_leaves_no_process_behind(served: Served) -> None:
    if served.process is not None:
        served.stop()
    served.launch()
    wait_for("roles are starting", lambda: len([role for role in served.roles().values() if role["pid"]]) == 3)
    pids = [role["pid"] for role in served.roles().values()]

    assert served.process is not None
    served.process.kill()
    served.process.wait()
    served.process = None

    wait_for("all roles have ended", lambda: not any(alive(pid) for pid in pids))
