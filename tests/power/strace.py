"""Runs a program under strace and gives its calls of the system, decoded, in the order in which they ended."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# whatever changes files, makes changes durable, or moves a file's position
CALLS = (
    "open,openat,creat,read,readv,lseek,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,"
    "fsync,fdatasync,sync,syncfs,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,"
    "symlink,symlinkat,copy_file_range,sendfile,splice,mmap,chdir,fchdir"
)
LONGEST = 64 * 1024 * 1024

_LINE = re.compile(rb"(\d+) +(.*)", re.DOTALL)
_RESUMED = re.compile(rb"<\.\.\. \w+ resumed>")
_CALL = re.compile(rb"(\w+)\((.*)\) += (-?\d+|\?)(.*)", re.DOTALL)
_FD = re.compile(rb"(AT_FDCWD|\d+)<([^>]*)>(\(deleted\))?")
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


class Fd(NamedTuple):
    """An open file as strace shows it: its number (-1: the working directory), its path, and whether that was removed."""

    number: int
    path: str
    deleted: bool


class Call(NamedTuple):
    """A call that ended without an error. *began* and *ended* are line numbers in the log; *opened* is the file it opened, if any.

    *data* holds its strings, joined where there are several buffers; *paths* the same as paths.
    """

    name: str
    began: int
    ended: int
    fds: list[Fd]
    strings: list[bytes]
    words: list[str]
    result: int
    opened: Fd | None


def run(argv: Sequence[str], timeout_s: float, strace: str = "strace") -> tuple[list[Call], int, bytes]:
    """Run *argv* to its end and return its successful calls, its return code and what it wrote to stdout."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [strace, "-f", "-y", "-xx", "-s", str(LONGEST), "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(log), *argv]
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=timeout_s, check=False)
        return list(parse(log.read_bytes().split(b"\n"))), done.returncode, done.stdout


def parse(lines: Sequence[bytes]) -> Iterator[Call]:
    """Give the calls of a log written with -f -y -xx."""
    begun: dict[bytes, tuple[int, bytes]] = {}
    for at, line in enumerate(lines):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        pid, text = match.groups()
        began = at
        if text.endswith(b" <unfinished ...>"):
            begun[pid] = (at, text.removesuffix(b" <unfinished ...>"))
            continue
        if resumed := _RESUMED.match(text):
            began, head = begun.pop(pid)
            text = head + text[resumed.end() :]
        call = _decode(text, began, at)
        if call is not None:
            yield call


def _decode(text: bytes, began: int, ended: int) -> Call | None:
    if text.startswith(b"read") and b'"' in text:
        # what was read changes nothing, and most of a log is Python reading its libraries
        text = text[: text.index(b'"')] + text[text.rindex(b'"') + 1 :]
    match = _CALL.fullmatch(text)
    if match is None or match[3] in {b"?", b"-1"}:
        return None
    name, arguments, result, rest = match[1].decode(), match[2], int(match[3]), match[4]
    fds = [_fd(found) for found in _FD.finditer(arguments)]
    bare = _FD.sub(b"", arguments)
    parts = bare.split(b'"')
    if b"..." in bare and name in {"write", "writev", "pwrite64", "pwritev", "pwritev2"}:
        raise ValueError(f"strace shortened the data of a {name}")
    strings = [_unescape(part) for part in parts[1::2]]
    words = [word.strip() for word in b"".join(parts[::2]).decode().split(",")]
    opened = _FD.match(match[3] + rest.split(b" ")[0])
    return Call(name, began, ended, fds, strings, words, result, _fd(opened) if opened else None)


def _fd(match: re.Match[bytes]) -> Fd:
    number = -1 if match[1] == b"AT_FDCWD" else int(match[1])
    return Fd(number, os.fsdecode(_unescape(match[2])), match[3] is not None)


def _unescape(text: bytes) -> bytes:
    # every byte is written as \xNN, so there is nothing else to undo
    if len(text) % 4 == 0 and text[:2] == b"\\x":
        return bytes.fromhex(text.replace(b"\\x", b"").decode())
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text)
