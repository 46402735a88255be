"""`make example`: a project, Headwater, a small issuer and the built app, on loopback ports, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NoReturn

from headwater.settings import FILE, Settings, load_settings

HERE = Path(__file__).resolve().parent
HEADWATER = [sys.executable, "-m", "headwater"]
COMMAND = Path(sys.executable).with_name("headwater")
CLIENT_ID = "react-piano"  # issuer/main.mjs writes it into its tokens
READY_WITHIN_S = 60.0
END_WITHIN_S = 20.0
NODE_NEEDED = (
    "make example needs Node.js (20.19, or 22.12 and newer) with npm: "
    "get it from https://nodejs.org, or on Debian 13 and newer by: apt-get install nodejs npm"
)

ISSUER = """
# Who signs people in: the issuer that examples/react-piano brings along. For the example only.
[[identity.issuers]]
issuer = "{url}"
client_ids = ["{client_id}"]
"""

TOLD = """
  The piano      {app}
  Headwater      {headwater}  (where the page's events go)
  Issuer         {issuer}  (who signs people in; for the example only)
  Project        {folder}

Play a piece as a guest, sign up, sign in, play again. Then ask, in another terminal:

  {sql} "SELECT piece_id, level, accuracy, tempo, duration_s FROM practice_events ORDER BY datetime" -C {folder}

What one person did, before and after signing in, and on other devices:

  {sql} "SELECT coalesce(i.person, e.cognito_id) AS person, count(*) AS pieces, round(avg(e.accuracy), 3) AS accuracy \
FROM practice_events AS e LEFT JOIN identities AS i ON i.identity_id = e.cognito_id GROUP BY 1" -C {folder}

Sign up as ada@piano.test, an address that cannot be, and ask why the event was refused:

  {sql} "SELECT event_type, field, given, expected FROM dead_letters" -C {folder}

Ctrl-C ends it all.{afterwards}
"""


def main() -> None:
    """Set everything up, start it, tell where it is, and wait."""
    arguments = argparse.ArgumentParser(prog="make example", description=__doc__)
    arguments.add_argument("--data", type=Path, metavar="DIR", help="the project's folder, kept afterwards (default: a temporary one)")
    data: Path | None = arguments.parse_args().data
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # a kill and a closed terminal end it as Ctrl-C does
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as ending:
        node = find_node()
        if data is None:
            temporary = ending.enter_context(tempfile.TemporaryDirectory(prefix="headwater-example-"))
        run(ending, node, (data or Path(temporary) / "piano").resolve(), keep=data is not None)


def run(ending: contextlib.ExitStack, node: str, project: Path, keep: bool) -> None:
    """Run all of it in *project* until Ctrl-C; what is started is ended by *ending*."""
    settings = prepare(project)
    issuer = next(issuer.issuer for issuer in settings.identity.issuers if CLIENT_ID in issuer.client_ids)
    headwater, app = f"http://127.0.0.1:{free_port(8700)}", f"http://127.0.0.1:{free_port(5173)}"
    children = Children(project / "example.log")
    ending.callback(children.end)

    ports = ["--public-port", headwater.rpartition(":")[2], "--private-port", str(free_port(8701))]
    children.start("Headwater", *HEADWATER, "serve", "-C", project, *ports)
    children.start("the issuer", node, HERE / "issuer/main.mjs", "--url", issuer, "--data", project / "issuer")
    site = project / "site"
    build(node, settings, headwater, issuer, site)
    served = ["--outDir", str(site), "--port", app.rpartition(":")[2]]
    children.start("the app", node, HERE / "node_modules/vite/bin/vite.js", "preview", *served)
    for url in (f"{headwater}/healthz", f"{issuer}/jwks.json", app):
        children.wait_for(url)

    afterwards = "" if keep else ' The project goes, too; make example ARGS="--data my-piano" keeps it.'
    sql, folder = f"{from_here(COMMAND)} sql", from_here(project)
    say(TOLD.format(app=app, headwater=headwater, issuer=issuer, sql=sql, folder=folder, afterwards=afterwards))
    children.watch()


def find_node() -> str:
    """Return Node.js, with the packages of the lock file installed beside this file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        fail(NODE_NEEDED)
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    major, minor = (int(part) for part in re.findall(r"\d+", said)[:2])
    if not ((major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22):
        fail(f"{NODE_NEEDED} (this is {said})")
    lock, installed = HERE / "package-lock.json", HERE / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        say("installing the packages of package-lock.json (once)")
        if subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--loglevel", "error"], cwd=HERE, check=False).returncode:
            fail("npm ci has failed")
        installed.touch()
    return node


def prepare(project: Path) -> Settings:
    """Return the settings of the project, which is made if it is not there, and which from now on trusts the example's issuer."""
    path = project / FILE
    if not path.exists():
        subprocess.run([*HEADWATER, "init", project, "--name", "piano"], stdout=subprocess.DEVNULL, check=True)
    if not any(CLIENT_ID in issuer.client_ids for issuer in load_settings(project).identity.issuers):
        # Its address is in every identity that signs in, so it is chosen once and stays.
        with path.open("a") as file:
            file.write(ISSUER.format(url=f"http://127.0.0.1:{free_port(5174)}", client_id=CLIENT_ID))
    types = HERE / "src/events.ts"
    checked = subprocess.run(
        [*HEADWATER, "types", "--typescript", "--check", types, "-C", project],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if checked.returncode:
        write = f"{from_here(COMMAND)} types --typescript -o {from_here(types)} -C {from_here(project)}"
        fail(f"the events of {from_here(project)} are not those the app was written for. Write its types again, then mend the app: {write}")
    return load_settings(project)


def build(node: str, settings: Settings, headwater: str, issuer: str, site: Path) -> None:
    """Check the app's types and build it into *site*, with the ids of the project."""
    say("building the app")
    ids = {
        "VITE_HEADWATER_URL": headwater,
        "VITE_APP_ID": settings.app.id,
        "VITE_IDENTITY_POOL_ID": settings.app.identity_pool_id,
        "VITE_REGION": settings.app.region,
        "VITE_ISSUER_URL": issuer,
    }
    packages = HERE / "node_modules"
    for command in (["typescript/bin/tsc"], ["vite/bin/vite.js", "build", "--outDir", str(site), "--emptyOutDir", "--logLevel", "warn"]):
        done = subprocess.run([node, packages / command[0], *command[1:]], cwd=HERE, env={**os.environ, **ids}, check=False)
        if done.returncode:
            fail("the app cannot be built")


class Children:
    """The processes of the example. What they write goes into one file."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, *command: str | Path) -> None:
        """Start one. It has a session of its own, so that Ctrl-C comes to this process alone, which ends the others in order."""
        with self._log.open("ab") as log:
            child = subprocess.Popen(command, cwd=HERE, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._running.append((name, child))

    def wait_for(self, url: str) -> None:
        """Return when *url* answers 200."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
                return
            time.sleep(0.05)
        fail(f"{url} does not answer; what the processes say is in {self._log}")

    def watch(self) -> NoReturn:
        """Wait for Ctrl-C; a process that ends by itself ends the example."""
        while True:
            self.check()
            time.sleep(0.2)

    def check(self) -> None:
        """End the example if one of its processes has ended."""
        for name, child in self._running:
            if child.poll() is not None:
                fail(f"{name} has ended with {child.returncode}:\n{self._log.read_text(errors='replace')[-2000:]}")

    def end(self) -> None:
        """End all of them, the last first, and wait until they are gone; no second Ctrl-C interrupts that."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        say("ending")
        for _, child in reversed(self._running):
            child.terminate()
        for _, child in reversed(self._running):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(END_WITHIN_S)
            child.kill()
            child.wait()


def free_port(wanted: int) -> int:
    """Return *wanted* if it is free on this machine, else another one that is."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was in use a moment ago is free
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no port is free on 127.0.0.1")


def from_here(path: Path) -> Path:
    """Return the path as short as a person would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def fail(text: str) -> NoReturn:
    """Say why on stderr, and end."""
    sys.stderr.write(f"{text}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
