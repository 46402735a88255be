"""What stands still is seen: in `headwater status`, at `/metrics` and at the private `/healthz`; the public one says what events need."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from headwater.clock import SystemClock
from headwater.process.standstill import Troubles, _roles
from tests.flow.trouble import Sender, serving, wait_for
from tests.served import Served, invoke


def asked(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def metrics(served: Served) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{served.ports[1]}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def test_a_table_that_cannot_be_folded_is_seen_everywhere_until_it_can(tmp_path: Path) -> None:
    with serving(tmp_path / "piano") as served:
        private = f"http://127.0.0.1:{served.ports[1]}/healthz"
        healthy = asked(private)
        folder, away = served.folder / "data/lake/data", served.folder / "data/lake/away"
        folder.mkdir(parents=True, exist_ok=True)
        folder.rename(away)
        folder.write_text("what lies here is no folder")
        Sender(served).send(3)

        wait_for("the private listener says so", lambda: asked(private)[0] == 503, 60)
        code, state = asked(private)
        shown = json.loads(invoke("status", "-C", served.folder, "--json").stdout)["standing_still"]
        told = invoke("status", "-C", served.folder).stdout
        counted = metrics(served)
        public = asked(f"{served.url}/healthz")
        folder.unlink()
        away.rename(folder)
        wait_for("it goes on", lambda: asked(private)[0] == 200, 90)

        assert healthy == (200, {"role": "query", "ready": True, "standing_still": []})
        assert (code, state["ready"]) == (503, True)
        assert "table sign_up_events" in {each["what"] for each in state["standing_still"]}
        assert "table sign_up_events" in {each["what"] for each in shown}
        assert "table sign_up_events, for" in told
        assert 'headwater_standing_still_seconds{what="table sign_up_events"}' in counted
        assert public[0] == 200
        assert "standing_still" not in public[1]


def test_a_role_that_dies_again_and_again_stands_still_and_one_that_died_once_does_not() -> None:
    now_ms = SystemClock().now_ms()
    often = {"state": "ready", "restarts": 9, "deaths_ms": [now_ms - 50_000, now_ms - 30_000, now_ms - 10_000], "died_of": "exit -11"}
    roles = {
        "worker": often,
        "collector": {"state": "ready", "restarts": 1, "deaths_ms": [now_ms - 1_000], "died_of": "exit 1"},
        "query": {"state": "restarting in 10.0 s", "restarts": 2, "deaths_ms": [now_ms], "died_of": "exit 1"},
    }

    found = {each.what: each.reason for each in _roles(roles)}
    later = _roles({"worker": often | {"deaths_ms": [now_ms - 500_000] * 5}})

    assert set(found) == {"role worker", "role query"}
    assert "died 9 times, last with exit -11" in found["role worker"]
    assert later == []


def test_a_failure_that_passes_is_no_standstill() -> None:
    troubles = Troubles()

    troubles.failed("pipe lake", "busy")
    troubles.replace("table", {"visits": "no room"})
    at_once = troubles.lasting()
    troubles._since = {what: (reason, since - 60) for what, (reason, since) in troubles._since.items()}
    troubles.failed("pipe lake", "still busy")
    lasting = {each.what: each.reason for each in troubles.lasting()}
    troubles.replace("table", {})
    troubles.went_on("pipe lake")

    assert at_once == []
    assert lasting == {"pipe lake": "still busy", "table visits": "no room"}
    assert troubles.lasting() == []
