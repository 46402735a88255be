"""A served project whose lake and results lie in a bucket: from PutEvents to SQL, and to clients that read results themselves."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyarrow.fs import FileSystem
from pyathena import connect
from pyathena.arrow.cursor import ArrowCursor
from pyathena.arrow.result_set import AthenaArrowResultSetMetadataReader
from pyathena.pandas.cursor import PandasCursor

import headwater
from headwater.errors import ProjectError
from headwater.process.move import move_project
from headwater.settings import load_settings
from headwater.store import open_store
from tests.flow.test_athena import client, ended, private, put, rows
from tests.pypi import install
from tests.s3server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, S3Server, build
from tests.served import Served
from tests.waiting import until

pytestmark = pytest.mark.external_service
RESULTS = f"s3://{BUCKET}/results/"
SETTINGS = f"""
lake.folder = "s3://{BUCKET}/lake"
lake.fold_max_seconds = 1
query.results = "s3://{BUCKET}/results"
query.max_seconds = 30
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(build(), tmp_path_factory.mktemp("s3") / "buckets").start() as server:
        yield server


@pytest.fixture(scope="module")
def served(server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("flow") / "piano", server.settings() + SETTINGS).start() as served:
        put(served, "ada@example.org", "grace@example.org")
        assert until(lambda: server.keys("lake/data/analytics/sign_up_events/")), served.log.read_text()[-2000:]
        yield served


class TwoKeys(boto3.Session):
    """Reads buckets as everybody does, and asks Headwater with a key of its own."""

    def __init__(self, asking: dict[str, Any]) -> None:
        super().__init__(region_name=REGION)
        self._asking = asking

    def client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        return super().client(service_name, *arguments, **{**options, **(self._asking if service_name in ("athena", "glue") else {})})


@pytest.fixture
def session(served: Served, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> TwoKeys:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
    return TwoKeys(private(served))


def test_events_become_files_in_the_bucket_and_rows_of_sql(served: Served, server: S3Server) -> None:
    athena = client(served)
    query = "SELECT email FROM sign_up_events WHERE email IN ('ada@example.org', 'grace@example.org') ORDER BY 1"

    assert rows(athena, query) == [["email"], ["ada@example.org"], ["grace@example.org"]]
    [file] = server.keys("lake/data/analytics/sign_up_events/")
    assert "/year=" in file
    assert not list(Path(served.folder, "data").rglob("*.metadata.json"))
    assert not (served.folder / "data" / "lake").exists()
    assert [row["email"] for row in served.sql("SELECT email FROM sign_up_events ORDER BY 1")][:1] == ["ada@example.org"]


def test_results_are_objects_that_anybody_with_the_bucket_reads(served: Served, server: S3Server) -> None:
    athena = client(served)
    started = athena.start_query_execution(QueryString="SELECT 1 AS one, 'a \"quote\"' AS text")["QueryExecutionId"]
    execution = ended(athena, started)

    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"{RESULTS}{started}.csv"
    s3 = server.client()
    content = s3.get_object(Bucket=BUCKET, Key=f"results/{started}.csv")["Body"].read()
    assert content == b'"one","text"\n"1","a ""quote"""\n'
    assert s3.head_object(Bucket=BUCKET, Key=f"results/{started}.csv.metadata")["ContentLength"] > 0
    s3.close()


def test_a_result_goes_where_the_client_says(served: Served, server: S3Server) -> None:
    athena = client(served)
    athena.create_work_group(Name="free", Configuration={"EnforceWorkGroupConfiguration": False})
    asked = {"WorkGroup": "free", "ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/elsewhere/"}}

    assert rows(athena, "SHOW DATABASES", **asked) == [["analytics"], ["default"]]
    assert [key.rpartition(".")[2] for key in server.keys("elsewhere/")] == ["txt", "metadata"]
    with pytest.raises(athena.exceptions.InvalidRequestException, match="no bucket that is known here"):
        rows(athena, "SELECT 1", WorkGroup="free", ResultConfiguration={"OutputLocation": "s3://of-somebody-else/"})


