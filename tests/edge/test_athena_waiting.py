"""Whoever waits long at the Athena and Glue doors, for a bucket or for the worker, keeps nobody else from being answered."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headwater.edge.athena.service import Athena
from headwater.edge.glue.service import Glue
from headwater.edge.http.request import Request
from headwater.edge.principal import Principal
from headwater.edge.wire.routing import Route
from headwater.store import Stores
from headwater.store.local import LocalStore
from tests.edge.athena import ACCOUNT, REGION, AthenaServed

WITHIN_S = 60
Call = Callable[..., Awaitable[Any]]


class Gate:
    """Holds up whoever comes until it is opened; *reached* as soon as somebody waits."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.opened.wait(3 * WITHIN_S)


class SlowStore(LocalStore):
    """Buckets from which nothing can be fetched before the gate is open."""

    def __init__(self, folder: Path, gate: Gate) -> None:
        super().__init__(folder)
        self._gate = gate

    def local(self, url: str) -> Path:
        self._gate.wait()
        return super().local(url)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


@pytest.fixture
def served(tmp_path: Path, gate: Gate) -> Iterator[AthenaServed]:
    made = AthenaServed(tmp_path, stores=Stores(SlowStore(tmp_path / "results", gate)))
    yield made
    made.stop()


@pytest.fixture
async def one_thread() -> AsyncIterator[None]:
    """Give the loop so few threads that one who waits in them is seen at once."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    yield


def caller(routes: list[Route]) -> Call:
    """Return how to call an operation of a door by its name."""
    operations = {route.name.rpartition(".")[2]: route.operation for route in routes}

    async def call(name: str, **asked: Any) -> Any:
        body = json.dumps(asked).encode()
        request = Request("POST", b"/", b"", {}, body, "a request", principal=Principal("ada", "", None))
        return json.loads((await operations[name](request)).body)

    return call


async def overtakes(gate: Gate, slow: Awaitable[Any], quick: Awaitable[Any]) -> tuple[Any, Any]:
    """Return the answers of both, of which the quick one must come while the slow one waits at the gate."""
    waiting = asyncio.ensure_future(slow)
    while not gate.reached.is_set():
        await asyncio.sleep(0.01)
    try:
        quickly = await asyncio.wait_for(quick, WITHIN_S)
    finally:
        gate.opened.set()
    return await waiting, quickly


@pytest.mark.usefixtures("one_thread")
async def test_a_result_that_is_slow_to_fetch_keeps_nobody_from_asking_for_a_state(served: AthenaServed, gate: Gate) -> None:
    execution_id = served.run("SELECT 1 AS one")["QueryExecutionId"]
    call = caller(Athena(served.queries, region=REGION, account_id=ACCOUNT).routes())

    result, execution = await overtakes(
        gate, call("GetQueryResults", QueryExecutionId=execution_id), call("GetQueryExecution", QueryExecutionId=execution_id)
    )

    assert execution["QueryExecution"]["Status"]["State"] == "SUCCEEDED"
    assert len(result["ResultSet"]["Rows"]) == 2


@pytest.mark.usefixtures("one_thread")
async def test_a_change_that_the_worker_is_slow_to_make_keeps_nobody_from_looking(served: AthenaServed, gate: Gate) -> None:
    call = caller(Glue(served.queries, lambda job, **_: gate.wait(), served.engine.metadata, own="analytics", account_id=ACCOUNT).routes())

    made, found = await overtakes(gate, call("CreateDatabase", DatabaseInput={"Name": "shop"}), call("GetDatabases"))

    assert made == {}
    assert [each["Name"] for each in found["DatabaseList"]] == ["analytics", "default"]
