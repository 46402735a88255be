"""What is asked of a view leaves out files of the tables below it, and never changes an answer: compared with plain DuckDB."""

from __future__ import annotations

import random
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from headwater.query import Engine
from tests.query.conftest import Project
from tests.query.test_pruning import atom, rows_of_day

DAYS = 30
PLAIN = "datetime, year, month, day, n, level"
TYPED = (
    "CAST(datetime AS TIMESTAMPTZ) AS datetime, CAST(year AS VARCHAR) AS year, CAST(month AS VARCHAR) AS month, CAST(day AS VARCHAR) AS day"
)
EARLIEST = "min(datetime) AS datetime, min(year) AS year, min(month) AS month, min(day) AS day, min(n) AS n, level"
VIEWS = {
    "joined": "SELECT a.*, b.event_id AS other FROM a LEFT JOIN b ON b.n = a.n + 1",
    "everything": f"SELECT {TYPED}, n, level FROM a UNION ALL BY NAME SELECT n, level, {TYPED} FROM b ORDER BY n",
    "nested": "WITH x AS (SELECT * FROM everything)"
    " SELECT x.datetime, x.year, x.month, x.day, x.n, x.level FROM x LEFT JOIN (SELECT DISTINCT n FROM a) AS a ON a.n = x.n",
    "twice": "WITH x AS (SELECT * FROM a) SELECT * FROM x UNION ALL BY NAME SELECT * FROM x WHERE n > 50",
    "untyped": f"SELECT {PLAIN} FROM a UNION ALL BY NAME SELECT {PLAIN} FROM b",
    "by_place": f"SELECT {TYPED}, n, level FROM a UNION ALL SELECT {TYPED}, n, level FROM b",
    "swapped": f"SELECT {TYPED}, n, level FROM a UNION ALL BY NAME"
    " SELECT CAST(arrival_datetime AS TIMESTAMPTZ) AS datetime, CAST(year AS VARCHAR) AS year, month, day, n, level FROM b",
    "renamed": "SELECT arrival_datetime AS datetime, year, month, day, n, level FROM a",
    "the_other": "SELECT b.datetime, a.datetime AS mine, a.year, b.month, a.day, a.n, a.level FROM a JOIN b ON b.n = a.n",
    "later": "SELECT datetime + INTERVAL 3 DAY AS datetime, year, month, day, n, level FROM a",
    "deeper": "SELECT datetime + INTERVAL 9 DAY AS datetime, year, month, day, n, level FROM (SELECT * FROM a)",
    "with_itself": "SELECT a.*, b.n AS m FROM a JOIN a AS b ON b.n = a.n - 50",
    "with_itself_by_name": "WITH x AS (SELECT * FROM a) SELECT x.* FROM x JOIN x AS y ON y.n = x.n - 50",
    "text": f"SELECT {TYPED}, n, level FROM a UNION ALL BY NAME"
    " SELECT strftime(datetime, '%Y-%m-%d') AS datetime, year, month, day, n, level FROM b",
    "first": f"SELECT {EARLIEST} FROM a GROUP BY level",
    "few": "SELECT * FROM (SELECT * FROM a ORDER BY datetime DESC, n LIMIT 20)",
    "before": "SELECT datetime, year, month, day, level, lag(n) OVER (ORDER BY datetime, n) AS n FROM a",
    "distinct_on": f"SELECT DISTINCT ON (level) {PLAIN} FROM a ORDER BY level, datetime, n",
    "excepted": f"SELECT {PLAIN} FROM a EXCEPT SELECT {PLAIN} FROM b WHERE level = 1",
    "nearest": "SELECT a.datetime, a.year, a.month, a.day, a.n, b.level FROM a ASOF JOIN b ON a.datetime > b.datetime",
}
PRUNED = {"joined", "everything", "nested", "the_other"}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, duckdb.DuckDBPyConnection]]:
    project = Project(tmp_path_factory.mktemp("lake") / "p")
    plain = duckdb.connect(config={"python_enable_replacements": False})
    plain.execute("SET TimeZone = 'UTC'")
    for seed, name in enumerate(("a", "b")):
        rows = pa.concat_tables([rows_of_day(day, seed) for day in range(DAYS)])
        project.lake.ensure(name, rows.schema)
        project.fold(name, rows)
        late = rows_of_day(DAYS, seed)
        project.append(name, late)
        plain.register("arrow", pa.concat_tables([rows, late]))
        plain.execute(f"CREATE TABLE {name} AS SELECT * FROM arrow")
    for name, text in VIEWS.items():
        plain.execute(f"CREATE VIEW {name} AS {text}")
    engine = project.engine(views=VIEWS)
    yield engine, plain
    engine.close()
    plain.close()
    project.index.close()
    project.ledger.close()


@pytest.mark.parametrize("view", VIEWS)
def test_no_condition_on_a_view_changes_an_answer(lake: tuple[Engine, duckdb.DuckDBPyConnection], view: str) -> None:
    engine, plain = lake
    chance = random.Random(view)
    files = set()
    for _ in range(40):
        condition = f" {chance.choice(['AND', 'OR'])} ".join(atom(chance, "datetime") for _ in range(chance.choice([1, 1, 2])))
        query = f"SELECT n, level, datetime, year, month, day FROM {view} WHERE {condition}"
        if chance.random() < 0.3:
            query = f"SELECT x.n, x.level, x.datetime, y.day FROM ({query}) x JOIN {view} y ON x.n = y.n WHERE {atom(chance, 'y.datetime')}"

        try:
            expected = plain.sql(query).to_arrow_table().to_pylist()
        except duckdb.BinderException:
            continue  # some constants are compared with some types only
        result = engine.sql(query)

        assert sorted(map(repr, result.arrow().to_pylist())) == sorted(map(repr, expected)), query
        files.add(result.statistics.files)

    assert len(files) > 5 or view not in PRUNED, files


@pytest.mark.parametrize("condition", ["datetime < '2026-12-1'", "datetime >= '2026-11-3'", "datetime BETWEEN '1' AND '2026-11-3'"])
def test_a_union_that_makes_text_of_times_is_compared_as_text(lake: tuple[Engine, duckdb.DuckDBPyConnection], condition: str) -> None:
    engine, plain = lake
    query = f"SELECT count(*), min(n), max(n) FROM text WHERE {condition}"

    assert engine.sql(query).rows() == plain.sql(query).fetchall()
