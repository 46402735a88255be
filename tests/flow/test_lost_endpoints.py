from __future__ import annotations

from pathlib import Path

from headwater.pipeline.collector import build_collector
from headwater.pipeline.worker import build_worker
from headwater.process.project import make_project
from headwater.settings import load_settings
from headwater.stream import FIRST_SHARD
from tests.flow.test_crash_points import drain

APP = "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504"


def healthy() -> tuple[bool, dict[str, object]]:
    return True, {}


async def test_a_lost_endpoint_store_is_read_back_from_the_lake_and_the_stream(tmp_path: Path) -> None:
    from headwater.collect import Caller
    from headwater.endpoint.profile import ProfileUpdate

    folder = make_project(tmp_path / "p", "p", APP, None, "us-east-1", "000000000000").folder
    settings = load_settings(folder)
    caller = Caller("test")
    collector = await build_collector(settings, folder, healthy)
    for name, address in (("old", "a@example.org"), ("gone", "b@example.org"), ("both", "c@example.org")):
        await collector.collector.update_endpoints(APP, [(name, ProfileUpdate(address=address))], caller, door="test", trace_id="t")
    await collector.collector.delete_endpoint(APP, "gone", caller, door="test", trace_id="t")
    await collector.stream.close()
    parts = build_worker(settings, folder)
    await drain(parts, fold=True)
    parts.ledger.close()
    collector = await build_collector(settings, folder, healthy)
    await collector.collector.update_endpoints(APP, [("both", ProfileUpdate(opt_out="ALL"))], caller, door="test", trace_id="t")
    await collector.stream.trim(FIRST_SHARD, 4, 1 << 60)  # everything but the last update
    await collector.stream.close()
    collector.endpoints.close()
    for path in (folder / "data").glob("endpoints.db*"):
        path.unlink()

    again = await build_collector(settings, folder, healthy)

    profiles = {name: again.endpoints.get(APP, name) for name in ("old", "gone", "both")}
    await again.stream.close()
    assert profiles["gone"] is None
    assert b"a@example.org" in profiles["old"].body
    assert b"c@example.org" in profiles["both"].body
    assert b'"OptOut":"ALL"' in profiles["both"].body
