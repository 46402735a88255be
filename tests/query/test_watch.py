"""A query is stopped from another thread, and no other query is."""

from __future__ import annotations

import threading
import time

import pytest

from headwater.errors import QueryError
from headwater.query import Engine
from headwater.query.watch import Stopped, Watch
from tests.query.conftest import START_MS, Project, events

SLOW = "SELECT sum(a.range * b.range) FROM range(1000000) AS a, range(1000000) AS b"


def test_a_query_that_is_stopped_before_it_starts_does_not(engine: Engine) -> None:
    watch = Watch()
    watch.stop()

    with pytest.raises(Stopped):
        engine.sql("SELECT 1", watch=watch)

    assert engine.sql("SELECT 1").rows() == [(1,)]


def test_a_query_that_runs_is_ended(engine: Engine) -> None:
    watch, done = Watch(), threading.Event()

    def stop() -> None:
        while not done.wait(0.05):
            watch.stop()

    stopping = threading.Thread(target=stop)
    stopping.start()
    began = time.monotonic()
    try:
        with pytest.raises(QueryError):
            engine.sql(SLOW, watch=watch)
    finally:
        done.set()
        stopping.join()

    assert time.monotonic() - began < 60


def test_to_stop_what_has_ended_ends_nothing_else(engine: Engine) -> None:
    watches = [Watch() for _ in range(20)]

    for watch in watches:
        assert engine.sql("SELECT 1", watch=watch).rows() == [(1,)]
        watch.stop()

    assert engine.sql("SELECT count(*) FROM range(1000000)").rows() == [(1_000_000,)]


def test_what_will_be_read_is_known_before_and_may_be_too_much(project: Project, engine: Engine) -> None:
    project.fold("notes", events([START_MS, START_MS + 1]))
    project.append("notes", events([START_MS + 2]))
    watch = Watch()

    engine.sql("SELECT count(*) FROM notes", watch=watch).rows()

    assert (watch.bytes > 1_000, watch.rows) == (True, 3)
    assert watch.planning_ms > 0
    with pytest.raises(Stopped):
        engine.sql("SELECT count(*) FROM notes", watch=Watch(watch.bytes - 1))
    assert engine.sql("SELECT count(*) FROM notes", watch=Watch(watch.bytes)).rows() == [(3,)]
