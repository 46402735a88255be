"""Sandboxes give way to whatever else runs: what the kernel says of a process that was told to."""

from __future__ import annotations

import platform
import struct
import subprocess
import sys

import pytest

from tests.tools import cannot_run

_PROGRAM = """
import ctypes, os, sys
from headwater.sandbox.inside.priority import give_way

give_way()
attributes = ctypes.create_string_buffer(56)
ctypes.CDLL(None).syscall({number}, 0, attributes, 56, 0)
print(os.getpriority(os.PRIO_PROCESS, 0), attributes.raw.hex())
"""
_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}


@pytest.fixture(scope="module")
def given() -> tuple[int, bytes]:
    """The nice number of a process that gave way, and its `struct sched_attr`."""
    if (number := _SCHED_GETATTR.get(platform.machine())) is None or sys.platform != "linux":
        cannot_run("the kernel can be asked here only on Linux for x86_64 and aarch64")
    done = subprocess.run([sys.executable, "-c", _PROGRAM.format(number=number)], capture_output=True, text=True, start_new_session=True)
    assert done.returncode == 0, done.stderr
    nice, attributes = done.stdout.split()
    return int(nice), bytes.fromhex(attributes)


def test_a_tenth_of_a_busy_processor_is_left(given: tuple[int, bytes]) -> None:
    assert given[0] == 10


def test_whoever_wakes_up_has_the_shorter_slice(given: tuple[int, bytes]) -> None:
    release = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    _, policy, _, nice, _, slice_ns = struct.unpack_from("=IIQiIQ", given[1])
    assert (policy, nice) == (0, 10)
    assert slice_ns == (12_000_000 if release >= (6, 12) else 0)
