"""Other processes of a run: the load generator, the bare server, the roles of a temporary project."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from benchmarks.load import Order, Outcome
from headwater import memory
from headwater.errors import HeadwaterError

READY_WITHIN_S = 60.0


# Where `benchmarks` is found by the processes that are started.
CHECKOUT = Path(__file__).parents[1]


class BenchError(HeadwaterError):
    """A process that is measured did not do what it should; the message has the end of what it wrote."""


class Server:
    """A process that listens at *url*; what it writes goes to a file, whose end is told when it dies."""

    def __init__(self, command: list[str], url: str, pass_fds: tuple[int, ...] = (), env: Mapping[str, str] | None = None) -> None:
        self.url = url
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process)
        self._command = " ".join(command[:4])
        self._process = subprocess.Popen(
            command,
            pass_fds=pass_fds,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env={**memory.ENVIRONMENT, **os.environ, **(env or {})},
            cwd=CHECKOUT,
        )
        self.pid = self._process.pid

    def output(self) -> str:
        """Return the end of what it wrote."""
        self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - 3_000))
        return self._output.read().decode(errors="replace")

    def check(self) -> None:
        """Raise `BenchError` if it has ended."""
        if (code := self._process.poll()) is not None:
            raise BenchError(f"{self._command} … ended with {code}: {self.output()}")

    def end(self) -> None:
        """Ask it to end, wait, and kill it after 20 s."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


@contextmanager
def bare_server() -> Iterator[Server]:
    """Run the bare ASGI application."""
    with (
        _listener() as (sock, url),
        Server([sys.executable, "-m", "benchmarks.bare_app", str(sock.fileno())], url, (sock.fileno(),)) as server,
    ):
        wait_for_answer(server, "/")
        yield server


class Project:
    """A project in a temporary folder, its owner's key, and its roles as processes."""

    def __init__(self, folder: Path, app_id: str, region: str, access_key_id: str, secret_access_key: str, write_key: str) -> None:
        self.folder = folder
        self.app_id, self.region, self.write_key = app_id, region, write_key
        self.access_key_id, self.secret_access_key = access_key_id, secret_access_key

    @contextmanager
    def role(self, command: str) -> Iterator[Server]:
        """Run one role alone: `collect` (listening) or `work`."""
        env = {"HEADWATER_LOG__LEVEL": "warning"}
        full = [sys.executable, "-m", "headwater", command, "-C", str(self.folder)]
        if command == "work":
            with Server(full, "", env=env) as server:
                yield server
            return
        with _listener() as (sock, url), Server([*full, "--listen-fd", str(sock.fileno())], url, (sock.fileno(),), env) as server:
            wait_for_answer(server, "/healthz")
            yield server

    @contextmanager
    def serve(self, settings: Mapping[str, str] | None = None) -> Iterator[Serving]:
        """Run `headwater serve`, all its roles ready. *settings*: more variables of its environment."""
        command = [sys.executable, "-m", "headwater", "serve", "-C", str(self.folder), "--public-port", "0", "--private-port", "0"]
        with Server(command, "", env={"HEADWATER_LOG__LEVEL": "warning", **(settings or {})}) as server:
            deadline = time.monotonic() + READY_WITHIN_S
            while True:
                server.check()
                facts = self.status()
                states = [role.get("state") for role in facts["roles"].values()]
                if states and all(state == "ready" for state in states):
                    break
                if time.monotonic() > deadline:
                    raise BenchError(f"headwater serve is not ready after {READY_WITHIN_S:.0f} s ({states}): {server.output()}")
            pids = {name: int(role["pid"]) for name, role in facts["roles"].items()}
            # What the query role starts to run statements in counts, too.
            pids |= {f"sandboxes {number}": pid for number, pid in enumerate(_children(pids["query"]), 1)}
            yield Serving(server, facts["public_url"], {"supervisor": server.pid, **pids})

    def status(self) -> dict[str, Any]:
        """Return what `headwater status` says."""
        return dict(self.command_json("status"))

    def served(self) -> dict[str, Any]:
        """Return what the supervisor wrote last: its URLs and roles."""
        return dict(json.loads((self.folder / "data" / "run" / "status.json").read_text()))

    def command_json(self, *command: str) -> Any:
        """Run a command of the project with `--json` and return what it printed."""
        return _headwater(*command, "--json", "-C", str(self.folder))

    def wait_until_stored(self, within_s: float = 120.0) -> None:
        """Return once the worker has taken everything that was accepted; raises `BenchError` if that takes too long."""
        deadline = time.monotonic() + within_s
        while (behind := self.status()["lag"]["records"]) > 0:
            if time.monotonic() > deadline:
                raise BenchError(f"the worker is still {behind:.0f} records behind after {within_s:.0f} s")
            time.sleep(0.05)

    def order(self, url: str, requests: int, events: int, seed: int, **more: Any) -> Order:
        """Return the order to prepare requests for this project's public listener at *url*."""
        return Order(
            "prepare", url, self.app_id, self.region, self.access_key_id, self.secret_access_key, requests, events, seed, **more
        )  # fmt: skip


class Serving(NamedTuple):
    """A served project: its public URL, and role -> process id."""

    server: Server
    url: str
    pids: Mapping[str, int]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def temporary_project() -> Iterator[Project]:
    """Make a project, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        made = _headwater("init", str(Path(name) / "project"), "--json")
        owner = made["owner"]
        folder = Path(name) / "project"
        write_key = tomllib.loads((folder / "headwater.toml").read_text())["app"]["write_key"]
        yield Project(folder, made["app_id"], made["region"], owner["access_key_id"], owner["secret_access_key"], write_key)


class LoadGenerator:
    """The load generator's process."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", "from benchmarks.load import main; main()"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT)

    def prepare(self, order: Order) -> None:
        """Have the requests of *order* made and signed."""
        self._tell(order)
        self._heard()
        self._order = order

    def start(self) -> None:
        """Begin to send what was prepared."""
        self._tell(msgspec.structs.replace(self._order, do="run"))

    def finish(self) -> Outcome:
        """Wait until all is answered. Raises `BenchError` if anything was refused: then the figure would mean nothing."""
        outcome = msgspec.convert(self._heard(), Outcome)
        if outcome.failed:
            count = outcome.requests + outcome.failed
            raise BenchError(f"{outcome.failed} of {count} requests were refused, first: {outcome.first_failure}")
        return outcome

    def run(self) -> Outcome:
        """Send what was prepared and wait until all is answered."""
        self.start()
        return self.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.terminate()
        self._process.wait()

    def _tell(self, order: Order) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()

    def _heard(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the load generator died; its reason is above")
        heard = json.loads(line)
        if "error" in heard:
            raise BenchError(f"the load generator could not go on: {heard['error']}")
        return heard


def wait_for_answer(server: Server, path: str) -> None:
    """Return once the server answers anything at all; raises `BenchError` if it ends or takes too long."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        server.check()
        with suppress(URLError, ConnectionError, TimeoutError), urlopen(server.url + path, timeout=2):
            return
        time.sleep(0.05)
    raise BenchError(f"no answer from {server.url}{path} within {READY_WITHIN_S:.0f} s: {server.output()}")


def _headwater(*command: str) -> Any:
    done = subprocess.run([sys.executable, "-m", "headwater", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"headwater {' '.join(command[:2])} failed: {done.stderr[-2_000:]}")
    return json.loads(done.stdout)


@contextmanager
def _listener() -> Iterator[tuple[socket.socket, str]]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(2048)
        yield sock, f"http://127.0.0.1:{sock.getsockname()[1]}"
