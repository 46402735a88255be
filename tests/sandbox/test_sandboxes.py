"""What a pool of sandboxes promises: one query cannot harm another or the process that asks, whatever becomes of it."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from headwater.errors import QueryError, QueryLimit, Unavailable
from headwater.query import Engine
from headwater.query.watch import Stopped, Watch
from tests.query.conftest import DAY_MS, START_MS, Project, events
from tests.waiting import until

from .conftest import open_sandboxes

LONG = "SELECT count(*) FROM range(1_000_000) a(i), range(1_000_000) b(j) WHERE (i * j) % 7 = 3"


def launchers_of(parent: int) -> list[int]:
    """Return the ids of the processes that *parent* started to start sandboxes: other tests' browsers are its children, too."""
    return [pid for pid in children(parent) if b"headwater.sandbox.inside.launcher" in command(pid)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def sandboxes_of(parent: int) -> list[int]:
    """Return the ids of the sandboxes of *parent*."""
    return [pid for launcher in launchers_of(parent) for pid in children(launcher)]


def children(parent: int) -> list[int]:
    ids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in ids if parent_and_state(pid)[0] == parent and parent_and_state(pid)[1] != "Z"]


def parent_and_state(pid: int) -> tuple[int, str]:
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return 0, "Z"
    return int(parent), state


def busiest(parent: int, seconds: float = 0.2, within_s: float = 60) -> int:
    """Return the sandbox of *parent* that has worked most, once that is *seconds*: the others wait for work."""

    def ticks(pid: int) -> int:
        try:
            return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        except (FileNotFoundError, ProcessLookupError):
            return -1

    enough = seconds * os.sysconf("SC_CLK_TCK")
    found = until(lambda: [pid for pid in sandboxes_of(parent) if ticks(pid) >= enough], within_s=within_s)
    assert found, "no sandbox works"
    return max(found, key=ticks)


@pytest.fixture
def filled(project: Project) -> Project:
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    for day in range(3):
        project.fold("sign_ins", events([START_MS + day * DAY_MS + i for i in range(100)], n=list(range(100))))
    project.append("sign_ins", events([START_MS + 3 * DAY_MS + i for i in range(50)], n=list(range(50))))
    return project


def test_a_killed_sandbox_is_one_failed_query_and_nothing_else(filled: Project, engine: Engine) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: engine.sql(LONG).rows())
        os.kill(busiest(os.getpid()), signal.SIGKILL)

        with pytest.raises(QueryError, match="its process was ended"):
            asked.result(60)

    assert engine.sql("SELECT count(*) FROM sign_ins").rows() == [(350,)]


def test_a_killed_launcher_takes_its_sandboxes_along_and_is_replaced(filled: Project, engine: Engine) -> None:
    [launcher] = launchers_of(os.getpid())
    inside = children(launcher)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: engine.sql(LONG).rows())
        busiest(os.getpid())

        os.kill(launcher, signal.SIGKILL)

        with pytest.raises(QueryError):
            asked.result(60)
    assert until(lambda: all(parent_and_state(pid)[1] == "Z" for pid in inside))
    assert engine.sql("SELECT count(*) FROM sign_ins").rows() == [(350,)]


def test_a_process_that_has_opened_files_or_worked_out_conditions_is_not_used_again(filled: Project) -> None:
    with closing(open_sandboxes(filled)) as sandboxes:
        session = sandboxes.take()
        file = str(filled.root / "lake" / filled.index.plan("sign_ins").files[0].path)
        session.ask("SELECT 1")
        kept = list(sandboxes._askers)

        assert session.evaluate("SELECT count(*) > 0 FROM parquet_schema(?)", [file], {file: "it"}) is True
        assert session.evaluate("SELECT 7") == 7
        assert list(sandboxes._askers) == kept  # it is the statement's own
        assert session.run("SELECT 8 AS n", None).read_next_batch().to_pylist() == [{"n": 8}]
        sandboxes.give_back(session)


def test_a_process_with_thousands_of_open_files_has_sandboxes(filled: Project) -> None:
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(2_000)]
    try:
        with closing(open_sandboxes(filled)) as sandboxes:
            assert sandboxes.ask("SELECT 1", None) == 1
    finally:
        for fd in held:
            os.close(fd)


