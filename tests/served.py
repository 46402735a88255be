"""A real project, served by real processes, for tests that go through the front door."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

import headwater

HEADWATER = [sys.executable, "-m", "headwater"]


def run(*arguments: str | Path, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a headwater command to its end."""
    done = subprocess.run([*HEADWATER, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)
    if check and done.returncode:
        raise AssertionError(f"headwater {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


# Below the ports that the system gives to outgoing connections, and apart from those of other test processes.
_PORTS = range(12_000, 32_000, 2_000)
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(random.sample(range(_PORTS[_worker % 10], _PORTS[_worker % 10] + 2_000), 2_000))


def free_port() -> int:
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Served:
    """`headwater init` and, between `start` and `stop`, `headwater serve` in a folder."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder = folder
        made = json.loads(run("init", folder, "--json").stdout)
        self.app_id, self.owner = made["app_id"], made["owner"]
        self.ports = (free_port(), free_port())
        if settings:
            self.configure(settings)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.with_suffix(".log")

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

    def start(self, ready_s: float = 60, **environment: str) -> Served:
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
            self.process = subprocess.Popen(
                [*HEADWATER, "serve", "-C", str(self.folder), "--public-port", str(self.ports[0]), "--private-port", str(self.ports[1])],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )

    def wait_ready(self, within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
            if all(role["state"] == "ready" for role in self.roles().values()) and len(self.roles()) == 3:
                return
            time.sleep(0.05)
        raise AssertionError(f"not ready in {within_s} s: {self.roles()}\n{self.log.read_text()[-4000:]}")

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

    def stop(self, within_s: float = 12) -> int:
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
        deadline = time.monotonic() + 15
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < deadline, f"orphans: {[pid for pid in pids if alive(pid)]}"
            time.sleep(0.05)

    def client(self, service: str = "pinpoint", attempts: int = 1, **options: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.owner["access_key_id"],
            aws_secret_access_key=self.owner["secret_access_key"],
            config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, read_timeout=15, connect_timeout=5),
            **options,
        )

    def sql(self, query: str) -> list[dict[str, Any]]:
        with headwater.open(self.folder) as lake:
            return list(lake.sql(query).arrow().to_pylist())

    def eventually(self, query: str, expected: list[dict[str, Any]], within_s: float = 10) -> None:
        """Ask until the answer is *expected*; for what is written a moment after its acknowledgement, such as `endpoints`."""
        deadline = time.monotonic() + within_s
        while (rows := self.sql(query)) != expected and time.monotonic() < deadline:
            time.sleep(0.02)
        assert rows == expected

    def settle(self, within_s: float = 30) -> None:
        """Wait until the worker has handled every accepted record."""
        deadline = time.monotonic() + within_s
        while True:
            lag = self.status()["lag"]
            if lag["records"] == 0:
                return
            assert time.monotonic() < deadline, f"still behind by {lag}:\n{self.log.read_text()[-4000:]}"
            time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
