"""What a confined process can still do, tried from inside: by system calls, not by SQL."""

from __future__ import annotations

import json
import platform
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headwater.sandbox import Sandboxes
from headwater.sandbox.inside import landlock

pytestmark = pytest.mark.skipif(landlock.version() < 4, reason="this kernel has no Landlock, or one that cannot close TCP")

TRIES = """
import ctypes, json, os, resource, socket, sys, threading
from headwater.sandbox.inside.confine import SandboxBounds, confine
root, outside, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
already = open(root + "/inside.txt")
held = confine(SandboxBounds((root,), 64 << 20, 1, 20))
found = {"held": list(held)}

def attempt(name, call):
    try:
        found[name] = repr(call())
    except BaseException as error:
        found[name] = type(error).__name__

def connect():
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", port))

def write_from_thread():
    seen = []
    def write():
        try:
            open(outside + "/new", "w")
        except OSError as error:
            seen.append(type(error).__name__)
    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    return seen

attempt("read inside", lambda: open(root + "/inside.txt").read())
attempt("read inside later", lambda: open("later.txt").read() if os.path.exists("later.txt") else "none")
attempt("read outside", lambda: open(outside + "/secret").read())
attempt("read a link to outside", lambda: open(root + "/link").read())
attempt("read above", lambda: open(root + "/../" + os.path.basename(outside) + "/secret").read())
attempt("read own environment", lambda: open("/proc/self/environ").read())
attempt("list inside", lambda: os.listdir(root))
attempt("list outside", lambda: os.listdir(outside))
attempt("write inside", lambda: open(root + "/new", "w"))
attempt("write over", lambda: open(root + "/inside.txt", "r+"))
attempt("truncate", lambda: os.truncate(root + "/inside.txt", 0))
attempt("write outside", lambda: open(outside + "/new", "w"))
attempt("write outside from a thread", write_from_thread)
attempt("remove", lambda: os.unlink(root + "/inside.txt"))
attempt("rename", lambda: os.rename(root + "/inside.txt", root + "/other.txt"))
attempt("link", lambda: os.link(root + "/inside.txt", root + "/other.txt"))
attempt("make a folder", lambda: os.mkdir(root + "/folder"))
attempt("change rights", lambda: os.chmod(root + "/inside.txt", 0o777))
attempt("change owner", lambda: os.chown(root + "/inside.txt", 1, 1))
attempt("change times", lambda: os.utime(root + "/inside.txt", (0, 0)))
attempt("connect", connect)
attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
attempt("send a datagram", lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)))
attempt("a Unix socket", lambda: socket.socket(socket.AF_UNIX))
attempt("fork", os.fork)
attempt("run a program", lambda: os.posix_spawn("/bin/true", ["true"], {}))
attempt("become a program", lambda: os.execv("/bin/true", ["true"]))
attempt("signal another", lambda: os.kill(os.getppid(), 0))
attempt("raise a limit", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
attempt("read a limit", lambda: resource.getrlimit(resource.RLIMIT_FSIZE))
attempt("take memory", lambda: len(bytearray(2 << 30)))
attempt("start a thread", lambda: threading.Thread(target=int).start())
attempt("read what was open", already.read)
attempt("privileges", lambda: ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("confine")
    root, outside = folder / "root", folder / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "inside.txt").write_text("inside")
    (outside / "secret").write_text("secret")
    (root / "link").symlink_to(outside / "secret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = subprocess.run(
            [sys.executable, "-c", TRIES, str(root), str(outside), str(listener.getsockname()[1])],
            capture_output=True, text=True, timeout=240, env={},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in sorted(root.iterdir())] == ["inside.txt", "link"]
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (root / "inside.txt").read_text() == "inside"
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    "what",
    [
        "read outside", "read a link to outside", "read above", "read own environment", "list inside", "list outside", "write inside",
        "write over", "truncate", "write outside", "remove", "rename", "link", "make a folder", "change rights", "change owner",
        "change times", "connect", "listen", "send a datagram", "a Unix socket", "fork", "run a program", "become a program",
        "signal another", "raise a limit",
    ],
)  # fmt: skip
def test_a_confined_process_may_not(tried: dict[str, Any], what: str) -> None:
    assert tried[what] in ("PermissionError", "OSError", "ValueError", "error"), tried[what]


def test_a_confined_process_may_read_what_it_was_given_start_threads_and_little_else(tried: dict[str, Any]) -> None:
    assert tried["read inside"] == tried["read what was open"] == "'inside'"
    assert tried["start a thread"] == "None"
    assert tried["read a limit"] == "(0, 0)"
    assert tried["privileges"] == "1"
    assert tried["write outside from a thread"] == "['PermissionError']"
    assert tried["take memory"] == "MemoryError"
    assert tried["held"][0] >= 4


def test_the_filter_of_calls_is_there_on_the_machines_it_knows(tried: dict[str, Any]) -> None:
    assert tried["held"][1] is (platform.machine() in ("x86_64", "aarch64"))


def test_a_kernel_without_landlock_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    sandboxes = Sandboxes([tmp_path], database="analytics", memory="256MB", threads=1, max_seconds=1, most=1)

    assert not sandboxes.confined
    sandboxes.close()
    with pytest.raises(OSError, match="no Landlock"):
        landlock.restrict([tmp_path])
