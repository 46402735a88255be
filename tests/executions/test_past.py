"""Time travel and tables about tables, in Athena's words."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.query.conftest import DAY_MS, START_MS, Project, events

from .conftest import Room


@pytest.fixture
def moments(project: Project) -> list[datetime]:
    """Two commits of ten rows; return a moment before the first, between both, and after."""
    project.lake.ensure("visits", events([START_MS], n=[1]).schema)
    found = [datetime.now(UTC)]
    for day in range(2):
        time.sleep(0.002)  # a snapshot's time is its millisecond: no two share one
        project.fold("visits", events([START_MS + day * DAY_MS + i for i in range(10)], n=list(range(10))))
        time.sleep(0.002)
        found.append(datetime.now(UTC))
    return found


def test_for_version_and_for_timestamp_read_the_table_as_it_was(moments: list[datetime], room: Room) -> None:
    ids = [row[0] for row in room.rows('SELECT snapshot_id FROM "visits$snapshots" ORDER BY committed_at')[1:]]
    between = f"TIMESTAMP '{moments[1]:%Y-%m-%d %H:%M:%S.%f} UTC'"

    assert room.rows(f"SELECT count(*) AS n FROM visits FOR VERSION AS OF {ids[0]}")[1:] == [["10"]]
    assert room.rows(f"SELECT count(*) AS n FROM visits FOR VERSION AS OF {ids[1]}")[1:] == [["20"]]
    assert room.rows(f"SELECT count(*) AS n FROM visits FOR TIMESTAMP AS OF {between}")[1:] == [["10"]]
    both = f"SELECT count(*) AS n FROM visits a LEFT JOIN visits FOR VERSION AS OF {ids[0]} b ON a.event_id = b.event_id"
    assert room.rows(f"{both} WHERE b.event_id IS NULL")[1:] == [["10"]]


def test_a_state_that_is_not_kept_fails_with_what_was_asked_for(moments: list[datetime], room: Room) -> None:
    before = room.run(f"SELECT * FROM visits FOR TIMESTAMP AS OF TIMESTAMP '{moments[0]:%Y-%m-%d %H:%M:%S.%f} UTC'")
    unknown = room.run("SELECT * FROM visits FOR VERSION AS OF 12345")

    assert before.state == unknown.state == "FAILED"
    assert str(before.reason).startswith("INVALID_ARGUMENTS: No version history table visits at or before ")
    assert str(unknown.reason).startswith("INVALID_ARGUMENTS: Iceberg snapshot ID does not exists: 12345")


@pytest.mark.parametrize(
    ("kind", "columns", "rows"),
    [
        ("history", ["made_current_at", "snapshot_id", "parent_id", "is_current_ancestor"], 2),
        ("snapshots", ["committed_at", "snapshot_id", "parent_id", "operation", "manifest_list", "summary"], 2),
        ("files", ["content", "file_path", "file_format", "record_count", "file_size_in_bytes"], 2),
        ("partitions", ["partition", "record_count", "file_count", "total_size"], 2),
    ],
)
def test_each_table_about_a_table_has_its_columns(moments: list[datetime], room: Room, kind: str, columns: list[str], rows: int) -> None:
    found = room.rows(f'SELECT * FROM "visits${kind}"')

    assert found[0] == columns
    assert len(found) == rows + 1


def test_a_state_that_there_is_none_of_is_the_callers_error(room: Room) -> None:
    for version in ("5", "'abc'", "-5", "1.5", "9" * 30):
        execution = room.run(f"SELECT * FROM sign_up_events FOR VERSION AS OF {version}")
        assert str(execution.reason).startswith("INVALID_ARGUMENTS: "), version
        assert "$snapshots" in str(execution.reason)
    execution = room.run("SELECT * FROM sign_up_events FOR TIMESTAMP AS OF TIMESTAMP '2001-01-01 00:00:00'")
    assert str(execution.reason).startswith("INVALID_ARGUMENTS: No version history table sign_up_events at or before 2001-01-01")
