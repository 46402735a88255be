"""Statements that write, while the worker, this role or their caller does not stay to the end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from headwater.errors import Unavailable
from headwater.executions import ExecutionBounds
from headwater.jobs import Job, tables
from headwater.jobs.catalog import CreateEntry
from tests.executions.conftest import Open, Room
from tests.executions.test_writes import values, write
from tests.query.conftest import START_MS, Project, events
from tests.query.worker import Jobs


class Hook:
    """Does the worker's jobs, and calls what a test sets for one of them after it is done."""

    def __init__(self, room: Room) -> None:
        self._jobs: Jobs = room.jobs
        self.after: dict[type[Job[Any]], Any] = {}

    def ask(self, job: Job[Any], /, **options: Any) -> Any:
        answer = self._jobs.ask(job, **options)
        if (then := self.after.pop(type(job), None)) is not None:
            then()
        return answer


def hooked(open_room: Open, **options: Any) -> tuple[Room, Hook]:
    first = open_room()
    hook = Hook(first)
    return open_room(ask=hook.ask, **options), hook


def lost() -> None:
    raise Unavailable("the worker ended before it answered")


def test_a_table_of_files_whose_entry_was_made_unheard_has_its_partitions(open_room: Open) -> None:
    room, hook = hooked(open_room)
    hook.after[CreateEntry] = lost

    write(room, "CREATE TABLE parted WITH (format = 'JSON', partitioned_by = ARRAY['k']) AS SELECT 1 AS n, 'a' AS k")

    assert values(room, "SELECT n, k FROM parted") == [["1", "a"]]


def test_a_table_that_was_declared_unheard_is_there(open_room: Open) -> None:
    room, hook = hooked(open_room)
    hook.after[tables.MakeTable] = lost

    write(room, "CREATE TABLE bare (n int) LOCATION 's3://results/bare/' TBLPROPERTIES ('table_type' = 'ICEBERG')")

    assert values(room, "SELECT * FROM bare") == []


def test_a_write_that_is_cancelled_while_the_worker_is_at_it_keeps_nobody_else_from_running(open_room: Open) -> None:
    room, hook = hooked(open_room, bounds=ExecutionBounds(concurrency=1))
    write(room, "CREATE TABLE mine AS SELECT 1 AS n")
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        assert go_on.wait(20)

    hook.after[tables.InsertRows] = hang
    try:
        writing = room.start("INSERT INTO mine SELECT 2", may_change=True)
        assert begun.wait(20)
        room.executions.stop(writing)

        assert room.run("SELECT 1 AS n").state == "SUCCEEDED"
        assert room.executions.get(writing).state == "CANCELLED"
    finally:
        go_on.set()


def test_an_insert_that_a_crash_found_unfinished_is_not_said_to_be_safe_to_repeat(open_room: Open) -> None:
    room, hook = hooked(open_room)
    write(room, "CREATE TABLE mine AS SELECT 1 AS n")
    begun, go_on = threading.Event(), threading.Event()
    hook.after[tables.InsertRows] = lambda: (begun.set(), go_on.wait(20))
    try:
        inserting = room.start("INSERT INTO mine SELECT 2", may_change=True)
        assert begun.wait(20)
        again = open_room()  # on the same files, as after a crash

        execution = again.executions.get(inserting)
    finally:
        go_on.set()

    assert execution.state == "FAILED"
    assert execution.failure is not None
    assert not execution.failure.retryable
    assert "before you run it again" in (execution.reason or "")
    assert values(again, "SELECT n FROM mine") == [["1"], ["2"]]


@pytest.mark.parametrize("change", ["PREPARE cleanup FROM DELETE FROM sign_up_events", "DEALLOCATE PREPARE cleanup"])
def test_a_prepared_statement_runs_as_it_was_when_it_was_asked_for(open_room: Open, project: Project, change: str) -> None:
    room, hook = hooked(open_room)
    project.fold("sign_up_events", events([START_MS + 2000], email=["bob@example.org"]))
    write(room, "PREPARE cleanup FROM DELETE FROM sign_up_events WHERE email = 'bob@example.org'")
    hook.after[tables.PinTable] = lambda: write(room, change)

    deleted = write(room, "EXECUTE cleanup")

    assert deleted.update_count == 1
    assert values(room, "SELECT count(*) FROM sign_up_events") == [["2"]]
