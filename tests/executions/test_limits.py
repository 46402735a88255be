"""What may run at a time, for how long and over how many bytes; and who may stop it."""

from __future__ import annotations

import base64
import random
import threading
import time

import pytest

from headwater.executions import ExecutionBounds, InvalidRequest, QueryRequest, TooManyQueries, Workgroup
from headwater.executions.execution import USER
from headwater.executions.queue import Queue, Ticket
from tests.executions.conftest import LOCATION, SLOW, Open, Room
from tests.query.conftest import START_MS, Project, events


def running(room: Room, *ids: str) -> list[bool]:
    return [room.executions.get(each).state == "RUNNING" for each in ids]


def test_a_query_that_runs_is_cancelled_at_once_and_its_place_is_free_again(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(concurrency=1))
    slow = room.start(SLOW)
    room.until(slow, lambda execution: execution.state == "RUNNING")
    waiting = room.start("SELECT 1 AS n")

    began = time.monotonic()
    room.executions.stop(slow)
    cancelled = room.executions.get(slow)

    assert (cancelled.state, cancelled.reason, cancelled.failure) == ("CANCELLED", "Query cancelled by user", None)
    assert room.ended(waiting).state == "SUCCEEDED"
    assert time.monotonic() - began < 60
    room.executions.stop(slow)
    assert room.executions.get(slow) == cancelled
    assert not room.file(cancelled).exists()
    assert not room.file(cancelled).parent.exists() or not list(room.file(cancelled).parent.glob(".*"))


def test_a_query_that_waits_is_cancelled_and_never_runs(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(concurrency=1))
    slow = room.start(SLOW)
    waiting = room.start("SELECT 1 AS n")

    room.executions.stop(waiting)

    assert room.executions.get(waiting).state == "CANCELLED"
    assert room.executions.counts() == (0, 1)
    room.executions.stop(slow)


def test_what_has_ended_stays_as_it_is_when_it_is_stopped(room: Room) -> None:
    done = room.run("SELECT 1 AS n")

    room.executions.stop(done.id)

    assert room.executions.get(done.id) == done
    with pytest.raises(InvalidRequest, match="was not found"):
        room.executions.stop("no-such-id")


def test_a_query_over_its_time_is_failed_and_ended(open_room: Open) -> None:
    room = open_room(
        bounds=ExecutionBounds(concurrency=1, time_limit_s=600), workgroups=[Workgroup("quick", location=LOCATION, time_limit_s=0.3)]
    )

    execution = room.run(SLOW, workgroup="quick")
    after = room.run("SELECT 1 AS n")

    assert execution.state == "FAILED"
    assert execution.reason == "Query timeout"
    assert execution.failure is not None
    assert (execution.failure.category, execution.failure.type) == (USER, 206)
    assert execution.costs.total_ms >= 300
    assert after.state == "SUCCEEDED"


def test_the_limit_of_all_holds_over_that_of_a_workgroup(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(time_limit_s=0.2), workgroups=[Workgroup("slow", location=LOCATION, time_limit_s=3_600)])

    assert room.run(SLOW, workgroup="slow").reason == "Query timeout"


def test_a_query_that_would_read_too_much_is_stopped(project: Project, open_room: Open) -> None:
    noise = random.Random(7)
    texts = [base64.b64encode(noise.randbytes(60)).decode() for _ in range(200_000)]
    times = [START_MS + at for at in range(len(texts))]
    project.fold("sign_up_events", events(times, email=texts))
    room = open_room(workgroups=[Workgroup("cheap", location=LOCATION, cutoff_bytes=10_000_000)])
    count = "SELECT count(DISTINCT email) AS n FROM sign_up_events"

    stopped = room.run(count, workgroup="cheap")
    small = room.run("SELECT 1 AS n", workgroup="cheap")
    free = room.run(count)

    assert (stopped.state, stopped.reason) == ("CANCELLED", "Query cancelled! : Bytes scanned limit was exceeded")
    assert stopped.costs.scanned_bytes > 10_000_000
    assert stopped.costs.output_rows == 0
    assert not room.file(stopped).exists()
    assert (small.state, free.state) == ("SUCCEEDED", "SUCCEEDED")


