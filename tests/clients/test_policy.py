"""A page on https under the policy of docs/tls.md, in Chromium, with the collector's own TLS and behind both proxies."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority, Pair
from tests.clients.conftest import NODE_TESTS, Browser, Page
from tests.flow.test_proxies import NAME, PAGE, STARTS
from tests.served import Served
from tests.tools import find_tool
from tests.waiting import until

pytestmark = pytest.mark.external_service

Bundle = Callable[[str], bytes]
APP = "app.example.org"
[POLICY] = re.findall(r"^```http\nContent-Security-Policy: (.*)\n```", PAGE, re.MULTILINE)
EVENTS = f"https://{NAME}"
AWS = "https://pinpoint.us-east-1.amazonaws.com"


class Site:
    """The app's own web server: https, and *policy* with each answer that is not said to have another."""

    def __init__(self, pair: Pair) -> None:
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.policies: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def html(self, path: str, *lines: str, policy: str = POLICY) -> str:
        """Put a page there, and return its address."""
        self.pages[path] = ("text/html; charset=utf-8", "".join(["<!doctype html><title>app</title>", *lines, "<body>"]).encode())
        self.policies[path] = policy
        return f"https://{APP}{path}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                kind, body = site.pages.get(path, ("text/plain", b""))
                self.send_response(200 if path in site.pages else 404)
                if policy := site.policies.get(path, POLICY):
                    self.send_header("Content-Security-Policy", policy)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler


class Rig:
    """A browser that finds the app and the collector by their names, and trusts their certificates."""

    def __init__(self, kind: str, browser: Browser, site: Site, served: Served, bundle: Bundle) -> None:
        self.kind, self.browser, self.site, self.served = kind, browser, site, served
        app = tomllib.loads((served.folder / "headwater.toml").read_text())["app"]
        self.ids = {"appId": app["id"], "identityPoolId": app["identity_pool_id"], "writeKey": app["write_key"], "region": app["region"]}
        site.pages["/app.js"] = ("text/javascript", f"globalThis.ids = {json.dumps(self.ids)};".encode() + bundle("amplify6"))
        site.pages["/headwater-sw.js"] = ("text/javascript", f'importScripts("{EVENTS}/client/headwater-sw.js");'.encode())

    def redirect(self, more: str = "") -> str:
        tag = f'data-app-id="{self.ids["appId"]}" data-write-key="{self.ids["writeKey"]}" {more}'
        return f'<script src="{EVENTS}/client/headwater-redirect.js" {tag}></script>'

    def rows(self, event_type: str, within_s: float = 60) -> int:
        """Return how many events of the type there are, once there is one or the time is over."""
        query = f"SELECT count(*) AS n FROM other_events WHERE event_type = '{event_type}'"
        return until(lambda: int(self.served.sql(query)[0]["n"]), within_s=within_s)


