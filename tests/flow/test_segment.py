"""Messages sent by the unmodified libraries of Segment and RudderStack are rows in SQL, once each, under the app of the write key."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rudderstack.analytics.client
import segment.analytics.client

from headwater.settings import load_settings
from tests.npm import install
from tests.served import Served

NODE = Path(__file__).parents[1] / "edge" / "node"
NOW = datetime.now(UTC).replace(microsecond=544000)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("flow") / "piano").start() as served:
        yield served


@pytest.fixture(scope="module")
def write_key(served: Served) -> str:
    return load_settings(served.folder).app.write_key


def post(served: Served, path: str, body: Any, key: str | None, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    if key is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    request = urllib.request.Request(served.url + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("library", ["segment", "rudderstack"])
@pytest.mark.parametrize("gzipped", [False, True])
def test_the_python_libraries(served: Served, write_key: str, library: str, gzipped: bool) -> None:
    module: Any = segment.analytics.client if library == "segment" else rudderstack.analytics.client
    failures: list[Exception] = []
    client = module.Client(write_key, host=served.url, gzip=gzipped, max_retries=0, on_error=lambda error, _: failures.append(error))
    who, started = f"{library}-{gzipped}", NOW - timedelta(hours=1)

    client.identify(who, {"email": f"{who}@example.org", "age": 36})
    client.track(who, "Song Played", {"title": "Für Elise", "tempo": 72.5, "first": True, "hands": {"left": 1}}, timestamp=started)
    client.page(who, "Docs", "Home", {"path": "/"})
    client.track(who, "SignUpEvent", {"email": "ada@example.org"}, anonymous_id=f"device of {who}")
    client.track(who, "SignUpEvent", {"email": "no address"})
    client.join()

    assert failures == []
    served.eventually(
        f"SELECT event_type, app_id, attributes['title'] AS title, attributes['first'] AS first, attributes['hands'] AS hands,"
        f" attributes['name'] AS name, metrics['tempo'] AS tempo FROM other_events WHERE client_id = '{who}' ORDER BY event_type",
        [
            {
                "event_type": "Song Played", "app_id": served.app_id, "title": "Für Elise", "first": "true", "hands": '{"left":1}',
                "name": None, "tempo": 72.5,
            },
            {
                "event_type": "pageView", "app_id": served.app_id, "title": None, "first": None, "hands": None, "name": "Home",
                "tempo": None,
            },
        ],
    )  # fmt: skip
    times = served.sql(f"SELECT datetime FROM other_events WHERE client_id = '{who}' AND event_type = 'Song Played'")
    assert times == [{"datetime": started.replace(microsecond=started.microsecond // 1000 * 1000)}]
    served.eventually(f"SELECT email FROM sign_up_events WHERE client_id = 'device of {who}'", [{"email": "ada@example.org"}])
    served.eventually(f"SELECT reason, field FROM dead_letters WHERE client_id = '{who}'", [{"reason": "field", "field": "email"}])
    served.eventually(
        f"SELECT user_id, json_extract_string(user_attributes, '$.email[0]') AS email FROM endpoints WHERE client_id = '{who}'",
        [{"user_id": who, "email": f"{who}@example.org"}],
    )


@pytest.mark.external_service
def test_the_node_library(served: Served, write_key: str, require_tool: Callable[..., str], tmp_path: Path) -> None:
    program, modules = require_tool("node", "nodejs"), install(NODE, require_tool("npm"))
    (tmp_path / "segment.mjs").write_bytes((NODE / "segment.mjs").read_bytes())
    (tmp_path / "node_modules").symlink_to(modules / "node_modules")

    given = json.dumps({"host": served.url, "writeKey": write_key})
    done = subprocess.run([program, "segment.mjs", given], cwd=tmp_path, capture_output=True, text=True, timeout=240)

    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout) == {"sent": ["alias", "group", "identify", "page", "screen", "track"], "errors": []}
    served.eventually(
        "SELECT event_type, client_id, attributes['groupId'] AS of_group, metrics['seats'] AS seats FROM other_events"
        " WHERE client_id LIKE 'node-%' ORDER BY event_type",
        [
            {"event_type": "Song Played", "client_id": "node-device", "of_group": None, "seats": None},
            {"event_type": "alias", "client_id": "node-user", "of_group": None, "seats": None},
            {"event_type": "group", "client_id": "node-device", "of_group": "school-1", "seats": 30.0},
            {"event_type": "pageView", "client_id": "node-device", "of_group": None, "seats": None},
            {"event_type": "screenView", "client_id": "node-device", "of_group": None, "seats": None},
        ],
    )


def test_a_batch_that_is_sent_again_counts_once(served: Served, write_key: str) -> None:
    messages = [
        {"type": "track", "messageId": f"again-{n}", "anonymousId": "again", "event": "x", "timestamp": NOW.isoformat()} for n in range(3)
    ]
    messages.append({"type": "track", "messageId": "again-4", "anonymousId": "again", "timestamp": NOW.isoformat()})

    answers = [post(served, "/v1/batch", {"batch": messages}, write_key) for _ in range(2)]

    problem = {"index": 3, "messageId": "again-4", "accepted": False, "reason": "event must be text of at least one character"}
    assert answers == [(200, {"success": True, "problems": [problem]})] * 2
    served.eventually("SELECT count(*)::INT AS n FROM other_events WHERE client_id = 'again'", [{"n": 3}])
    served.eventually(
        "SELECT event_id, reason, message FROM dead_letters WHERE event_id LIKE 'again-%'",
        [{"event_id": "again-4", "reason": "refused", "message": "event must be text of at least one character"}],
    )


@pytest.mark.parametrize("path", ["/v1/track", "/v1/t"])
def test_a_single_message_with_the_key_in_its_body(served: Served, write_key: str, path: str) -> None:
    message = {"messageId": f"single {path}", "userId": "single", "event": "x", "writeKey": write_key}

    assert post(served, path, message, None, **{"Content-Type": "text/plain"}) == (200, {"success": True})
    served.eventually(f"SELECT app_id FROM other_events WHERE event_id = 'single {path}'", [{"app_id": served.app_id}])


def test_what_is_wrong_with_a_request_is_said(served: Served, write_key: str) -> None:
    batch: dict[str, Any] = {"batch": []}
    zipped = gzip.compress(json.dumps(batch).encode())

    assert post(served, "/v1/batch", batch, write_key) == (200, {"success": True})
    assert post(served, "/v1/batch", zipped, write_key, **{"Content-Encoding": "gzip"}) == (200, {"success": True})
    for answer, status, said in (
        (post(served, "/v1/batch", batch, None), 401, "write key"),
        (post(served, "/v1/batch", batch, "hw" + "0" * 32), 401, "invalid"),
        (post(served, "/v1/batch", batch | {"writeKey": "wrong"}, None), 401, "invalid"),
        (post(served, "/v1/track", b"[]", write_key), 400, "JSON object"),
        (post(served, "/v1/batch", zipped[:-9], write_key, **{"Content-Encoding": "gzip"}), 400, "ends before"),
        (post(served, "/v1/batch", b"no gzip", write_key, **{"Content-Encoding": "gzip"}), 400, "not what Content-Encoding says"),
        (post(served, "/v1/batch", gzip.compress(b" " * 5_000_000), write_key, **{"Content-Encoding": "gzip"}), 413, "unpacked"),
        (post(served, "/v1/batch", b" " * 5_000_000, write_key), 413, "4,194,304 bytes"),
        (post(served, "/v1/batch", zipped, write_key, **{"Content-Encoding": "br"}), 415, "not accepted"),
    ):
        assert answer[0] == status, answer
        assert answer[1]["success"] is False
        assert said in answer[1]["message"], answer
        assert answer[1]["code"]