def test_an_answer_that_never_begins_is_no_fault_of_the_statement(filled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_sandboxes(filled)) as sandboxes:
        assert sandboxes.ask("SELECT 1", None) == 1
        [asker] = sandboxes._askers
        asker.close()
        sandboxes._askers.clear()
        [launcher] = launchers_of(os.getpid())
        os.kill(launcher, signal.SIGSTOP)
        monkeypatch.setattr("headwater.sandbox.box._START_WITHIN_S", 0.1)
        try:
            with pytest.raises(Unavailable, match="no sandbox could be started"):
                sandboxes.ask("SELECT 1", None)
            session = sandboxes.take()
            with pytest.raises(Unavailable, match="no sandbox could be started"):
                session.evaluate("SELECT 1")
        finally:
            os.kill(launcher, signal.SIGCONT)
        monkeypatch.undo()

        assert sandboxes.ask("SELECT 1", None) == session.evaluate("SELECT 1") == 1
        sandboxes.give_back(session)


def test_nothing_is_left_when_the_process_that_asks_is_killed(filled: Project, tmp_path: Path) -> None:
    program = (
        "import sys, threading; from pathlib import Path; from headwater.sandbox import Sandboxes\n"
        "s = Sandboxes([Path(sys.argv[1])], database='analytics', memory='256MB', threads=1, max_seconds=60, most=2)\n"
        "s.warm(); a = s.take(); threading.Thread(target=lambda: a.run(sys.argv[2], None), daemon=True).start()\n"
        "s.ask('SELECT 1', None); print('ready', flush=True); sys.stdin.read()\n"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", program, str(filled.root / "lake"), LONG], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert asking.stdout is not None
    assert asking.stdin is not None
    assert asking.stdout.readline() == b"ready\n"
    launchers = launchers_of(asking.pid)
    inside = [pid for launcher in launchers for pid in children(launcher)]
    assert len(inside) >= 3

    asking.kill()
    asking.wait()

    assert until(lambda: all(parent_and_state(pid)[1] == "Z" for pid in [*launchers, *inside]))
    asking.stdin.close()
    asking.stdout.close()


@pytest.mark.proof
def test_sixteen_at_once_have_their_own_answers_and_no_more_run_than_may(filled: Project, engine: Engine) -> None:
    most = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], len(sandboxes_of(os.getpid())))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda i: engine.sql("SELECT count(*) + ? FROM sign_ins WHERE n >= ?", [i, 0]).rows(), range(48)))
    finally:
        done.set()
        watcher.join()

    assert answers == [[(350 + i,)] for i in range(48)]
    # four at work, some that are just ending, two spares, and those that read texts
    assert most[0] < 4 + 16 + 2 + 16


def test_a_query_waits_for_its_turn_and_says_so_if_it_does_not_come(filled: Project) -> None:
    engine = filled.engine(sessions=open_sandboxes(filled, most=1, max_seconds=4))
    engine.sql("SELECT 1").rows()
    first = engine.sql("SELECT i FROM range(100_000_000) t(i)")
    next(first.batches())

    with pytest.raises(QueryLimit, match="others were still running"):
        engine.sql("SELECT 1")
    first.close()

    assert engine.sql("SELECT 1").rows() == [(1,)]
    engine.close()


def test_a_spare_that_was_ready_before_a_file_was_written_can_read_it(project: Project, engine: Engine) -> None:
    engine.sql("SELECT 1").rows()
    time.sleep(0.3)  # the spares are locked by now
    project.lake.ensure("late", events([START_MS], n=[1]).schema)
    project.fold("late", events([START_MS], n=[7]))

    answers = [engine.sql("SELECT n FROM late").rows() for _ in range(3)]

    assert answers == [[(7,)]] * 3


@pytest.mark.proof
def test_no_row_is_lost_or_doubled_while_folds_run(project: Project, engine: Engine) -> None:
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    counted: list[tuple[int, int, int, int]] = []
    written = [0]
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            at = written[0]
            project.append("sign_ins", events([START_MS + at * 60_000 + i for i in range(5)], n=list(range(at, at + 5))))
            written[0] = at + 5
            if at % 15 == 0:
                project.lake.fold("sign_ins")
            time.sleep(0.005)  # those who read need the processor, too

    def read() -> None:
        try:
            for _ in range(15):
                least = written[0]
                [(rows, kinds)] = engine.sql("SELECT count(*), count(DISTINCT n) FROM sign_ins").rows()
                counted.append((least, rows, kinds, written[0] + 5))
        finally:
            done.set()

    with ThreadPoolExecutor(3) as pool:
        for task in [pool.submit(write), pool.submit(read), pool.submit(read)]:
            task.result()

    assert len(counted) == 30
    assert all(least <= rows == kinds <= most for least, rows, kinds, most in counted)
    assert counted[-1][1] > 0


