"""Rebuilds what a disk may hold after the power fails at any moment of a program's run.

    run = trace([sys.executable, "workload.py", str(root)], root)      # the program prints "acked ..." lines with write(1, ...)
    for image in run.images(seed=1, count=300):
        check(image.path, image.acked)                                 # a fresh folder, as `root` may look after the cut

What an fsync or fdatasync of a file covered is there. A name that was created, renamed or removed is so for sure only after an
fsync of its folder. All else that happened before the cut may be there, or not, or in part (a prefix; single 512-byte sectors;
a file's length without its data), as the seed decides: this is what POSIX allows, and more than any one file system does.

Stores into shared writable mappings cannot be seen by strace, so a program that makes one under *root* is refused, but for
SQLite's `-shm`, which SQLite rebuilds. *root* itself, and what is in it before the program starts, count as durable.
"""

# paths are compared as the text that strace shows
# ruff: noqa: PTH100, PTH109, PTH118, PTH120
from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.power.strace import Call, Fd, run

SECTOR = 512

_NAMING = ("rename", "unlink", "rmdir", "mkdir", "link")


class Image(NamedTuple):
    """A folder as it may look after the cut, the texts of the "acked" lines printed before it, and how it came about."""

    path: Path
    acked: list[str]
    how: str


def verdicts(images: Iterable[Image], verify: Callable[[Image], None], *by: type[Exception]) -> list[str]:
    """Return what is wrong with the images, a line for each that *verify* objects to by an AssertionError or one of *by*."""
    wrong = []
    for image in images:
        try:
            verify(image)
        except (AssertionError, *by) as error:
            wrong.append(f"{image.how}: {type(error).__name__}: {str(error)[:300]}")
    return wrong


class _Change(NamedTuple):
    ended: int
    offset: int  # a write there; or, if data is None, the file's new length
    data: bytes | None


@dataclass(eq=False)
class _Inode:
    folder: bool = False
    durable: bytes = b""
    pending: list[_Change] = field(default_factory=list)
    size: int = 0


class _Renaming(NamedTuple):
    ended: int
    removed: str | None
    added: str | None
    inode: _Inode


