"""`headwater.connect` and the query API behind it, against a served project."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headwater
from headwater.client import connection as connection_module
from headwater.client.remote import Remote
from headwater.control.signer import Signer
from headwater.errors import AccessDenied, BadRequest, HeadwaterError, QueryError, SettingsError, Unauthenticated, Unavailable
from tests.client.conftest import EVENTS
from tests.flow.test_athena import client as athena_client
from tests.served import Served, run
from tests.tools import find_tool
from tests.waiting import until

# Longer than any test waits: the engine has to be told to end it.
ENDLESS = "SELECT count(*) FROM range(1000000000000) a(i) WHERE i % 7 = 8"
ROOT = Path(__file__).parents[2]
MANY = "SELECT i, 'row ' || i AS name FROM range(5000000) AS t(i)"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("remote") / "app") as made:
        (made.folder / "events.py").write_text(EVENTS)
        made.start()
        client = headwater.Client(
            made.url, made.app_id,
            access_key_id=made.owner["access_key_id"], secret_access_key=made.owner["secret_access_key"],
        )  # fmt: skip
        with client:
            for name in ("ada", "bob", "cyd"):
                client.record("SignUpEvent", {"email": f"{name}@example.org"}, user_id=name)
        made.settle()
        yield made


def private(served: Served) -> str:
    return f"http://127.0.0.1:{served.ports[1]}"


def key_of(served: Served) -> str:
    return f"{served.owner['access_key_id']}:{served.owner['secret_access_key']}"


def made_key(served: Served, allow: str) -> str:
    name = f"{allow}-{time.monotonic_ns()}"
    made = json.loads(run("keys", "create", name, "--allow", allow, "--json", "-C", served.folder).stdout)
    return f"{made['access_key_id']}:{made['secret_access_key']}"


@pytest.fixture(scope="module")
def lake(served: Served) -> Iterator[Remote]:
    with headwater.connect(private(served), key_of(served)) as made:
        yield made


def post(served: Served, body: Any) -> tuple[int, str, bytes]:
    """Send exactly this and return status, content type and body."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    host = f"127.0.0.1:{served.ports[1]}"
    signer = Signer(served.owner["access_key_id"], served.owner["secret_access_key"], "us-east-1", host, "headwater")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request("POST", "/v1/sql", sent, signer.headers("/v1/sql", sent))
        response = connection.getresponse()
        return response.status, response.headers["content-type"], response.read()
    finally:
        connection.close()


def running(served: Served) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", served.ports[1], timeout=30)
    try:
        connection.request("GET", "/metrics")
        found = re.search(r"^headwater_queries_running (\d+)", connection.getresponse().read().decode(), re.MULTILINE)
    finally:
        connection.close()
    assert found is not None
    return int(found[1])


def test_the_same_answers_as_from_the_open_lake(served: Served, lake: Remote) -> None:
    query = "SELECT email, datetime, year FROM sign_up_events ORDER BY email"

    with headwater.open(served.folder) as local:
        expected = local.sql(query).arrow()

    assert lake.sql(query).arrow() == expected
    assert lake.sql(query).rows() == list(zip(*(column.to_pylist() for column in expected.columns), strict=True))
    assert lake.sql(query).df().equals(expected.to_pandas())
    assert lake.sql(query).pl()["email"].to_list() == ["ada@example.org", "bob@example.org", "cyd@example.org"]
    assert pa.Table.from_batches(lake.sql(query).batches()) == expected
    assert lake.sql("SELECT email FROM sign_up_events WHERE false").arrow().num_rows == 0


