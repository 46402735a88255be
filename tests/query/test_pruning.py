"""Leaving files out, and reading days off them, never changes an answer: compared with plain DuckDB over all the rows."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from headwater.query import Engine

from .conftest import DAY_MS, START_MS, Project, events

DAYS = 45
MID = START_MS + 20 * DAY_MS  # 2026-12-10


def rows_of_day(day: int, seed: int) -> pa.Table:
    """Return a few rows of one day: its first and last microseconds, and some between."""
    chance = random.Random(seed * 1000 + day)
    times = [START_MS + day * DAY_MS + at for at in (0, 1, *sorted(chance.sample(range(DAY_MS), 3)), DAY_MS - 1)]
    rows = events(times, n=[day * 10 + i for i in range(6)], level=[chance.randrange(3) for _ in times])
    last = rows["datetime"].to_pylist()
    last[-1] += timedelta(microseconds=999)
    rows = rows.set_column(2, "datetime", pa.array(last, pa.timestamp("us", "UTC")))
    arrived = pa.array([when + timedelta(days=9) for when in last], pa.timestamp("us", "UTC"))
    return rows.set_column(rows.column_names.index("arrival_datetime"), "arrival_datetime", arrived)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Engine, duckdb.DuckDBPyConnection]]:
    project = Project(Path(tmp_path_factory.mktemp("lake")) / "p")
    everything = []
    for seed, days in ((1, range(25)), (2, range(15, DAYS))):
        rows = pa.concat_tables([rows_of_day(day, seed) for day in days])
        project.lake.ensure("sign_ins", rows.schema)
        project.append("sign_ins", rows)
        everything.append(rows)
    while project.lake.fold("sign_ins"):
        pass
    everything.append(rows_of_day(DAYS - 1, 3))
    project.append("sign_ins", everything[-1])
    plain = duckdb.connect(config={"python_enable_replacements": False})
    plain.execute("SET TimeZone = 'UTC'")
    plain.register("arrow", pa.concat_tables(everything))
    plain.execute("CREATE TABLE sign_ins AS SELECT * FROM arrow")
    engine = project.engine()
    yield project, engine, plain
    engine.close()
    plain.close()
    project.index.close()
    project.ledger.close()


def same(lake: tuple[Project, Engine, duckdb.DuckDBPyConnection], query: str, parameters: list[object] | None = None) -> int:
    """Assert that both give the same columns, types and rows; return the number of files that were read."""
    _, engine, plain = lake
    expected = plain.sql(query, params=parameters).to_arrow_table()

    result = engine.sql(query, parameters)
    found = result.arrow()

    assert found.schema == expected.schema, query
    ordered = re.search(r"ORDER BY [^)]*$", query) is not None
    assert (found.to_pylist() if ordered else sorted(map(str, found.to_pylist()))) == (
        expected.to_pylist() if ordered else sorted(map(str, expected.to_pylist()))
    ), query
    return result.statistics.files


def moment(chance: random.Random) -> datetime:
    """Return a moment that often lies on an edge of a day or of a file."""
    day = datetime.fromtimestamp(START_MS / 1000, UTC) + timedelta(days=chance.randrange(-3, DAYS + 3))
    return day + chance.choice(
        [timedelta(), timedelta(microseconds=1), timedelta(microseconds=-1), timedelta(seconds=chance.randrange(86400), microseconds=500)]
    )


def constant(chance: random.Random) -> str:
    when = moment(chance)
    text = when.strftime("%Y-%m-%d %H:%M:%S.%f")
    return chance.choice(
        [
            f"TIMESTAMP '{text}'",
            f"TIMESTAMPTZ '{text}+0{chance.randrange(3)}'",
            f"'{text}'",
            f"'{when.date()}'",
            f"DATE '{when.date()}'",
            f"'{when.date()}'::timestamp",
            f"CAST('{text}' AS TIMESTAMP) - INTERVAL '1 day'",
            f"DATE '{when.date()}' + INTERVAL 6 HOUR",
            f"DATE '{when.date()}' - 2",
            f"date_trunc('month', TIMESTAMP '{text}')",
            f"make_date({when.year}, {when.month}, {when.day})",
            f"timezone('America/New_York', TIMESTAMP '{text}')",
            "now() - INTERVAL '7 days'",
            "current_date",
            f"TIMESTAMP_NS '{text}001'",
            f"'{when.date()} 00:00:00'",
            f"TIMESTAMPTZ '{when.date()}'",
        ]
    )


def text_date(chance: random.Random) -> str:
    return chance.choice([f"'{moment(chance).date()}'", "'2026-12-1'", "'no date'", "'2026-12-05 '"])


def number(chance: random.Random, low: int, high: int) -> str:
    value = chance.randrange(low, high)
    return chance.choice([f"'{value}'", str(value), f"'{value:02d}'", f"'{value}'"])


def atom(chance: random.Random, name: str) -> str:
    """Return a condition on *name*, the datetime column or one qualified."""
    table = name.removesuffix("datetime")
    op = chance.choice(["=", "<", "<=", ">", ">=", "<>"])
    unit = chance.choice(["hour", "day", "week", "month", "quarter", "year"])
    return chance.choice(
        [
            lambda: f"{name} {op} {constant(chance)}",
            lambda: f"{constant(chance)} {op} {name}",
            lambda: f"{name} BETWEEN {constant(chance)} AND {constant(chance)}",
            lambda: f"{name}::date {op} {constant(chance)}",
            lambda: f"CAST({name} AS DATE) BETWEEN DATE '{moment(chance).date()}' AND '{moment(chance).date()}'",
            lambda: f"{name}::timestamp {op} {constant(chance)}",
            lambda: f"{name} IN ({constant(chance)}, {constant(chance)})",
            lambda: f"{name}::date IN ('{moment(chance).date()}', DATE '{moment(chance).date()}')",
            lambda: f"date_trunc('{unit}', {name}) {op} {constant(chance)}",
            lambda: f"strftime({name}, '%Y-%m-%d') {op} {text_date(chance)}",
            lambda: f"strftime({name}, '%Y-%m-%d') IN ({text_date(chance)}, {text_date(chance)})",
            lambda: f"{table}year = {number(chance, 2025, 2028)}",
            lambda: f"{table}month IN ({number(chance, 10, 13)}, {number(chance, 1, 4)})",
            lambda: f"{table}day {chance.choice(['=', '<>', '>', '<='])} {number(chance, 1, 32)}",
            lambda: f"{table}day IN ('{chance.randrange(1, 31)}', '{chance.randrange(1, 31)}')",
            lambda: f"CAST({table}month AS INT) = {chance.randrange(11, 14)}",
            lambda: f"year({name}) = {chance.randrange(2025, 2028)}",
            lambda: f"extract(day FROM {name}) = {chance.randrange(1, 32)}",
            lambda: f"date_part('month', {name}) IN (11, {chance.randrange(1, 13)})",
            lambda: f"{table}level = {chance.randrange(3)}",
            lambda: f"{table}n > {chance.randrange(300)}",
        ]
    )()


def condition(chance: random.Random, name: str, depth: int = 2) -> str:
    if depth == 0 or chance.random() < 0.3:
        return atom(chance, name)
    a, b = condition(chance, name, depth - 1), condition(chance, name, depth - 1)
    return chance.choice([f"({a} AND {b})", f"({a} AND {b})", f"({a} OR {b})", f"NOT ({a})"])


def shape(chance: random.Random) -> str:
    """Return a query whose conditions stand where they may, or must not, be used to leave files out."""
    plain, again, qualified = condition(chance, "datetime"), condition(chance, "datetime"), condition(chance, "s.datetime")
    other = "day AS month, month AS day, n, level FROM sign_ins"
    least = ", ".join(f"min({name}) AS {name}" for name in ("datetime", "year", "month", "day"))
    nearest = "sign_ins s ASOF JOIN sign_ins o ON s.level = o.level AND s.datetime > o.datetime"
    return chance.choice(
        [
            f"SELECT n FROM sign_ins WHERE {plain}",
            f"SELECT n FROM sign_ins s WHERE {qualified}",
            f"SELECT count(*), min(datetime), max(n) FROM sign_ins WHERE {plain}",
            f"SELECT n FROM (SELECT * FROM sign_ins WHERE {again}) s WHERE {qualified}",
            f"SELECT n FROM (SELECT datetime, year, month, day, n, level FROM sign_ins) WHERE {plain}",
            f"SELECT n FROM (SELECT arrival_datetime AS datetime, '2026' AS year, {other}) WHERE {plain}",
            f"SELECT n, r FROM (SELECT *, row_number() OVER (ORDER BY n, datetime, level) AS r FROM sign_ins) WHERE {plain}",
            f"SELECT n FROM (SELECT * FROM sign_ins ORDER BY n, datetime, level LIMIT 50) WHERE {plain}",
            f"SELECT n FROM (SELECT DISTINCT n, datetime, year, month, day, level FROM sign_ins) WHERE {plain}",
            f"SELECT s.n, c FROM (SELECT {least}, level AS n, level, count(*) AS c FROM sign_ins GROUP BY level) s WHERE {qualified}",
            f"WITH s AS (SELECT * FROM sign_ins) SELECT n FROM s WHERE {qualified}",
            f"WITH s AS (SELECT * FROM sign_ins) SELECT (SELECT count(*) FROM s WHERE {plain}), count(*) FROM s WHERE {again}",
            f"WITH a AS (SELECT * FROM sign_ins WHERE {again}), s AS (SELECT * FROM a) SELECT n FROM s WHERE {qualified}",
            f"SELECT s.n, o.n FROM sign_ins s JOIN sign_ins o ON s.n = o.n + 10 WHERE {qualified}",
            f"SELECT s.n, o.n FROM sign_ins o LEFT JOIN sign_ins s ON s.n = o.n + 10 WHERE {qualified}",
            f"SELECT s.n, o.n FROM sign_ins s FULL JOIN sign_ins o ON s.n = o.n + 10 WHERE {qualified}",
            f"SELECT s.n, s.datetime, o.datetime FROM {nearest} WHERE o.datetime {chance.choice(['<', '>='])} {constant(chance)}",
            f"SELECT n FROM sign_ins WHERE {again} UNION ALL SELECT n FROM sign_ins WHERE {plain}",
            f"SELECT n FROM sign_ins WHERE n IN (SELECT n FROM sign_ins WHERE {plain})",
            f"SELECT n FROM sign_ins o WHERE EXISTS (SELECT 1 FROM sign_ins s WHERE s.n = o.n + 1 AND {qualified})",
            f"SELECT n FROM sign_ins o WHERE EXISTS (SELECT 1 FROM (SELECT 1 AS x) q WHERE {plain})",
            f"SELECT datetime::date AS d, count(*) FROM sign_ins WHERE {plain} GROUP BY d",
            f"SELECT count(*) FILTER (WHERE {plain}) FROM sign_ins",
        ]
    )


@pytest.mark.parametrize("seed", range(8))
def test_random_conditions_give_the_rows_they_would_give_over_all_files(
    lake: tuple[Project, Engine, duckdb.DuckDBPyConnection], seed: int
) -> None:
    chance = random.Random(seed)
    pruned = asked = 0

    while asked < 50:
        query = shape(chance)
        try:
            lake[2].sql(query).fetchall()
        except duckdb.Error:
            continue  # a comparison the engine does not have: nothing to compare
        asked += 1
        pruned += same(lake, query) < 55

    assert pruned > 5


@pytest.mark.parametrize(
    ("condition", "parameters", "most_files"),
    [
        ("datetime >= TIMESTAMP '2027-01-02'", [], 3),
        ("datetime >= '2027-01-02' AND datetime < '2027-01-03'", [], 3),
        ("datetime >= ?", ["2027-01-02"], 3),
        ("datetime >= ?", [datetime(2027, 1, 2, tzinfo=UTC)], 3),
        ("datetime >= ?", [date(2027, 1, 2)], 3),
        ("datetime BETWEEN DATE '2026-12-10' AND DATE '2026-12-11'", [], 8),
        ("datetime::date = DATE '2027-01-02'", [], 3),
        ("CAST(datetime AS DATE) = '2027-01-02'", [], 3),
        ("date_trunc('day', datetime) = '2027-01-02'", [], 3),
        ("date_trunc('month', datetime) = DATE '2026-11-01'", [], 13),
        ("strftime(datetime, '%Y-%m-%d') = '2027-01-02'", [], 3),
        ("year = '2026' AND month = '11' AND day IN ('29', '30')", [], 3),
        ("year(datetime) = 2027", [], 3),
        ("'2027-01-02' <= datetime", [], 3),
        ("(datetime < '2026-11-22' OR datetime < '2026-11-21') AND level >= 0", [], 3),
        ("datetime >= '2099-01-01'", [], 0),
        ("datetime <= now() - INTERVAL '20000 days'", [], 0),
    ],
)
def test_conditions_on_time_leave_out_the_files_of_other_days(
    lake: tuple[Project, Engine, duckdb.DuckDBPyConnection], condition: str, parameters: list[object], most_files: int
) -> None:
    files = same(lake, f"SELECT n FROM sign_ins WHERE {condition} ORDER BY n, datetime", parameters or None)

    assert files <= most_files


@pytest.mark.parametrize("where", ["FROM (SELECT * FROM sign_ins)", "FROM sign_ins s JOIN (SELECT 1 AS one) o ON true"])
def test_conditions_reach_through_plain_subqueries_and_joins(lake: tuple[Project, Engine, duckdb.DuckDBPyConnection], where: str) -> None:
    qualifier = "s." if " s " in where else ""

    files = same(lake, f"SELECT n {where} WHERE {qualifier}datetime >= '2027-01-02' ORDER BY n")

    assert files <= 3


@pytest.mark.parametrize(
    "query",
    [
        "SELECT s.n, o.day FROM sign_ins s ASOF JOIN sign_ins o ON s.datetime > o.datetime WHERE o.datetime < '2026-12-01' ORDER BY ALL",
        (
            "WITH o AS (SELECT * FROM sign_ins ORDER BY n, level, datetime) SELECT s.n, o.n"
            " FROM (SELECT n FROM sign_ins ORDER BY n) s POSITIONAL JOIN o WHERE o.datetime > '2026-12-20' ORDER BY ALL"
        ),
        "SELECT datetime FROM (SELECT arrival_datetime AS datetime FROM sign_ins) WHERE datetime >= '2027-01-08' ORDER BY 1",
        "SELECT arrival_datetime AS datetime FROM sign_ins WHERE datetime >= '2027-01-02' ORDER BY 1",
        (
            "SELECT d FROM (SELECT d AS datetime, datetime AS d FROM (SELECT datetime, arrival_datetime AS d FROM sign_ins))"
            " WHERE datetime >= '2027-01-08' ORDER BY 1"
        ),
        "SELECT count(*) FROM (SELECT *, count(*) OVER () AS c FROM sign_ins) WHERE datetime >= '2027-01-02' AND c > 300",
        "SELECT max(datetime) FROM (SELECT * FROM sign_ins ORDER BY datetime LIMIT 10) WHERE datetime >= '2026-11-20 12:00'",
        (
            "SELECT DISTINCT ON (level) level FROM (SELECT DISTINCT ON (level) * FROM sign_ins ORDER BY level, datetime DESC, n)"
            " WHERE datetime < '2026-12-01' ORDER BY 1"
        ),
        "SELECT count(*) FROM sign_ins s LEFT JOIN sign_ins o ON s.n = o.n + 10 AND o.datetime >= '2027-01-01' WHERE s.level = 1",
        "SELECT count(*) FROM sign_ins s LEFT JOIN sign_ins o ON s.n = o.n + 10 WHERE o.datetime IS NULL OR o.datetime >= '2027-01-01'",
        "SELECT count(*) FROM (SELECT count(*) AS c, max(datetime) AS datetime FROM sign_ins) WHERE datetime >= '2027-01-03' AND c > 300",
        "SELECT count(*) FROM sign_ins WHERE NOT datetime >= '2027-01-01'",
        "SELECT count(*) FROM sign_ins WHERE day > '9' AND month < '2'",
        "SELECT a.c, b.c FROM (SELECT count(*) AS c FROM sign_ins WHERE datetime < '2026-11-22') a, (SELECT count(*) AS c FROM sign_ins) b",
        *(f"SELECT count(*) FROM sign_ins WHERE datetime {op} '2026-12-10'" for op in ("<", "<=", ">", ">=", "=", "<>")),
        *(f"SELECT count(*) FROM sign_ins WHERE TIMESTAMP '2026-12-10 00:00' {op} datetime" for op in ("<", "<=", ">", ">=")),
        *(f"SELECT count(*) FROM sign_ins WHERE datetime {op} TIMESTAMPTZ '2026-12-10 00:00:00+05'" for op in ("<", ">=")),
        "SELECT count(*) FROM sign_ins WHERE datetime BETWEEN '2026-12-10' AND '2026-12-11'",
        "SELECT count(*) FROM sign_ins WHERE datetime::date = '2026-12-10 20:00:00-10'",
    ],
)
def test_conditions_that_could_mislead_do_not(lake: tuple[Project, Engine, duckdb.DuckDBPyConnection], query: str) -> None:
    same(lake, query)


DAY_EXPRESSIONS = [
    "date_trunc('day', datetime)",
    "datetime::date",
    "CAST(datetime AS DATE)",
    "date(datetime)",
    "strftime(datetime, '%Y-%m-%d')",
    "strftime(datetime, '%d.%m.%y %%')",
    "date_trunc('week', datetime)",
    "date_trunc('month', datetime)",
    "year(datetime)",
    "extract(dow FROM datetime)",
    "date_part('week', datetime)",
    "dayname(datetime)",
    "last_day(datetime)",
    "isodow(datetime)",
    "yearweek(datetime)",
]


@pytest.mark.parametrize("expression", DAY_EXPRESSIONS)
def test_days_are_read_off_the_files_with_the_same_names_types_and_values(
    lake: tuple[Project, Engine, duckdb.DuckDBPyConnection], expression: str
) -> None:
    qualified = expression.replace("datetime", "s.datetime")
    queries = [
        f"SELECT {expression}, count(*) FROM sign_ins GROUP BY 1 ORDER BY 1",
        f"SELECT {expression} AS d, sum(n) FROM sign_ins WHERE level = 1 GROUP BY d HAVING count(*) > 1 ORDER BY d DESC",
        f"SELECT count(*), {expression} FROM sign_ins GROUP BY {expression} ORDER BY {expression}",
        f"SELECT {qualified}, o.level, count(*) FROM sign_ins s JOIN sign_ins o USING (n) GROUP BY ALL ORDER BY ALL",
        f"SELECT n, {expression} FROM sign_ins ORDER BY n, datetime",
        f"SELECT n, datetime FROM sign_ins WHERE {expression} = (SELECT max({expression}) FROM sign_ins) ORDER BY n, datetime",
        f"SELECT DISTINCT {expression} AS x FROM sign_ins ORDER BY x",
        f"SELECT x.* FROM (SELECT {expression}, n FROM sign_ins) x ORDER BY ALL",
        f"SELECT n, max({expression}) OVER (PARTITION BY level) FROM sign_ins ORDER BY ALL",
        f"EXPLAIN SELECT {expression} FROM sign_ins",
    ]

    for query in queries[:-1]:
        same(lake, query)

    statement = lake[1]._parse(queries[0], lake[1]._sessions.take())
    assert statement.by_day is not None
    assert "headwater:day" in str(lake[1].sql(queries[-1]).rows())


@pytest.mark.parametrize(
    "query",
    [
        "SELECT *, datetime::date AS d FROM sign_ins ORDER BY n, datetime",
        "SELECT sign_ins, datetime::date AS d FROM sign_ins ORDER BY n, datetime",
        "SELECT analytics.sign_ins.n, datetime::date AS d FROM analytics.sign_ins ORDER BY n, datetime",
        "SELECT COLUMNS('.*e.*'), datetime::date AS d FROM sign_ins ORDER BY ALL",
        "SELECT arrival_datetime AS datetime, datetime::date AS d FROM sign_ins ORDER BY ALL",
        "SELECT s.datetime::date AS d, count(*) FROM sign_ins s NATURAL JOIN sign_ins o GROUP BY ALL ORDER BY ALL",
        "SELECT datetime::date AS d, count(*) FROM sign_ins s(a, b, datetime) GROUP BY ALL ORDER BY ALL",
        "SELECT date_trunc('hour', datetime) AS d, count(*) FROM sign_ins GROUP BY ALL ORDER BY ALL",
        "SELECT strftime(datetime, '%Y-%m-%d %H') AS d, count(*) FROM sign_ins GROUP BY ALL ORDER BY ALL",
        "SELECT timezone('Asia/Tokyo', datetime)::date AS d, count(*) FROM sign_ins GROUP BY ALL ORDER BY ALL",
    ],
)
def test_what_could_see_the_difference_is_left_as_it_is(lake: tuple[Project, Engine, duckdb.DuckDBPyConnection], query: str) -> None:
    _, engine, plain = lake
    session = engine._sessions.take()

    statement = engine._parse(query, session)

    assert statement.by_day is None
    engine._sessions.give_back(session)
    try:
        plain.sql(query.replace("analytics.", "")).fetchall()
    except duckdb.Error:
        return
    if "analytics." not in query:
        same(lake, query)


def test_a_column_called_like_a_clock_word_is_not_taken_for_the_clock(project: Project, engine: Engine) -> None:
    rows = events([START_MS, START_MS + 30 * DAY_MS], current_date=[date(1990, 1, 1), date(1990, 1, 1)])
    project.lake.ensure("odd", rows.schema)
    project.fold("odd", rows)

    assert engine.sql("SELECT count(*) FROM odd WHERE datetime > current_date").rows() == [(2,)]