class Disk:
    """The files under *root* while the program runs: what is durable, and what is pending since when."""

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self._given = os.path.abspath(root)
        self.live: dict[str, _Inode] = {self.root: _Inode(folder=True)}
        for path in sorted(Path(self.root).rglob("*")):
            content = b"" if path.is_dir() else path.read_bytes()
            self.live[str(path)] = _Inode(path.is_dir(), content, size=len(content))
        self.durable = dict(self.live)
        self.pending: list[_Renaming] = []
        self._removed: dict[str, _Inode] = {}
        self._offsets: dict[tuple[_Inode, int], int] = {}
        self._appending: set[tuple[_Inode, int]] = set()

    def apply(self, call: Call) -> None:
        """Take in one call that ended well."""
        match call.name:
            case "open" | "openat" | "creat":
                self._open(call)
            case "read" | "readv" | "write" | "writev" | "lseek" | "pwrite64" | "pwritev" | "pwritev2" | "ftruncate" | "fallocate":
                self._move_or_write(call)
            case "fsync" | "fdatasync":
                self._sync(self._inode(call.fds[0]), call.began)
            case "sync" | "syncfs":
                for inode in {*self.live.values(), *self._removed.values()}:
                    self._sync(inode, call.began)
            case "rename" | "renameat" | "renameat2" | "link" | "linkat":
                self._rename(call)
            case "unlink" | "unlinkat" | "rmdir":
                path = self._paths(call)[0]
                if path in self.live:
                    inode = self._removed[path] = self.live.pop(path)
                    self.pending.append(_Renaming(call.ended, path, None, inode))
            case "mkdir" | "mkdirat":
                self._create(self._paths(call)[0], _Inode(folder=True), call.ended)
            case "mmap":
                mapped = self._inode(call.fds[0]) if call.fds and "MAP_SHARED" in call.words[3] and "PROT_WRITE" in call.words[2] else None
                if mapped is not None and not call.fds[0].path.endswith("-shm"):
                    raise ValueError(f"{call.fds[0].path} is mapped for writing, which cannot be traced")
            case "truncate" | "symlink" | "symlinkat" | "copy_file_range" | "sendfile" | "splice":
                touched = [fd.path for fd in call.fds if fd.number >= 0] + self._paths(call)
                if any(self.is_under(path) for path in touched):
                    raise ValueError(f"cannot replay {call.name} under {self.root}")
            case _:
                raise ValueError(f"cannot replay {call.name}")

    def _open(self, call: Call) -> None:
        if call.opened is None or not self.is_under(call.opened.path):
            return
        path, flags = call.opened.path, "".join(call.words)
        inode = self.live.get(path)
        if inode is None:
            inode = self._create(path, _Inode(), call.ended)
        elif "O_TRUNC" in flags or call.name == "creat":
            inode.pending.append(_Change(call.ended, 0, None))
            inode.size = 0
        if "O_SYNC" in flags or "O_DSYNC" in flags or "O_TMPFILE" in flags:
            raise ValueError(f"cannot replay {flags}")
        key = (inode, call.opened.number)
        self._offsets[key] = 0
        (self._appending.add if "O_APPEND" in flags else self._appending.discard)(key)

    def _move_or_write(self, call: Call) -> None:
        inode = self._inode(call.fds[0]) if call.fds else None
        if inode is None or inode.folder:
            return
        key = self._key(inode, call.fds[0].number)
        if call.name == "lseek":
            self._offsets[key] = call.result
        elif call.name in {"read", "readv"}:
            self._offsets[key] += call.result
        elif call.name == "ftruncate":
            self._change(inode, _Change(call.ended, int(call.words[1]), None))
        elif call.name == "fallocate":
            if call.words[1] != "0":
                raise ValueError(f"cannot replay fallocate with mode {call.words[1]}")
            self._change(inode, _Change(call.ended, max(inode.size, int(call.words[2]) + int(call.words[3])), None))
        else:
            data = b"".join(call.strings)[: call.result]
            if call.name in {"write", "writev"}:
                offset = inode.size if key in self._appending else self._offsets[key]
                self._offsets[key] = offset + len(data)
            else:
                offset = int(call.words[-2] if call.name == "pwritev2" else call.words[-1])
            self._change(inode, _Change(call.ended, offset, data))

    def _change(self, inode: _Inode, change: _Change) -> None:
        inode.pending.append(change)
        inode.size = change.offset if change.data is None else max(inode.size, change.offset + len(change.data))

    def _sync(self, inode: _Inode | None, began: int) -> None:
        if inode is None:
            return
        if inode.folder:
            folder = next((path for path, found in self.live.items() if found is inode), None)
            settled = [one for one in self.pending if one.ended < began and folder in {_parent(one.added), _parent(one.removed)}]
            _rename_all(self.durable, settled)
            self.pending = [one for one in self.pending if one not in settled]
        else:
            inode.durable = _written(inode.durable, [change for change in inode.pending if change.ended < began])
            inode.pending = [change for change in inode.pending if change.ended >= began]

    def _rename(self, call: Call) -> None:
        old, new = self._paths(call)[:2]
        if not self.is_under(old) and not self.is_under(new):
            return
        inode = self.live[old]
        if inode.folder:
            raise ValueError(f"cannot replay the renaming of the folder {old}")
        if new in self.live:
            self._removed[new] = self.live[new]
        linked = call.name.startswith("link")
        if not linked:
            del self.live[old]
        self.live[new] = inode
        self.pending.append(_Renaming(call.ended, None if linked else old, new, inode))

    def _create(self, path: str, inode: _Inode, ended: int) -> _Inode:
        if self.is_under(path):
            self.live[path] = inode
            self.pending.append(_Renaming(ended, None, path, inode))
        return inode

    def _inode(self, fd: Fd) -> _Inode | None:
        return (self._removed if fd.deleted else self.live).get(fd.path)

    def _key(self, inode: _Inode, number: int) -> tuple[_Inode, int]:
        if (inode, number) in self._offsets:
            return inode, number
        [key] = [key for key in self._offsets if key[0] is inode]  # a duplicate of the only one that is open
        return key

    def _paths(self, call: Call) -> list[str]:
        folders = [fd.path for fd in call.fds] or [os.getcwd()]
        if len(folders) < len(call.strings):
            folders *= len(call.strings)
        paths = [os.path.normpath(os.path.join(folder, os.fsdecode(name))) for folder, name in zip(folders, call.strings, strict=False)]
        given = len(self._given)
        return [self.root + path[given:] if (path + "/").startswith(self._given + "/") else path for path in paths]

    def is_under(self, path: str) -> bool:
        """Tell whether *path* is one of ours."""
        return path.startswith(self.root + "/")


