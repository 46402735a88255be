"""The AWS SDK for JavaScript in Node, as its own packages have it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.edge.conftest import REGION
from tests.edge.streams import StreamsServed
from tests.edge.streams import served as served
from tests.npm import install

pytestmark = pytest.mark.external_service
HERE = Path(__file__).parent / "node"


@pytest.fixture
def node(served: StreamsServed, require_tool: Callable[..., str], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that runs a script of `tests/edge/node` and returns what it prints."""
    program, modules = require_tool("node", "nodejs"), install(HERE, require_tool("npm"))

    def run(script: str, key: str = "admin", **given: Any) -> Any:
        (tmp_path / script).write_bytes((HERE / script).read_bytes())
        if not (tmp_path / "node_modules").exists():
            (tmp_path / "node_modules").symlink_to(modules / "node_modules")
        found = served.keys[key]
        credentials = {"accessKeyId": found.access_key_id, "secretAccessKey": found.secret_access_key}
        asked = {"endpoint": f"http://127.0.0.1:{served.port}", "region": REGION, "credentials": credentials, **given}
        done = subprocess.run([program, script, json.dumps(asked)], cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout)

    return run


def test_kinesis_works_over_http_1_when_it_is_told_to(served: StreamsServed, node: Callable[..., Any]) -> None:
    served.kinesis("admin").create_stream(StreamName="from-node", ShardCount=1)

    answer = node("kinesis.mjs", stream="from-node", handler="http/1.1")

    assert answer == {"failed": 0, "data": ["é", "\0"], "arrived": answer["arrived"]}
    assert abs(answer["arrived"] - time.time() * 1000) < 60_000


def test_kinesis_with_the_handler_the_sdk_takes_by_itself_says_that_it_cannot(served: StreamsServed, node: Callable[..., Any]) -> None:
    answer = node("kinesis.mjs", stream="app")

    assert "error" in answer  # it speaks HTTP/2 only; docs/kinesis.md says what to write


def test_pinpoint_works(served: StreamsServed, node: Callable[..., Any]) -> None:
    answer = node("pinpoint.mjs", app=served.app_id, key="send")

    assert answer["address"] == "ada@example.org"
    assert answer["results"]["sdk:1/é x"]["EventsItemResponse"] == {"event-1": {"StatusCode": 202, "Message": "Accepted"}}
    assert served.records()[-1]["attributes"] == {"email": "é@example.org"}
