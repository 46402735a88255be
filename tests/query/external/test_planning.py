"""How a query on external tables is planned: many partitions, many columns, and a query that is stopped meanwhile."""

from __future__ import annotations

import pytest

from headwater.errors import QueryError
from headwater.query.watch import Stopped, Watch
from headwater.store import StoredObject
from headwater.store.local import LocalStore
from tests.query.external.conftest import Bucket


@pytest.mark.proof
def test_a_million_projected_values_are_cut_down_to_those_that_are_asked_for(everywhere: Bucket) -> None:
    everywhere.put_parquet("t/n=17/1.parquet", a=[1])
    everywhere.put_parquet("t/n=600017/1.parquet", a=[2])
    everywhere.do(
        "CREATE EXTERNAL TABLE t (a bigint) PARTITIONED BY (n int) STORED AS PARQUET LOCATION 's3://files/t/' TBLPROPERTIES"
        " ('projection.enabled'='true', 'projection.n.type'='integer', 'projection.n.range'='0,999999')"
    )

    assert everywhere.rows("SELECT a FROM t WHERE n > 5 AND n < 20") == [["1"]]
    assert everywhere.rows("SELECT a FROM t WHERE n = 17 OR (n > 600010 AND n < 600020) ORDER BY a") == [["1"], ["2"]]


@pytest.mark.proof
def test_a_hundred_files_of_hundreds_of_columns_are_read(everywhere: Bucket) -> None:
    columns = {f"c{at}": [at] for at in range(350)}
    everywhere.put_parquet("t/000.parquet", **columns)
    content = everywhere.store.read("s3://files/t/000.parquet")
    for at in range(1, 110):
        everywhere.put(f"t/{at:03}.parquet", content)
    declared = ", ".join(f"{name} bigint" for name in columns)
    everywhere.do(f"CREATE EXTERNAL TABLE t ({declared}) STORED AS PARQUET LOCATION 's3://files/t/'")

    assert everywhere.rows("SELECT count(*) AS n, sum(c349) AS s FROM t") == [["110", str(110 * 349)]]


def test_a_query_is_stopped_while_its_partitions_are_listed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.do(
        "CREATE EXTERNAL TABLE t (a bigint) PARTITIONED BY (n int) STORED AS PARQUET LOCATION 's3://files/t/' TBLPROPERTIES"
        " ('projection.enabled'='true', 'projection.n.type'='integer', 'projection.n.range'='0,99999')"
    )
    watch, listed, really = Watch(), [], LocalStore.list

    def listing(store: LocalStore, prefix_url: str) -> list[StoredObject]:
        listed.append(prefix_url)
        watch.stop()
        return really(store, prefix_url)

    monkeypatch.setattr(LocalStore, "list", listing)
    with pytest.raises(Stopped):
        bucket.room.engine.sql("SELECT a FROM t WHERE n < 1000", watch=watch)

    assert 1 <= len(listed) <= 16


def test_a_message_names_a_file_that_is_no_parquet_by_its_url_and_not_by_where_it_lies(everywhere: Bucket) -> None:
    everywhere.put("t/1.parquet", "no parquet at all, and long enough for that")
    everywhere.do("CREATE EXTERNAL TABLE t (a bigint) STORED AS PARQUET LOCATION 's3://files/t/'")

    with pytest.raises(QueryError) as told:
        everywhere.room.engine.sql("SELECT a FROM t").rows()

    assert "s3://files/t/1.parquet" in str(told.value)
    assert str(everywhere.room.folder) not in str(told.value)
