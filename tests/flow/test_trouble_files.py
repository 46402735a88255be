"""Files locked, lost or damaged under a served project: what is said, what goes on, and what is there afterwards."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from headwater.catalog import open_catalog
from headwater.clock import SystemClock
from headwater.control import open_control
from headwater.endpoint import open_endpoints
from headwater.errors import ProjectError, QueryError
from headwater.lake import open_index
from headwater.lake.verify import verify
from headwater.ledger import LAKE
from headwater.pipeline.collector import build_collector
from headwater.settings import load_settings
from headwater.stream import FIRST_SHARD
from tests.flow.trouble import Sender, log_of, once, serving, stored, wait_for
from tests.served import Served, run


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("trouble") / "piano") as served:
        yield served


@pytest.fixture(scope="module")
def sender(served: Served) -> Sender:
    """All of these tests send through this one, so that each also sees what the trouble of those before it left."""
    return Sender(served)


def files(served: Served, table: str) -> list[Path]:
    with closing(open_index(served.folder / "data/catalog.db", "analytics")) as index:
        return [Path(file.path) for file in index.plan(table).files]


def hold(locks: ExitStack, database: Path) -> None:
    """Write-lock a database as another process could, until *locks* is left."""
    locks.enter_context(closing(sqlite3.connect(database, timeout=60, isolation_level=None))).execute("BEGIN EXCLUSIVE")


def lose_ledger(served: Served) -> None:
    for path in (served.folder / "data").glob("ledger.db*"):
        path.unlink()


def test_locked_databases_are_named_delay_and_lose_nothing(served: Served, sender: Sender) -> None:
    sender.send(5)
    served.settle()
    run("fold", "-C", served.folder)  # so that one table is due below, and no fold is half-way

    with ExitStack() as locks:
        hold(locks, served.folder / "data/catalog.db")
        sender.send(5)
        wait_for("the tail shows rows that cannot be folded", lambda: stored(served) == once(sender.acked))
        hold(locks, served.folder / "data/ledger.db")
        sender.send(5, "Other")
        answered = stored(served)
        wait_for("the worker names the table", lambda: "a table could not be folded" in log_of(served))
        wait_for("the worker names the ledger", lambda: "a batch could not be stored" in log_of(served))
    wait_for("all is stored and folded", lambda: files(served, "other_events") and stored(served) == once(sender.acked))

    assert answered.keys() < sender.acked
    assert "another process holds" in log_of(served)
    assert "Traceback" not in log_of(served)
    assert [role["restarts"] for role in served.roles().values()] == [0, 0, 0]


def test_a_damaged_data_file_is_named_and_other_tables_answer(served: Served, sender: Sender) -> None:
    sender.send(5)
    sender.send(3, "Other")
    served.settle()
    run("fold", "-C", served.folder)
    whole = files(served, "sign_up_events")[-1]
    content = whole.read_bytes()

    failures, found = [], []
    for damage in (content[: len(content) // 2], None):
        whole.unlink()
        if damage is not None:
            whole.write_bytes(damage)
        with pytest.raises(QueryError) as failure:
            served.sql("SELECT * FROM sign_up_events")
        failures.append(str(failure.value))
        with closing(open_index(served.folder / "data/catalog.db", "analytics")) as index:
            found += verify(index, "sign_up_events")
    others = stored(served, ["other_events"])
    whole.write_bytes(content)

    for failure_text in failures:
        assert "sign_up_events" in failure_text
        assert whole.name in failure_text
    assert [damaged.path for damaged in found] == [str(whole)] * 2
    assert [damaged.reason for damaged in found] == [f"has {len(content) // 2} bytes, was written with {len(content)}", "is missing"]
    assert found[0].rows == found[1].rows > 0
    assert others.total() >= 3
    assert stored(served) == once(sender.acked)


def test_a_damaged_ledger_is_named_the_collector_goes_on_and_without_it_all_comes_back(served: Served, sender: Sender) -> None:
    sender.send(5)
    served.settle()
    run("fold", "-C", served.folder)
    sender.send(4, "Other")
    ledger = served.folder / "data/ledger.db"
    worker = served.roles()["worker"]["pid"]
    os.kill(worker, signal.SIGSTOP)
    for path in (ledger, ledger.with_name("ledger.db-wal")):
        path.write_bytes(random.Random(7).randbytes(100_000))
    os.kill(worker, signal.SIGKILL)

    wait_for("the worker says what is damaged", lambda: "move it away to rebuild it from the lake" in log_of(served))
    sender.send(6)
    with pytest.raises(ProjectError, match="is damaged"):
        served.sql("SELECT count(*) FROM sign_up_events")
    lose_ledger(served)
    wait_for("the worker is back", lambda: served.roles()["worker"]["state"] == "ready")
    served.settle()

    assert served.roles()["collector"]["restarts"] == 0
    assert served.roles()["worker"]["restarts"] >= 1
    assert "Traceback" not in log_of(served)
    assert stored(served) == once(sender.acked)


@pytest.mark.parametrize(
    ("store", "remedy"), [("endpoints", "made again from the lake"), ("control", "make new keys"), ("catalog", "restore it")]
)
def test_any_other_damaged_database_is_named_with_what_to_do(tmp_path: Path, store: str, remedy: str) -> None:
    path = tmp_path / f"{store}.db"
    path.write_bytes(random.Random(8).randbytes(50_000))
    url = f"sqlite:///{path}"
    openers = {"endpoints": open_endpoints, "control": open_control, "catalog": lambda url: open_catalog(url, str(tmp_path))}

    with pytest.raises(ProjectError) as failure:
        openers[store](url)

    assert f"{path} is damaged" in str(failure.value)
    assert remedy in str(failure.value)


def test_a_quiet_table_outlives_the_stream_and_the_ledger(served: Served, sender: Sender) -> None:
    sender.send(5)
    served.settle()
    run("fold", "-C", served.folder)
    for _ in range(6):
        sender.send(2, "Other", 40_000)
    served.settle()
    run("fold", "-C", served.folder)
    sender.send(3, "Other")
    assert served.stop() == 0

    freed = asyncio.run(trim(served))
    lose_ledger(served)
    served.start()
    served.settle()
    rebuilt, sent = stored(served), set(sender.acked)
    sender.send(2)
    served.settle()

    assert freed > 300_000
    assert rebuilt == once(sent)
    assert stored(served) == once(sender.acked)


async def trim(served: Served) -> int:
    """Do what the collector does every minute, with a retention of nothing; return the bytes freed."""
    settings = load_settings(served.folder)
    parts = await build_collector(settings, served.folder, lambda: (True, {}))
    try:
        return await parts.stream.trim(FIRST_SHARD, parts.settled()[LAKE, FIRST_SHARD], SystemClock().now_ms() + 1)
    finally:
        await parts.stream.close()
        parts.endpoints.close()
        parts.control.close()