def test_pages_are_read_although_the_result_is_large(served: Served) -> None:
    athena = client(served)
    query = "SELECT n, rpad('', 200, 'x') AS pad FROM UNNEST(sequence(1, 200000)) AS t(n) ORDER BY n"
    started = athena.start_query_execution(QueryString=query)["QueryExecutionId"]
    assert ended(athena, started)["Status"]["State"] == "SUCCEEDED"

    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=started, PaginationConfig={"MaxItems": 2_500})
    found = [row["Data"][0]["VarCharValue"] for page in pages for row in page["ResultSet"]["Rows"]]

    assert found == ["n", *map(str, range(1, 2_500))]


@pytest.mark.parametrize("cursor", [PandasCursor, ArrowCursor])
def test_pyathena_reads_results_from_the_bucket(session: TwoKeys, cursor: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # Its own way to a bucket knows no endpoint but Amazon's.
    monkeypatch.setattr(AthenaArrowResultSetMetadataReader, "_create_s3_file_system", lambda self: FileSystem.from_uri(f"s3://{BUCKET}")[0])
    query = "SELECT email, length(email) AS size, datetime FROM sign_up_events WHERE email LIKE 'ada%' OR email LIKE 'grace%' ORDER BY 1"

    with connect(schema_name="analytics", work_group="primary", session=session) as connection:
        result = connection.cursor(cursor).execute(query)
        table = result.as_pandas() if cursor is PandasCursor else result.as_arrow().to_pandas()

    assert list(table["email"]) == ["ada@example.org", "grace@example.org"]
    assert list(table["size"]) == [15, 17]


def test_statements_that_write_do_so_in_the_bucket(served: Served, server: S3Server) -> None:
    athena = client(served)

    def run(query: str) -> None:
        execution = ended(athena, athena.start_query_execution(QueryString=query)["QueryExecutionId"], 30)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]

    run("CREATE TABLE scores WITH (table_type = 'ICEBERG', is_external = false) AS SELECT n, n % 3 AS r FROM UNNEST(sequence(1, 30)) t(n)")
    run("INSERT INTO scores VALUES (31, 1), (32, 2)")
    run("DELETE FROM scores WHERE r = 0")
    run("OPTIMIZE scores REWRITE DATA USING BIN_PACK")

    assert rows(athena, "SELECT count(*), sum(n) FROM scores")[1:] == [["22", str(31 + 32 + sum(n for n in range(31) if n % 3))]]
    assert server.keys("lake/data/analytics/scores/")
    run("DROP TABLE scores")


