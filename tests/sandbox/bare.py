"""Runs statements with chosen layers only, each in a process of its own: `python bare.py`, told on stdin, answers on stdout.

In a sandbox all layers are always on; this is how one is left out without a switch for it in the code.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from headwater.sandbox.inside import duck
from headwater.sandbox.inside.confine import SandboxBounds, confine
from headwater.sandbox.inside.launcher import _NoPandas

CANARY = "CANARY-7f3a9c"


def run_bare(statements: list[str], root: Path, view: str, files: list[str], *, process: bool, settings: bool) -> list[str]:
    """Return what each statement answered, as text."""
    told = json.dumps([statements, str(root), view, files, process, settings])
    done = subprocess.run(
        [sys.executable, __file__],
        input=told,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env={"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false", "HEADWATER_CANARY": CANARY, "PATH": ""},
    )
    return list(json.loads(done.stdout))


def main() -> None:
    statements, root, view, files, process, settings = json.load(sys.stdin)
    engine = duck.connect("analytics", 256 << 20) if settings else duckdb.connect(config={"threads": 1, "async_threads": 0})
    answers = []
    for statement in statements:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            ours.close()
            for stream in (1, 2):
                os.dup2(os.open(os.devnull, os.O_RDWR), stream)
            try:
                theirs.sendall(_answer(engine, statement, root, view, files, process, settings).encode(errors="replace"))
            finally:
                os._exit(0)
        theirs.close()
        with ours, ours.makefile("rb") as file:
            answers.append(file.read().decode(errors="replace"))
        os.waitpid(pid, 0)
    json.dump(answers, sys.stdout)
    sys.stdout.flush()
    os._exit(0)


def _answer(engine: Any, statement: str, root: str, view: str, files: list[str], process: bool, settings: bool) -> str:
    try:
        if process:
            confine(SandboxBounds((root,), 256 << 20, 1, 20))
        else:
            os.chdir(root)
        connection = duck.session(engine, "analytics", 1) if settings else engine.cursor()
        if settings:
            duck.lock(connection, files)
            duck.put_view(connection, "analytics", "sign_ins", view)
        else:
            connection.execute(f"CREATE VIEW sign_ins AS {view}")
        return str(connection.execute(statement).fetchall())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.meta_path.insert(0, _NoPandas())
    main()
