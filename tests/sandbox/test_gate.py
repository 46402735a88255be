"""The gate knows every part that may be in a question; what it does not know, it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from headwater.errors import QueryError
from headwater.sandbox.gate import check, functions

# Scalar functions, aggregates and macros of DuckDB 2.0 that are not allowed: they know of settings, catalogs, sessions, raw memory or
# other statements, wait, or write. A newer DuckDB has others: each is to be put on one of the two lists.
REFUSED = {
    "current_connection_id", "current_query", "current_query_id", "current_schemas", "current_setting", "current_transaction_id",
    "txid_current", "in_search_path", "getvariable", "setseed", "nextval", "currval", "setval", "write_log", "parse_duckdb_log_message",
    "sleep_ms", "stats", "vector_type", "index_key", "get_block_size", "invoke", "create_sort_key", "icu_sort_key",
    "finalize", "combine", "combine_aggr", "to_aggregate_state", "bitstring_byte_comparable", "timetz_byte_comparable",
    "variant_bytes_to_variant", "variant_to_parquet_variant", "variant_comparator", "variant_normalize", "vertex_extract",
    "json_serialize_plan", "json_serialize_sql", "json_deserialize_sql", "json_copy_strftime_if_date", "json_copy_strftime_if_timestamp",
    "cast_to_type", "make_type", "replace_type", "get_type", "format_pg_type", "map_to_pg_oid", "__between", "__cast",
}  # fmt: skip
REFUSED_KINDS = ("__internal_", "pg_", "has_", "inet_", "collate_", "icu_collate_")


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    made = duckdb.connect()
    yield made
    made.close()


def tree(engine: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    answer = engine.execute("SELECT json_serialize_sql(CAST(? AS VARCHAR), skip_null := true, skip_empty := true)", [query]).fetchall()
    found = json.loads(answer[0][0])
    assert not found["error"], found
    return dict(found["statements"][0])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a.b, upper(x), x.upper(), count(*) FILTER (WHERE y), sum(DISTINCT z), string_agg(a, ',' ORDER BY b DESC NULLS LAST) FROM t",
        "SELECT * EXCLUDE (a) REPLACE (b AS c), COLUMNS('a.*'), COLUMNS(lambda c: c LIKE 'a%'), #1 FROM t",
        "SELECT CASE WHEN a THEN b END, a BETWEEN 1 AND 2, a IN (1, 2), a IS NULL, NOT a, a AND b OR c, a IS DISTINCT FROM b, a <> b",
        "SELECT (SELECT 1), EXISTS (SELECT 1), a IN (SELECT 1), a = ANY (SELECT 1), ARRAY(SELECT 1), a > ALL ([1])",
        "SELECT sum(x) OVER (PARTITION BY a ORDER BY b ROWS 1 PRECEDING EXCLUDE TIES), lag(x IGNORE NULLS) OVER w FROM t WINDOW w AS ()",
        "SELECT ntile(3) OVER (), first_value(x) OVER (ORDER BY a RANGE BETWEEN 1 PRECEDING AND 2 FOLLOWING) FROM t",
        "SELECT list_transform([1], lambda x: x + 1), [x + 1 FOR x IN [1, 2] IF x > 1], {'a': 1}, MAP {'a': 1}, [1, 2][1:2], s.a.b",
        "SELECT $1, CAST(x AS DECIMAL(10, 2)), x::STRUCT(a INT)[], TRY_CAST(x AS DATE), DATE '2020-01-01', x COLLATE NOCASE",
        "SELECT a, count(*) FROM t GROUP BY GROUPING SETS ((a), ()) HAVING a > 1 QUALIFY row_number() OVER () = 1 ORDER BY ALL",
        "SELECT DISTINCT ON (a) a FROM t TABLESAMPLE 10% LIMIT 10%",
        "SELECT 1 UNION ALL BY NAME SELECT 2 INTERSECT SELECT 3 EXCEPT SELECT 4",
        "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT 2 FROM a), b AS MATERIALIZED (SELECT 1) SELECT * FROM a, b",
        "VALUES (1, 2), (3, 4)",
        "PIVOT (SELECT 1 AS n, 'x' AS k) ON k IN ('x') USING max(n) GROUP BY n",
        "UNPIVOT t ON a, b INTO NAME n VALUE v",
        "SUMMARIZE t",
        "DESCRIBE SELECT 1",
        "SELECT * FROM range(3), generate_series(1, 2), unnest([1]), json_each('{}'), LATERAL (SELECT 1)",
        "SELECT * FROM a ASOF JOIN b ON a.x >= b.x POSITIONAL JOIN c SEMI JOIN d USING (x) NATURAL JOIN e CROSS JOIN f",
        "SELECT x AT TIME ZONE 'UTC', extract(year FROM x), trim(BOTH 'a' FROM x), x LIKE 'a' ESCAPE 'b', x SIMILAR TO 'a', -x, x!",
        "SELECT coalesce(a, b), nullif(a, b), ifnull(a, b), greatest(a), try(a), grouping(a), if(a, b, c), mode(b)",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x), arg_max(a, b), histogram(a), current_date, now(), uuid()",
        "SELECT date_trunc('day', x), strftime(x, '%Y'), date_diff('day', x, y), epoch_ms(x), regexp_extract(x, 'a'), x ->> '$.a' FROM t",
    ],
)
def test_questions_pass(engine: duckdb.DuckDBPyConnection, query: str) -> None:
    check(tree(engine, query))


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("WITH x AS (COPY (SELECT 1) TO '/tmp/x') SELECT 1", "COPY"),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING *) FROM x", "INSERT"),
        ("SELECT * FROM read_text('x')", "read_text"),
        ("SELECT * FROM system.main.read_text('x')", "read_text"),
        ("SELECT system.main.current_setting('x')", "current_setting"),
        ("SELECT 'x'.getvariable()", "getvariable"),
        ("SELECT Sleep_MS(1)", "sleep_ms"),
        ("SELECT nobody_knows(1)", "nobody_knows"),
        ("SELECT nobody_knows(1) OVER ()", "nobody_knows"),
        ("SELECT sum(nobody_knows(1)) FILTER (WHERE nobody_knows_that(1))", "nobody_knows"),
        ("SELECT list_transform([1], lambda x: current_setting('y'))", "current_setting"),
        ("SELECT 1 LIMIT (SELECT current_setting('y'))", "current_setting"),
        ("SELECT DEFAULT", "DEFAULT"),
    ],
)
def test_others_do_not(engine: duckdb.DuckDBPyConnection, query: str, why: str) -> None:
    with pytest.raises(QueryError, match=why):
        check(tree(engine, query))


def test_a_part_nobody_knows_is_refused_wherever_it_stands(engine: duckdb.DuckDBPyConnection) -> None:
    whole = tree(engine, "SELECT a + 1 FROM t WHERE b ORDER BY c")
    places: list[dict[str, Any]] = []

    def walk(part: Any) -> None:
        if isinstance(part, list):
            for item in part:
                walk(item)
        elif isinstance(part, dict):
            places.extend([part] if isinstance(part.get("type"), str) else [])
            for item in part.values():
                walk(item)

    walk(whole)
    for place in places:
        for key in ("class", "type"):
            if key in place and not (key == "type" and "class" in place):
                kept, place[key] = place[key], "SOMETHING_NEW"
                with pytest.raises(QueryError):
                    check(whole)
                place[key] = kept
    check(whole)
    assert len(places) > 6


def test_every_function_of_the_engine_is_on_one_of_the_two_lists(engine: duckdb.DuckDBPyConnection) -> None:
    kinds = "('scalar', 'aggregate', 'macro', 'window')"
    found = engine.execute(f"SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type IN {kinds}").fetchall()
    named = {name for (name,) in found}

    unknown = {name for name in named - functions() - REFUSED if not name.startswith(REFUSED_KINDS) and not name.endswith("_description")}

    assert unknown == set()
    assert functions() - named <= {"unnest"}
    assert not functions() & REFUSED
    assert not [name for name in functions() if name.startswith(REFUSED_KINDS) and name not in ("pg_size_pretty", "pg_typeof")]
