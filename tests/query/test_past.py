"""Older states of a table, tables about it, and tables of other databases, all by name."""

from __future__ import annotations

import time

import pytest

from headwater.catalog.schema import ensure_table
from headwater.errors import QueryError
from headwater.query import Engine

from .conftest import DAY_MS, START_MS, Project, events


def snapshots(engine: Engine) -> list[int]:
    return [row[0] for row in engine.sql('SELECT snapshot_id FROM "visits$snapshots" ORDER BY committed_at').rows()]


@pytest.fixture
def visited(project: Project) -> Project:
    """Three days of visits in three commits, and one visit that is in no file yet."""
    project.lake.ensure("visits", events([START_MS], n=[1]).schema)
    for day in range(3):
        project.fold("visits", events([START_MS + day * DAY_MS + i for i in range(10)], n=list(range(10))))
        time.sleep(0.002)  # a snapshot's time is its millisecond: no two here share one
    project.append("visits", events([START_MS + 5 * DAY_MS], n=[99]))
    return project


def test_a_table_reads_as_it_was_at_each_snapshot_without_what_came_later(visited: Project, engine: Engine) -> None:
    counts = [engine.sql(f'SELECT count(*), max(n) FROM "visits@{each}"').rows() for each in snapshots(engine)]

    assert counts == [[(10, 9)], [(20, 9)], [(30, 9)]]
    assert engine.sql("SELECT count(*) FROM visits").rows() == [(31,)]


def test_a_table_reads_as_of_a_moment(visited: Project, engine: Engine) -> None:
    made = engine.sql('SELECT epoch_us(made_current_at) FROM "visits$history" ORDER BY 1').rows()
    second = made[1][0]

    assert engine.sql(f'SELECT count(*) FROM "visits@{second}us"').rows() == [(20,)]
    with pytest.raises(QueryError, match="no kept snapshot of table visits named 'at or before"):
        engine.sql(f'SELECT count(*) FROM "visits@{made[0][0] - 1000}us"').rows()


def test_an_older_state_leaves_out_days_and_counts_by_day_as_the_table_does(visited: Project, engine: Engine) -> None:
    newest = snapshots(engine)[-1]
    day = "datetime >= TIMESTAMPTZ '2026-11-21' AND datetime < TIMESTAMPTZ '2026-11-21 12:00'"

    with engine.sql(f'SELECT count(*) FROM "visits@{newest}" WHERE {day}') as found:
        assert found.rows() == [(10,)]
        assert found.statistics.files == 1
    by_day = engine.sql(f"SELECT date_trunc('day', datetime) AS day, count(*) FROM \"visits@{newest}\" GROUP BY 1 ORDER BY 1").rows()
    assert [count for _, count in by_day] == [10, 10, 10]


def test_an_unknown_snapshot_is_told_by_its_number(visited: Project, engine: Engine) -> None:
    with pytest.raises(QueryError, match="no kept snapshot of table visits named '12345'"):
        engine.sql('SELECT * FROM "visits@12345"').rows()
    with pytest.raises(QueryError, match="there is no table"):
        engine.sql('SELECT * FROM "visitors@12345"').rows()
    with pytest.raises(QueryError, match="there is no table"):
        engine.sql('SELECT * FROM "visitors$files"').rows()


def test_tables_about_a_table_tell_its_files_days_and_history(visited: Project, engine: Engine) -> None:
    files = engine.sql('SELECT sum(record_count), count(*), min(file_format) FROM "visits$files"').rows()
    days = engine.sql('SELECT "partition", record_count, file_count FROM "visits$partitions" ORDER BY 1').rows()
    history = engine.sql('SELECT count(*), bool_and(is_current_ancestor) FROM "visits$history"').rows()
    kinds = engine.sql("SELECT DISTINCT operation, summary['added-records'] FROM \"visits$snapshots\"").rows()

    assert files == [(30, 3, "PARQUET")]
    assert days == [(f"{{datetime_day=2026-11-{day}}}", 10, 1) for day in (20, 21, 22)]
    assert history == [(3, True)]
    assert kinds == [("append", "10")]


def test_tables_of_another_database_are_named_with_it_and_do_not_meet_ours(visited: Project, engine: Engine) -> None:
    ensure_table(visited.catalog, "marketing", "visits", events([START_MS], n=[1]).schema)
    schema = events([START_MS], n=[1]).schema
    visited.lake.ensure("marketing.visits", schema)

    assert "marketing.visits" in engine.names()
    assert engine.sql("SELECT count(*) FROM marketing.visits").rows() == [(0,)]
    assert engine.sql("SELECT count(*) FROM analytics.visits").rows() == [(31,)]
    joined = "SELECT count(*) FROM visits v LEFT JOIN marketing.visits m ON m.event_id = v.event_id WHERE m.event_id IS NULL"
    assert engine.sql(joined).rows() == [(31,)]
    with pytest.raises(QueryError, match="there is no table"):
        engine.sql("SELECT * FROM marketing.nothing").rows()
    with pytest.raises(QueryError, match=r"tables are named analytics\.<table>"):
        engine.sql("SELECT * FROM a.b.c").rows()