def test_a_result_that_grows_too_large_is_given_up(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(result_bytes=1_000_000))

    execution = room.run("SELECT a.x, b.y FROM UNNEST(sequence(1, 10000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 10000)) AS b(y)")

    assert execution.state == "FAILED"
    assert execution.reason == "EXCEEDED_RESULT_SIZE: the result has more than 1,000,000 bytes (query.result_bytes)"
    assert not [path for folder in ("results", "scratch") for path in (room.folder / folder).rglob("*") if path.is_file()]


def test_so_many_run_at_a_time_and_the_others_wait(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(concurrency=2), workgroups=[Workgroup("narrow", location=LOCATION, concurrency=1)])
    first, second = room.start(SLOW, workgroup="narrow"), room.start(SLOW, workgroup="narrow")
    other, last = room.start(SLOW), room.start(SLOW)
    room.until(first, lambda execution: execution.state == "RUNNING")
    room.until(other, lambda execution: execution.state == "RUNNING")

    assert running(room, first, second, other, last) == [True, False, True, False]

    room.executions.stop(first)
    room.until(second, lambda execution: execution.state == "RUNNING")
    assert running(room, second, other, last) == [True, True, False]
    for each in (second, other, last):
        room.executions.stop(each)


def test_whoever_has_least_running_is_next(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(concurrency=2))
    mine = [room.start(SLOW, principal="ada") for _ in range(4)]
    hers = room.start(SLOW, principal="grace")
    room.until(mine[1], lambda execution: execution.state == "RUNNING")

    room.executions.stop(mine[0])

    room.until(hers, lambda execution: execution.state == "RUNNING")
    assert running(room, *mine[1:]) == [True, False, False]
    for each in (*mine, hers):
        room.executions.stop(each)


def test_only_so_many_may_wait(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(concurrency=1, waiting=3, waiting_each=2))
    held = room.start(SLOW)
    room.until(held, lambda execution: execution.state == "RUNNING")
    waiting = [room.start(SLOW) for _ in range(2)]

    with pytest.raises(TooManyQueries):
        room.start(SLOW)
    waiting.append(room.start(SLOW, principal="grace"))
    with pytest.raises(TooManyQueries):
        room.start(SLOW, principal="charles")

    assert room.executions.counts() == (3, 1)
    assert len(room.executions.ids("primary", None, 50)[0]) == 4
    for each in (*waiting, held):
        room.executions.stop(each)


def test_a_queue_runs_everything_once_whatever_comes_at_the_same_time() -> None:
    ran: list[str] = []
    most = at_once = 0
    lock = threading.Lock()

    def work(ticket_id: str) -> None:
        nonlocal most, at_once
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.001)
        with lock:
            at_once -= 1
            ran.append(ticket_id)

    queue = Queue(work, concurrency=4, waiting=1_000, waiting_each=1_000, limit_of=lambda workgroup: 3 if workgroup == "w0" else None)
    threads = [
        threading.Thread(target=lambda part=part: [queue.put(Ticket(f"{part}{at}", f"w{at % 2}", "p")) for at in range(30)])  # type: ignore[misc]
        for part in ("a", "b", "")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 60
    while queue.counts() != (0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert len(ran) == len(set(ran)) == 90
    assert most == 4


def test_a_workgroup_that_is_disabled_takes_no_queries(open_room: Open) -> None:
    room = open_room(workgroups=[Workgroup("off", location=LOCATION, state="DISABLED")])

    with pytest.raises(InvalidRequest, match=r"^WorkGroup off is disabled\.$"):
        room.start("SELECT 1 AS n", workgroup="off")
    with pytest.raises(InvalidRequest, match=r"^WorkGroup is not found\.$"):
        room.executions.start(QueryRequest("SELECT 1 AS n", "t" * 32, "nothing-such"), "ada")
