"""The clients and a real collector: what a browser records is in SQL, once, with the right identity."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import COUNT_ANSWERED, NODE_TESTS, Browser, Built, wait_answered
from tests.clients.standin import StandIn
from tests.served import Served
from tests.waiting import until

pytestmark = pytest.mark.external_service

Bundle = Callable[[str], bytes]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("project") / "p").start() as project:
        yield project


def ids(served: Served, **more: object) -> dict[str, object]:
    app = tomllib.loads((served.folder / "headwater.toml").read_text())["app"]
    given = {"url": served.url, "appId": app["id"], "identityPoolId": app["identity_pool_id"], "writeKey": app["write_key"]}
    return given | {"region": app["region"], **more}


def serve_app(site: StandIn, served: Served, app: bytes, attributes: str = "") -> str:
    page = f"""<!doctype html><meta charset="utf-8">
        <script src="/client/headwater-redirect.js" data-url="{served.url}" {attributes}></script>
        <script>globalThis.ids = {json.dumps(ids(served))}</script><script src="/app.js"></script><body>"""
    site.pages["/app"] = ("text/html; charset=utf-8", page.encode())
    site.pages["/app.js"] = ("text/javascript", app)
    site.pages["/headwater-sw.js"] = ("text/javascript", b'importScripts("/client/headwater-sw.js")')
    return f"{site.url}/app"


def test_amplify_6_through_the_redirect(browser: Browser, site: StandIn, served: Served, bundle: Bundle) -> None:
    page = browser.open(serve_app(site, served, bundle("amplify6")))

    page.run("app.record({name: 'ByRedirect', attributes: {email: 'é@example.com'}, metrics: {score: 1.5}})")
    rows = rows_of(served, "ByRedirect")

    assert [(dict(row["attributes"]), dict(row["metrics"])) for row in rows] == [({"email": "é@example.com"}, {"score": 1.5})]
    assert rows[0]["cognito_id"].startswith(f"{ids(served)['region']}:")


def test_amplify_6_with_its_own_option_for_the_identity_pool(
    browser: Browser, site: StandIn, served: Served, bundle_file: Callable[..., bytes], tmp_path: Path
) -> None:
    (tmp_path / "app.js").write_text("""
        import { Amplify } from "aws-amplify";
        import { record } from "aws-amplify/analytics";
        const { appId, identityPoolId, region, url } = globalThis.ids;
        Amplify.configure({
          Auth: { Cognito: { identityPoolId, allowGuestAccess: true, identityPoolEndpoint: `${url}/idp/` } },
          Analytics: { Pinpoint: { appId, region, flushInterval: 100 } },
        });
        globalThis.app = { record };
    """)
    page = browser.open(serve_app(site, served, bundle_file(tmp_path / "app.js"), 'data-services="pinpoint"'))

    page.run("app.record({name: 'ByOption', attributes: {email: 'é@example.com'}})")
    [row] = rows_of(served, "ByOption")

    assert str(row["cognito_id"]).startswith(f"{ids(served)['region']}:")
    assert row["client_id"]


def test_amplify_5_through_the_redirect_and_by_the_beacon_of_a_page_that_is_left(
    browser: Browser, site: StandIn, served: Served, bundle: Bundle
) -> None:
    page = browser.open(serve_app(site, served, bundle("amplify5")))

    page.run("app.record({name: 'ByFive', attributes: {n: 'é'}})")
    [row] = rows_of(served, "ByFive")
    started = rows_of(served, "_session.start")
    page.go(f"{site.url}/")
    stopped = rows_of(served, "_session.stop")

    assert str(row["cognito_id"]).startswith(f"{ids(served)['region']}:")
    assert dict(row["attributes"]) == {"n": "é"}
    for others in (started, stopped):
        assert {(other["client_id"], other["cognito_id"]) for other in others} == {(row["client_id"], row["cognito_id"])}
    assert len(stopped) == 1


@pytest.mark.parametrize("version", [5, 6])
def test_amplify_in_node(served: Served, node: str, node_modules: Path, built: Built, tmp_path: Path, version: int) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules)
    redirect = json.dumps(str(built.folder / "redirect/dist/index.js"))
    (tmp_path / "redirect.mjs").write_text(f"""
        import {{ redirect }} from {redirect};
        redirect({json.dumps({"url": served.url})});
        globalThis.ids = {json.dumps(ids(served))};
    """)
    shutil.copy(NODE_TESTS / f"apps/amplify{version}.js", tmp_path / "amplify.mjs")
    (tmp_path / "app.mjs").write_text(f"""
        import "./redirect.mjs";
        await import("./amplify.mjs");
        app.record({{ name: "ByNode{version}", attributes: {{ a: "é" }} }});
        setTimeout(() => process.exit(0), 60000).unref();
    """)

    process = subprocess.Popen([node, "app.mjs"], cwd=tmp_path)
    try:
        [row] = rows_of(served, f"ByNode{version}")
    finally:
        process.kill()
        process.wait()

    assert str(row["cognito_id"]).startswith(f"{ids(served)['region']}:")
    assert dict(row["attributes"]) == {"a": "é"}


def test_the_client_by_the_write_key(browser: Browser, site: StandIn, served: Served) -> None:
    site.pages["/client"] = (
        "text/html",
        b"<!doctype html><script src=/client/headwater.iife.js></script><script>globalThis.client = headwater.init(%s)</script><body>"
        % json.dumps(ids(served, url=served.url, flushInterval=50)).encode(),
    )
    page = browser.open(f"{site.url}/client")

    page.run("client.identifyUser({userId: 'ada'}); client.record('ByClient', {n: 1, none: null, text: 'ü'}); client.flushEvents()")
    rows = rows_of(served, "ByClient")

    assert [(dict(row["attributes"]), dict(row["metrics"])) for row in rows] == [({"none": None, "text": "ü"}, {"n": 1.0})]
    assert rows[0]["client_id"] == page.run("client.endpointId")
    assert page.run("Object.keys(localStorage).filter((key) => key.includes(':q'))") == []


def test_amplify_6_through_the_service_worker_while_the_collector_restarts(
    browser: Browser, site: StandIn, served: Served, bundle: Bundle
) -> None:
    given = ids(served)
    tag = f'data-app-id="{given["appId"]}" data-write-key="{given["writeKey"]}" data-worker="/headwater-sw.js"'
    page = browser.open(serve_app(site, served, bundle("amplify6"), tag), COUNT_ANSWERED)
    page.run("navigator.serviceWorker.ready.then(() => new Promise((done) => setTimeout(done, 500)))")
    page.run("app.record({name: 'ByWorker', metrics: {n: 0}})")
    assert len(rows_of(served, "ByWorker")) == 1

    served.kill()
    page.run("for (let n = 1; n < 50; n++) app.record({name: 'ByWorker', metrics: {n}})")
    wait_answered(page, 50)
    page.close()
    served.start()
    rows = rows_of(served, "ByWorker", 50)

    assert sorted(dict(row["metrics"])["n"] for row in rows) == list(range(50))


def rows_of(served: Served, event_type: str, count: int = 1) -> list[dict[str, object]]:
    """Return the rows once *count* are there."""
    query = f"SELECT * FROM other_events WHERE event_type = '{event_type}'"
    return until(lambda: served.sql(query), lambda rows: len(rows) >= count)
