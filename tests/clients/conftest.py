from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.standin import APP_ID, POOL_ID, WRITE_KEY, StandIn

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
            self._driver.wait(20)


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

    def said(self) -> list[str]:
        """Return what stands on the console."""
        return list(self._browser.call("said", page=self._number))

    def close(self) -> None:
        self._browser.call("close", page=self._number)


def find_tool(name: str, package: str | None = None) -> str:
    path = shutil.which(name)
    if path is None:
        message = f"{name} is not installed; on Debian: apt-get install {package or name}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    return str(path)


@pytest.fixture(scope="session")
def node() -> str:
    return find_tool("node", "nodejs")


@pytest.fixture(scope="session")
def node_modules(node: str) -> Path:
    """Install what tests/node/package-lock.json names, once for each lock file, and return the folder `node_modules`."""
    npm = find_tool("npm")
    lock = (NODE_TESTS / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater-tests"
    folder = cache / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(NODE_TESTS / name, fresh)
        done = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=fresh, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr[-4000:]
        try:
            fresh.rename(folder)  # complete or not there, also if two runs install at once
        except OSError:
            shutil.rmtree(fresh)
    return folder / "node_modules"


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
def bundle(node_modules: Path, built: Built, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Return a function that bundles one of tests/node/apps as a web page loads it."""
    folder, done = tmp_path_factory.mktemp("bundles"), {}

    def make(name: str, *options: str) -> bytes:
        if name not in done:
            client = built.folder / "client/dist"
            command = [
                str(node_modules / ".bin/esbuild"),
                str(NODE_TESTS / f"apps/{name}.js"),
                "--bundle",
                "--format=iife",
                "--target=es2022",
                "--define:global=globalThis",
                '--define:process.env.NODE_ENV="production"',
                f"--alias:@headwater/client={client / 'headwater.js'}",
                f"--alias:@headwater/client/react={client / 'react.js'}",
                "--log-level=error",
                f"--outfile={folder / name}.js",
                *options,
            ]
            made = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "NODE_PATH": str(node_modules)})
            assert made.returncode == 0, made.stderr
            done[name] = (folder / f"{name}.js").read_bytes()
        return done[name]

    return make


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
