"""TPC-H on external Parquet through Athena's API, and bare warm DuckDB on the very same files."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measure import Scale, in_turns, wall_s
from benchmarks.processes import BenchError, Project, temporary_project
from benchmarks.report import Row, at_most_ms
from benchmarks.tpch_queries import QUESTIONS, TABLES

GENERATOR = "tpchgen-cli"
POLL_EVERY_S = 0.001
# Asking all the time takes one of two processors, and bare DuckDB asks nobody.
_UNASKED = 0.75
# Athena divides decimals to decimals where DuckDB has doubles; the rules of TPC-H allow a cent, too.
_NEAR, _SHARE = Decimal("0.01"), Decimal("1e-6")

Ask = Callable[[str], Any]


def tpch_rows(scale: Scale) -> list[Row]:
    """Measure each of the 22 questions by the wall, after both sides have given the same answer to it."""
    with temporary_project() as project:
        _generate(project.folder / "data" / "results" / "files", "0.1" if scale.quick else "1")
        with project.serve() as serving, _bare(project.folder / "data" / "results" / "files") as bare:
            athena = _client(project)
            for table, columns in TABLES.items():
                _run(athena, f"CREATE EXTERNAL TABLE {table} ({columns}) STORED AS PARQUET LOCATION 's3://files/{table}/'")
            rows = [_row(scale, number, text, athena, bare, project) for number, text in enumerate(QUESTIONS, 1)]
            serving.server.check()
    return rows


def _row(scale: Scale, number: int, text: str, athena: Any, bare: duckdb.DuckDBPyConnection, project: Project) -> Row:
    located = _run(athena, text)["ResultConfiguration"]["OutputLocation"].removeprefix("s3://")
    with (project.folder / "data" / "results" / located).open(newline="") as file:
        ours = list(csv.reader(file))[1:]
    theirs = bare.sql(text).fetchall()
    if len(ours) != len(theirs) or not all(map(_same_row, ours, theirs)):
        raise BenchError(f"question {number} of TPC-H has another answer than bare DuckDB's")
    best = [wall_s(lambda: _run(athena, text))]

    def ours_s() -> float:
        best.append(wall_s(lambda: _run(athena, text, _UNASKED * min(best))))
        return best[-1]

    paired = in_turns(scale.of(9, 3), ours_s, lambda: wall_s(lambda: bare.sql(text).to_arrow_table()), warm_up=False)
    note = (
        f"scale {'0.1' if scale.quick else '1'}; from start to the result's file, asked every {POLL_EVERY_S * 1000:g} ms"
        f" once {_UNASKED:.0%} of the best time are over"
    )
    return at_most_ms(f"TPC-H {number} by Athena's API / bare warm DuckDB on the same files, wall", paired, (1.3, 30), (1.1, 15), note)


def _generate(folder: Path, scale: str) -> None:
    """Write the tables as Parquet, each into a folder of its name."""
    command = shutil.which(GENERATOR) or shutil.which(GENERATOR, path=str(Path(sys.executable).parent))
    folder.mkdir(parents=True)
    if command is None:
        installed = folder.parent / "tpch-generator"
        _checked([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(installed), GENERATOR])
        command = str(installed / "bin" / GENERATOR)
    _checked([command, "parquet", "--scale-factor", scale, "--output-dir", str(folder)])
    for table in TABLES:
        (folder / table).mkdir()
        (folder / f"{table}.parquet").rename(folder / table / f"{table}.parquet")


def _checked(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def _bare(folder: Path) -> duckdb.DuckDBPyConnection:
    bare = duckdb.connect()
    # What the engine may keep between two questions, bare DuckDB may keep as well.
    bare.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true")
    for table in TABLES:
        bare.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{folder / table / table}.parquet')")
    return bare


def _client(project: Project) -> Any:
    try:
        import boto3
    except ImportError:
        raise BenchError("TPC-H is asked by Athena's API, which takes boto3: pip install boto3") from None
    key = project.command_json("keys", "create", "tpch", "--allow", "query,admin")
    return boto3.client(
        "athena",
        endpoint_url=str(project.status()["private_url"]),
        region_name=project.region,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )


def _run(athena: Any, text: str, unasked_s: float = 0.0) -> Any:
    """Run a statement and return what is told of it once it has succeeded; for *unasked_s* seconds nobody asks."""
    asked = athena.start_query_execution(QueryString=text)["QueryExecutionId"]
    time.sleep(unasked_s)
    while True:
        execution = athena.get_query_execution(QueryExecutionId=asked)["QueryExecution"]
        status = execution["Status"]
        if status["State"] == "SUCCEEDED":
            return execution
        if status["State"] not in ("QUEUED", "RUNNING"):
            raise BenchError(f"a statement ended {status['State']}: {status.get('StateChangeReason')}: {text}")
        time.sleep(POLL_EVERY_S)


def _same_row(ours: list[str], theirs: tuple[Any, ...]) -> bool:
    return len(ours) == len(theirs) and all(map(_same, ours, theirs))


def _same(ours: str, theirs: Any) -> bool:
    if isinstance(theirs, int | float | Decimal):
        try:
            found, wanted = Decimal(ours), Decimal(str(theirs))
        except InvalidOperation:
            return False
        return abs(found - wanted) <= max(_NEAR if not isinstance(theirs, int) else Decimal(0), abs(wanted) * _SHARE)
    return ours == ("" if theirs is None else str(theirs))
