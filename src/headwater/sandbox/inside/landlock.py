"""Landlock: from now on this process may open some files to read and do nothing else to any file, whatever it is told."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVS = 38

_READ_FILE = 1 << 2
# How many rights over files each version of the interface knows, from the first: execute, write, read, list, remove, make ..., then
# link or rename (2), truncate (3), ioctl on devices (5). All of them are taken away but the one above.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_RIGHTS = 0b11  # bind, connect: from version 4 on
_SCOPES = 0b11  # abstract Unix sockets and signals of others: from version 6 on

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Return which version of Landlock the kernel has, 0 for none."""
    if not hasattr(_libc, "prctl"):
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))))


def restrict(readable: Iterable[Path]) -> None:
    """Let this thread, and all it starts, only read the files at or below *readable*; what does not exist is left out.

    TCP is closed where the kernel can close it. What is open already stays open. Raises `OSError` where Landlock is missing.
    """
    abi = version()
    if not abi:
        raise OSError("this kernel has no Landlock")
    rights = (1 << _FILE_RIGHTS[min(abi, max(_FILE_RIGHTS))]) - 1
    # An older kernel refuses a longer description than it knows.
    attributes = struct.pack("=QQQ", rights, _TCP_RIGHTS if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(24 if abi >= 6 else 16 if abi >= 4 else 8), ctypes.c_uint32(0))
    try:
        for path in readable:
            if path.exists():
                _allow(ruleset, path)
        if _libc.prctl(_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))):
            raise OSError(ctypes.get_errno(), "no_new_privs was refused")
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined, unused-ignore]  # Linux only
    try:
        rule = struct.pack("=Qi", _READ_FILE, fd)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(fd)


def _call(number: int, *arguments: object) -> int:
    answer = int(_libc.syscall(number, *arguments))
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"Landlock refused call {number}: {os.strerror(ctypes.get_errno())}")
    return answer