@pytest.fixture(scope="module", params=["direct", "nginx", "caddy"])
def rig(
    request: pytest.FixtureRequest, node: str, node_modules: Path, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    chromium, kind = find_tool("chromium"), request.param
    folder = tmp_path_factory.mktemp("policy")
    authority = Authority(folder)
    events, app = authority.issue(folder / "events", NAME), authority.issue(folder / "app", APP)
    settings = f'public.url = "{EVENTS}"\npublic.trusted_proxies = ["127.0.0.1"]'
    if kind == "direct":
        settings += f'\npublic.tls_cert = "{events.certificate}"\npublic.tls_key = "{events.key}"'
    program = None if kind == "direct" else find_tool(kind)
    with ExitStack() as running:
        served = running.enter_context(Served(folder / "p", settings).start())
        site = Site(app)
        running.callback(site.stop)
        hosts = {NAME: served.ports[0], APP: site.port, "plain.example.org": served.ports[0]}
        if program is not None:
            proxy = STARTS[kind](program, folder, events, authority, served.ports[0], lambda text: text)
            running.callback(proxy.stop)
            hosts[NAME] = proxy.port
        (folder / "node_modules").symlink_to(node_modules)
        shutil.copy(NODE_TESTS / "driver.mjs", folder)
        rules = ",".join(f"MAP {host} 127.0.0.1:{port}" for host, port in hosts.items())
        flags = [f"--host-resolver-rules={rules}", f"--ignore-certificate-errors-spki-list={events.pin},{app.pin}"]
        browser = Browser([node, "driver.mjs", chromium, str(folder / "profile"), *flags], folder)
        running.callback(browser.end)
        yield Rig(kind, browser, site, served, bundle)


@pytest.fixture(autouse=True)
def fresh(rig: Rig) -> Iterator[None]:
    yield
    rig.browser.call("fresh")


def blocked(page: Page) -> list[str]:
    return [line for line in page.said() if "Content Security Policy" in line]


def test_an_amplify_app_sends_by_the_redirect(rig: Rig) -> None:
    page = rig.browser.open(rig.site.html("/", rig.redirect(), '<script src="/app.js"></script>'))

    page.run("app.record({name: 'ByRedirect', attributes: {email: 'é@example.com'}})")

    assert rig.rows("ByRedirect") == 1
    assert blocked(page) == []


def test_both_proxies_speak_http_2(rig: Rig) -> None:
    page = rig.browser.open(f"{EVENTS}/healthz")

    assert page.run("performance.getEntriesByType('navigation')[0].nextHopProtocol") == ("http/1.1" if rig.kind == "direct" else "h2")


def test_and_by_the_service_worker(rig: Rig) -> None:
    page = rig.browser.open(rig.site.html("/", rig.redirect('data-worker="/headwater-sw.js"'), '<script src="/app.js"></script>'))
    page.run("""navigator.serviceWorker.ready.then(async () => {
        if (!navigator.serviceWorker.controller) await new Promise((seen) => (navigator.serviceWorker.oncontrollerchange = seen));
    })""")

    page.run("app.record({name: 'ByWorker'})")

    assert rig.rows("ByWorker") == 1
    assert blocked(page) == []


def test_the_client_of_our_own_sends(rig: Rig) -> None:
    rig.site.pages["/own.js"] = (
        "text/javascript",
        f"globalThis.client = headwater.init({json.dumps({**rig.ids, 'url': EVENTS, 'flushInterval': 50})});".encode(),
    )
    page = rig.browser.open(
        rig.site.html("/own", f'<script src="{EVENTS}/client/headwater.iife.js"></script><script src="/own.js"></script>')
    )

    page.run("client.record('ByClient', {n: 1})")

    assert rig.rows("ByClient") == 1
    assert blocked(page) == []


@pytest.mark.parametrize("directive", ["script-src", "connect-src"])
def test_each_part_of_the_policy_is_needed(rig: Rig, directive: str) -> None:
    without = POLICY.replace(f"{directive} 'self' {EVENTS}", f"{directive} 'self'")
    url = rig.site.html("/strict", rig.redirect(), '<script src="/app.js"></script>', policy=without)

    page = rig.browser.open(url)
    page.run("app.record({name: 'Blocked'})")
    page.run("new Promise((resolve) => setTimeout(resolve, 1000))")

    assert without != POLICY
    assert blocked(page)
    assert rig.rows("Blocked", within_s=0) == 0


def test_with_the_worker_alone_the_page_needs_leave_to_call_aws(rig: Rig) -> None:
    options = json.dumps({**rig.ids, "url": EVENTS, "worker": "/headwater-sw.js"})
    send = f"fetch('{AWS}/v1/apps/{rig.ids['appId']}/events', {{method: 'POST', body: '{{\"BatchItem\":{{}}}}'}})"
    answers = []
    for policy in (POLICY, POLICY.replace("connect-src 'self'", f"connect-src 'self' {AWS}")):
        page = rig.browser.open(rig.site.html("/worker", rig.redirect("data-manual"), policy=policy))
        page.run(f"""registerHeadwater({options}).then(async () => {{
            if (!navigator.serviceWorker.controller) await new Promise((seen) => (navigator.serviceWorker.oncontrollerchange = seen));
        }})""")
        answers.append(page.run(f"{send}.then((answer) => answer.status, (error) => error.name)"))

    assert answers == ["TypeError", 202]


def test_a_page_on_https_cannot_call_a_collector_on_http(rig: Rig) -> None:
    page = rig.browser.open(rig.site.html("/", policy=""))

    def call(url: str) -> str:
        return str(page.run(f"fetch('{url}/healthz').then((answer) => String(answer.status), (error) => error.name)"))

    assert call(EVENTS) == "200"
    assert call("http://plain.example.org") == "TypeError"
    assert any("Mixed Content" in line for line in page.said())
    if rig.kind != "direct":  # its collector speaks no http
        assert call(f"http://127.0.0.1:{rig.served.ports[0]}") == "200"
