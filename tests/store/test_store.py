"""What every store promises."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headwater.store import Store, open_store
from tests.store.conftest import OpenStore

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("lasting", [True, False])
def test_what_is_written_can_be_read(store: Store, root: str, lasting: bool) -> None:
    size = store.write(f"{root}/a/b.txt", b"content", lasting=lasting)

    assert size == 7
    assert store.read(f"{root}/a/b.txt") == b"content"
    assert store.local(f"{root}/a/b.txt").read_bytes() == b"content"


def test_a_large_content_in_memory_is_written_too(store: Store, root: str) -> None:
    content = bytes(range(256)) * 80_000

    size = store.write(f"{root}/large", memoryview(content))

    assert size == len(content)
    assert store.read(f"{root}/large") == content


def test_another_process_finds_what_was_written(place: tuple[OpenStore, str]) -> None:
    open_again, root = place
    open_again().write(f"{root}/a", b"content")

    assert open_again().read(f"{root}/a") == b"content"


def test_a_file_is_taken_whole_and_is_gone(store: Store, root: str, tmp_path: Path) -> None:
    file = tmp_path / "made"
    file.write_bytes(b"0123456789" * 2_000_000)

    size = store.write(f"{root}/large", file)

    assert size == 20_000_000
    assert not file.exists()
    assert store.local(f"{root}/large").stat().st_size == 20_000_000
    assert store.read(f"{root}/large")[-10:] == b"0123456789"


def test_writing_again_replaces_the_content_everywhere(store: Store, root: str) -> None:
    store.write(f"{root}/a", b"old")
    assert store.local(f"{root}/a").read_bytes() == b"old"

    store.write(f"{root}/a", b"new")

    assert store.read(f"{root}/a") == b"new"
    assert store.local(f"{root}/a").read_bytes() == b"new"


def test_a_listing_has_all_that_begins_so_and_nothing_else(store: Store, root: str) -> None:
    began_ms = time.time() * 1000
    for name in ("t/b", "t/a", "t/sub/c", "t2/d", "u"):
        store.write(f"{root}/{name}", name.encode())

    below = store.list(f"{root}/t/")

    assert [each.url for each in below] == [f"{root}/t/a", f"{root}/t/b", f"{root}/t/sub/c"]
    assert [each.size for each in below] == [3, 3, 7]
    assert all(began_ms - 5_000 < each.modified_ms < time.time() * 1000 + 5_000 for each in below)
    assert [each.url for each in store.list(f"{root}/t")] == [f"{root}/t/a", f"{root}/t/b", f"{root}/t/sub/c", f"{root}/t2/d"]
    assert store.list(f"{root}/t/a")[0].url == f"{root}/t/a"
    assert store.list(f"{root}/nothing/") == []


def test_more_objects_than_one_answer_has_are_listed_and_deleted(store: Store, root: str) -> None:
    urls = [f"{root}/many/{number:05}" for number in range(1_050)]
    for url in urls:
        store.write(url, b"", lasting=False)

    listed = [each.url for each in store.list(f"{root}/many/")]
    store.delete(listed)

    assert listed == urls
    assert store.list(f"{root}/many/") == []


def test_deleting_what_is_not_there_is_no_error(store: Store, root: str) -> None:
    store.write(f"{root}/a", b"1")

    store.delete([f"{root}/a", f"{root}/never", f"{root}/a/below/a/file"])
    store.delete([f"{root}/a"])

    assert store.list(root) == []


@pytest.mark.parametrize("name", ["never", "never/at/all"])
def test_what_is_not_there_is_told_by_its_name(store: Store, root: str, name: str) -> None:
    for look in (store.read, store.local):
        with pytest.raises(FileNotFoundError) as error:
            look(f"{root}/{name}")

        assert name in str(error.value)


@pytest.mark.parametrize("key", ["ä ö ü", "a+b&c=d", "100%", "a%2Fb", "it's", "日本語", 'say "x"', "a*b[c]?"])
def test_a_name_may_have_any_letters(store: Store, root: str, key: str) -> None:
    store.write(f"{root}/names/{key}", b"1")

    assert store.read(f"{root}/names/{key}") == b"1"
    assert [each.url for each in store.list(f"{root}/names/")] == [f"{root}/names/{key}"]


def test_a_file_of_another_disk_is_taken_too(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one disk only")
    file = memory / f"headwater-test-{time.time_ns()}"
    file.write_bytes(b"content")

    for lasting in (True, False):
        file.write_bytes(b"content")
        assert open_store("file:").write(f"{tmp_path}/{lasting}", file, lasting=lasting) == 7
        assert (tmp_path / str(lasting)).read_bytes() == b"content"
        assert not file.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["False", "True"]
