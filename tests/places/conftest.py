"""A project with rows in every place, made once and copied for each test."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

import headwater
from tests.flow.trouble import Sender, once, wait_for
from tests.served import Served, invoke

TABLES = ("sign_up_events", "other_events", "dead_letters")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Served, set[str]]:
    """A project that was served and stopped: rows in files and in the ledger, an external table, a view; and the ids that were sent."""
    with Served(tmp_path_factory.mktemp("original") / "piano").start() as served:
        sender = Sender(served)
        for _ in range(2):
            sender.send(4)
            sender.send(3, "Other")
            served.settle()
            invoke("fold", "-C", served.folder)
        statements = (
            "CREATE EXTERNAL TABLE plays (id string) STORED AS PARQUET LOCATION 's3://mine/plays/'",
            "CREATE VIEW latest AS SELECT event_id FROM sign_up_events",
            "CREATE TABLE kept WITH (table_type = 'ICEBERG', is_external = false) AS SELECT event_id FROM other_events",
        )
        for statement in statements:
            ask(served, statement)
        served.kill()  # so that what the last moment left lies in logs, not in files
    return served, sender.acked


def ask(served: Served, statement: str) -> None:
    """Run a statement through Athena's API."""
    import boto3

    athena = boto3.client(
        "athena",
        endpoint_url=f"http://127.0.0.1:{served.ports[1]}",
        region_name="us-east-1",
        aws_access_key_id=served.owner["access_key_id"],
        aws_secret_access_key=served.owner["secret_access_key"],
    )
    number = athena.start_query_execution(QueryString=statement, QueryExecutionContext={"Database": "analytics"})["QueryExecutionId"]
    states: list[str] = []

    def ended() -> bool:
        states.append(athena.get_query_execution(QueryExecutionId=number)["QueryExecution"]["Status"]["State"])
        return states[-1] in ("SUCCEEDED", "FAILED")

    wait_for(f"{statement} has ended", ended, 30)
    assert states[-1] == "SUCCEEDED", athena.get_query_execution(QueryExecutionId=number)


class Copy:
    """The project, put back to where the original lay: nothing but what a test takes away is different."""

    def __init__(self, original: Served, sent: set[str]) -> None:
        self.folder, self.sent, self.owner, self.ports = original.folder, sent, original.owner, original.ports
        self.app_id = original.app_id
        self._backup = original.folder.with_name("backup")
        if not self._backup.exists():
            shutil.copytree(self.folder, self._backup, ignore=_no_sockets)
        self.restore()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def restore(self) -> None:
        """Make everything as it was."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._backup, self.folder)

    def serve(self, within_s: float = 60) -> Served:
        """Serve it until it is ready."""
        served = Served.__new__(Served)
        served.folder, served.owner, served.ports = self.folder, self.owner, self.ports
        served.app_id = self.app_id
        served.process, served.log = None, self.folder.with_suffix(".log")
        served.start(within_s)
        return served

    def refusal(self, *arguments: str) -> str:
        """Return what a command that must be refused says; without *arguments*, `serve`."""
        ports = ("--public-port", str(self.ports[0]), "--private-port", str(self.ports[1]))
        done = invoke(*(arguments or ("serve", *ports)), "-C", self.folder, check=False)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def rows(self) -> Counter[str]:
        """Count event ids over the tables."""
        return rows_of(self.folder)

    def all_rows(self) -> Counter[str]:
        return once(self.sent)


def rows_of(folder: Path) -> Counter[str]:
    with headwater.open(folder) as lake:
        union = " UNION ALL ".join(f"SELECT event_id FROM {table}" for table in TABLES)
        return Counter(lake.sql(union).arrow().column(0).to_pylist())


@pytest.fixture
def copy(original: tuple[Served, set[str]]) -> Copy:
    return Copy(*original)


def remove(path: Path) -> None:
    """Remove a file with its logs, or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        for each in path.parent.glob(path.name + "*"):
            each.unlink()


def _no_sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.endswith(".sock")]
