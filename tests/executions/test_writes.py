"""Statements that write rows, on a real lake with the worker's jobs: what they say, what is there afterwards, what they refuse."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from headwater.errors import AccessDenied, Unavailable
from headwater.executions import Execution, ExecutionBounds
from headwater.jobs import Job, tables
from headwater.query.fates import removal_rows
from tests.executions.conftest import Open, Room
from tests.query.conftest import DAY_MS, START_MS, Project, events

HOUR_MS = 3_600_000


def write(room: Room, query: str, **asked: Any) -> Execution:
    execution = room.run(query, may_change=True, **asked)
    assert execution.state == "SUCCEEDED", execution.reason
    return execution


def refused(room: Room, query: str) -> str:
    execution = room.run(query, may_change=True)
    assert execution.state == "FAILED", execution
    return str(execution.reason)


def values(room: Room, query: str) -> list[list[str | None]]:
    return sorted(room.rows(query)[1:], key=str)


@pytest.fixture
def spill(room: Room) -> Iterator[Callable[[], list[str]]]:
    def left() -> list[str]:
        return sorted(path.name for path in (room.folder / "scratch").iterdir())

    yield left
    assert left() == []


def test_a_table_made_of_a_query_has_its_rows_types_and_a_count_and_no_result(room: Room, spill: Callable[[], list[str]]) -> None:
    made = write(
        room,
        "CREATE TABLE mine AS SELECT 1 AS i, BIGINT '2' AS b, REAL '1.5' AS r, 2.5 AS d, DECIMAL '1.50' AS c, 'x' AS s, true AS t, "
        "DATE '2026-11-23' AS o, TIMESTAMP '2026-11-23 12:00:00.123' AS at, ARRAY[1, NULL] AS l, MAP(ARRAY['k'], ARRAY[1]) AS m, "
        "CAST(ROW(1, 'a') AS ROW(x integer, y varchar)) AS w, X'00ff' AS raw",
    )

    assert (made.kind, made.substatement, made.update_count) == ("DDL", "CREATE_TABLE_AS_SELECT", 1)
    assert [(each.name, each.type) for each in made.columns] == [("rows", "bigint")]
    assert room.executions.results(made.id).rows == []
    assert made.location.endswith(f"here/tables/{made.id}")
    assert not room.file(made).exists()
    assert room.file(made).with_name(f"{made.id}.metadata").read_bytes().startswith(b"\x0a\x24" + made.id.encode())
    assert values(room, "SELECT * FROM mine") == [
        [
            "1",
            "2",
            "1.5",
            "2.5",
            "1.50",
            "x",
            "true",
            "2026-11-23",
            "2026-11-23 12:00:00.123000",
            "[1, null]",
            "{k=1}",
            "{x=1, y=a}",
            "00 ff",
        ]
    ]
    types = {each.name: each.type for each in room.queries.catalog.columns("analytics", "mine") or ()}
    assert (types["i"], types["b"], types["r"], types["c"]) == ("integer", "bigint", "real", "decimal(3, 2)")


def test_rows_are_inserted_by_place_or_by_name(room: Room, spill: Callable[[], list[str]]) -> None:
    write(room, "CREATE TABLE mine AS SELECT 'a' AS s, 1 AS n")

    done = write(room, "INSERT INTO mine (n, s) SELECT 2, 'b'")
    write(room, "INSERT INTO mine (n) VALUES (3), (4)")

    assert (done.kind, done.substatement, done.update_count) == ("DML", "INSERT", 1)
    assert done.location.endswith(f"here/{done.id}")
    assert values(room, "SELECT * FROM mine") == [["a", "1"], ["b", "2"], [None, "3"], [None, "4"]]


def test_only_the_days_with_a_changed_row_are_written_anew(room: Room, project: Project) -> None:
    days = [START_MS + day * DAY_MS for day in range(4)]
    project.fold("sign_up_events", events(days, email=["a", "b", "c", "d"]))
    before = {file.day: file.path for file in project.index.plan("sign_up_events", first_day=days[1] // DAY_MS).files}

    deleted = write(room, "DELETE FROM sign_up_events WHERE email = 'c'")

    after = {file.day: file.path for file in project.index.plan("sign_up_events", first_day=days[1] // DAY_MS).files}
    assert deleted.update_count == 1
    assert deleted.location.endswith(".csv")
    assert not room.file(deleted).exists()
    assert sorted(before) == [days[1] // DAY_MS, days[2] // DAY_MS, days[3] // DAY_MS]
    assert after == {day: path for day, path in before.items() if day != days[2] // DAY_MS}


def test_rows_in_the_tail_are_changed_too_and_rows_that_come_meanwhile_stay(open_room: Open, project: Project) -> None:
    room = open_room()
    jobs, late = room.jobs.ask, [["late@example.org"], ["later@example.org"]]

    def ask(job: Job[Any], **options: Any) -> Any:
        if isinstance(job, tables.ReplaceRows):
            project.fold("sign_up_events", events([START_MS + HOUR_MS], email=late[0]))
            project.append("sign_up_events", events([START_MS + HOUR_MS], email=late[1]))
        return jobs(job, **options)

    room.close()
    room = open_room(ask=ask)
    project.append("sign_up_events", events([START_MS + 2000, START_MS + 3000], email=["tail@example.org", None]))

    done = write(room, "DELETE FROM sign_up_events WHERE email IS NULL")

    assert done.update_count == 2
    assert values(room, "SELECT email FROM sign_up_events") == [
        ["ada@example.org"],
        ["late@example.org"],
        ["later@example.org"],
        ["tail@example.org"],
    ]
    assert [(each.table, each.kind, each.rows) for each in project.ledger.removals()] == [("sign_up_events", "DELETE", 2)]


def test_a_statement_whose_rows_were_changed_meanwhile_runs_again_on_what_is_there_now(open_room: Open, project: Project) -> None:
    room = open_room()
    jobs, told = room.jobs.ask, []
    write(room, "CREATE TABLE counters AS SELECT 1 AS n")
    room.close()

    def ask(job: Job[Any], **options: Any) -> Any:
        if isinstance(job, tables.ReplaceRows):
            told.append(job.snapshot_id)
            if len(told) == 1:
                pin = jobs(tables.PinTable(table="counters"))
                rows = room.folder / "scratch" / "00000000-0000-0000-0000-000000000000.arrow"
                rows.write_bytes((room.folder / "scratch" / job.rows).read_bytes())
                jobs(replace(job, rows=rows.name, snapshot_id=pin.snapshot_id), id="other")
                rows.unlink()
        return jobs(job, **options)

    room = open_room(ask=ask)

    done = write(room, "UPDATE counters SET n = n + 1")

    assert (done.update_count, len(told)) == (1, 2)
    assert values(room, "SELECT n FROM counters") == [["3"]]


def test_a_statement_that_always_loses_fails_as_one_that_may_be_tried_again(open_room: Open) -> None:
    room = open_room()
    jobs = room.jobs.ask
    write(room, "CREATE TABLE counters AS SELECT 1 AS n")
    room.close()

    def ask(job: Job[Any], **options: Any) -> Any:
        return jobs(replace(job, snapshot_id=1) if isinstance(job, tables.ReplaceRows) else job, **options)

    room = open_room(ask=ask)

    execution = room.run("UPDATE counters SET n = n + 1", may_change=True)

    assert (execution.state, str(execution.reason).partition(":")[0]) == ("FAILED", "ICEBERG_COMMIT_ERROR")
    assert execution.failure is not None
    assert (execution.failure.type, execution.failure.retryable) == (233, True)
    assert values(room, "SELECT n FROM counters") == [["1"]]


def test_a_job_whose_answer_was_lost_is_asked_again_and_done_once(open_room: Open) -> None:
    room = open_room()
    jobs, lost = room.jobs.ask, [tables.MakeTable, tables.InsertRows, tables.ReplaceRows]
    room.close()

    def ask(job: Job[Any], **options: Any) -> Any:
        answer = jobs(job, **options)
        if type(job) in lost:
            lost.remove(type(job))
            raise Unavailable("the worker ended before it answered")
        return answer

    room = open_room(ask=ask)

    counts = [
        write(room, query).update_count
        for query in ("CREATE TABLE mine AS SELECT 1 AS n", "INSERT INTO mine VALUES (2)", "UPDATE mine SET n = n + 10")
    ]

    assert (counts, lost) == ([1, 1, 2], [])
    assert values(room, "SELECT n FROM mine") == [["11"], ["12"]]


def test_merge_updates_deletes_and_inserts_in_one_step(room: Room) -> None:
    write(room, "CREATE TABLE mine AS SELECT * FROM (VALUES ('a', 1), ('b', 2), ('c', 3)) AS t(s, n)")

    done = write(
        room,
        "MERGE INTO mine m USING (VALUES ('a', 10), ('b', -1), ('d', 4)) AS g(s, n) ON m.s = g.s WHEN MATCHED AND g.n < 0 THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET n = g.n WHEN NOT MATCHED THEN INSERT (s, n) VALUES (g.s, g.n)",
    )
    twice = refused(room, "MERGE INTO mine m USING (VALUES 'a', 'a') AS g(s) ON m.s = g.s WHEN MATCHED THEN UPDATE SET n = 0")
    again = write(room, "MERGE INTO mine m USING (VALUES 'z') AS g(s) ON m.s = g.s WHEN MATCHED THEN UPDATE SET n = 0")

    assert (done.update_count, again.update_count) == (3, 0)
    assert twice.startswith("MERGE_TARGET_ROW_MULTIPLE_MATCHES")
    assert values(room, "SELECT * FROM mine") == [["a", "10"], ["c", "3"], ["d", "4"]]


def test_an_update_may_move_rows_to_another_day(room: Room, project: Project) -> None:
    write(room, "UPDATE sign_up_events SET datetime = datetime + INTERVAL '3' DAY WHERE email IS NULL")

    assert [(file.day, file.rows) for file in project.index.plan("sign_up_events").files] == [
        (START_MS // DAY_MS, 1),
        (START_MS // DAY_MS + 3, 1),
    ]
    assert values(room, "SELECT email FROM sign_up_events WHERE day = '23'") == [[None]]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("INSERT INTO sign_up_events (email) VALUES ('x')", "NOT_SUPPORTED: rows of sign_up_events come in as events"),
        (
            "MERGE INTO sign_up_events e USING (VALUES 'x') AS g(s) ON e.email = g.s WHEN NOT MATCHED THEN INSERT (email) VALUES (g.s)",
            "NOT_SUPPORTED: rows of sign_up_events come in as events",
        ),
        ("CREATE TABLE sign_up_events AS SELECT 1 AS n", "ALREADY_EXISTS: "),
        ('CREATE TABLE "a b" AS SELECT 1 AS n', "INVALID_TABLE_NAME: 'a b'"),
        ("CREATE TABLE `a/b` (n int) TBLPROPERTIES ('table_type' = 'ICEBERG')", "INVALID_TABLE_NAME: 'a/b'"),
        ("CREATE TABLE nowhere.t AS SELECT 1 AS n", "SCHEMA_NOT_FOUND: "),
        ("CREATE TABLE t AS SELECT NULL AS n", "COLUMN_TYPE_UNKNOWN: "),
        ("CREATE TABLE t AS SELECT INTERVAL '1' DAY AS n", "NOT_SUPPORTED: column `n`"),
        ("CREATE TABLE t WITH (table_type = 'DELTA') AS SELECT 1 AS n", "INVALID_TABLE_PROPERTY: "),
        ("CREATE TABLE t WITH (colour = 'red') AS SELECT 1 AS n", "INVALID_TABLE_PROPERTY: Table property 'colour'"),
        ("CREATE TABLE t WITH (partitioning = ARRAY['day(n)']) AS SELECT 1 AS n", "NOT_SUPPORTED: column 'n'"),
        ("CREATE TABLE t WITH (table_type = 'ICEBERG', format = 'ORC') AS SELECT 1 AS n", "NOT_SUPPORTED: "),
        ("CREATE TABLE t WITH (format = 'AVRO') AS SELECT 1 AS n", "NOT_SUPPORTED: format 'AVRO'"),
        (
            (
                "CREATE TABLE t WITH (format = 'PARQUET', external_location = 's3://bucket/t/', partitioned_by = ARRAY['a']) AS "
                "SELECT 1 AS a, 2 AS b"
            ),
            "HIVE_COLUMN_ORDER_MISMATCH: ",
        ),
        (
            (
                "CREATE TABLE t WITH (external_location = 's3://bucket/t/', partitioned_by = ARRAY['a']) AS "
                "SELECT 1 AS b, a FROM UNNEST(sequence(1, 101)) AS u(a)"
            ),
            "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers",
        ),
        ("UNLOAD (SELECT 1 AS n) TO 's3://bucket/u/'", "INVALID_TABLE_PROPERTY: UNLOAD needs"),
        (
            "UNLOAD (SELECT 'a,b' AS s) TO 's3://bucket/u/' WITH (format = 'TEXTFILE', field_delimiter = ',')",
            "NOT_SUPPORTED: a line of TEXTFILE cannot have",
        ),
        ("OPTIMIZE sign_up_events_all REWRITE DATA USING BIN_PACK", "TABLE_NOT_FOUND: "),
        ("DROP TABLE sign_up_events", "NOT_SUPPORTED: "),
        (
            "ALTER TABLE sign_up_events ADD COLUMNS (n int)",
            "NOT_SUPPORTED: the columns of sign_up_events are the fields of its event class",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_by_name_and_nothing_is_left(
    room: Room, spill: Callable[[], list[str]], query: str, reason: str
) -> None:
    before = values(room, "SELECT * FROM sign_up_events"), room.queries.catalog.tables("analytics")

    assert refused(room, query).startswith(reason)

    assert (values(room, "SELECT * FROM sign_up_events"), room.queries.catalog.tables("analytics")) == before


def test_the_statements_of_the_docs_run(open_room: Open, project: Project) -> None:
    page = (Path(__file__).parents[2] / "docs" / "writing.md").read_text()
    statements = [text.strip() for block in re.findall(r"^```sql\n(.*?)^```", page, re.DOTALL | re.MULTILINE) for text in block.split(";")]
    removals = {"removals": lambda: removal_rows(project.ledger.removals())}
    room = open_room(tables=removals)

    for statement in filter(None, statements):
        write(room, statement)

    assert len(statements) > 15


def test_spilled_rows_are_bounded_and_what_a_crash_left_is_removed(open_room: Open) -> None:
    room = open_room(bounds=ExecutionBounds(result_bytes=100_000))
    (room.folder / "scratch").mkdir(exist_ok=True)

    grown = refused(room, "CREATE TABLE big AS SELECT cast(uuid() AS varchar) AS id FROM UNNEST(sequence(1, 100000)) AS t(n)")
    left = room.folder / "scratch" / "00000000-0000-0000-0000-000000000000.arrow"
    left.write_bytes(b"half of it")
    room.close()
    open_room()

    assert grown.startswith("EXCEEDED_RESULT_SIZE: ")
    assert not left.exists()


def test_who_may_only_ask_may_not_write(room: Room) -> None:
    write(room, "CREATE TABLE mine AS SELECT 1 AS n")

    with pytest.raises(AccessDenied, match="not authorized to perform INSERT"):
        room.start("INSERT INTO mine VALUES (1)")


def test_files_of_an_external_table_lie_where_it_was_said_in_folders_of_its_partitions(room: Room, spill: Callable[[], list[str]]) -> None:
    made = write(
        room,
        "CREATE TABLE sold WITH (format = 'PARQUET', write_compression = 'SNAPPY', external_location = 's3://bucket/sold/', "
        "partitioned_by = ARRAY['city']) AS SELECT * FROM (VALUES (1, 'Rome'), (2, 'a/b=c'), (3, NULL)) AS t(n, city)",
    )
    more = write(room, "INSERT INTO sold VALUES (4, 'Rome'), (5, 'Oslo')")
    taken = refused(room, "CREATE TABLE other WITH (external_location = 's3://bucket/sold/') AS SELECT 1 AS n")
    changed = refused(room, "DELETE FROM sold WHERE n = 1")

    folder = room.folder / "results" / "bucket" / "sold"
    assert values(room, "SELECT n, city FROM sold") == [["1", "Rome"], ["2", "a/b=c"], ["3", None], ["4", "Rome"], ["5", "Oslo"]]
    assert values(room, "SELECT n FROM sold WHERE city = 'Oslo'") == [["5"]]
    assert room.queries.catalog.partitions("analytics", "sold") == [
        "city=Oslo",
        "city=Rome",
        "city=__HIVE_DEFAULT_PARTITION__",
        "city=a%2Fb%3Dc",
    ]
    manifest = room.stores.find(made.manifest or "").read(made.manifest or "").decode().splitlines()
    assert len(manifest) == made.update_count == 3
    assert (more.update_count, str(more.manifest)) == (2, f"s3://results/here/{more.id}-manifest.csv")
    [rome] = [room.stores.find(url).local(url) for url in manifest if "city=Rome" in url]
    assert rome.is_relative_to(folder)
    assert pq.read_metadata(rome).row_group(0).column(0).compression == "SNAPPY"
    assert taken.startswith("HIVE_PATH_ALREADY_EXISTS: ")
    assert changed == "NOT_SUPPORTED: Modifying Hive table rows is only supported for transactional tables"


@pytest.mark.parametrize("form", ["PARQUET", "JSON", "TEXTFILE"])
def test_what_is_written_into_files_is_read_back_the_same(room: Room, form: str) -> None:
    selected = (
        "SELECT * FROM (VALUES (1, BIGINT '2', 0.1, DECIMAL '1.50', 'ü,\"x', true, DATE '2026-11-23', "
        "TIMESTAMP '2026-11-23 12:00:00.123'), "
        "(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)) AS t(i, b, d, c, s, t, o, a)"
    )
    expected = values(room, selected)

    write(room, f"CREATE TABLE copy WITH (table_type = 'HIVE', format = '{form}') AS {selected}")
    write(room, "INSERT INTO copy SELECT * FROM copy")

    assert values(room, "SELECT * FROM copy") == sorted(expected * 2, key=str)


def test_unload_writes_files_and_a_list_of_them(room: Room, spill: Callable[[], list[str]]) -> None:
    query = "UNLOAD (SELECT email, ARRAY[1] AS l FROM sign_up_events) TO 's3://bucket/out/{0}/' WITH (format = '{0}', compression = 'NONE')"
    orc = write(room, query.format("ORC").replace("NONE", "ZSTD"))
    lines = write(room, query.format("JSON"))

    [one] = room.stores.find(orc.manifest or "").read(orc.manifest or "").decode().splitlines()
    assert one.startswith("s3://bucket/out/ORC/")
    assert len(pyarrow.orc.read_table(room.stores.find(one).local(one))) == orc.update_count == 2
    [one] = room.stores.find(lines.manifest or "").read(lines.manifest or "").decode().splitlines()
    told = room.stores.find(one).read(one).decode().splitlines()
    assert [json.loads(each) for each in told] == [{"email": "ada@example.org", "l": [1]}, {"l": [1]}]


def test_an_iceberg_table_is_declared_grows_is_kept_small_and_dropped(room: Room, project: Project) -> None:
    write(
        room,
        "CREATE TABLE visits (id int, city string, at timestamp) PARTITIONED BY (bucket(4, city), month(at)) "
        "LOCATION 's3://bucket/visits/' TBLPROPERTIES ('table_type' = 'ICEBERG')",
    )
    for number in range(3):
        write(room, f"INSERT INTO visits VALUES ({number}, 'Rome', TIMESTAMP '2026-11-23 12:00:00')")
    write(room, "ALTER TABLE visits ADD COLUMNS (price decimal(5,2))")
    before = len(project.index.plan("visits").files)
    write(room, "UPDATE visits SET price = DECIMAL '1.25' WHERE id = 1")
    write(room, "INSERT INTO visits VALUES (3, 'Rome', TIMESTAMP '2026-11-24 12:00:00', NULL)")

    optimized = write(room, "OPTIMIZE visits REWRITE DATA USING BIN_PACK")
    write(room, "VACUUM visits")

    assert (before, len(project.index.plan("visits").files), optimized.update_count) == (3, 1, None)
    assert values(room, "SELECT id, price FROM visits") == [["0", None], ["1", "1.25"], ["2", None], ["3", None]]
    write(room, "DROP TABLE visits")
    assert refused(room, "SELECT * FROM visits").startswith("TABLE_NOT_FOUND")
    write(room, "DROP TABLE IF EXISTS visits")
    write(room, "CREATE TABLE visits AS SELECT 'new' AS id")
    assert values(room, "SELECT * FROM visits") == [["new"]]


def test_how_large_files_are_and_which_are_written_anew_a_table_may_say(room: Room, project: Project) -> None:
    def files() -> list[int]:
        return sorted(file.size for file in project.index.plan("sizes").files)

    write(room, "CREATE TABLE sizes (id int, word string) LOCATION 's3://bucket/sizes/' TBLPROPERTIES ('table_type' = 'ICEBERG')")
    for number in range(3):
        write(room, f"INSERT INTO sizes VALUES ({number}, 'x')")
    write(
        room,
        "ALTER TABLE sizes SET TBLPROPERTIES ('optimize_rewrite_data_file_threshold' = '4', 'vacuum_max_metadata_files_to_keep' = '3')",
    )
    write(room, "OPTIMIZE sizes REWRITE DATA USING BIN_PACK")
    too_few = files()
    kept = project.catalog.load_table(("analytics", "sizes")).properties["write.metadata.previous-versions-max"]
    write(room, "ALTER TABLE sizes UNSET TBLPROPERTIES ('optimize_rewrite_data_file_threshold', 'vacuum_max_metadata_files_to_keep')")
    write(room, "OPTIMIZE sizes REWRITE DATA USING BIN_PACK")
    together = files()
    many = "UNNEST(sequence(1, 10000)) AS a(i) CROSS JOIN UNNEST(sequence(1, 20)) AS b(n)"
    write(room, f"INSERT INTO sizes SELECT n, CAST(uuid() AS varchar) FROM {many}")
    large = files()
    write(room, "ALTER TABLE sizes SET TBLPROPERTIES ('write_target_data_file_size_bytes' = '1000000')")
    write(room, "OPTIMIZE sizes REWRITE DATA USING BIN_PACK")

    assert (len(too_few), len(together), len(large)) == (3, 1, 2)
    assert max(large) > 4_000_000
    assert len(files()) > 3 and max(files()) < max(large) / 2
    assert values(room, "SELECT count(*), count(DISTINCT word) FROM sizes") == [["200003", "200001"]]
    assert (kept, project.catalog.load_table(("analytics", "sizes")).properties["write.metadata.previous-versions-max"]) == ("3", "20")


def test_optimize_takes_conditions_on_the_days(room: Room, project: Project) -> None:
    for hour in range(1, 4):
        for day in range(2):
            project.fold("sign_up_events", events([START_MS + day * DAY_MS + hour * HOUR_MS], email=["x"]))

    write(room, "OPTIMIZE sign_up_events REWRITE DATA USING BIN_PACK WHERE year = '2026' AND month = '11' AND day = '21'")

    files = [file.day for file in project.index.plan("sign_up_events").files]
    assert (files.count(START_MS // DAY_MS), files.count(START_MS // DAY_MS + 1)) == (4, 1)
    assert len(values(room, "SELECT email FROM sign_up_events")) == 8


def test_statements_on_a_table_do_what_they_do_on_a_list(room: Room, project: Project) -> None:
    chance = random.Random(20261123)
    model: dict[int, tuple[int, int]] = {}
    moment = "from_unixtime({} + {} * 86400)".format(START_MS // 1000, "{}")
    write(room, f"CREATE TABLE game AS SELECT 0 AS id, 0 AS n, 0 AS d, {moment.format(0)} AS datetime WHERE false")

    def rows(of: dict[int, tuple[int, int]]) -> str:
        return ", ".join(f"({key}, {n}, {day}, {moment.format(day)})" for key, (n, day) in of.items())

    for step in range(24):
        new = {1000 * step + key: (chance.randrange(10), chance.randrange(5)) for key in range(chance.randrange(1, 6))}
        low, day = chance.randrange(10), chance.randrange(5)
        match chance.choice(["insert", "insert", "delete", "update", "move", "merge"]):
            case "insert":
                count = write(room, f"INSERT INTO game VALUES {rows(new)}").update_count
                model |= new
                expected = len(new)
            case "delete":
                gone = [key for key, (n, of) in model.items() if n >= low and of == day]
                count = write(room, f"DELETE FROM game WHERE n >= {low} AND d = {day}").update_count
                model = {key: kept for key, kept in model.items() if key not in gone}
                expected = len(gone)
            case "update":
                hit = {key: (n + 1, of) for key, (n, of) in model.items() if n < low}
                count = write(room, f"UPDATE game SET n = n + 1 WHERE n < {low}").update_count
                model |= hit
                expected = len(hit)
            case "move":
                hit = {key: (n, day) for key, (n, of) in model.items() if n == low}
                count = write(room, f"UPDATE game SET d = {day}, datetime = {moment.format(day)} WHERE n = {low}").update_count
                model |= hit
                expected = len(hit)
            case _:
                known = dict(chance.sample(sorted(model.items()), min(3, len(model))))
                given = {key: (chance.randrange(10), of) for key, (_, of) in known.items()} | new
                text = (
                    f"MERGE INTO game t USING (VALUES {rows(given)}) AS s(id, n, d, datetime) ON t.id = s.id WHEN MATCHED AND s.n < 3 THEN "
                    "DELETE WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT (id, n, d, datetime) "
                    "VALUES (s.id, s.n, s.d, s.datetime)"
                )
                count = write(room, text).update_count
                expected = len(given)
                for key, (n, of) in given.items():
                    if key in known and n < 3:
                        del model[key]
                    else:
                        model[key] = (n, of)
        assert count == expected, step
        assert values(room, "SELECT id, n, d, date_diff('day', from_unixtime(0), datetime) FROM game") == sorted(
            ([str(key), str(n), str(of), str(START_MS // DAY_MS + of)] for key, (n, of) in model.items()), key=str
        ), step
    assert sum(file.rows for file in project.index.plan("game").files) == len(model)
    assert all(file.day is not None for file in project.index.plan("game").files)
