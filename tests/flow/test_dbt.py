"""`dbt run` of a view, a table and a table that grows, with dbt-athena as it is: Athena, Glue and STS here, files on an S3 server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headwater
from tests.flow.test_athena import put
from tests.pypi import install
from tests.s3server import BUCKET, REGION, S3Server, build
from tests.served import Served

pytestmark = pytest.mark.external_service

PROFILE = """
headwater:
  target: here
  outputs:
    here:
      type: athena
      s3_staging_dir: s3://{bucket}/staging/
      s3_data_dir: s3://{bucket}/tables/
      region_name: {region}
      database: awsdatacatalog
      schema: marts
      threads: 2
      poll_interval: 0.1
      num_retries: 0
      aws_access_key_id: {key}
      aws_secret_access_key: {secret}
"""
PROJECT = """
name: marts
version: "1.0"
profile: headwater
model-paths: [models]
flags:
  send_anonymous_usage_stats: false
"""
MODELS = {
    "users": """{{ config(materialized='view') }}
select email, min(datetime) as signed_up_at from analytics.sign_up_events group by email
""",
    "domains": """{{ config(materialized='table') }}
select split_part(email, '@', 2) as domain, count(*) as users from {{ ref('users') }} group by 1
""",
    "replaced": """{{ config(materialized='table', table_type='iceberg') }}
select split_part(email, '@', 2) as domain, count(*) as users from {{ ref('users') }} group by 1
""",
    "growing": """{{ config(materialized='incremental', incremental_strategy='merge', unique_key='domain', table_type='iceberg') }}
select split_part(email, '@', 2) as domain, count(*) as users from {{ ref('users') }} group by 1
""",
}


class Dbt:
    """The program, in a folder with the project, told where Headwater is by AWS's own variables."""

    def __init__(self, folder: Path, served: Served, server: S3Server) -> None:
        self._folder, self._private = folder, f"http://127.0.0.1:{served.ports[1]}"
        key, secret = served.owner["access_key_id"], served.owner["secret_access_key"]
        (folder / "models").mkdir(parents=True)
        (folder / "profiles.yml").write_text(PROFILE.format(bucket=BUCKET, region=REGION, key=key, secret=secret))
        (folder / "dbt_project.yml").write_text(PROJECT)
        for name, text in MODELS.items():
            (folder / "models" / f"{name}.sql").write_text(text)
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(install(Path(__file__).with_name("dbt.txt"))),
            "AWS_ENDPOINT_URL_ATHENA": self._private,
            "AWS_ENDPOINT_URL_GLUE": self._private,
            "AWS_ENDPOINT_URL_STS": served.url,
            "AWS_ENDPOINT_URL_S3": server.endpoint,
        }

    def __call__(self, *arguments: str) -> str:
        command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *arguments, "--profiles-dir", "."]
        done = subprocess.run(command, cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, S3Server]]:
    folder = tmp_path_factory.mktemp("dbt")
    made = Served(folder / "piano")
    # dbt has one key for all services, so the S3 server knows ours.
    with S3Server(build(), folder / "buckets", made.owner["access_key_id"], made.owner["secret_access_key"]).start() as server, made:
        made.configure(f'{server.settings()}lake.folder = "s3://{BUCKET}/lake"')
        made.start()
        put(made, "ada@example.org", "bob@example.org", "cyd@example.net")
        yield made, server


def rows(served: Served, table: str) -> list[tuple[Any, ...]]:
    key, secret = served.owner["access_key_id"], served.owner["secret_access_key"]
    with headwater.connect(f"http://127.0.0.1:{served.ports[1]}", key, secret, dialect="athena") as lake:
        return lake.sql(f"SELECT domain, users FROM marts.{table} ORDER BY 1").rows()


def test_models_are_built_and_built_again(served: tuple[Served, S3Server], tmp_path: Path) -> None:
    project, server = served
    dbt = Dbt(tmp_path / "marts", project, server)

    said = dbt("run")

    assert "Completed successfully" in said
    assert rows(project, "domains") == rows(project, "replaced") == rows(project, "growing") == [("example.net", 1), ("example.org", 2)]

    put(project, "dan@example.org")
    project.settle()
    dbt("run")

    assert rows(project, "domains") == rows(project, "replaced") == rows(project, "growing") == [("example.net", 1), ("example.org", 3)]