@pytest.mark.parametrize("when", ["before", "while it waits", "while it runs", "while it is read"])
def test_a_query_can_be_stopped_from_another_thread_at_any_time(filled: Project, when: str) -> None:
    engine = filled.engine(sessions=open_sandboxes(filled, most=1, max_seconds=600))
    engine.sql("SELECT 1").rows()
    watch = Watch()
    other = engine.sql("SELECT i FROM range(1_000_000_000) t(i)") if when == "while it waits" else None
    if when == "before":
        watch.stop()
    timer = threading.Timer(0.3, watch.stop)
    timer.start()
    started = time.monotonic()

    with pytest.raises(Stopped):
        result = engine.sql("SELECT i FROM range(1_000_000_000_000) t(i)" if when == "while it is read" else LONG, watch=watch)
        for _ in result.batches():
            pass

    assert time.monotonic() - started < 60
    timer.join()
    if other is not None:
        other.close()
    assert engine.sql("SELECT 1").rows() == [(1,)]
    engine.close()


def test_who_reads_slowly_holds_up_the_sandbox_and_no_memory_of_its_own(filled: Project, engine: Engine) -> None:
    result = engine.sql("SELECT i, md5(i::VARCHAR) AS m FROM range(50_000_000) t(i)")
    batches = result.batches()
    next(batches)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pid = busiest(os.getpid(), seconds=0)
    assert until(lambda: rests(pid)), "it makes ahead without an end"

    size = sum(next(batches).nbytes for _ in range(60))
    result.close()

    assert size > 30 << 20
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 60


def rests(pid: int) -> bool:
    """Tell whether the process uses no processor for a while, all that it may make ahead being made."""
    used = []
    for _ in range(2):
        used.append(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
        time.sleep(0.7)
    return used[0] == used[1]


def test_results_nobody_reads_to_their_end_free_their_sandboxes(filled: Project, engine: Engine) -> None:
    for _ in range(6):
        engine.sql("SELECT * FROM range(100_000_000)").close()
        abandoned = engine.sql("SELECT * FROM range(100_000_000)")
        del abandoned
    gc.collect()

    assert engine.sql("SELECT 1").rows() == [(1,)]  # there are four places in all
    assert until(lambda: len(sandboxes_of(os.getpid())) <= 4)  # spares, and those that read texts


def test_no_message_names_a_file(filled: Project, engine: Engine) -> None:
    for file in filled.index.plan("sign_ins").files:
        path = filled.root / file.path
        path.chmod(0o644)
        path.write_bytes(b"PAR1" + b"broken" * 100 + b"PAR1")

    with pytest.raises(QueryError) as told:
        engine.sql("SELECT sum(n) FROM sign_ins").rows()

    assert "a file of the lake" in str(told.value)
    assert str(filled.root) not in str(told.value)
    assert "year=" not in str(told.value)


def test_random_numbers_and_ids_differ_from_query_to_query(engine: Engine) -> None:
    drawn = [engine.sql("SELECT random(), uuid()").rows()[0] for _ in range(4)]

    assert len({number for number, _ in drawn}) == len({text for _, text in drawn}) == 4


def test_parameters_of_every_kind_arrive_as_they_were(engine: Engine) -> None:
    given = [
        None,
        True,
        2**62,
        1.5,
        "it's\u0301 \U0001f3b9",
        b"\x00\xff",
        date(2026, 11, 20),
        datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC),
        Decimal("1.50"),
        uuid4(),
        [1, 2],
    ]

    rows = engine.sql("SELECT " + ", ".join("?" * len(given)), given).rows()

    assert list(rows[0]) == [str(value) if index == 9 else value for index, value in enumerate(given)]


def test_parameters_choose_the_files_whatever_their_type(filled: Project, engine: Engine) -> None:
    second = datetime(2026, 11, 21, tzinfo=UTC)
    query = "SELECT count(*) FROM sign_ins WHERE datetime >= ? AND datetime < ?"

    by_moment = engine.sql(query, [second, second + timedelta(hours=12)])
    by_text = engine.sql(query, ["2026-11-21", "2026-11-21 12:00"])

    assert by_moment.rows() == by_text.rows() == [(100,)]
    assert by_moment.statistics.files == by_text.statistics.files == 1


def test_a_fresh_tail_is_handed_over_without_writing_all_of_it_again(filled: Project, engine: Engine) -> None:
    engine.sql("SELECT count(*) FROM sign_ins").rows()
    shared = engine._sessions._tails  # type: ignore[attr-defined]
    first = [part.shared.fd for part in shared._parts["sign_ins"]]
    filled.append("sign_ins", events([START_MS + 4 * DAY_MS], n=[1_000]))

    rows = engine.sql("SELECT count(*), max(n) FROM sign_ins").rows()

    assert rows == [(351, 1_000)]
    assert [part.shared.fd for part in shared._parts["sign_ins"]][: len(first)] == first


@pytest.fixture(autouse=True)
def no_file_is_left_open() -> Iterator[None]:
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 40
