"""Waiting a moment for `headwater serve` that was started just before."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from headwater.places import Paths
from headwater.process.lock import is_held

BEGINS_WITHIN_S = 5.0
READY_WITHIN_S = 60.0


def wait_for_server(project: Path) -> bool:
    """Wait until the project's server is ready; return whether it is.

    Where no process has the project's lock, one has a few seconds to take it: it may have been started a moment ago.
    """
    lock = Paths(project).project_lock
    begun = time.monotonic()
    while not is_held(lock):
        if time.monotonic() > begun + BEGINS_WITHIN_S:
            return False
        time.sleep(0.1)
    while is_held(lock) and time.monotonic() < begun + READY_WITHIN_S:
        if is_ready(project):
            return True
        time.sleep(0.1)
    return False


def is_ready(project: Path) -> bool:
    """Return whether every role of the server has begun to do its part."""
    roles: dict[str, Any] = served_facts(project).get("roles", {})
    return bool(roles) and all(role["state"] == "ready" for role in roles.values())


def served_facts(project: Path) -> dict[str, Any]:
    """Return what the server that runs has written down of itself, nothing where none does."""
    paths = Paths(project)
    if not is_held(paths.project_lock):
        return {}
    try:
        facts: dict[str, Any] = json.loads(paths.status.read_text())
    except FileNotFoundError:
        return {}
    return facts