def test_files_of_others_in_the_bucket_are_tables(served: Served, server: S3Server) -> None:
    athena, s3 = client(served), server.client()
    for day in (1, 2, 3):
        content = f"{day},ada\n{day},grace\n".encode()
        s3.put_object(Bucket=BUCKET, Key=f"others/day={day}/part.csv", Body=content)
    s3.close()
    create = (
        "CREATE EXTERNAL TABLE others (n int, name string) PARTITIONED BY (day string)"
        f" ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://{BUCKET}/others/'"
    )
    for statement in (create, "MSCK REPAIR TABLE others"):
        execution = ended(athena, athena.start_query_execution(QueryString=statement)["QueryExecutionId"])
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]

    found = rows(athena, "SELECT name, n FROM others WHERE day > '1' ORDER BY 2, 1")

    assert found[1:] == [["ada", "2"], ["grace", "2"], ["ada", "3"], ["grace", "3"]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own
@pytest.mark.parametrize(
    "way",
    [
        {"ctas_approach": False},
        {"ctas_approach": False, "unload_approach": True, "s3_output": f"s3://{BUCKET}/unloaded/"},
        {"ctas_approach": True, "s3_output": f"s3://{BUCKET}/selected/"},
    ],
    ids=["csv", "unload", "ctas"],
)
def test_awswrangler_reads_frames(session: TwoKeys, way: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(install(Path(__file__).with_name("awswrangler.txt")))
    athena = import_module("awswrangler").athena
    query = "SELECT email, length(email) AS size, datetime FROM sign_up_events WHERE email LIKE 'ada%' OR email LIKE 'grace%' ORDER BY 1"

    frame = athena.read_sql_query(query, database="analytics", boto3_session=session, **way)

    assert list(frame["email"]) == ["ada@example.org", "grace@example.org"]
    assert list(frame["size"]) == [15, 17]
    assert str(frame["datetime"].dtype).startswith("datetime64")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of awswrangler
def test_what_the_page_on_buckets_shows_works(session: TwoKeys, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(install(Path(__file__).with_name("awswrangler.txt")))
    page = (Path(__file__).parents[2] / "docs" / "s3.md").read_text()
    snippets = re.findall(r"^```py\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    given = private(served)

    code = "\n".join(snippets).replace("http://127.0.0.1:8701", given["endpoint_url"])
    for name in ("aws_access_key_id", "aws_secret_access_key"):
        code = code.replace(f'"{name}": "…"', f'"{name}": "{given[name]}"')
    names: dict[str, Any] = {}
    exec(code, names)

    assert len(snippets) == 3
    assert {"ada@example.org", "grace@example.org"} <= set(names["frame"]["email"])


def test_the_settings_of_the_page_on_buckets_are_settings(served: Served, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "s3.md").read_text()
    [shown] = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    app = tomllib.loads((served.folder / "headwater.toml").read_text())["app"]
    (tmp_path / "headwater.toml").write_text("[app]\n" + "".join(f'{key} = "{value}"\n' for key, value in app.items()) + shown)

    settings = load_settings(tmp_path)

    assert settings.lake.folder == "s3://piano-lake/tables"
    assert settings.s3.endpoint == "https://s3.example.org"


def test_a_copy_does_not_touch_the_lake_in_the_bucket_until_it_has_one_of_its_own(served: Served, server: S3Server, tmp_path: Path) -> None:
    query = "SELECT count(*) AS n FROM sign_up_events WHERE email IN ('ada@example.org', 'grace@example.org')"
    other, store = tmp_path / "copy", open_store("s3:", access=server.access)
    shutil.copytree(served.folder, other, ignore=shutil.ignore_patterns("run", "cache"))
    before = server.keys("lake/")

    with pytest.raises(ProjectError, match="is a copy of the project"):
        headwater.open(other)
    with pytest.raises(ProjectError, match="is the original's"):
        move_project(other)
    for key in before:
        store.write(f"s3://{BUCKET}/other-{key}", store.read(f"s3://{BUCKET}/{key}"))
    settings = other / "headwater.toml"
    settings.write_text(settings.read_text().replace(f'"s3://{BUCKET}/lake"', f'"s3://{BUCKET}/other-lake"'))
    moved = move_project(other)
    with headwater.open(other) as lake:
        found = lake.sql(query).arrow().to_pylist()

    assert moved.is_copy
    assert moved.missing == []
    assert found == served.sql(query) == [{"n": 2}]
    assert server.keys("lake/") == before
    for key in server.keys("other-lake/metadata/"):
        assert f"s3://{BUCKET}/lake/".encode() not in store.read(f"s3://{BUCKET}/{key}")


def test_old_results_are_removed_from_the_bucket(server: S3Server, served: Served) -> None:
    athena = client(served)
    athena.create_work_group(Name="gone", Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/gone/"}})
    rows(athena, "SELECT 1", WorkGroup="gone")
    assert len(server.keys("gone/")) == 2

    athena.delete_work_group(WorkGroup="gone", RecursiveDeleteOption=True)

    assert until(lambda: server.keys("gone/"), lambda left: not left) == []


def test_a_bucket_that_cannot_be_reached_is_named_and_nothing_is_lost(served: Served, server: S3Server) -> None:
    athena = client(served)
    before = len(server.keys("lake/data/analytics/sign_up_events/"))
    copies = served.folder / "data" / "cache"
    server.stop()
    try:
        put(served, "alan@example.org")
        for copy in copies.glob("*/*"):
            copy.unlink()
        execution = ended(athena, athena.start_query_execution(QueryString="SELECT email FROM sign_up_events")["QueryExecutionId"], 60)
        reason = execution["Status"]["StateChangeReason"]
        assert execution["Status"]["State"] == "FAILED"
        assert f"S3 at {server.endpoint} cannot be reached" in reason
        assert until(lambda: "it will be tried again" in served.log.read_text())
    finally:
        server.start()

    found = until(lambda: rows(athena, "SELECT count(*) FROM sign_up_events WHERE email = 'alan@example.org'"))
    assert found[1:] == [["1"]]
    assert until(lambda: len(server.keys("lake/data/analytics/sign_up_events/")), lambda count: count > before, within_s=90) > before
    assert SECRET_KEY not in served.log.read_text()