def test_parameters_keep_their_types_in_both_dialects(lake: Remote) -> None:
    given = [1, -2.5, "it's \0 ‘x’", None, True, date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, 6, UTC), Decimal("1.50"), b"\x00'"]
    columns = ", ".join("?" for _ in given)

    assert lake.sql(f"SELECT {columns}", given).rows() == [tuple(given)]
    assert lake.sql(f"SELECT {columns}", given, dialect="athena").rows() == [tuple(given)]
    assert lake.sql("SELECT 1e300 < ?, 1.5E0 + ?, cardinality(?)", [1.7e308, 1e20, [1, 2]], dialect="athena").rows() == [
        (True, 1e20 + 1.5, 2)
    ]
    assert lake.sql("SELECT count(*) FROM sign_up_events WHERE email = $email", {"email": "ada@example.org"}).rows() == [(1,)]
    with pytest.raises(BadRequest, match="have no names"):
        lake.sql("SELECT ?", {"a": 1}, dialect="athena")
    with pytest.raises(QueryError, match="is no parameter"):
        lake.sql("SELECT ?", [object()])


def test_athenas_sql_has_athenas_names_and_types(lake: Remote) -> None:
    table = lake.sql("SELECT count(*), max(email) AS Last, 7 / 2 FROM sign_up_events", dialect="athena").arrow()

    assert table.schema.names == ["_col0", "Last", "_col2"] or table.schema.names == ["_col0", "last", "_col2"]
    assert table.to_pylist() == [dict(zip(table.schema.names, (3, "cyd@example.org", 3), strict=True))]


def test_what_is_no_select_is_answered_too(served: Served, lake: Remote) -> None:
    assert ("sign_up_events",) in lake.sql("SHOW TABLES", dialect="athena").rows()
    assert ("email", "string", "") in lake.sql("DESCRIBE sign_up_events", dialect="athena").rows()
    assert lake.sql("CREATE VIEW fans AS SELECT email FROM sign_up_events", dialect="athena").rows() == []
    assert lake.sql("SELECT count(*) FROM fans", dialect="athena").rows() == [(3,)]
    with headwater.connect(private(served), made_key(served, "query")) as guest:
        assert guest.sql("SELECT count(*) FROM fans", dialect="athena").rows() == [(3,)]
        with pytest.raises(AccessDenied):
            guest.sql("DROP VIEW fans", dialect="athena")
    assert lake.sql("DROP VIEW fans", dialect="athena").rows() == []
    copied = "CREATE TABLE copied WITH (table_type = 'ICEBERG', is_external = false) AS SELECT email FROM sign_up_events"
    assert lake.sql(copied, dialect="athena").rows() == [(3,)]
    assert lake.sql("DELETE FROM copied WHERE email LIKE 'a%'", dialect="athena").rows() == [(1,)]
    with pytest.raises(QueryError) as error:
        lake.sql("DROP VIEW fans", dialect="athena")
    assert error.value.code == "TABLE_NOT_FOUND"


def test_every_format_says_the_same(served: Served) -> None:
    query = {"sql": "SELECT email, NULL AS nothing, '' AS empty FROM sign_up_events ORDER BY email", "dialect": "duckdb"}
    answers = {form: post(served, {**query, "format": form}) for form in ("arrow", "parquet", "csv", "json")}

    assert {form: (status, kind) for form, (status, kind, _) in answers.items()} == {
        "arrow": (200, "application/vnd.apache.arrow.stream"),
        "parquet": (200, "application/vnd.apache.parquet"),
        "csv": (200, "text/csv; charset=utf-8"),
        "json": (200, "application/json"),
    }
    rows = [{"email": f"{name}@example.org", "nothing": None, "empty": ""} for name in ("ada", "bob", "cyd")]
    assert pa.ipc.open_stream(answers["arrow"][2]).read_all().to_pylist() == rows
    assert pq.read_table(io.BytesIO(answers["parquet"][2])).to_pylist() == rows
    assert json.loads(answers["json"][2]) == rows
    assert answers["csv"][2] == b"email,nothing,empty\r\n" + b"".join(f'{row["email"]},,""\r\n'.encode() for row in rows)


