"""The replay tool itself: what was synced always survives, what was not sometimes does not."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.power.replay import Disk, Trace, trace
from tests.power.strace import parse

pytestmark = pytest.mark.external_service

PRELUDE = "import os, sys, threading, pathlib; root = sys.argv[1]; at = lambda name: os.path.join(root, name)\n"
WRITE = """
def write(name, data, sync=True, folder=True, flags=os.O_CREAT | os.O_WRONLY):
    fd = os.open(at(name), flags, 0o600)
    os.write(fd, data)
    if sync: os.fdatasync(fd)
    os.close(fd)
    if folder: sync_folder(os.path.dirname(at(name)))
def sync_folder(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
"""


@pytest.fixture
def outcomes(tmp_path: Path, require_tool: Callable[..., str]) -> Callable[..., set[tuple[int, bytes | None]]]:
    """Return a function that gives, for a workload, each (number of acks, content of file "x" or None) that may be found."""

    def find(program: str, count: int = 300, name: str = "x") -> set[tuple[int, bytes | None]]:
        require_tool("strace")
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        run = trace([sys.executable, "-c", PRELUDE + WRITE + program, str(root)], root)
        assert run.returncode == 0
        found = set()
        for image in run.images(seed=3, count=count):
            file = image.path / name
            found.add((len(image.acked), file.read_bytes() if file.is_file() else None))
        return found

    return find


def test_what_was_synced_with_its_folder_is_there_once_acknowledged(outcomes: Callable[..., set[tuple[int, bytes | None]]]) -> None:
    found = outcomes("write('x', b'a' * 2000); os.write(1, b'acked 1\\n'); os.write(1, b'acked 2\\n')")

    assert {content for acks, content in found if acks} == {b"a" * 2000}
    assert {(0, None), (0, b""), (0, b"a" * 2000)} <= found
    assert any(content and 0 < len(content) < 2000 for _, content in found)
    assert any(content and b"a" in content and b"\0" in content for _, content in found)


def test_without_a_sync_the_data_may_be_gone(outcomes: Callable[..., set[tuple[int, bytes | None]]]) -> None:
    found = outcomes("write('x', b'abc', sync=False); os.write(1, b'acked 1\\n')")

    assert {(1, b""), (1, b"abc")} <= found


def test_without_a_sync_of_the_folder_the_name_may_be_gone(outcomes: Callable[..., set[tuple[int, bytes | None]]]) -> None:
    found = outcomes("write('x', b'abc', folder=False); os.write(1, b'acked 1\\n')")

    assert {content for acks, content in found if acks} == {None, b"abc"}


def test_a_file_in_a_folder_whose_own_name_was_not_synced_may_be_gone(outcomes: Callable[..., set[tuple[int, bytes | None]]]) -> None:
    found = outcomes("os.mkdir(at('d')); write('d/x', b'abc'); os.write(1, b'acked 1\\n')", name="d/x")

    assert {content for acks, content in found if acks} == {None, b"abc"}


def test_a_renaming_is_old_or_new_until_the_folder_is_synced(outcomes: Callable[..., set[tuple[int, bytes | None]]]) -> None:
    found = outcomes("""
write('x', b'old'); os.write(1, b'acked 1\\n')
write('y', b'new', folder=False); os.rename(at('y'), at('x')); os.write(1, b'acked 2\\n')
sync_folder(root); os.write(1, b'acked 3\\n')
os.unlink(at('x')); os.write(1, b'acked 4\\n')
sync_folder(root); os.write(1, b'acked 5\\n')
""")

    by_acks = {acks: {content for n, content in found if n == acks} for acks in range(1, 6)}
    assert by_acks == {1: {b"old", b"new"}, 2: {b"old", b"new"}, 3: {b"new", None}, 4: {b"new", None}, 5: {None}}


def test_writes_at_offsets_appends_and_truncations_are_followed(
    outcomes: Callable[..., set[tuple[int, bytes | None]]], tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "x").write_bytes(b"0123456789")

    found = outcomes("""
fd = os.open(at('x'), os.O_RDWR); os.lseek(fd, 2, 0); os.write(fd, b'ab'); os.read(fd, 1); os.writev(fd, [b'c', b'd'])
os.pwrite(fd, b'Z', 9); other = os.dup(fd); os.write(other, b'e'); os.fsync(fd); os.write(1, b'acked 0123\\n')
os.ftruncate(fd, 4); end = os.open(at('x'), os.O_WRONLY | os.O_APPEND); os.write(end, b'++'); os.fdatasync(end); os.write(1, b'acked 2\\n')
""")

    assert {content for acks, content in found if acks == 2} == {b"01ab++"}
    assert {b"01ab4cde8Z", b"01ab"} <= {content for acks, content in found if acks == 1}
    assert all(content is not None and content.startswith(b"01ab") for acks, content in found if acks == 1)
    assert (0, b"0123456789") in found


def test_a_sync_covers_only_writes_that_ended_before_it_began(tmp_path: Path) -> None:
    def hexed(text: str) -> str:
        return "".join(f"\\x{byte:02x}" for byte in text.encode())

    fd, folder = f"3<{hexed(str(tmp_path / 'x'))}>", f"4<{hexed(str(tmp_path))}>"
    log = f"""1 openat(AT_FDCWD<{hexed("/")}>, "{hexed(str(tmp_path / "x"))}", O_WRONLY|O_CREAT, 0600) = {fd}
1 fsync({folder}) = 0
1 pwrite64({fd}, "{hexed("a")}", 1, 0) = 1
2 pwrite64({fd}, "{hexed("b")}", 1, 1 <unfinished ...>
1 fdatasync({fd} <unfinished ...>
2 <... pwrite64 resumed>) = 1
1 <... fdatasync resumed>) = 0
1 write(1<{hexed("/dev/null")}>, "{hexed("acked 1" + chr(10))}", 8) = 8"""
    run = Trace(Disk(tmp_path), list(parse(log.encode().splitlines())), 0, b"")

    found = {(image.path / "x").read_bytes() for image in run.images(seed=1, count=100) if image.acked}

    assert {b"a", b"ab"} <= found
    assert all(content.startswith(b"a") for content in found)


def test_the_same_seed_gives_the_same_images(tmp_path: Path, require_tool: Callable[..., str]) -> None:
    require_tool("strace")
    argv = [sys.executable, "-c", PRELUDE + WRITE + "write('x', b'abc' * 500, sync=False); write('y', b'd' * 3000)", str(tmp_path)]

    rounds = []
    for _ in range(2):
        run = trace(argv, tmp_path)
        rounds.append([[path.read_bytes() for path in sorted(image.path.iterdir())] for image in run.images(seed=9, count=50)])
        for path in tmp_path.iterdir():
            path.unlink()

    assert rounds[0] == rounds[1]
    assert len({tuple(image) for image in rounds[0]}) > 10


def test_a_shared_writable_mapping_is_refused_because_it_cannot_be_seen(tmp_path: Path, require_tool: Callable[..., str]) -> None:
    require_tool("strace")
    program = "import mmap; write('x', b'abc'); fd = os.open(at('x'), os.O_RDWR); mmap.mmap(fd, 0)"
    run = trace([sys.executable, "-c", PRELUDE + WRITE + program, str(tmp_path)], tmp_path)

    with pytest.raises(ValueError, match="mapped for writing"):
        list(run.images(seed=1, count=50))


@pytest.mark.parametrize("synchronous", ["FULL", "OFF"])
def test_sqlite_keeps_what_it_committed_if_and_only_if_it_syncs(tmp_path: Path, require_tool: Callable[..., str], synchronous: str) -> None:
    require_tool("strace")
    program = f"""
import sqlite3
db = sqlite3.connect(at('db'), isolation_level=None)
db.execute('pragma journal_mode=wal'); db.execute('pragma synchronous={synchronous}'); db.execute('pragma wal_autocheckpoint=8')
db.execute('create table t (n integer primary key, x text)')
for n in range(40):
    db.execute('insert into t values (?, ?)', (n, 'x' * 900)); os.write(1, b'acked %d\\n' % n)
os._exit(0)
"""
    run = trace([sys.executable, "-c", PRELUDE + program, str(tmp_path)], tmp_path)

    lost = 0
    for image in run.images(seed=5, count=150):
        if not image.acked:
            continue
        with closing(sqlite3.connect(image.path / "db")) as db:
            try:
                lost += db.execute("select count(*) from t").fetchone()[0] < len(image.acked)
            except sqlite3.DatabaseError:
                lost += 1

    assert (lost == 0) == (synchronous == "FULL")
