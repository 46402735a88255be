"""A symbolic link in the folder of buckets leads nowhere else, whoever put it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.store import Store, open_store


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "secret.csv").write_text("secret")
    (folder / "sub" / "secret.csv").write_text("secret")
    return folder


@pytest.fixture
def buckets(tmp_path: Path, outside: Path) -> Path:
    """Links out of the folder at every depth: a bucket, a folder, a file, a link to a link; and one that stays within."""
    folder = tmp_path / "buckets"
    (folder / "mine" / "a").mkdir(parents=True)
    (folder / "mine" / "a" / "own.csv").write_text("own")
    (folder / "linked").symlink_to(outside)
    (folder / "mine" / "folder").symlink_to(outside)
    (folder / "mine" / "file.csv").symlink_to(outside / "secret.csv")
    (folder / "mine" / "twice.csv").symlink_to(folder / "mine" / "file.csv")
    (folder / "mine" / "relative.csv").symlink_to("../../outside/secret.csv")
    (folder / "mine" / "within.csv").symlink_to("a/own.csv")
    return folder


@pytest.fixture
def store(buckets: Path) -> Store:
    return open_store(f"buckets:{buckets}")


@pytest.mark.parametrize(
    "key", ["linked/secret.csv", "linked/sub/secret.csv", "mine/folder/secret.csv", "mine/file.csv", "mine/twice.csv", "mine/relative.csv"]
)
def test_no_link_leads_out(store: Store, outside: Path, key: str) -> None:
    with pytest.raises(FileNotFoundError):
        store.read(f"s3://{key}")
    with pytest.raises(FileNotFoundError):
        store.local(f"s3://{key}")
    with pytest.raises(PermissionError, match="symbolic link"):
        store.write(f"s3://{key}", b"other")
    store.delete([f"s3://{key}"])

    assert {path.read_text() for path in outside.rglob("*.csv")} == {"secret"}
    assert len(list(outside.rglob("*"))) == 3


def test_listings_have_what_is_within_only(store: Store) -> None:
    assert [each.url for each in store.list("s3://mine/")] == ["s3://mine/a/own.csv", "s3://mine/within.csv"]
    assert store.list("s3://mine/folder/") == store.list("s3://linked/") == []


def test_a_link_within_and_a_folder_that_is_a_link_itself_are_followed(buckets: Path, tmp_path: Path) -> None:
    (tmp_path / "other disk").symlink_to(buckets)
    store = open_store(f"buckets:{tmp_path}/other disk")

    store.write("s3://mine/new.csv", b"new")

    assert store.read("s3://mine/within.csv") == b"own"
    assert store.read("s3://mine/new.csv") == b"new"
    assert (buckets / "mine/new.csv").read_text() == "new"