@pytest.mark.parametrize(
    ("asked", "code", "status"),
    [
        ({"sql": "SELECT * FROM nothing_such"}, "TABLE_NOT_FOUND", 400),
        ({"sql": "SELECT * FROM nothing_such", "dialect": "duckdb"}, "QUERY_FAILED", 400),
        ({"sql": "SELEC 1"}, "MALFORMED_QUERY", 400),
        ({"sql": "SELECT 1 / 0"}, "DIVISION_BY_ZERO", 400),
        ({"sql": "COPY (SELECT 1) TO 'x'", "dialect": "duckdb"}, "QUERY_FAILED", 400),
        ({"sql": "SELECT * FROM read_text('/etc/passwd')", "dialect": "duckdb"}, "QUERY_FAILED", 400),
        ({"sql": "SELECT ?", "parameters": [1, 2]}, "INVALID_PARAMETER_USAGE", 400),
        ({"sql": "SELECT ?", "parameters": [{"date": "soon"}]}, "BadRequestException", 400),
        ({"sql": "SELECT ?", "parameters": [{"date": 1, "more": 2}]}, "BadRequestException", 400),
        ({"sql": "SELECT 1", "format": "xml"}, "BadRequestException", 400),
        ({"sql": "SELECT 1", "form": "csv"}, "BadRequestException", 400),
        ({"sql": ""}, "BadRequestException", 400),
        ({}, "BadRequestException", 400),
        (b"[", "BadRequestException", 400),
        (b'{"sql": "\xff"}', "BadRequestException", 400),
    ],
)
def test_errors_are_json_with_code_and_message(served: Served, asked: Any, code: str, status: int) -> None:
    answered, kind, body = post(served, asked)

    told = json.loads(body)
    assert (answered, kind, told["code"]) == (status, "application/json", code)
    assert told["message"]
    assert told["request_id"]


DIGITS = "9" * 5_000
EXTREMES: dict[str, Any] = {
    "small": {"decimal": "1e-999999999"},
    "large": {"decimal": "1e999999999"},
    "nothing, to a billion places": {"decimal": "0e-999999999"},
    "no number": {"decimal": "NaN"},
    "digits of a decimal": {"decimal": DIGITS},
    "before the first year": {"timestamp": "0001-01-01T00:00:00+01:00"},
    "after the last year": {"timestamp": "9999-12-31T23:59:59-05:00"},
    "within a list": [[{"decimal": "1e-999999999"}]],
    "lists in lists": json.loads("[" * 200 + "]" * 200),
}


def test_a_value_that_no_column_could_have_is_refused_in_words_whatever_the_dialect(served: Served) -> None:
    for name, value in EXTREMES.items():
        for dialect in ("athena", "duckdb"):
            status, _, body = post(served, {"sql": "SELECT ?", "parameters": [value], "dialect": dialect})

            assert (name, dialect, status) == (name, dialect, 400)
            assert json.loads(body)["code"] == "BadRequestException"
            assert len(body) < 500
    for number in (f"[{DIGITS}]", f"[-{DIGITS}]", f"[[{DIGITS}]]", f"[1e{DIGITS}]"):
        assert post(served, b'{"sql": "SELECT ?", "parameters": %s}' % number.encode())[0] == 400


def test_reading_statements_and_their_values_takes_little_memory(served: Served) -> None:
    pid, athena = served.roles()["query"]["pid"], athena_client(served)
    names = "abcdefghijklmnopqrst"
    doubled = ", ".join(f"{new} AS (SELECT * FROM {old}, {old} u)" for old, new in itertools.pairwise(names))
    assert post(served, {"sql": "SELECT 1"})[0] == 200
    before = peak_mib(pid)

    for value in EXTREMES.values():
        post(served, {"sql": "SELECT ?", "parameters": [value]})
    for text in (f"SELECT {DIGITS}", f"WITH a AS (SELECT 1 x), {doubled} SELECT 1", f"SELECT {'(' * 1_000}1{')' * 1_000}"):
        assert post(served, {"sql": text})[0] == 400
    assert post(served, {"sql": f"SELECT {'ARRAY[' * 20}1{']' * 20}"})[0] == 200
    for parameter in ("1e-999999999", "9" * 1_000, f"DECIMAL '{'9' * 1_000}'", "ARRAY[" * 15 + "1" + "]" * 15):
        athena.start_query_execution(QueryString="SELECT ?", ExecutionParameters=[parameter])
        athena.start_query_execution(QueryString=f"PREPARE extreme FROM SELECT {parameter}")
        athena.start_query_execution(QueryString=f"EXECUTE extreme USING {parameter}")

    assert post(served, {"sql": "SELECT 1"})[0] == 200
    assert peak_mib(pid) - before < 150


