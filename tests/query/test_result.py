"""How an answer is handed over: at once or as a stream, with memory that stays flat."""

from __future__ import annotations

import gc
import resource
import sys

import pandas
import polars
import pyarrow as pa
import pytest

from headwater.errors import QueryError
from headwater.query import Engine

from .conftest import START_MS, Project, events


def test_rows_come_as_arrow_pandas_polars_and_tuples(project: Project, engine: Engine) -> None:
    project.append("sign_ins", events([START_MS, START_MS + 1], n=[1, 2]))
    result = engine.sql("SELECT n, datetime FROM sign_ins ORDER BY n")

    assert result.arrow().column("n").to_pylist() == [1, 2]
    assert isinstance(result.df(), pandas.DataFrame)
    assert isinstance(result.pl(), polars.DataFrame)
    assert result.pl()["n"].to_list() == list(result.df()["n"]) == [row[0] for row in result.rows()]


@pytest.mark.parametrize(("method", "module"), [("df", "pandas"), ("pl", "polars")])
def test_a_missing_library_is_named_with_its_install(engine: Engine, monkeypatch: pytest.MonkeyPatch, method: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(QueryError, match=rf"{module} is not installed; pip install {module}"):
        getattr(engine.sql("SELECT 1"), method)()


def test_a_stream_is_read_once_and_a_table_as_often_as_wanted(engine: Engine) -> None:
    streamed, kept = engine.sql("SELECT * FROM range(200_000)"), engine.sql("SELECT * FROM range(10)")

    total = sum(batch.num_rows for batch in streamed.batches())

    assert total == 200_000
    assert kept.arrow() is kept.arrow()
    assert sum(batch.num_rows for batch in kept.batches()) == 10
    with pytest.raises(QueryError, match="streamed already"):
        streamed.arrow()


def test_a_closed_result_frees_its_connection_and_gives_nothing(engine: Engine) -> None:
    for _ in range(20):
        with engine.sql("SELECT * FROM range(10_000_000)") as result:
            next(result.batches())
    abandoned = engine.sql("SELECT * FROM range(10_000_000)")
    del abandoned
    gc.collect()

    assert len(engine._sessions._idle) == 1
    closed = engine.sql("SELECT 1")
    closed.close()
    with pytest.raises(QueryError, match="closed"):
        closed.rows()


def test_a_stream_of_many_rows_takes_little_memory(engine: Engine) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    size = sum(batch.nbytes for batch in engine.sql("SELECT i, md5(i::varchar) FROM range(6_000_000) t(i)").batches())

    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert size > 250 << 20
    assert grown_mb < 150


def test_failures_on_the_way_are_query_errors_and_the_engine_goes_on(engine: Engine) -> None:
    result = engine.sql("SELECT CASE WHEN i = 4_000_000 THEN error('too far') ELSE i END FROM range(5_000_000) t(i)")

    with pytest.raises(QueryError, match="too far"):
        result.arrow()

    assert engine.sql("SELECT 1").rows() == [(1,)]


def test_a_query_that_needs_more_than_the_memory_limit_says_so(project: Project) -> None:
    engine = project.engine(memory_limit="64MB", threads=1)

    with pytest.raises(QueryError, match=r"(?i)memory"):
        engine.sql("SELECT list(md5(i::varchar)) FROM range(5_000_000) t(i)").arrow()

    assert engine.sql("SELECT current_setting('memory_limit')").rows() == [("61.0 MiB",)]
    engine.close()


def test_what_does_not_fit_in_memory_is_spilled_where_allowed(project: Project) -> None:
    spill = project.root / "spill"
    engine = project.engine(memory_limit="100MB", threads=1, temp_directory=spill)

    rows = engine.sql("SELECT count(*) FROM (SELECT DISTINCT md5(i::varchar) FROM range(3_000_000) t(i))").rows()

    assert rows == [(3_000_000,)]
    engine.close()


@pytest.mark.parametrize("parameters", [[object()], ["\ud800"], [], [1, 2], {"x": 1}])
def test_parameters_that_cannot_be_given_are_query_errors(engine: Engine, parameters: object) -> None:
    with pytest.raises(QueryError):
        engine.sql("SELECT ?", parameters).rows()  # type: ignore[arg-type]


def test_text_that_is_not_unicode_is_a_query_error(engine: Engine) -> None:
    with pytest.raises(QueryError):
        engine.sql("SELECT '\ud800'")


def test_statistics_say_what_was_read(project: Project, engine: Engine) -> None:
    project.lake.ensure("sign_ins", events([START_MS], n=[1]).schema)
    project.fold("sign_ins", events([START_MS], n=[1]))
    project.append("sign_ins", events([START_MS, START_MS], n=[1, 2]))

    result = engine.sql("SELECT n FROM sign_ins")
    result.arrow()

    assert (result.statistics.files, result.statistics.tail_rows) == (1, 2)
    assert min(result.statistics.bytes, result.statistics.planning_ms, result.statistics.engine_ms) > 0


def test_a_schema_is_known_before_the_rows(engine: Engine) -> None:
    with engine.sql("SELECT 1::BIGINT AS a, 'x' AS b, TIMESTAMPTZ '2026-01-01' AS c FROM range(10)") as result:
        assert result.schema == pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.timestamp("us", "UTC"))])
