"""The corpus of queries through real clients: boto3, PyAthena and the AWS CLI, against a served project."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyathena
import pytest
from botocore.exceptions import ClientError
from pyathena.connection import Connection

from tests.dialect.corpus import Case, cases
from tests.edge.athena_served import DATABASE, REGION, CorpusServed
from tests.tools import find_tool

pytestmark = pytest.mark.proof

AT_ONCE = 4
# What tells of the whole catalog tells of the project's own tables and views, too.
OF_THE_CATALOG = "information_schema."
CASES = [case for case in cases() if OF_THE_CATALOG not in case.query]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CorpusServed]:
    made = CorpusServed(tmp_path_factory.mktemp("corpus") / "app")
    yield made
    made.stop()


def bare(kind: str) -> str:
    """Return a type as GetQueryResults names it: without its arguments, and `real` as Hive has it."""
    depth, told = 0, ""
    for letter in kind:
        depth += letter == "("
        told += letter if depth == 0 else ""
        depth -= letter == ")"
    return "float" if told == "real" else told


def in_order(query: str) -> bool:
    return re.search(r"order\s+by[^()]*$", query, re.IGNORECASE) is not None


def alike(query: str, rows: list[tuple[str, ...]], expected: tuple[tuple[str, ...], ...]) -> bool:
    return rows == list(expected) if in_order(query) else sorted(rows) == sorted(expected)


def wrong_by_boto3(corpus: CorpusServed, case: Case) -> str | None:
    """Return what is not as the corpus says."""
    try:
        execution = corpus.ended(corpus.start(case.query))
    except ClientError as error:
        message = str(error.response["Error"]["Message"])
        return None if (case.failure is not None and case.failure.endswith(message)) or message == case.failure else f"refused: {message}"
    status = execution["Status"]
    if case.failure is not None:
        reason = status.get("StateChangeReason", "")
        return None if status["State"] == "FAILED" and reason.startswith(case.failure) else f"{status['State']}: {reason}"
    if status["State"] != "SUCCEEDED":
        return f"{status['State']}: {status.get('StateChangeReason')}"
    result = corpus.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]
    header, *rows = [tuple(cell.get("VarCharValue", "NULL") for cell in row["Data"]) for row in result["Rows"]]
    columns = result["ResultSetMetadata"]["ColumnInfo"]
    kinds = tuple(column["Type"] for column in columns)
    named = [kind.partition(": ") for kind in case.types]
    told = [(column["Name"] if separator else "", column["Type"]) for column, (_, separator, _) in zip(columns, named, strict=True)]
    expected = [(name if separator else "", bare(kind if separator else name)) for name, separator, kind in named]
    if told != expected:
        return f"types {kinds}"
    if header != tuple(column["Name"] for column in columns):
        return f"header {header}"
    return None if alike(case.query, rows, case.rows) else f"rows {rows}"


def test_the_whole_corpus_through_boto3(corpus: CorpusServed) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda case: wrong_by_boto3(corpus, case), CASES))

    assert len(CASES) > 470
    assert {case.query: wrong for case, wrong in zip(CASES, found, strict=True) if wrong is not None} == {}


def connect(corpus: CorpusServed, **options: Any) -> Connection[Any]:
    return pyathena.connect(
        endpoint_url=corpus.url, region_name=REGION, schema_name=DATABASE, work_group="primary", poll_interval=0.02,
        aws_access_key_id=corpus.key, aws_secret_access_key=corpus.secret, **options,
    )  # fmt: skip


def for_people() -> list[Case]:
    """Forty cases from all over the corpus whose values PyAthena does not make something else of."""
    kept = ("bigint", "integer", "smallint", "varchar", "boolean", "double", "decimal", "date")
    plain = [case for case in CASES if case.failure is None and all(bare(kind.rpartition(": ")[2]) in kept for kind in case.types)]
    return plain[:: len(plain) // 40][:40]


# What PyAthena gives for the text of a value.
AS_PYTHON: dict[str, Callable[[str], Any]] = {
    "bigint": int, "integer": int, "smallint": int, "varchar": str, "boolean": lambda text: text == "true", "double": float,
    "decimal": Decimal, "date": date.fromisoformat,
}  # fmt: skip


def test_forty_queries_of_the_corpus_through_pyathena(corpus: CorpusServed) -> None:
    chosen = for_people()
    wrong = {}
    with connect(corpus) as connection:
        for case in chosen:
            makers = [AS_PYTHON[bare(kind.rpartition(": ")[2])] for kind in case.types]
            expected = [tuple(None if cell == "NULL" else make(cell) for make, cell in zip(makers, row, strict=True)) for row in case.rows]

            rows = connection.cursor().execute(case.query).fetchall()

            found, told = (rows, expected) if in_order(case.query) else (sorted(rows, key=repr), sorted(expected, key=repr))
            if [[repr(cell) for cell in row] for row in found] != [[repr(cell) for cell in row] for row in told]:
                wrong[case.query] = (found, told)

    assert len(chosen) == 40
    assert wrong == {}


class CommandLine:
    """The AWS CLI as people have it, in processes of its own."""

    def __init__(self, program: str, corpus: CorpusServed) -> None:
        self._program, self._corpus = program, corpus

    def __call__(self, *arguments: str) -> Any:
        done = subprocess.run(
            [self._program, "--endpoint-url", self._corpus.url, "--region", REGION, "--output", "json", "athena", *arguments],
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": self._corpus.key,
                 "AWS_SECRET_ACCESS_KEY": self._corpus.secret, "AWS_EC2_METADATA_DISABLED": "true"},
            capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def aws(corpus: CorpusServed) -> CommandLine:
    return CommandLine(find_tool("aws", "awscli"), corpus)


def test_ten_queries_of_the_corpus_through_the_command_line(corpus: CorpusServed, aws: CommandLine) -> None:
    chosen = [case for case in CASES if case.failure is None and "FROM practice" in case.query][::7][:10]

    def ask(case: Case) -> list[tuple[str, ...]]:
        execution_id = aws("start-query-execution", "--query-string", case.query, "--work-group", "primary")["QueryExecutionId"]
        assert corpus.ended(execution_id)["Status"]["State"] == "SUCCEEDED"
        result = aws("get-query-results", "--query-execution-id", execution_id)["ResultSet"]
        return [tuple(cell.get("VarCharValue", "NULL") for cell in row["Data"]) for row in result["Rows"]][1:]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, chosen))

    assert len(chosen) == 10
    assert {case.query: rows for case, rows in zip(chosen, answers, strict=True) if not alike(case.query, rows, case.rows)} == {}


def test_the_command_line_looks_at_executions_and_is_told_what_is_wrong(corpus: CorpusServed, aws: CommandLine) -> None:
    execution_id = aws("start-query-execution", "--query-string", "SELECT 1 AS one")["QueryExecutionId"]
    corpus.ended(execution_id)

    execution = aws("get-query-execution", "--query-execution-id", execution_id)["QueryExecution"]

    assert (execution["Query"], execution["Status"]["State"]) == ("SELECT 1 AS one", "SUCCEEDED")
    assert "practice" in {each["Name"] for each in tables(aws)}
    with pytest.raises(RuntimeError, match="InvalidRequestException"):
        aws("start-query-execution", "--query-string", "SELEC 1")


def tables(aws: CommandLine) -> list[dict[str, Any]]:
    listed = aws("list-table-metadata", "--catalog-name", "AwsDataCatalog", "--database-name", DATABASE)
    return list(listed["TableMetadataList"])


ROUND = "SELECT * FROM (VALUES {rows}) AS t (at, value) ORDER BY at"
TEXTS = [
    "",
    " ",
    "plain",
    "it's",
    'say "hi"',
    '""',
    ",",
    'a,b\n"c"\r\nd',
    "\t",
    "NULL",
    "null",
    "\\N",
    "é ü ß",
    "日本語",
    "🎹🎼",
    "\u202eabc",
    "a\u0000b",
]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def round_trip(corpus: CorpusServed, literals: list[str]) -> tuple[list[Any], list[Any]]:
    """Return what boto3 and PyAthena give for the values that these literals write, in order."""
    query = ROUND.format(rows=", ".join(f"({at}, {text})" for at, text in enumerate(literals)))
    rows = corpus.athena.get_query_results(QueryExecutionId=corpus.run(query)["QueryExecutionId"])["ResultSet"]["Rows"][1:]
    with connect(corpus) as connection:
        fetched = connection.cursor().execute(query).fetchall()
    return [row["Data"][1].get("VarCharValue") for row in rows], [value for _, value in fetched]


def test_texts_of_every_kind_and_null_come_back_as_they_are(corpus: CorpusServed) -> None:
    by_boto3, by_pyathena = round_trip(corpus, [*map(quoted, TEXTS), "NULL"])

    assert by_boto3 == [*TEXTS, None]
    assert by_pyathena == [*TEXTS, None]


def test_decimals_come_back_digit_by_digit(corpus: CorpusServed) -> None:
    digits = ["0.00", "-0.01", "1.50", "12345678901234567890123456789012345678.90"[-20:], "99999999999999999.99"]

    by_boto3, by_pyathena = round_trip(corpus, [*(f"CAST(DECIMAL '{text}' AS decimal(38,2))" for text in digits), "NULL"])

    assert by_boto3 == [*(str(Decimal(text)) for text in digits), None]
    assert by_pyathena == [*map(Decimal, digits), None]


def test_moments_come_back_to_the_digit_that_their_type_has(corpus: CorpusServed) -> None:
    moments = ["1970-01-01 00:00:00.000", "1582-10-15 00:00:00.001", "2026-11-23 23:59:59.999", "9999-12-31 00:00:00.000"]

    by_boto3, by_pyathena = round_trip(corpus, [*(f"TIMESTAMP '{text}'" for text in moments), "NULL"])

    assert by_boto3 == [*moments, None]
    assert by_pyathena == [*map(datetime.fromisoformat, moments), None]
