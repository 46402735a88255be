"""What a query sees: files and tail, each row once, under the table's schema."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from headwater.errors import QueryError
from headwater.query import Engine

from .conftest import DAY_MS, START_MS, Project, events


def column(engine: Engine, query: str, parameters: object = None) -> list[object]:
    return [row[0] for row in engine.sql(query, parameters).rows()]  # type: ignore[arg-type]


def test_rows_are_seen_in_the_tail_and_then_in_files_each_once(project: Project, engine: Engine) -> None:
    project.append("sign_ins", events([START_MS, START_MS + DAY_MS], n=[1, 2]))
    before = column(engine, "SELECT n FROM sign_ins ORDER BY n")
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    project.fold("sign_ins")
    project.append("sign_ins", events([START_MS], n=[3]))

    after = column(engine, "SELECT n FROM sign_ins ORDER BY n")

    assert (before, after) == ([1, 2], [1, 2, 3])


def test_no_row_is_lost_or_doubled_while_folds_run(project: Project, engine: Engine) -> None:
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    counted: list[tuple[int, int, int, int]] = []
    written = [0]
    done = threading.Event()

    def write() -> None:
        for batch in range(60):
            project.append(
                "sign_ins", events([START_MS + batch * 3_600_000 + i for i in range(5)], n=list(range(batch * 5, batch * 5 + 5)))
            )
            written[0] = (batch + 1) * 5
            if batch % 3 == 2:
                project.lake.fold("sign_ins")
        done.set()

    def read() -> None:
        while not done.is_set():
            least = written[0]
            [(rows, kinds)] = engine.sql("SELECT count(*), count(DISTINCT n) FROM sign_ins").rows()
            counted.append((least, rows, kinds, written[0] + 5))

    with ThreadPoolExecutor(3) as pool:
        for task in [pool.submit(write), pool.submit(read), pool.submit(read)]:
            task.result()

    assert len(counted) > 20
    assert all(least <= rows == kinds <= most for least, rows, kinds, most in counted)
    assert column(engine, "SELECT count(*) FROM sign_ins") == [300]


def test_a_query_outlives_the_files_it_planned_when_compaction_removes_them(project: Project, engine: Engine) -> None:
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    project.fold("sign_ins", events([START_MS], n=[1]))
    [file] = project.index.plan("sign_ins").files
    stale, plan = project.index.plan("sign_ins"), engine._known._planner.plan
    project.fold("sign_ins", events([START_MS], n=[2]))
    gone = stale._replace(files=[file._replace(path=file.path + ".gone")])
    answers = iter([gone])
    engine._known._planner.plan = lambda *bounds: next(answers, None) or plan(*bounds)  # type: ignore[method-assign]

    rows = column(engine, "SELECT n FROM sign_ins ORDER BY n")

    assert rows == [1, 2]


def test_files_that_never_come_back_are_an_error_that_says_so(project: Project, engine: Engine) -> None:
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    project.fold("sign_ins", events([START_MS], n=[1]))
    [file] = project.index.plan("sign_ins").files
    project.root.joinpath(file.path).unlink()

    with pytest.raises(QueryError, match="files were removed"):
        engine.sql("SELECT n FROM sign_ins").rows()


def test_columns_are_read_by_field_id_and_are_null_where_a_file_or_batch_is_older(project: Project, engine: Engine) -> None:
    project.lake.ensure("scores", events([START_MS], a=[2]).schema)
    project.fold("scores", events([START_MS], a=[2]))
    project.append("scores", events([START_MS + 1], a=[3]))
    project.lake.ensure("scores", events([START_MS], a=[2], b=[2.5]).schema)
    project.append("scores", events([START_MS + 2], a=[4], b=[2.5]))

    rows = engine.sql("SELECT a, b, typeof(a), typeof(b) FROM scores ORDER BY a").rows()

    assert rows == [(2, None, "BIGINT", "DOUBLE"), (3, None, "BIGINT", "DOUBLE"), (4, 2.5, "BIGINT", "DOUBLE")]


def test_a_table_with_no_rows_has_its_columns_and_types(project: Project, engine: Engine) -> None:
    project.lake.ensure("scores", events([START_MS], a=[2], tags=pa.array([["x"]])).schema)

    result = engine.sql("SELECT datetime, a, tags FROM scores")

    assert result.arrow().num_rows == 0
    assert [str(kind) for kind in result.schema.types] == ["timestamp[us, tz=UTC]", "int64", "list<l: string>"]


def test_nested_and_exact_types_are_the_same_in_the_tail_and_in_files(project: Project, engine: Engine) -> None:
    from decimal import Decimal

    values = {
        "m": pa.array([[("k", "v")]], pa.map_(pa.string(), pa.string())),
        "s": pa.array([{"p": 1, "q": "x"}], pa.struct([("p", pa.int64()), ("q", pa.string())])),
        "l": pa.array([[1, 2]], pa.list_(pa.int64())),
        "d": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
        "b": pa.array([b"a\x00"], pa.binary()),
        "t": pa.array([3], pa.int32()).cast(pa.date32()),
    }
    project.lake.ensure("things", events([START_MS], **values).schema)
    project.append("things", events([START_MS], **values))
    query = "SELECT m, s, l, d, b, t FROM things"
    tail = engine.sql(query).arrow()

    project.fold("things")
    files = engine.sql(query).arrow()

    assert tail.equals(files)
    assert tail.to_pylist()[0]["m"] == [("k", "v")]


def test_names_may_be_quoted_qualified_and_of_any_case(project: Project, engine: Engine) -> None:
    project.append("sign_ins", events([START_MS], n=[1]))
    names = ["sign_ins", '"sign_ins"', "Sign_Ins", "analytics.sign_ins", '"ANALYTICS"."SIGN_INS"', "analytics.sign_ins AS x"]

    answers = [column(engine, f"SELECT n FROM {name}") for name in names]

    assert answers == [[1]] * len(names)


def test_names_of_common_table_expressions_hide_tables(project: Project, engine: Engine) -> None:
    project.append("sign_ins", events([START_MS], n=[1]))

    hidden = column(engine, "WITH sign_ins AS (SELECT 7 AS n) SELECT n FROM sign_ins")
    inner = column(engine, "WITH sign_ins AS (SELECT n + 1 AS n FROM sign_ins) SELECT n FROM sign_ins")
    recursive = column(
        engine, "WITH RECURSIVE t AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM t WHERE i < 3) SELECT max(i) FROM t, sign_ins"
    )

    assert (hidden, inner, recursive) == ([7], [2], [3])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT max(n) FROM sign_ins",
        "FROM sign_ins SELECT n",
        "VALUES (3)",
        "SELECT n FROM sign_ins WHERE n IN (SELECT n FROM analytics.sign_ins)",
        "SELECT (SELECT max(n) FROM sign_ins)",
        "SELECT unnest([3])",
        "SELECT n FROM sign_ins s LEFT JOIN (SELECT 3 AS n) t USING (n)",
        "TABLE sign_ins",
        "PIVOT (SELECT n, 'x' AS k FROM sign_ins) ON k IN ('x') USING max(n)",
        "DESCRIBE sign_ins",
        "SUMMARIZE SELECT n FROM sign_ins",
        "EXPLAIN SELECT n FROM sign_ins",
        "/* why */ EXPLAIN ANALYZE SELECT n FROM sign_ins -- end",
        "SHOW TABLES",
    ],
)
def test_statements_that_read_are_answered(project: Project, engine: Engine, query: str) -> None:
    project.append("sign_ins", events([START_MS], n=[3]))

    rows = engine.sql(query).rows()

    assert rows


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("INSERT INTO sign_ins SELECT * FROM sign_ins", "only reading"),
        ("COPY (SELECT 1) TO '/tmp/x.csv'", "only reading"),
        ("WITH x AS (COPY (SELECT 1) TO '/tmp/x.csv') SELECT 1", "only reading"),
        ("WITH x AS (INSERT INTO sign_ins VALUES (1) RETURNING *) SELECT * FROM x", "only reading"),
        ("SELECT * FROM (WITH x AS (DELETE FROM sign_ins RETURNING *) SELECT * FROM x)", "only reading"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.csv'", "only reading"),
        ("CREATE VIEW v AS SELECT 1", "only reading"),
        ("SET threads = 1", "only reading"),
        ("PRAGMA version", "only reading"),
        ("ATTACH '/tmp/x.db'", "only reading"),
        ("PIVOT sign_ins ON n USING count(*)", "values named"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("-- nothing", "0 statements"),
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM '/etc/passwd'", "no table"),
        ("SELECT * FROM read_text('/etc/passwd')", "not available"),
        ("SELECT * FROM query_table('sign_ins')", "not available"),
        ("SELECT * FROM duckdb_settings()", "not available"),
        ("SELECT * FROM information_schema.tables", "ours are named analytics"),
        ("SHOW ALL TABLES", "only SHOW TABLES"),
        ("SELECT * FROM sign_in", "did you mean sign_ins"),
        ('SELECT * FROM "sign_ins by day"', "no table"),
        ("SELECT nothing FROM sign_ins", "nothing"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "depth"),
        ("SELECT " + "(SELECT " * 600 + "1" + ")" * 600, "."),
        ("SELECT '\x00' FROM sign_ins; DROP", "."),
    ],
)
def test_anything_else_is_refused_with_the_reason(project: Project, engine: Engine, query: str, why: str) -> None:
    project.append("sign_ins", events([START_MS], n=[1]))

    with pytest.raises(QueryError, match=why):
        engine.sql(query).rows()

    assert column(engine, "SELECT n FROM sign_ins") == [1]


def test_an_empty_lake_has_no_tables_and_says_so(engine: Engine) -> None:
    with pytest.raises(QueryError, match="the lake has no tables yet"):
        engine.sql("SELECT * FROM sign_ins")

    assert engine.tables() == []
    assert engine.sql("SHOW TABLES").rows() == []
    assert engine.sql("SELECT 1").rows() == [(1,)]


def test_values_are_parameters_and_never_text(project: Project, engine: Engine) -> None:
    hostile = "'; DROP TABLE sign_ins; --\x1b[2J\""
    project.append("sign_ins", events([START_MS], n=[hostile]))

    by_place = column(engine, "SELECT n FROM sign_ins WHERE n = ? AND datetime >= ?", [hostile, "2026-11-20"])
    by_name = column(engine, "SELECT n FROM sign_ins WHERE n = $value", {"value": hostile})

    assert by_place == by_name == [hostile]


def test_names_of_columns_may_hold_anything(project: Project, engine: Engine) -> None:
    name = 'it\'s "a" {name}; -- \\'
    project.lake.ensure("odd", events([START_MS], **{name: [1]}).schema)
    project.fold("odd", events([START_MS], **{name: [1]}))
    project.append("odd", events([START_MS], **{name: [2]}))

    quoted = '"' + name.replace('"', '""') + '"'

    assert column(engine, f"SELECT {quoted} FROM odd ORDER BY 1") == [1, 2]


def test_times_are_utc_whatever_the_machine_is_set_to(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    project.append("sign_ins", events([START_MS + 13 * 3_600_000], n=[1]))
    engine = project.engine()

    [(day, text, moment)] = engine.sql("SELECT datetime::date, datetime::varchar, datetime FROM sign_ins").rows()

    assert (str(day), text) == ("2026-11-20", "2026-11-20 13:00:00+00")
    assert moment.isoformat() == "2026-11-20T13:00:00+00:00"
    engine.close()


def test_tables_from_elsewhere_and_views_are_read_by_name(project: Project) -> None:
    asked: list[int] = []

    def people() -> pa.Table:
        asked.append(1)
        return pa.table({"n": [1, 2], "name": ["Zoe", "Ann"]})

    project.append("sign_ins", events([START_MS], n=[1]))
    views = {"named": "SELECT name FROM sign_ins JOIN people USING (n)", "shouted": "SELECT upper(name) AS name FROM named"}
    engine = project.engine(tables={"people": people}, views=views)

    first = column(engine, "SELECT name FROM analytics.shouted")
    project.append("sign_ins", events([START_MS], n=[2]))
    second = column(engine, "SELECT name FROM shouted ORDER BY name")
    engine.sql("SELECT 1").rows()

    assert (first, second, len(asked)) == (["ZOE"], ["ANN", "ZOE"], 2)
    assert column(engine, "SHOW TABLES") == ["named", "people", "shouted", "sign_ins"]
    engine.close()


def test_a_view_made_of_itself_is_refused(project: Project) -> None:
    engine = project.engine(views={"a": "SELECT * FROM b", "b": "SELECT * FROM a"})

    with pytest.raises(QueryError, match="made of itself"):
        engine.sql("SELECT * FROM a")

    engine.close()


def test_queries_of_many_threads_do_not_meet(project: Project, engine: Engine) -> None:
    project.append("a", events([START_MS], n=[1]))
    project.append("b", events([START_MS], n=[2]))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda table: (table, column(engine, f"SELECT n FROM {table}")), ["a", "b"] * 30))

    assert all(rows == [{"a": 1, "b": 2}[table]] for table, rows in answers)


def test_tables_are_listed_with_what_they_hold(project: Project, engine: Engine) -> None:
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    project.fold("sign_ins", events([START_MS, START_MS + DAY_MS], n=[1, 2]))
    project.append("sign_ins", events([START_MS + 2 * DAY_MS], n=[3]))
    project.append("young", events([START_MS], n=[3]))

    folded, young = engine.tables()

    assert (folded.name, folded.rows, folded.files, folded.tail_rows, folded.last_event_ms) == ("sign_ins", 3, 2, 1, START_MS + 2 * DAY_MS)
    assert folded.bytes > 0
    assert (young.name, young.rows, young.tail_rows, young.last_event_ms) == ("young", 1, 1, START_MS)


def test_an_erased_table_is_gone_for_queries_too(project: Project, engine: Engine) -> None:
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    column(engine, "SELECT n FROM sign_ins")
    project.catalog.drop_table("analytics.sign_ins")

    with pytest.raises(QueryError, match="no table"):
        engine.sql("SELECT n FROM sign_ins")


def test_the_owner_joins_files_and_nobody_else_does(tmp_path: Path, project: Project) -> None:
    file = tmp_path / "plans.csv"
    file.write_text("plan\ngold\n")
    query = f"SELECT plan FROM read_csv('{file}')"

    with project.engine() as shared, project.engine(local_files=True) as own:
        with pytest.raises(QueryError, match="read_csv"):
            shared.sql(query)
        assert own.sql(query).rows() == [("gold",)]
        with pytest.raises(QueryError, match="not available"):
            own.sql(f"SELECT * FROM read_text('{file}')")


def test_a_view_reads_no_file_for_the_owner_either(tmp_path: Path, project: Project) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")

    with (
        project.engine(local_files=True, views={"sly": f"SELECT * FROM read_csv('{file}')"}) as own,
        pytest.raises(QueryError, match="read_csv"),
    ):
        own.sql("SELECT * FROM sly").rows()
