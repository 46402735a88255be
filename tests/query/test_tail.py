"""The cache of rows that are in no file yet."""

from __future__ import annotations

import pyarrow as pa

from headwater.lake.index import TableField
from headwater.query.tail import TailCache

from .conftest import START_MS, Project, events


def test_only_new_batches_are_read_again(project: Project) -> None:
    asked: list[dict[str, int]] = []
    tail, ledger = project.ledger.tail, project.ledger

    class Watched:
        def tail(self, after: object = None, tables: object = None) -> object:
            asked.append(dict(after or {}))  # type: ignore[call-overload]
            return tail(after, tables)  # type: ignore[arg-type]

        def close(self) -> None:
            ledger.close()

    cache = TailCache(Watched())  # type: ignore[arg-type]
    project.append("a", events([START_MS], n=[1]))
    cache.copy(["a"])
    project.append("a", events([START_MS], n=[2]))

    found = cache.copy(["a"])["a"]

    assert asked == [{}, {"a": 1}]
    assert found.table(()).column("n").to_pylist() == [1, 2]


def test_a_copy_stays_as_it_was_while_others_let_go(project: Project) -> None:
    cache = TailCache(project.ledger)
    first, second = (project.append("a", events([START_MS], n=[n])) for n in (1, 2))
    before = cache.copy(["a"])["a"]

    cache.forget("a", first)
    after = cache.copy(["a"])["a"]

    assert before.table(()).column("n").to_pylist() == [1, 2]
    assert before.after(first).table(()).column("n").to_pylist() == after.table(()).column("n").to_pylist() == [2]
    assert (after.floor, before.after(second).rows) == (first, 0)


def test_many_small_batches_become_few_pieces_in_order(project: Project) -> None:
    cache = TailCache(project.ledger)
    for n in range(200):
        project.append("a", events([START_MS], n=[n]))
        if n % 7 == 0:
            cache.copy(["a"])

    tail = cache.copy(["a"])["a"]

    assert len(tail.segments) <= 9
    assert tail.table(()).column("n").to_pylist() == list(range(200))
    assert tail.after(150).table(()).column("n").to_pylist() == list(range(150, 200))


def test_memory_is_bounded_and_what_was_dropped_is_read_again(project: Project) -> None:
    cache = TailCache(project.ledger, max_bytes=3_000)
    for table in ("a", "b", "c"):
        project.append(table, events([START_MS] * 10, n=list(range(10))))

    found = [cache.copy([table])[table].rows for table in ("a", "b", "c", "a")]

    assert found == [10, 10, 10, 10]
    assert sum(segment.rows.nbytes for tail in cache._tails.values() for segment in tail.segments) <= 3_000


def test_batches_of_several_schemas_come_under_the_schema_of_the_table(project: Project) -> None:
    cache = TailCache(project.ledger)
    project.append("a", pa.table({"n": pa.array([1], pa.int32())}))
    project.append("a", pa.table({"more": ["x"], "n": pa.array([2], pa.int64())}))
    fields = (
        TableField(1, "n", "long", "BIGINT"),
        TableField(2, "more", "string", "VARCHAR"),
        TableField(3, "new", "map<string, double>", "MAP(VARCHAR, DOUBLE)"),
    )

    rows = cache.copy(["a"])["a"].table(fields)

    assert rows.to_pylist() == [{"n": 1, "more": None, "new": None}, {"n": 2, "more": "x", "new": None}]
    assert rows.schema.types == [pa.int64(), pa.string(), pa.map_(pa.string(), pa.float64())]
