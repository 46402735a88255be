"""Databases, external tables and views in a served project: the query role asks, the worker writes, a sandbox reads."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.flow.test_athena import client, ended, rows
from tests.served import Served
from tests.waiting import until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("external") / "piano").start() as made:
        yield made


def test_files_in_a_bucket_become_a_table_that_outlives_a_crash_of_the_worker(served: Served) -> None:
    folder = served.folder / "data/results/files/prices"
    for day, price in (("2026-01-01", 1.5), ("2026-01-02", 2.5)):
        (folder / f"day={day}").mkdir(parents=True)
        pq.write_table(pa.table({"Plan": ["gold"], "price": [price]}), folder / f"day={day}" / "1.parquet")
    athena = client(served)
    for statement in (
        "CREATE DATABASE shop",
        (
            "CREATE EXTERNAL TABLE shop.prices (plan string, price double) PARTITIONED BY (day date) STORED AS PARQUET"
            " LOCATION 's3://files/prices/'"
        ),
        "MSCK REPAIR TABLE shop.prices",
        "CREATE VIEW shop.newest AS SELECT plan, price FROM shop.prices WHERE day >= DATE '2026-01-02'",
    ):
        rows(athena, statement)
    assert rows(athena, "SELECT * FROM shop.newest") == [["plan", "price"], ["gold", "2.5"]]

    pid = served.roles()["worker"]["pid"]
    os.kill(pid, signal.SIGKILL)
    role = until(lambda: served.roles()["worker"], lambda role: role["pid"] not in (pid, None) and role["state"] == "ready")
    assert role["state"] == "ready", served.roles()

    assert rows(athena, "SHOW PARTITIONS shop.prices") == [["day=2026-01-01"], ["day=2026-01-02"]]
    assert rows(athena, "SELECT sum(price) AS s FROM shop.prices") == [["s"], ["4.0"]]
    assert served.sql("SELECT plan, sum(price) AS s FROM shop.prices GROUP BY plan") == [{"plan": "gold", "s": 4.0}]
    rows(athena, "DROP TABLE shop.prices")
    rows(athena, "DROP DATABASE shop CASCADE")
    assert rows(athena, "SHOW DATABASES") == [["analytics"], ["default"]]
    assert (folder / "day=2026-01-01" / "1.parquet").exists()


def test_files_are_read_whatever_names_people_gave_them(served: Served) -> None:
    folder = served.folder / "data/results/files/orders, süd"
    names = ["orders (1).csv", "a,b.csv", "März.csv", "10%.csv", "a%20b.csv", "it's.csv", "k=a%3Ab/x.csv", "k=a%2Fb/x.csv"]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{number}\n")
    athena = client(served)
    shape = "ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://files/orders, süd/'"
    rows(athena, f"CREATE EXTERNAL TABLE orders (n int) {shape}")
    rows(athena, f"CREATE EXTERNAL TABLE parts (n int) PARTITIONED BY (k string) {shape}")

    assert rows(athena, "SELECT n FROM orders ORDER BY n")[1:] == [[str(number)] for number in range(len(names))]
    rows(athena, "MSCK REPAIR TABLE parts")
    assert rows(athena, "SELECT k, n FROM parts ORDER BY n")[1:] == [["a:b", "6"], ["a/b", "7"]]


def test_a_table_of_events_cannot_be_dropped(served: Served) -> None:
    athena = client(served)
    asked = athena.start_query_execution(QueryString="DROP TABLE sign_up_events")

    status = ended(athena, asked["QueryExecutionId"])["Status"]

    assert (status["State"], status["AthenaError"]["ErrorType"]) == ("FAILED", 1200)
    assert status["StateChangeReason"].startswith("NOT_SUPPORTED: analytics.sign_up_events is the table of an event type")