def peak_mib(pid: int) -> int:
    """Return the most memory that a process has ever had, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) >> 10


def test_a_statement_of_athenas_is_as_long_as_athena_takes(served: Served) -> None:
    status, _, body = post(served, {"sql": f"SELECT 1 {' ' * 262_144}"})

    assert status == 400
    assert "at most 262,144 characters" in json.loads(body)["message"]


def test_an_answer_that_breaks_off_is_never_taken_for_whole(served: Served, lake: Remote) -> None:
    late = "SELECT hash(i) AS h, CAST(CASE WHEN i = 900000 THEN 'late' ELSE '1' END AS INTEGER) AS n FROM range(1000000) AS t(i)"

    with pytest.raises(QueryError, match="late"):
        lake.sql(late).arrow()
    ended = []
    for form in ("arrow", "csv", "json", "parquet", "arrow", "csv"):
        try:
            ended.append(post(served, {"sql": late, "dialect": "duckdb", "format": form})[0])
        except http.client.IncompleteRead:
            ended.append(0)
    # Where the server comes to the wrong row before it has sent anything, the whole answer says so.
    assert set(ended) <= {0, 400}
    assert 0 in ended
    assert lake.sql("SELECT 1").rows() == [(1,)]


def test_keys_that_will_not_do(served: Served) -> None:
    owner = key_of(served)

    for key, refusal in (
        (owner + "x", Unauthenticated),
        ("HWAAAAAAAAAAAAAAAAAA:x", Unauthenticated),
        (made_key(served, "send"), AccessDenied),
    ):
        with headwater.connect(private(served), key) as lake, pytest.raises(refusal):
            lake.sql("SELECT 1")
    for url, key in ((private(served), "only-an-id"), (private(served), ""), ("127.0.0.1:1", owner), ("", owner), ("http://h:x", owner)):
        with pytest.raises(SettingsError):
            headwater.connect(url, key)


def test_where_and_who_come_from_the_environment(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_URL", private(served))
    monkeypatch.setenv("HEADWATER_KEY", key_of(served))

    with headwater.connect() as lake:
        assert lake.sql("SELECT 1").rows() == [(1,)]
    with headwater.connect(private(served), *key_of(served).split(":")) as lake:
        assert lake.sql("SELECT 1").rows() == [(1,)]
    with pytest.raises(QueryError, match="closed"):
        lake.sql("SELECT 1")


def test_no_server(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody, headwater.connect(f"http://127.0.0.1:{nobody.getsockname()[1]}", "a:b") as lake:
        nobody.close()
        with pytest.raises(Unavailable, match="no answer"):
            lake.sql("SELECT 1")


def test_a_query_ends_when_its_caller_goes_away(served: Served, lake: Remote) -> None:
    assert until(lambda: running(served) == 0)
    body = json.dumps({"sql": ENDLESS, "dialect": "duckdb"}).encode()
    host = f"127.0.0.1:{served.ports[1]}"
    signer = Signer(served.owner["access_key_id"], served.owner["secret_access_key"], "us-east-1", host, "headwater")
    connection = http.client.HTTPConnection(host)
    connection.request("POST", "/v1/sql", body, signer.headers("/v1/sql", body))
    assert until(lambda: running(served) == 1)

    connection.close()
    assert until(lambda: running(served) == 0)

    reading = lake.sql("SELECT i, repeat('x', 1000) AS wide FROM range(1000000000) AS t(i)")
    next(reading.batches())
    assert running(served) == 1
    reading.close()
    assert until(lambda: running(served) == 0)
    with pytest.raises(QueryError, match="already"):
        reading.arrow()


def test_the_server_going_away_is_told(tmp_path: Path) -> None:
    with Served(tmp_path / "app").start() as served, headwater.connect(private(served), key_of(served)) as lake:
        reading = lake.sql("SELECT i, repeat('x', 1000) AS wide FROM range(1000000000) AS t(i)")
        batches = reading.batches()
        next(batches)

        served.kill()

        with pytest.raises(Unavailable, match="broke off"):
            for _ in batches:
                pass
        with pytest.raises(Unavailable, match="no answer"):
            lake.sql("SELECT 1")


def test_many_answers_at_a_time_and_connections_that_are_used_again(served: Served, lake: Remote) -> None:
    readings = [lake.sql("SELECT ? + i FROM range(3) AS t(i)", [n]) for n in range(3)]

    assert [[row[0] for row in reading.rows()] for reading in reversed(readings)] == [[2, 3, 4], [1, 2, 3], [0, 1, 2]]
    with pytest.raises(HeadwaterError):
        lake.sql("SELECT * FROM nothing_such")
    assert lake.sql("SELECT 1").rows() == [(1,)]


def test_a_clock_that_is_set_right_meanwhile_is_followed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    class Off(datetime):
        by = timedelta(hours=-1)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + cls.by

    monkeypatch.setattr(connection_module, "datetime", Off)
    with headwater.connect(private(served), key_of(served)) as lake:
        assert lake.sql("SELECT 1").rows() == [(1,)]
        Off.by = timedelta()
        assert lake.sql("SELECT 2").rows() == [(2,)]


def test_a_process_with_very_many_descriptors_asks_twice(served: Served) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(before[1], 4_096)), before[1]))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    try:
        with headwater.connect(private(served), key_of(served)) as lake:
            assert [lake.sql("SELECT ?", [n]).rows() for n in (1, 2)] == [[(1,)], [(2,)]]
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.external_service
def test_curl_asks_as_the_docs_say(served: Served) -> None:
    curl = find_tool("curl")
    command = re.findall(r"^```bash\ncurl (.*?)\n```", (ROOT / "docs/python.md").read_text(), re.DOTALL | re.MULTILINE)[0]
    command = command.replace("ACCESS_KEY_ID:SECRET", key_of(served)).replace("http://127.0.0.1:8701", private(served))

    done = subprocess.run(f"{curl} -sS {command}", shell=True, capture_output=True, text=True, timeout=240, check=True)

    assert json.loads(done.stdout) == [{"users": 3}]


@pytest.mark.proof
def test_five_million_rows_go_through_with_flat_memory_on_both_sides(served: Served) -> None:
    pid = served.roles()["query"]["pid"]
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = peak_mb(pid)

    count, grown = five_million(private(served), key_of(served))

    assert count == 5_000_000
    assert grown < 60, f"the client took {grown} MB more than before"
    assert peak_mb(pid) - before < 80, f"the server took {peak_mb(pid) - before} MB more than before"


def peak_mb(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def five_million(url: str, key: str) -> tuple[int, int]:
    """Read the rows in a process of its own; return how many there were, and the megabytes it came to need for them."""
    done = subprocess.run(
        [sys.executable, "-c", "from tests.client.test_remote import read_all; read_all()"],
        env={**os.environ, "HEADWATER_URL": url, "HEADWATER_KEY": key}, cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    count, grown = done.stdout.split()
    return int(count), int(grown)


def read_all() -> None:
    with headwater.connect() as lake:
        lake.sql("SELECT 1").rows()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        count = sum(batch.num_rows for batch in lake.sql(MANY).batches())
        print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
