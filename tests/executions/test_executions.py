"""A query is asked for, runs, ends and is remembered."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.catalog.shapes import View, view_table
from headwater.clock import ManualClock
from headwater.dialect import MalformedQuery
from headwater.errors import AccessDenied, ProjectError
from headwater.executions import ExecutionBounds, InvalidRequest, Workgroup
from headwater.executions.execution import USER, ResultColumn
from headwater.jobs.catalog import UpdateEntry
from tests.executions.conftest import LOCATION, SLOW, Open, Room

TOKEN = "t" * 32


def test_a_query_ends_with_a_result_that_is_a_file(room: Room) -> None:
    execution = room.run("SELECT email, 1 AS one FROM sign_up_events ORDER BY datetime")

    assert (execution.state, execution.kind, execution.substatement) == ("SUCCEEDED", "DML", "SELECT")
    assert execution.location == f"{LOCATION}{execution.id}.csv"
    assert room.file(execution).read_bytes() == b'"email","one"\n"ada@example.org","1"\n,"1"\n'
    assert room.file(execution).with_name(f"{execution.id}.csv.metadata").read_bytes()[2:38].decode() == execution.id
    assert [column.name for column in execution.columns] == ["email", "one"]
    assert execution.costs.output_rows == 2
    assert execution.costs.output_bytes == execution.size == room.file(execution).stat().st_size
    assert execution.costs.scanned_bytes > 0
    assert execution.costs.input_rows == 2
    assert execution.costs.total_ms >= execution.costs.queue_ms + execution.costs.engine_ms


def test_the_header_is_the_first_row_and_counts_as_one(room: Room) -> None:
    execution = room.run("SELECT * FROM (VALUES (1), (2), (3)) AS t(n) ORDER BY n")
    pages: list[list[list[str | None]]] = []
    token: str | None = None

    while True:
        page = room.executions.results(execution.id, token, 2)
        pages.append(page.rows)
        if (token := page.next_token) is None:
            break

    assert pages == [[["n"], ["1"]], [["2"], ["3"]]]
    assert room.executions.results(execution.id, None, 1).rows == [["n"]]


def test_a_result_without_rows_has_a_header(room: Room) -> None:
    execution = room.run("SELECT email FROM sign_up_events WHERE email = 'nobody'")

    assert room.executions.results(execution.id).rows == [["email"]]
    assert room.file(execution).read_bytes() == b'"email"\n'


def test_null_and_empty_text_stay_apart(room: Room) -> None:
    assert room.rows("SELECT CAST(NULL AS varchar) AS a, '' AS b, 'x\"y' AS c")[1] == [None, "", 'x"y']


# What XML and JSON parsers choke on, too; a NUL is the one letter that SQL texts cannot have.
letters = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.text("',\"\n\r \\;?-", max_size=6)


@given(st.lists(st.none() | letters, min_size=1, max_size=8), letters.filter(bool))
@settings(max_examples=40, suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture])
def test_every_text_comes_back_as_it_was(room: Room, values: list[str | None], name: str) -> None:
    def written(value: str | None) -> str:
        return "CAST(NULL AS varchar)" if value is None else "'" + value.replace("'", "''") + "'"

    alias = '"' + name.replace('"', '""') + '"'
    given_rows = ", ".join(f"({at}, {written(value)})" for at, value in enumerate(values))
    rows = room.rows(f"SELECT v AS {alias} FROM (VALUES {given_rows}) AS t(i, v) ORDER BY i")

    assert rows == [[name], *([value] for value in values)]


def test_a_token_of_another_result_is_refused(room: Room) -> None:
    first, second = (room.run("SELECT * FROM (VALUES (1), (2), (3)) AS t(n)") for _ in range(2))
    token = room.executions.results(first.id, None, 2).next_token

    with pytest.raises(InvalidRequest):
        room.executions.results(second.id, token)
    with pytest.raises(InvalidRequest, match="MaxResults is more than maximum allowed length 1000"):
        room.executions.results(first.id, None, 1_001)


def test_the_same_token_is_the_same_execution(room: Room) -> None:
    first = room.start("SELECT 1 AS n", token=TOKEN, database="analytics")
    room.ended(first)

    assert room.start("SELECT 1 AS n", token=TOKEN, database="analytics", parameters=("7",)) == first
    for other in ({"query": "SELECT 2 AS n", "database": "analytics"}, {"query": "SELECT 1 AS n"}, {"location": "s3://other/"}):
        asked: dict[str, Any] = {"query": "SELECT 1 AS n", "database": "analytics"} | other
        if "database" not in other and other.get("query") == "SELECT 1 AS n":
            del asked["database"]
        with pytest.raises(InvalidRequest, match="Idempotent parameters do not match") as refused:
            room.start(asked.pop("query"), token=TOKEN, **asked)
        assert refused.value.athena_code == "IDEMPOTENT_PARAMETER_MISMATCH"


def test_many_tries_at_once_of_one_token_are_one_execution(room: Room) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(room.start("SELECT 1 AS n", token=TOKEN))) for _ in range(12)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 1
    assert len(found) == 12
    assert room.executions.ids("primary", None, 50)[0] == found[:1]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("SELEC 1", "MALFORMED_QUERY", "line 1:1: mismatched input 'SELEC'"),
        ("SELECT 1; SELECT 2", "MALFORMED_QUERY", "Only one sql statement is allowed. Got: SELECT 1; SELECT 2"),
        ("START TRANSACTION", "MALFORMED_QUERY", "Queries of this type are not supported"),
        ("DESCRIBE nothing_such", "INVALID_INPUT", "Entity Not Found"),
        ("SHOW COLUMNS IN nothing_such", "INVALID_INPUT", "Entity Not Found"),
    ],
)
def test_what_is_refused_at_once_is_never_an_execution(room: Room, text: str, code: str, said: str) -> None:
    with pytest.raises(MalformedQuery) as refused:
        room.start(text)

    assert (refused.value.athena_code, str(refused.value)[: len(said)]) == (code, said)
    assert room.executions.ids("primary", None, 50) == ([], None)


def test_a_table_there_is_none_of_ends_the_query(room: Room) -> None:
    execution = room.run("SELECT * FROM nothing_such")

    assert execution.state == "FAILED"
    assert execution.failure is not None
    assert (execution.failure.category, execution.failure.type, execution.failure.retryable) == (USER, 1301, False)
    assert execution.reason == execution.failure.message
    assert execution.reason.startswith("TABLE_NOT_FOUND: line 1:15: ")
    assert not room.file(execution).exists()


def test_results_of_what_has_none_are_refused_in_athenas_words(room: Room) -> None:
    failed = room.run("SELECT * FROM nothing_such")
    slow = room.start(SLOW)
    room.until(slow, lambda execution: execution.state == "RUNNING")
    said = {}

    for name, execution_id in {"FAILED": failed.id, "RUNNING": slow, "unknown": "no-such-id"}.items():
        with pytest.raises(InvalidRequest) as refused:
            room.executions.results(execution_id)
        said[name] = (refused.value.athena_code, str(refused.value))
    room.executions.stop(slow)
    with pytest.raises(InvalidRequest) as refused:
        room.executions.results(slow)
    said["CANCELLED"] = (refused.value.athena_code, str(refused.value))

    assert said == {
        "FAILED": ("INVALID_QUERY_EXECUTION_STATE", "Query did not finish successfully. Final query state: FAILED"),
        "RUNNING": ("INVALID_QUERY_EXECUTION_STATE", "Query has not yet finished. Current state: RUNNING"),
        "unknown": ("QUERY_EXECUTION_NOT_FOUND", "QueryExecution no-such-id was not found"),
        "CANCELLED": ("RESULT_NOT_FOUND", "Could not find results"),
    }
    assert room.executions.results(room.run("DROP TABLE sign_up_events", may_change=True).id).rows == []


def test_a_result_somebody_removed_or_changed_is_not_found(room: Room) -> None:
    gone, changed = room.run("SELECT 1 AS n"), room.run("SELECT 1 AS n")
    room.file(gone).unlink()
    room.file(changed).write_bytes(b"")

    for execution in (gone, changed):
        with pytest.raises(InvalidRequest, match=r"^Could not find results$"):
            room.executions.results(execution.id)


def test_an_older_result_will_do_where_that_is_said(room: Room) -> None:
    query = "SELECT count(*) AS n FROM sign_up_events"
    first = room.run(query)

    again = room.run(query, reuse_minutes=60)
    others = [room.run(query), room.run(f"{query} ", reuse_minutes=60), room.run(query, reuse_minutes=60, database="analytics")]

    assert (again.state, again.reused, again.location, again.costs.scanned_bytes) == ("SUCCEEDED", True, first.location, 0)
    assert room.executions.results(again.id).rows == [["n"], ["2"]]
    assert [other.reused for other in others] == [False, False, False]


def test_a_result_that_is_too_old_or_gone_is_not_used_again(open_room: Open) -> None:
    clock = ManualClock()
    room = open_room(clock=clock)
    first = room.run("SELECT 1 AS n")

    clock.advance(600)
    young = room.run("SELECT 1 AS n", reuse_minutes=10)
    clock.advance(1)
    old = room.run("SELECT 1 AS n", reuse_minutes=5)
    for execution in (first, old):
        room.file(execution).unlink()
    lost = room.run("SELECT 1 AS n", reuse_minutes=60)

    assert [each.reused for each in (young, old, lost)] == [True, False, False]


def test_the_history_outlives_a_restart(open_room: Open) -> None:
    room = open_room()
    done, failed = room.run("SELECT 1 AS n"), room.run("SELECT * FROM nothing_such")
    token = room.executions.results(done.id, None, 1).next_token
    room.close()

    room = open_room()

    assert room.executions.get(done.id) == done
    assert room.executions.get(failed.id) == failed
    assert room.executions.results(done.id, token).rows == [["1"]]
    assert room.executions.ids("primary", None, 50)[0] == [failed.id, done.id]
    assert room.start("SELECT 1 AS n", token=done.request.token) == done.id


def test_what_ran_or_waited_at_a_crash_is_failed_and_may_be_asked_again(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(concurrency=1))
    running, waiting = room.start(SLOW), room.start("SELECT 1 AS n")
    room.until(running, lambda execution: execution.state == "RUNNING")
    part = room.folder / "scratch" / f"{running}.result"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"half a resu")

    other = open_room()

    for execution in (other.executions.get(running), other.executions.get(waiting)):
        assert execution.state == "FAILED"
        assert execution.failure is not None
        assert execution.failure.retryable
        assert execution.completed_ms is not None
    assert not part.exists()
    room.executions.stop(running)


def test_ending_in_order_ends_queries_as_a_crash_does(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(concurrency=1))
    running, waiting = room.start(SLOW), room.start("SELECT 1 AS n")
    room.until(running, lambda execution: execution.state == "RUNNING")
    room.close()

    room = open_room()

    assert [room.executions.get(each).state for each in (running, waiting)] == ["FAILED", "FAILED"]
    assert [each.failure.retryable for each in map(room.executions.get, (running, waiting)) if each.failure] == [True, True]


def test_results_and_history_go_when_their_days_are_over(open_room: Open) -> None:
    clock = ManualClock()
    room = open_room(clock=clock, bounds=ExecutionBounds(result_days=2, history_days=5))
    old = room.run("SELECT 1 AS n")
    clock.advance(3 * 86_400)
    young = room.run("SELECT 2 AS n")

    room.executions.forget_old()

    assert not room.file(old).exists()
    assert not room.file(old).with_name(f"{old.id}.csv.metadata").exists()
    assert room.executions.get(old.id).state == "SUCCEEDED"
    with pytest.raises(InvalidRequest, match="Could not find results"):
        room.executions.results(old.id)
    assert room.executions.results(young.id).rows == [["n"], ["2"]]

    clock.advance(2.5 * 86_400)
    room.executions.forget_old()

    assert room.executions.ids("primary", None, 50)[0] == [young.id]
    with pytest.raises(InvalidRequest, match="was not found"):
        room.executions.get(old.id)


def test_history_goes_on_after_a_table_whose_files_lie_where_its_result_would(open_room: Open) -> None:
    clock = ManualClock()
    room = open_room(clock=clock, bounds=ExecutionBounds(result_days=2, history_days=2))
    made = room.run("CREATE TABLE kept WITH (format = 'JSON') AS SELECT 1 AS n", may_change=True)
    room.run("SELECT 1 AS n")
    assert made.state == "SUCCEEDED"
    clock.advance(3 * 86_400)

    room.executions.forget_old()

    assert room.executions.ids("primary", None, 50)[0] == []
    assert room.rows("SELECT n FROM kept") == [["n"], ["1"]]


def test_ids_are_listed_newest_first_page_by_page(open_room: Open) -> None:
    clock = ManualClock()
    room = open_room(clock=clock, workgroups=[Workgroup("other", location=LOCATION)])
    made = []
    for at in range(5):
        made.append(room.start(f"SELECT {at} AS n"))
        clock.advance(0.5 if at % 2 else 0)  # two of them within one millisecond
    room.start("SELECT 1 AS n", workgroup="other")
    for each in made:
        room.ended(each)

    found, token = room.executions.ids("primary", None, 2)
    while token is not None:
        more, token = room.executions.ids("primary", token, 2)
        found += more

    assert len(found) == 5
    assert set(found) == set(made)
    assert found[0] == made[4]
    assert set(found[1:3]) == set(made[2:4])
    with pytest.raises(InvalidRequest, match=r"^WorkGroup is not found\.$"):
        room.executions.ids("nothing-such", None, 2)


def test_the_catalog_has_one_name_in_any_case(room: Room) -> None:
    assert room.run("SELECT 1 AS n", catalog="AWSDataCatalog").state == "SUCCEEDED"
    with pytest.raises(InvalidRequest, match="Catalog hive does not exist"):
        room.start("SELECT 1 AS n", catalog="hive")


def test_show_and_describe_give_lines(room: Room) -> None:
    tables = room.run("SHOW TABLES")
    described = room.run("DESCRIBE sign_up_events")
    lines = [str(row[0]) for row in room.executions.results(described.id).rows]

    assert (tables.kind, tables.substatement, tables.location) == ("UTILITY", "SHOW_TABLES", f"{LOCATION}{tables.id}.txt")
    assert tables.columns == (ResultColumn("tab_name", "string", 0, 0, True),)
    assert room.executions.results(tables.id).rows == [["sign_up_events"]]
    assert room.file(tables).read_bytes() == b"sign_up_events"
    assert lines[0] == "event_id            \tstring              \t                    "
    blanks = [at for at, line in enumerate(lines) if not line.strip()]
    assert [line.split("\t")[0].strip() for line in lines[blanks[0] + 1 :] if line.strip()] == [
        "# Partition Information", "# col_name", "year", "month", "day",
    ]  # fmt: skip
    assert [line.split("\t")[0].strip() for line in lines].count("year") == 2
    assert room.rows("SHOW PARTITIONS sign_up_events") == [["year=2026/month=11/day=20"]]


def test_views_are_made_used_and_dropped_by_who_may(room: Room) -> None:
    text = "CREATE VIEW known AS SELECT email FROM sign_up_events WHERE email IS NOT NULL"
    with pytest.raises(AccessDenied):
        room.start(text)

    assert room.run(text, may_change=True).state == "SUCCEEDED"
    assert room.rows("SELECT * FROM known") == [["email"], ["ada@example.org"]]
    assert ["known"] in room.rows("SHOW TABLES")
    assert room.run(text, may_change=True).reason == "ALREADY_EXISTS: line 1:1: View 'awsdatacatalog.analytics.known' already exists"
    assert room.run(text.replace("known", "sign_up_events"), may_change=True).state == "FAILED"
    assert room.run("CREATE OR REPLACE VIEW known AS SELECT 1 AS n", may_change=True).state == "SUCCEEDED"
    assert room.rows("SELECT * FROM known") == [["n"], ["1"]]
    assert room.run("DROP VIEW known", may_change=True).state == "SUCCEEDED"
    assert room.run("SELECT * FROM known").state == "FAILED"
    assert room.run("DROP VIEW known", may_change=True).state == "FAILED"
    assert room.run("DROP VIEW IF EXISTS known", may_change=True).state == "SUCCEEDED"


def test_a_view_that_was_made_its_own_source_fails_and_nothing_else_does(room: Room) -> None:
    room.run("CREATE VIEW a AS SELECT 1 AS n", may_change=True)
    room.run("CREATE VIEW b AS SELECT * FROM a", may_change=True)
    # Statements do not make one, but whoever speaks to the catalog can.
    recursive = view_table("a", "analytics", View("SELECT * FROM b", (("n", "integer"),)), ["int"])
    room.jobs.ask(UpdateEntry(database="analytics", table=recursive))

    assert "View 'awsdatacatalog.analytics.a' is recursive" in str(room.run("SELECT * FROM a").reason)
    assert room.rows("SELECT 1 AS n")[1] == ["1"]


def test_prepared_statements_run_with_their_values(room: Room) -> None:
    assert room.run("PREPARE mine FROM SELECT ? AS a, ? AS b").state == "SUCCEEDED"

    assert room.rows("EXECUTE mine USING 1, 'x'") == [["a", "b"], ["1", "x"]]
    assert room.rows("EXECUTE mine", parameters=("2", "'y'"))[1] == ["2", "y"]
    assert room.run("EXECUTE mine USING 1").reason == (
        "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 2 but found 1"
    )
    assert room.rows("SELECT ? AS a", parameters=("'it''s'",))[1] == ["it's"]
    assert room.run("DEALLOCATE PREPARE mine").state == "SUCCEEDED"
    assert room.run("EXECUTE mine USING 1, 'x'").state == "FAILED"


def test_explain_tells_the_plan(room: Room) -> None:
    execution = room.run("EXPLAIN SELECT email FROM sign_up_events")

    rows = room.executions.results(execution.id).rows
    assert (execution.kind, execution.substatement, [column.name for column in execution.columns]) == ("DML", "EXPLAIN", ["Query Plan"])
    assert len(rows) > 3
    assert all(len(row) == 1 for row in rows)
    assert str(room.folder) not in str(rows)


def test_a_store_of_a_later_format_is_left_alone(open_room: Open) -> None:
    room = open_room()
    room.close()
    with sqlite3.connect(room.folder / "queries.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()

    with pytest.raises(ProjectError, match="has format 99; this Headwater reads up to 1"):
        open_room()


def test_a_damaged_store_says_so(open_room: Open) -> None:
    room = open_room()
    room.close()
    (room.folder / "queries.db").write_bytes(b"no database" * 1_000)

    with pytest.raises(ProjectError, match="is damaged"):
        open_room()
