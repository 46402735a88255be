"""Copies of objects: fetched once, within a bound, kept while they are read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import pytest

from headwater.errors import Unavailable
from headwater.store.cache import Copy, FileCache, _wait
from tests.waiting import until


class Source:
    """Objects of as many bytes as asked for, and how often each was fetched."""

    def __init__(self) -> None:
        self.fetched: Counter[str] = Counter()
        self.before_end = threading.Event()
        self.before_end.set()
        self.sizes: dict[str, int] = {}

    def copy(self, name: str, size: int = 1_000) -> Copy:
        self.sizes[name] = size
        return Copy(f"s3://bucket/{name}", size)

    def fetch(self, url: str, file: Path) -> None:
        name = url.rpartition("/")[2]
        self.fetched[name] += 1
        content = (name.encode() * self.sizes[name])[: self.sizes[name]]
        file.write_bytes(content[: len(content) // 2])
        assert self.before_end.wait(10)
        file.write_bytes(content)


@pytest.fixture
def source() -> Source:
    return Source()


def copies_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*/*") if path.is_file()]


def test_a_copy_is_fetched_once_and_kept(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 10_000)
    one = source.copy("one.parquet")

    first, second = cache.get(one, source.fetch), cache.get(one, source.fetch)

    assert first == second
    assert first.read_bytes() == (b"one.parquet" * 1_000)[:1_000]
    assert first.suffix == ".parquet"
    assert source.fetched == {"one.parquet": 1}
    cache.close()
    again = FileCache(tmp_path, 10_000)
    assert again.get(one, source.fetch) == first
    assert source.fetched == {"one.parquet": 1}


def test_another_version_of_an_object_is_another_copy(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 10_000)
    one = source.copy("one")

    assert cache.get(one, source.fetch) != cache.get(one._replace(version="2"), source.fetch)
    assert source.fetched == {"one": 2}


def test_many_who_ask_at_once_cause_one_fetch(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 100_000)
    wanted = [source.copy(f"{number}") for number in range(20)]
    source.before_end.clear()
    found: list[list[bytes]] = []

    def ask() -> None:
        with cache.hold(wanted, source.fetch) as paths:
            found.append([path.read_bytes()[:2] for path in paths])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert until(lambda: len(source.fetched) >= 16)
    source.before_end.set()
    for thread in threads:
        thread.join()

    assert set(source.fetched.values()) == {1}
    assert len(found) == 8
    assert all(each == [(f"{number}" * 2).encode()[:2] for number in range(20)] for each in found)


def test_the_longest_unused_make_room_and_the_bound_holds(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 5_000)
    for name in "abcde":
        os.utime(cache.get(source.copy(name), source.fetch), (0, ord(name)))
    cache.get(source.copy("a"), source.fetch)  # used again

    cache.get(source.copy("f"), source.fetch)

    assert sum(path.stat().st_size for path in copies_in(tmp_path)) <= 5_000
    cache.get(source.copy("a"), source.fetch)
    assert source.fetched["a"] == 1
    cache.get(source.copy("b"), source.fetch)
    assert source.fetched["b"] == 2


def test_what_is_in_use_is_not_evicted(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 3_000)
    with cache.hold([source.copy("a"), source.copy("b")], source.fetch) as paths:
        for name in "cdefg":
            cache.get(source.copy(name), source.fetch)

        assert all(path.exists() for path in paths)
        with pytest.raises(Unavailable, match=r"other queries use the room .*cache_bytes"):
            cache.get(source.copy("large", 2_000), source.fetch)

    assert cache.get(source.copy("large", 2_000), source.fetch).stat().st_size == 2_000


def test_more_than_the_bound_at_once_is_refused_before_anything_is_fetched(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 3_000)

    with (
        pytest.raises(Unavailable, match=r"4,000 bytes .* room for 3,000 \(s3\.cache_bytes\)"),
        cache.hold([source.copy(name) for name in "abcd"], source.fetch),
    ):
        pass

    assert not source.fetched


def test_a_copy_of_another_size_is_refused_and_not_kept(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 10_000)
    wrong = source.copy("one")._replace(size=999)

    with pytest.raises(OSError, match="has 1,000 bytes, and should have 999"):
        cache.get(wrong, source.fetch)

    assert copies_in(tmp_path) == []


def test_a_copy_that_was_cut_is_fetched_again(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 10_000)
    path = cache.get(source.copy("one"), source.fetch)
    os.truncate(path, 10)

    assert cache.get(source.copy("one"), source.fetch).stat().st_size == 1_000


def test_one_fetch_that_fails_fails_its_query_and_leaves_nothing_behind(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 100_000)

    def fetch(url: str, file: Path) -> None:
        source.fetch(url, file)
        if url.endswith("/n3"):
            raise FileNotFoundError(2, "no such object", url)

    with pytest.raises(FileNotFoundError, match="s3://bucket/n3"), cache.hold([source.copy(f"n{n}") for n in range(40)], fetch):
        pass

    assert not [path for path in copies_in(tmp_path) if path.name.startswith(".")]
    with cache.hold([source.copy(f"n{n}") for n in range(40)], source.fetch) as paths:
        assert len({path.read_bytes() for path in paths}) == 40


def test_a_query_that_is_stopped_does_not_wait_and_others_get_the_file_all_the_same(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 100_000)
    wanted = [source.copy(f"n{n}") for n in range(40)]
    stopped, found = threading.Event(), []

    def check() -> None:
        if stopped.is_set():
            raise InterruptedError("stopped")

    def stop_half_way(url: str, file: Path) -> None:
        stopped.set()
        source.fetch(url, file)

    def ask() -> None:
        with cache.hold(wanted, source.fetch) as paths:
            found.extend(path.read_bytes() for path in paths)

    source.before_end.clear()
    other = threading.Thread(target=ask)
    threading.Timer(0.3, other.start).start()
    threading.Timer(1, source.before_end.set).start()
    with pytest.raises(InterruptedError), cache.hold(wanted, stop_half_way, check):
        pass
    other.join()

    assert len(set(found)) == 40


def test_a_process_that_is_killed_leaves_no_half_copy_and_holds_nothing(tmp_path: Path, source: Source) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom headwater.store.cache import Copy, FileCache\n"
        "cache = FileCache(Path(sys.argv[1]), 3_000)\n"
        "def fetch(url, file):\n"
        "    file.write_bytes(b'x' * 1_000)\n"
        "    if url.endswith('/half'):\n"
        "        file.write_bytes(b'x' * 10)\n        print('half', flush=True)\n        time.sleep(600)\n"
        "with cache.hold([Copy('s3://bucket/whole', 1_000)], fetch):\n"
        "    print('held', flush=True)\n    cache.get(Copy('s3://bucket/half', 1_000), fetch)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    assert other.stdout.readline() == "half\n"
    cache = FileCache(tmp_path, 3_000)
    [whole] = [path for path in copies_in(tmp_path) if not path.name.startswith(".")]
    os.utime(whole, (0, 0))
    with pytest.raises(Unavailable):
        cache.get(source.copy("large", 2_500), source.fetch)
    assert whole.exists()  # the other process holds it

    other.send_signal(signal.SIGKILL)
    other.wait(10)
    other.stdout.close()

    assert cache.get(source.copy("half"), source.fetch).stat().st_size == 1_000
    assert cache.get(source.copy("large", 2_500), source.fetch).stat().st_size == 2_500
    assert not whole.exists()
    for half in tmp_path.glob("*/.*"):
        os.utime(half, (0, time.time() - 7_200))
    cache.get(source.copy("larger", 2_600), source.fetch)
    assert not list(tmp_path.glob("*/.*"))


def test_what_has_come_of_a_batch_is_counted_once(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path, 10_000)
    idle = cache.get(source.copy("idle"), source.fetch)
    batch = [source.copy(f"n{n}") for n in range(6)]
    come, go_on = threading.Event(), threading.Event()

    def fetch(url: str, file: Path) -> None:
        if url.endswith("/n5"):
            come.set()
            assert go_on.wait(10)
        source.fetch(url, file)

    def ask() -> None:
        with cache.hold(batch, fetch):
            pass

    asking = threading.Thread(target=ask)
    asking.start()
    assert come.wait(10)
    assert until(lambda: len(copies_in(tmp_path)) == 6)  # five of the six, and the one before
    cache.get(source.copy("other", 3_000), source.fetch)

    assert idle.exists()
    go_on.set()
    asking.join()
    assert cache.get(source.copy("all", 10_000), source.fetch).exists()  # nothing stays reserved
    assert len(copies_in(tmp_path)) == 1


def test_a_fetch_that_ends_just_after_the_time_for_it_has_not_failed() -> None:
    class Late(Future[None]):
        def done(self) -> bool:
            if not super().done():
                self.set_result(None)
            return True

    _wait(Late(), lambda: None)


def test_a_file_that_was_written_is_the_copy(tmp_path: Path, source: Source) -> None:
    cache = FileCache(tmp_path / "cache", 1_500)
    one, two = source.copy("one"), source.copy("two")
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"x" * 1_000)

    cache.adopt(one, tmp_path / "one")
    with cache.hold([one], source.fetch) as [path]:
        cache.adopt(two, tmp_path / "two")
        assert path.read_bytes() == b"x" * 1_000

    assert not source.fetched
    assert not (tmp_path / "two").exists()
