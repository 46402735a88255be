from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.clients.standin import APP_ID, POOL_ID, WRITE_KEY, StandIn
from tests.npm import install
from tests.tools import find_tool

ROOT = Path(__file__).parents[2]
SERVED = ROOT / "src/headwater/edge/client"
NODE_TESTS = ROOT / "tests/node"
IDS = {"appId": APP_ID, "identityPoolId": POOL_ID}


class Browser:
    """Headless Chromium, driven by a Node process."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._driver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)

    def call(self, op: str, **given: Any) -> Any:
        assert self._driver.stdin is not None and self._driver.stdout is not None
        self._driver.stdin.write(json.dumps({"op": op, **given}) + "\n")
        self._driver.stdin.flush()
        answer = json.loads(self._driver.stdout.readline() or '{"error": "the driver has ended"}')
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def open(self, url: str, script: str = "") -> Page:
        """Open a page; *script* runs in it before everything else, at every navigation."""
        return Page(self, self.call("open", url=url, script=script))

    def end(self) -> None:
        with self._driver:  # closes the pipes, and waits
            assert self._driver.stdin is not None
            self._driver.stdin.close()
            try:
                self._driver.wait(60)
            finally:
                self._driver.kill()


class Page:
    """One tab."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser, self._number = browser, number

    def run(self, script: str) -> Any:
        """Return what the expression gives; promises are waited for."""
        return self._browser.call("run", page=self._number, script=script)

    def go(self, url: str) -> None:
        self._browser.call("go", page=self._number, url=url)

    def click(self, selector: str) -> None:
        self._browser.call("click", page=self._number, selector=selector)

    def fill(self, selector: str, text: str) -> None:
        self._browser.call("fill", page=self._number, selector=selector, text=text)

    def press(self, key: str) -> None:
        """Press a key of the keyboard, named by its place: `KeyA`."""
        self._browser.call("press", page=self._number, key=key)

    def said(self) -> list[str]:
        """Return what stands on the console."""
        return list(self._browser.call("said", page=self._number))

    def close(self) -> None:
        self._browser.call("close", page=self._number)


COUNT_ANSWERED = """globalThis.answered = 0;
const asking = globalThis.fetch;
globalThis.fetch = async (...asked) => {
  const answer = await asking(...asked), body = asked[1]?.body;
  if (typeof body === "string" && body.includes('"BatchItem"'))
    for (const batch of Object.values(JSON.parse(body).BatchItem)) answered += Object.keys(batch.Events ?? {}).length;
  return answer;
};"""
"""A script for `Browser.open`: counts the events that the page has sent by fetch and got an answer for, from whomever."""


def wait_answered(page: Page, count: int) -> None:
    """Wait until the page, opened with `COUNT_ANSWERED`, has an answer for so many events."""
    page.run(f"new Promise((done) => {{ const look = () => (answered >= {count} ? done() : setTimeout(look, 20)); look(); }})")


@pytest.fixture(scope="session")
def node() -> str:
    return find_tool("node", "nodejs")


@pytest.fixture(scope="session")
def node_modules(node: str) -> Path:
    """Install what tests/node/package-lock.json names, once for each lock file, and return the folder `node_modules`."""
    return install(NODE_TESTS, find_tool("npm")) / "node_modules"


class Built:
    """The clients, built again in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.served = folder / "served"


@pytest.fixture(scope="session")
def built(node: str, node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("clients")
    shutil.copytree(ROOT / "clients", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "node_modules").symlink_to(node_modules)
    done = subprocess.run([node, "build.mjs", "served"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return Built(folder)


@pytest.fixture(scope="session")
def bundle_file(node_modules: Path, built: Built, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Return a function that bundles a source file as a web page loads it."""
    folder, client = tmp_path_factory.mktemp("bundles"), built.folder / "client/dist"

    def make(source: Path, *options: str) -> bytes:
        command = [
            str(node_modules / ".bin/esbuild"),
            str(source),
            "--bundle",
            "--format=iife",
            "--target=es2022",
            "--define:global=globalThis",
            '--define:process.env.NODE_ENV="production"',
            f"--alias:@headwater/client={client / 'headwater.js'}",
            f"--alias:@headwater/client/react={client / 'react.js'}",
            "--log-level=error",
            f"--outfile={folder / source.stem}.js",
            *options,
        ]
        made = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "NODE_PATH": str(node_modules)})
        assert made.returncode == 0, made.stderr
        return (folder / f"{source.stem}.js").read_bytes()

    return make


@pytest.fixture(scope="session")
def bundle(bundle_file: Callable[..., bytes]) -> Callable[[str], bytes]:
    """Return a function that bundles one of tests/node/apps."""
    return cache(lambda name: bundle_file(NODE_TESTS / f"apps/{name}.js"))


@pytest.fixture(scope="session")
def chromium(node: str, node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = find_tool("chromium")
    folder = tmp_path_factory.mktemp("browser")
    (folder / "node_modules").symlink_to(node_modules)
    shutil.copy(NODE_TESTS / "driver.mjs", folder)
    browser = Browser([node, "driver.mjs", path, str(folder / "profile")], folder)
    yield browser
    browser.end()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    yield chromium
    chromium.call("fresh")


@pytest.fixture
def collector() -> Iterator[StandIn]:
    standin = StandIn()
    yield standin
    standin.stop()


@pytest.fixture
def site(built: Built) -> Iterator[StandIn]:
    """The web server of the app, on an origin of its own."""
    server = StandIn()
    for path in built.served.iterdir():
        server.pages[f"/client/{path.name}"] = ("text/javascript", path.read_bytes())
    server.pages["/"] = ("text/html; charset=utf-8", b"<!doctype html><title>app</title><body>")
    yield server
    server.stop()


def options(collector: StandIn, **more: Any) -> str:
    """Return the options of the clients as JavaScript."""
    return json.dumps({"url": collector.url, "appId": APP_ID, "writeKey": WRITE_KEY, **more})
