"""Which place a URL means, and that none leads out of its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import Refused, SettingsError
from headwater.store import FileCache, S3Access, StoredObject, Stores, open_store
from tests.s3server import BUCKET, S3Server

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)


@pytest.mark.parametrize("key", ["", "a/b//c", "ä ö/../x", ".hidden/", "../../etc/passwd", "/", "a/./b", "%2E%2E/x", "%"])
def test_a_place_in_a_bucket_is_a_place_beneath_the_folder(tmp_path: Path, key: str) -> None:
    store = open_store(f"buckets:{tmp_path}/all")
    store.write(f"s3://bucket/{key}id.csv", b"1")

    [made] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert made.is_relative_to(tmp_path / "all" / "bucket")
    assert not any(part.startswith(".") for part in made.relative_to(tmp_path).parts)
    assert store.local(f"s3://bucket/{key}id.csv") == made
    assert [each.url for each in store.list("s3://bucket/")] == [f"s3://bucket/{key}id.csv"]


@given(KEYS, KEYS)
def test_no_two_keys_are_one_file(tmp_path_factory: pytest.TempPathFactory, one: str, other: str) -> None:
    store = open_store(f"buckets:{tmp_path_factory.getbasetemp()}/keys")
    first, second = f"s3://bucket/1{one}x", f"s3://bucket/1{other}x"
    if first == second or first.startswith(f"{second}/") or second.startswith(f"{first}/"):
        return

    store.write(first, b"first", lasting=False)
    store.write(second, b"second", lasting=False)
    found = store.read(first), store.read(second)
    listed = [each.url for each in store.list("s3://bucket/")]
    store.delete([first, second])

    assert found == (b"first", b"second")
    assert listed == sorted([first, second])


@pytest.mark.parametrize(
    "name", ["a (1).csv", "a,b.csv", "März.csv", "10%.csv", "1%25.csv", "a%20b.csv", "%c3%a4", "k=a%2Fb", "%FF", "it's [1]*?", "a\nb", "%"]
)
def test_a_file_that_somebody_put_there_is_the_object_that_is_listed(tmp_path: Path, name: str) -> None:
    store, file = open_store(f"buckets:{tmp_path}"), tmp_path / "files" / name / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")

    [found] = store.list("s3://files/")

    assert store.local(found.url) == file
    assert [each.url for each in store.list(f"{found.url.rpartition('/')[0]}/")] == [found.url]
    store.write(found.url, b"2")
    assert file.read_bytes() == b"2"
    store.delete([found.url])
    assert store.list("s3://files/") == []
    assert not file.exists()


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=15))
def test_every_name_on_the_disk_is_one_object(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "names"
    store, file = open_store(f"buckets:{folder}"), folder / "files" / f"%{name}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"1")

    found = [store.local(each.url) for each in store.list("s3://files/")]
    file.unlink()

    assert found == [file]


def test_names_that_stand_for_no_object_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "files" / ".git").mkdir(parents=True)
    for name in (".hidden.csv", ".git/x.csv", os.fsdecode(b"M\xe4rz.csv")):
        (tmp_path / "files" / name).write_bytes(b"1")

    assert open_store(f"buckets:{tmp_path}").list("s3://files/") == []


def test_written_names_are_as_a_person_would_write_them_and_those_of_before_are_found(tmp_path: Path) -> None:
    store, folder = open_store(f"buckets:{tmp_path}"), tmp_path / "files"
    url = "s3://files/Süd, 1/März (2).csv"
    before = folder / "S%C3%BCd%2C 1" / "M%C3%A4rz %282%29.csv"
    before.parent.mkdir(parents=True)
    before.write_bytes(b"old")

    store.write("s3://files/Süd, 1/a.csv", b"1")

    store.write("s3://signs/a*b[c]?", b"1")

    assert (folder / "Süd, 1" / "a.csv").read_bytes() == b"1"
    assert [path.name for path in (tmp_path / "signs").iterdir()] == ["a%2Ab%5Bc]%3F"]
    assert [each.url for each in store.list("s3://files/Süd, 1/")] == [url, "s3://files/Süd, 1/a.csv"]
    assert store.local(url) == before
    store.write(url, b"new")
    assert before.read_bytes() == b"new"
    assert [each.size for each in store.list("s3://files/Süd, 1/M")] == [3]
    (folder / "Süd, 1" / "März (2).csv").write_bytes(b"by hand")
    assert [each.size for each in store.list("s3://files/")] == [7, 1]
    store.delete([url])
    assert [each.url for each in store.list("s3://files/")] == ["s3://files/Süd, 1/a.csv"]


def test_a_long_name_in_another_script_is_written(tmp_path: Path) -> None:
    store = open_store(f"buckets:{tmp_path}")

    store.write(f"s3://files/{'語' * 80}.csv", b"1")

    assert store.read(f"s3://files/{'語' * 80}.csv") == b"1"


@pytest.mark.parametrize(
    "url", ["", "bucket/x", "http://bucket/", "s3:/bucket", "s3://", "s3://B/", "s3://a..b/", "s3://b/", "/etc/passwd"]
)
def test_what_is_no_place_is_refused(tmp_path: Path, url: str) -> None:
    stores = Stores(open_store(f"buckets:{tmp_path}"))

    with pytest.raises(Refused, match="is no place in a bucket") as error:
        stores.find(url)

    assert error.value.code == "INVALID_LOCATION"


def test_a_bucket_that_nobody_named_is_a_folder_or_nothing(tmp_path: Path) -> None:
    folder, remote = open_store(f"buckets:{tmp_path}"), open_store("s3:", access=S3Access("http://127.0.0.1:1"))

    both, only = Stores(folder, remote, ["real"]), Stores(None, remote, ["real", "also"])  # type: ignore[arg-type]

    assert both.find("s3://real/x") is remote
    assert both.find("s3://other/x") is folder
    with pytest.raises(Refused, match=r"s3://other/x is in no bucket that is known here; there are: s3://also/, s3://real/"):
        only.find("s3://other/x")


@pytest.mark.external_service
def test_files_are_held_wherever_they_lie(tmp_path: Path, s3_server: S3Server) -> None:
    folder = open_store(f"buckets:{tmp_path}/buckets")
    remote = open_store("s3:", access=s3_server.access, cache=FileCache(tmp_path / "cache", 1_000))
    stores = Stores(folder, remote, [BUCKET])  # type: ignore[arg-type]
    plain = tmp_path / "plain"
    plain.write_bytes(b"1")
    urls = [str(plain), "s3://other/b", f"s3://{BUCKET}/c", f"s3://{BUCKET}/d"]
    for number, url in enumerate(urls[1:], start=2):
        stores.find(url).write(url, str(number).encode())

    with stores.hold([StoredObject(url, 1, 0) for url in urls]) as files:
        assert [files[url].read_bytes() for url in urls] == [b"1", b"2", b"3", b"4"]
    with pytest.raises(FileNotFoundError, match="s3://other/never"), stores.hold([StoredObject("s3://other/never", 1, 0)]):
        pass


@pytest.mark.external_service
def test_a_file_that_was_written_is_not_fetched_again_and_what_replaces_it_is(tmp_path: Path, s3_server: S3Server) -> None:
    store = open_store("s3:", access=s3_server.access, cache=FileCache(tmp_path / "cache", 1_000))
    stores, url = Stores(None, store, [BUCKET]), f"s3://{BUCKET}/replaced/a.csv"  # type: ignore[arg-type]
    (tmp_path / "made").write_bytes(b"old")

    store.write(url, tmp_path / "made")
    with stores.hold(store.list(url)) as files:
        assert [files[url]] == list((tmp_path / "cache").glob("*/*.csv"))
        assert files[url].read_bytes() == b"old"
        assert files[url] == store.local(url)
    store.write(url, b"new")  # within the same second, and as long
    with stores.hold(store.list(url)) as files:
        assert files[url].read_bytes() == b"new"


def test_no_text_about_the_access_has_the_secret() -> None:
    access = S3Access("https://s3.example.org", "us-east-1", "a-key", "a-secret", True)

    for text in (repr(access), str(access), f"{access}", access.place):
        assert "a-secret" not in text
    assert S3Access.of(access.properties()) == access


def test_an_unknown_kind_of_store_is_refused() -> None:
    with pytest.raises(SettingsError, match="no store backend 'ftp'"):
        open_store("ftp://somewhere")


@pytest.mark.external_service
def test_a_wrong_key_is_told_from_a_bucket_that_is_not_there(s3_server: S3Server) -> None:
    wrong = open_store("s3:", access=s3_server.access._replace(secret_key="another"))

    with pytest.raises(PermissionError, match="does not let us"):
        wrong.read(f"s3://{BUCKET}/a")
    with pytest.raises(FileNotFoundError, match="no such bucket"):
        open_store("s3:", access=s3_server.access).list("s3://no-such-bucket/")
