"""A real project, served by real processes, for tests that go through the front door."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from click.testing import CliRunner

import headwater
from headwater.cli import main
from headwater.process.status import project_status
from tests.processes import ending_with_us
from tests.waiting import until

HEADWATER = [sys.executable, "-m", "headwater"]


def run(*arguments: str | Path, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a headwater command to its end."""
    done = subprocess.run([*HEADWATER, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)
    if check and done.returncode:
        raise AssertionError(f"headwater {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def invoke(*arguments: str | Path, check: bool = True, env: Mapping[str, str | None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a headwater command in this process, which is much sooner done than in one of its own."""
    result = CliRunner().invoke(main, list(map(str, arguments)), env=env, prog_name="headwater")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0 or not check, result.output
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


# Below the ports that the system gives to outgoing connections.
_PORTS = range(10_000, 32_000)
_claims: list[socket.socket] = []


def free_port() -> int:
    """Return a port that nobody listens on, and that no other test of this machine is given while this process lives."""
    while True:
        port = random.choice(_PORTS)
        claim = socket.socket(socket.AF_UNIX)
        try:
            if sys.platform == "linux":
                claim.bind(f"\0headwater-test-port-{port}")  # a name without a file: it goes with the process
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            _claims.append(claim)
            return port


class Served:
    """`headwater init` and, between `start` and `stop`, `headwater serve` in a folder; at the end of a `with` nothing of it runs."""

    def __init__(self, folder: Path, settings: str = "", options: Sequence[str] = ()) -> None:
        self.folder = folder
        made = json.loads(invoke("init", folder, "--json", *options).stdout)
        self.app_id, self.owner = made["app_id"], made["owner"]
        self.ports = (free_port(), free_port())
        if settings:
            self.configure(settings)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.with_suffix(".log")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if self.process is not None and kind is None:
                assert self.stop() == 0, self.log.read_text()[-4000:]
        finally:
            if self.process is not None:
                self.kill()

    def configure(self, settings: str) -> None:
        """Put `section.key = value` lines over headwater.toml."""
        path = self.folder / "headwater.toml"
        text = path.read_text()
        for line in filter(None, map(str.strip, settings.splitlines())):
            name, _, value = line.partition(" = ")
            section, _, key = name.partition(".")
            head, mark, tail = text.partition(f"[{section}]\n")
            assert mark, line
            text = f"{head}{mark}{key} = {value}\n{tail}"
        path.write_text(text)

    def start(self, ready_s: float = 120, **environment: str) -> Self:
        self.launch(**environment)
        try:
            self.wait_ready(ready_s)
        except BaseException:
            self.kill()
            raise
        return self

    def launch(self, **environment: str) -> None:
        """Start it, and do not wait."""
        with self.log.open("ab") as log:
            ports = ["--public-port", str(self.ports[0]), "--private-port", str(self.ports[1])]
            self.process = subprocess.Popen(
                ending_with_us(*HEADWATER, "serve", "-C", str(self.folder), *ports),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )

    def wait_ready(self, within_s: float = 120) -> None:
        def ready() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
            return [role["state"] for role in self.roles().values()] == ["ready"] * 3

        assert until(ready, within_s=within_s), f"not ready in {within_s} s: {self.roles()}\n{self.log.read_text()[-4000:]}"

    def roles(self) -> dict[str, Any]:
        """What the supervisor last wrote of its roles, without starting a process to read it."""
        try:
            status = json.loads((self.folder / "data/run/status.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        # one that was killed left its status behind
        return dict(status["roles"]) if self.process is None or status["pid"] == self.process.pid else {}

    def status(self) -> dict[str, Any]:
        return dict(json.loads(run("status", "-C", self.folder, "--json").stdout))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def stop(self, within_s: float = 60) -> int:
        """SIGTERM; return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(within_s)
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9 of the supervisor, and wait until its roles are gone, too."""
        pids = [role["pid"] for role in self.roles().values() if role["pid"]]
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        orphans = until(lambda: [pid for pid in pids if alive(pid)], lambda left: not left)
        assert orphans == []

    def client(self, service: str = "pinpoint", attempts: int = 1, **options: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.owner["access_key_id"],
            aws_secret_access_key=self.owner["secret_access_key"],
            config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, read_timeout=60, connect_timeout=30),
            **options,
        )

    def sql(self, query: str) -> list[dict[str, Any]]:
        with headwater.open(self.folder) as lake:
            return list(lake.sql(query).arrow().to_pylist())

    def eventually(self, query: str, expected: list[dict[str, Any]], within_s: float = 60) -> None:
        """Ask until the answer is *expected*; for what is written a moment after its acknowledgement, such as `endpoints`."""
        assert until(lambda: self.sql(query), lambda rows: rows == expected, within_s) == expected

    def settle(self, within_s: float = 60) -> None:
        """Wait until the worker has handled every accepted record."""
        lag = until(lambda: asyncio.run(project_status(self.folder))["lag"], lambda lag: lag["records"] == 0, within_s)
        assert lag["records"] == 0, f"still behind by {lag}:\n{self.log.read_text()[-4000:]}"


def alive(pid: int) -> bool:
    """Tell whether the process still holds anything: its first thread may be gone while others let go of files and locks."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False
