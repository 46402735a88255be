"""Takes from a process, for good, all that answering one query does not need."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import NamedTuple

from headwater.sandbox.inside import landlock, seccomp

# DuckDB asks these how much memory and how many processors there are, and ends the process if it may not.
_MACHINE = [
    Path(name) for name in ("/proc/self/cgroup", "/proc/stat", "/proc/meminfo", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/dev/urandom")
]
_DIE_WITH_PARENT = 1
_ARENAS = -8
_SLACK = 192 << 20
_TABLES = 2 << 30


class SandboxBounds(NamedTuple):
    """What a sandbox may use: files at or below *roots*, bytes of memory for the engine, threads, and seconds of processor time."""

    roots: tuple[str, ...]
    memory: int
    threads: int
    cpu_s: int


class Confinement(NamedTuple):
    """What holds the process: Landlock's version (0 = none), and whether there is a filter of system calls."""

    landlock: int
    seccomp: bool


def confine(bounds: SandboxBounds) -> Confinement:
    """Hold this process to *bounds*. It must have one thread: those started later inherit it, those that run already do not."""
    _die_with_parent()
    os.chdir(bounds.roots[0])
    _limit_memory(bounds.memory)
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CPU, bounds.cpu_s),
    ):
        _lower(what, most)
    abi = landlock.version()
    if abi:
        landlock.restrict([*map(Path, bounds.roots), *_MACHINE])
    return Confinement(abi, seccomp.restrict())


def _limit_memory(memory: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(_ARENAS, 2)  # each would reserve 64 MB of addresses
        # The engine counts most of what it takes itself; strings under way it does not count, and freed pages it keeps for a while.
        most = _in_use("VmData") + memory + memory // 2 + _SLACK
        _lower(resource.RLIMIT_DATA, most)
        # Tables that are handed over take addresses, and no memory of this process.
        _lower(resource.RLIMIT_AS, _in_use("VmSize") + most + _TABLES)


def _in_use(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    return 0


def _lower(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (bound, bound))


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, *map(ctypes.c_ulong, (9, 0, 0, 0)))
