"""Questions that would take all time or memory there is: each ends in time, with the reason, and harms nobody else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import QueryError, QueryLimit
from headwater.query import Engine
from tests.query.conftest import START_MS, Project, events

from .conftest import open_sandboxes

pytestmark = pytest.mark.alone

LIMIT_S = 1.0
# The kill comes a second after the limit; a tenth is for the news of it.
LATE_S = 1.1

TIME_OR_MEMORY = {
    "a long string": "SELECT length(repeat('x', 4_000_000_000))",
    "strings in strings": "SELECT length(repeat(repeat(repeat('x', 100_000), 1_000), 100))",
    "padding": "SELECT length(lpad('x', 2_000_000_000, 'y'))",
    "padding on the right, often": "SELECT sum(length(rpad('x', 50_000_000 + i::INT, 'yz'))) FROM range(1_000_000) t(i)",
    "printf": "SELECT length(printf('%2000000000d', 1))",
    "format": "SELECT length(format('{:>2000000000}', 'x'))",
    "replace that grows": "SELECT length(replace(replace(repeat('a', 10_000), 'a', repeat('b', 10_000)), 'b', repeat('c', 100)))",
    "string_agg": "SELECT length(string_agg(repeat('x', 1_000), '')) FROM range(10_000_000)",
    "concat of itself": "WITH RECURSIVE t AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM t) SELECT max(length(s)) FROM t",
    "a long list": "SELECT len(list(i)) FROM range(10_000_000_000) t(i)",
    "range as a list": "SELECT len(range(4_000_000_000))",
    "lists of lists": "SELECT sum(len(list_transform(range(100_000), lambda x: range(x)))) FROM range(100)",
    "list_reduce": "SELECT list_reduce(range(100_000_000), lambda a, b: (a + b) % 7)",
    "reduce to a string": "SELECT length(list_reduce([repeat('ab', 1_000) FOR x IN range(30_000)], lambda a, b: a || b || a))",
    "flatten": "SELECT len(flatten([range(1_000_000) FOR x IN range(100_000)]))",
    "list_sort": "SELECT list_sort(list_transform(range(200_000_000), lambda x: hash(x)))[1]",
    "list_zip": "SELECT len(list_zip(range(300_000_000), range(300_000_000)))",
    "a map": "SELECT cardinality(map(range(200_000_000), range(200_000_000)))",
    "histogram": "SELECT cardinality(histogram(i)) FROM range(1_000_000_000) t(i)",
    "json": "SELECT length(to_json(list({'a': i, 'b': repeat('x', 100)}))::VARCHAR) FROM range(100_000_000) t(i)",
    "recursion without an end": "WITH RECURSIVE t AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM t) SELECT count(*) FROM t",
    "recursion that doubles": "WITH RECURSIVE t AS (SELECT 1 AS i UNION ALL SELECT i + j FROM t, range(2) v(j)) SELECT count(*) FROM t",
    "a cross product": "SELECT count(*) FROM range(1_000_000) a(i), range(1_000_000) b(j) WHERE (i * j) % 7 = 3",
    "a cross product of six": "SELECT max(a.n + b.n * c.n) FROM sign_ins a, sign_ins b, sign_ins c, sign_ins d, sign_ins e, sign_ins f",
    "a join with one key": "SELECT count(*) FROM range(3_000_000) a(i) JOIN range(3_000_000) b(j) ON i % 2 = j % 2 AND i <> j + 1",
    "an inequality join": "SELECT count(*) FROM range(5_000_000) a(i) JOIN range(5_000_000) b(j) ON hash(i) < hash(j)",
    "a large sort": "SELECT md5(i::VARCHAR) AS m FROM range(1_000_000_000) t(i) ORDER BY m DESC OFFSET 999_999_000",
    "many groups": "SELECT count(*) FROM (SELECT md5(i::VARCHAR) AS m, count(*) FROM range(1_000_000_000) t(i) GROUP BY m)",
    "distinct": "SELECT count(DISTINCT md5(i::VARCHAR)) FROM range(1_000_000_000) t(i)",
    "a window": "SELECT max(s) FROM (SELECT sum(hash(i)) OVER (ORDER BY hash(i) ROWS 99_999 PRECEDING) AS s FROM range(1e8::INT) t(i))",
    "exact quantiles": "SELECT quantile_cont(hash(i), 0.5) FROM range(1_000_000_000) t(i)",
    "a regular expression": "SELECT count(*) FROM range(99_999) t(i) WHERE regexp_matches(repeat('a', 99_999) || i, '(a*)*(a*)*b(.*a){9}')",
    "regexp_replace": "SELECT length(regexp_replace(repeat('a', 50_000_000), '(a)', '\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1', 'g'))",
    "levenshtein": "SELECT levenshtein(repeat('ab', 200_000), repeat('ba', 200_000))",
    "damerau": "SELECT damerau_levenshtein(repeat('ab', 100_000), repeat('ba', 100_000))",
    "jaccard": "SELECT sum(jaccard(repeat('ab' || i, 1_000_000), repeat('ba', 1_000_000))) FROM range(100_000) t(i)",
    "factorials": "SELECT sum(factorial(33 - (i % 2)::INT)::DOUBLE) FROM range(100_000_000_000) t(i)",
    "generate_series": "SELECT max(i) FROM generate_series(1, 1_000_000_000_000) t(i) WHERE i % 3 = 5",
    "dates": "SELECT count(*) FROM generate_series(TIMESTAMP '0001-01-01', TIMESTAMP '9999-01-01', INTERVAL 1 SECOND) t(i)",
    "unnest": "SELECT count(*) FROM (SELECT unnest(range(1_000_000)) AS a FROM range(1_000_000)) WHERE a % 7 = 8",
    "unnest in unnest": "SELECT sum(z) FROM (SELECT unnest(range(y)) AS z FROM (SELECT unnest(range(100_000)) AS y FROM range(1_000)))",
    "a sum over md5": "SELECT sum(length(sha256(repeat(i::VARCHAR, 10_000)))) FROM range(1_000_000_000) t(i)",
    "a correlated subquery": "SELECT sum((SELECT count(*) FROM range(i) r(j) WHERE j % 3 = i % 2)) FROM range(10_000_000) t(i)",
    "a result without an end": "SELECT i, md5(i::VARCHAR) FROM range(1_000_000_000_000) t(i)",
    "a wide result": "SELECT repeat('x', 1_000_000) AS x FROM range(10_000_000)",
    "one enormous value": "SELECT repeat('x', 150_000_000) AS x",
    "a bit string": "SELECT bit_count(bitstring('1', 2_000_000_000))",
    "a pivot": "PIVOT (SELECT i, i % 7 AS k FROM range(1_000_000_000) t(i)) ON k IN (1, 2, 3, 4, 5, 6) USING list(i)",
}
REFUSED = {
    "sleep": "SELECT pg_sleep(3600)",
    "sleep for long": "SELECT sleep_ms(3_600_000)",
    "deep brackets": "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
    "deep sums": "SELECT " + "+".join(["1"] * 30_000),
    "deep subqueries": "SELECT " + "(SELECT " * 3_000 + "1" + ")" * 3_000,
    "deep lists": "SELECT " + "[" * 5_000 + "1" + "]" * 5_000,
    "deep functions": "SELECT " + "abs(" * 5_000 + "1" + ")" * 5_000,
    "deep cases": "SELECT " + "CASE WHEN true THEN " * 3_000 + "1" + " END" * 3_000,
    "deep casts": "SELECT 1" + "::INT" * 20_000,
    "many parts": "SELECT " + ", ".join(f"a{i} + {i}" for i in range(100_000)),
    "a long text": "SELECT '" + "x" * 30_000_000 + "'",
    "many unions": " UNION ALL ".join(["SELECT 1"] * 20_000),
}


@pytest.fixture(scope="module")
def bombed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    project = Project(tmp_path_factory.mktemp("bombs") / "project")
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    project.fold("sign_ins", events([START_MS + i for i in range(1_000)], n=list(range(1_000))))
    engine = project.engine(sessions=open_sandboxes(project, max_seconds=LIMIT_S, memory="256MB"))
    engine.sql("SELECT 1").rows()
    yield engine
    engine.close()
    project.index.close()
    project.ledger.close()


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize("bomb", TIME_OR_MEMORY.values(), ids=TIME_OR_MEMORY.keys())
def test_what_takes_too_much_ends_in_time_and_says_why(bombed: Engine, bomb: str) -> None:
    before, took = resident_mb(), []

    # A machine that does other things besides may hand the news on late, once; a bomb that is not stopped is late every time.
    while not took or (took[-1] >= LIMIT_S + LATE_S and len(took) < 3):
        started = time.monotonic()
        with pytest.raises(QueryLimit) as told:
            for batch in bombed.sql(bomb).batches():
                del batch
        took.append(time.monotonic() - started)

    assert bombed.sql("SELECT count(*) FROM sign_ins").rows() == [(1_000,)]
    assert min(took) < LIMIT_S + LATE_S, told.value
    assert resident_mb() - before < 120
    assert ("256MB" if told.value.limit == "memory" else "1 s") in str(told.value)


@pytest.mark.parametrize("bomb", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_too_much_to_begin_with_is_refused(bombed: Engine, bomb: str) -> None:
    started = time.monotonic()

    with pytest.raises(QueryError) as told:
        bombed.sql(bomb).rows()

    assert time.monotonic() - started < LIMIT_S + LATE_S, told.value
    assert len(str(told.value)) < 1_000
    assert bombed.sql("SELECT count(*) FROM sign_ins").rows() == [(1_000,)]
