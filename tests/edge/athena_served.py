"""A served project that has the tables of the corpus, for Athena's clients of every kind."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.dialect.corpus import TABLES, engine
from tests.served import Served

DATABASE = "lake"
REGION = "us-east-1"
# Files of Hive tables have no instants: they are staged as text.
INSTANTS = 'strftime("at", \'%Y-%m-%d %H:%M:%S.%f UTC\') AS "at"'


class CorpusServed:
    """`headwater serve` on a project whose database is `lake`, with `practice`, `students` and the view `passes`."""

    def __init__(self, folder: Path) -> None:
        self.served = Served(folder, f"app.database = '{DATABASE}'")
        self.served.start()
        self.url = f"http://127.0.0.1:{self.served.ports[1]}"
        self.key, self.secret = self.served.owner["access_key_id"], self.served.owner["secret_access_key"]
        self.athena = boto3.client(
            "athena", endpoint_url=self.url, region_name=REGION, aws_access_key_id=self.key, aws_secret_access_key=self.secret,
            config=Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=16),
        )  # fmt: skip
        try:
            self._fill()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.athena.close()
        self.served.stop()

    def start(self, query: str, **asked: Any) -> str:
        return str(self.athena.start_query_execution(QueryString=query, ClientRequestToken=str(uuid.uuid4()), **asked)["QueryExecutionId"])

    def ended(self, execution_id: str, within_s: float = 60) -> dict[str, Any]:
        """Return the execution once it has ended."""
        deadline, pause_s = time.monotonic() + within_s, 0.03
        while True:
            execution: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            assert time.monotonic() < deadline, execution
            time.sleep(pause_s)  # as clients do: Athena tells nobody that a query has ended
            pause_s = min(pause_s * 1.5, 0.1)

    def run(self, query: str, **asked: Any) -> dict[str, Any]:
        """Run a statement that must succeed, and return the execution."""
        execution = self.ended(self.start(query, **asked))
        assert execution["Status"]["State"] == "SUCCEEDED", (query, execution["Status"])
        return execution

    def _fill(self) -> None:
        """Make the tables by Athena's own statements: other people's files first, then tables of what is in them."""
        self.run("CREATE DATABASE other")
        connection = engine()
        for name, columns in TABLES.items():
            folder = self.served.folder / "data/results/corpus" / name
            folder.mkdir(parents=True)
            chosen = f"* REPLACE ({INSTANTS})" if name == "practice" else "*"
            connection.execute(f"COPY (SELECT {chosen} FROM lake.{name}) TO '{folder}/rows.parquet'")
            listed = ", ".join(f"`{column}` {'string' if column == 'at' else kind}" for column, kind, _ in columns)
            self.run(f"CREATE EXTERNAL TABLE other.{name} ({listed}) STORED AS PARQUET LOCATION 's3://corpus/{name}/'")
            selected = ", ".join(
                'CAST("at" AS timestamp(6) with time zone) AS "at"' if column == "at" else column for column, *_ in columns
            )
            self.run(
                f"CREATE TABLE {name} WITH (table_type = 'ICEBERG', is_external = false, location = 's3://lake/{name}/')"
                f" AS SELECT {selected} FROM other.{name}"
            )
        connection.close()
        self.run("CREATE VIEW passes AS SELECT student, count_if(passed) AS passes FROM practice GROUP BY 1")