class Trace:
    """One run of a program."""

    def __init__(self, disk: Disk, calls: list[Call], returncode: int, stdout: bytes) -> None:
        self.returncode = returncode
        self.stdout = stdout.decode()
        self._disk = disk
        self._steps: list[tuple[int, Call | str]] = []
        for call in calls:
            if call.name == "write" and call.fds[0].number == 1:
                # what the program did before it began to say so had ended by then
                lines = call.strings[0].decode(errors="replace").splitlines()
                self._steps += [(call.began, line.removeprefix("acked ")) for line in lines if line.startswith("acked ")]
            elif call.name not in {"chdir", "fchdir"}:
                self._steps.append((call.ended, call))
            elif self._steps:
                raise ValueError("cannot replay a change of the working directory")
        self._steps.sort(key=lambda step: step[0])

    def images(self, seed: int, count: int, into: Path | None = None, at: Path | None = None) -> Iterator[Image]:
        """Give *count* images, the earliest cut first; each folder is removed when the next image is asked for. Once per trace.

        They lie in *into*, by default in memory where the machine has a file system there. A program that writes absolute
        paths into its files needs each image where it ran: *at* is that folder, and what is in it is removed.
        """
        chance = random.Random(seed)
        files = [at for at, (_, step) in enumerate(self._steps, 1) if isinstance(step, str) or self._touches(step)]
        after_acks = [at for at, (_, step) in enumerate(self._steps, 1) if isinstance(step, str)]
        cuts = sorted(chance.choice(after_acks) if after_acks and chance.random() < 0.3 else chance.choice(files) for _ in range(count))
        acked: list[str] = []
        done = 0
        place = into or (Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None)
        with tempfile.TemporaryDirectory(dir=place, prefix="power-") as folder:
            for number, cut in enumerate(cuts):
                for _, step in self._steps[done:cut]:
                    if isinstance(step, str):
                        acked.append(step)
                    else:
                        self._disk.apply(step)
                done = cut
                path = at or Path(folder) / str(number)
                if at is not None:
                    shutil.rmtree(at, ignore_errors=True)
                how = _build(self._disk, path, chance)
                yield Image(path, list(acked), f"image {number} of seed {seed}: {how}, cut after step {cut} of {len(self._steps)}")
                shutil.rmtree(path)

    def _touches(self, call: Call) -> bool:
        fds = [*call.fds, *([call.opened] if call.opened else [])]
        return call.name.startswith(_NAMING) or (
            not call.name.startswith(("read", "lseek")) and any(self._disk.is_under(fd.path) for fd in fds)
        )


def trace(argv: Sequence[str], root: Path, timeout_s: float = 120, strace: str = "strace") -> Trace:
    """Run *argv* to its end (a kill by itself included) and note all it does to the files under *root*, which must exist."""
    disk = Disk(root)
    calls, returncode, stdout = run(argv, timeout_s, strace)
    return Trace(disk, calls, returncode, stdout)


def _build(disk: Disk, path: Path, chance: random.Random) -> str:
    how = chance.choices(("nothing unsynced", "everything", "parts"), (3, 1, 6))[0]
    names = dict(disk.durable)
    if how == "everything":
        _rename_all(names, disk.pending)
    elif how == "parts" and chance.random() < 0.5:  # in order, as a journal does it
        _rename_all(names, disk.pending[: chance.randint(0, len(disk.pending))])
    elif how == "parts":
        _rename_all(names, [one for one in disk.pending if chance.random() < 0.5])
    path.mkdir()
    contents: dict[_Inode, bytes] = {}
    for name in sorted(names):  # a folder comes before what is in it
        target = path / name[len(disk.root) + 1 :]
        inode = names[name]
        if name == disk.root or not target.parent.is_dir():
            continue
        if inode.folder:
            target.mkdir()
            continue
        if inode not in contents:
            contents[inode] = _survivor(inode, how, chance)
        # who may read a file is not replayed: its owner, which suits secrets and harms nothing else
        target.touch(0o600)
        target.write_bytes(contents[inode])
    return how


def _survivor(inode: _Inode, how: str, chance: random.Random) -> bytes:
    if how == "parts":
        how = chance.choice(("nothing unsynced", "everything", "prefix", "sectors"))
    if how == "nothing unsynced":
        return inode.durable
    if how == "everything":
        return _written(inode.durable, inode.pending)
    if how == "prefix":
        kept = inode.pending[: chance.randint(0, len(inode.pending))]
        if kept and (data := kept[-1].data):
            kept[-1] = kept[-1]._replace(data=data[: chance.randint(0, len(data))])
        return _written(inode.durable, kept)
    sectors: list[_Change] = []
    for change in inode.pending:
        if change.data is None:
            sectors += [change] if chance.random() < 0.5 else []
            continue
        at = 0
        while at < len(change.data):
            length = SECTOR - (change.offset + at) % SECTOR
            if chance.random() < 0.5:
                sectors.append(_Change(change.ended, change.offset + at, change.data[at : at + length]))
            at += length
    content = _written(inode.durable, sectors)
    if len(content) < inode.size and chance.random() < 0.5:  # the length came through, the data did not
        missing = inode.size - len(content)
        content += chance.randbytes(missing) if chance.random() < 0.3 else bytes(missing)
    return content


def _written(content: bytes, changes: Sequence[_Change]) -> bytes:
    result = bytearray(content)
    for change in changes:
        if change.data is None:
            del result[change.offset :]
            result += bytes(change.offset - len(result))
            continue
        result += bytes(max(0, change.offset - len(result)))
        result[change.offset : change.offset + len(change.data)] = change.data
    return bytes(result)


def _rename_all(names: dict[str, _Inode], renamings: Sequence[_Renaming]) -> None:
    for one in renamings:
        if one.removed is not None and names.get(one.removed) is one.inode:
            del names[one.removed]
        if one.added is not None:
            names[one.added] = one.inode


def _parent(path: str | None) -> str | None:
    return None if path is None else os.path.dirname(path)
