"""A file is whole and synced under its name, or it is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import text

from headwater.catalog import open_catalog
from headwater.catalog.durable import DurableFileIO, local_path
from headwater.store.durable import write_file


def test_a_file_is_synced_before_it_is_named_and_its_folders_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, rename, mkdir = os.fsync, Path.rename, Path.mkdir

    def traced_sync(descriptor: int) -> None:
        synced = Path(f"/proc/self/fd/{descriptor}").readlink()
        if synced.is_relative_to(tmp_path):  # folders above are synced once for each process
            calls.append(f"sync {synced.relative_to(tmp_path)}")
        fsync(descriptor)

    def traced_rename(path: Path, target: Path) -> Path:
        calls.append(f"rename {path.relative_to(tmp_path)} {target.relative_to(tmp_path)}")
        return rename(path, target)

    def traced_mkdir(path: Path, exist_ok: bool) -> None:
        calls.append(f"mkdir {path.relative_to(tmp_path)}")
        mkdir(path, exist_ok=exist_ok)

    monkeypatch.setattr(os, "fsync", traced_sync)
    monkeypatch.setattr(Path, "rename", traced_rename)
    monkeypatch.setattr(Path, "mkdir", traced_mkdir)

    size = write_file(str(tmp_path / "a" / "b" / "x.parquet"), b"content")

    temporary = calls[4].removeprefix("sync ")
    assert size == 7
    assert calls == [
        "mkdir a",
        "sync .",
        "mkdir a/b",
        "sync a",
        f"sync {temporary}",
        f"rename {temporary} a/b/x.parquet",
        "sync a/b",
    ]
    assert Path(temporary).name.startswith(".x.parquet.")
    assert (tmp_path / "a" / "b" / "x.parquet").stat().st_mode & 0o777 == 0o444


def test_a_folder_that_was_there_is_synced_once_by_each_process_that_writes_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made" / "by").mkdir(parents=True)  # as by a process that was killed before it synced
    fsync = os.fsync
    synced: list[Path] = []

    def traced_sync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", traced_sync)

    for name in ("x", "y"):
        write_file(str(tmp_path / "made" / "by" / name), b"content")

    assert [synced.count(folder) for folder in (tmp_path, tmp_path / "made")] == [1, 1]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(str(tmp_path / "before"), b"content")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(OSError, match="No space"):
        write_file(str(tmp_path / "x"), b"content")

    assert list(tmp_path.iterdir()) == [tmp_path / "before"]


def test_metadata_appears_when_its_stream_closes_and_not_when_it_breaks(tmp_path: Path) -> None:
    file = DurableFileIO().new_output(str(tmp_path / "meta" / "one.avro"))
    with file.create() as stream:
        stream.write(b"one")
        there_early = file.exists()
    with pytest.raises(ZeroDivisionError), DurableFileIO().new_output(f"file://{tmp_path}/meta/two.avro").create() as stream:
        stream.write(b"half")
        raise ZeroDivisionError

    assert not there_early
    assert file.to_input_file().open().read() == b"one"
    assert len(file) == 3
    assert [path.name for path in (tmp_path / "meta").iterdir()] == ["one.avro"]
    with pytest.raises(FileExistsError, match=r"one\.avro"):
        file.create()


def test_a_stream_that_is_dropped_unclosed_writes_nothing(tmp_path: Path) -> None:
    stream = DurableFileIO().new_output(str(tmp_path / "one.avro")).create()
    stream.write(b"half")

    del stream

    assert list(tmp_path.iterdir()) == []


def test_locations_of_others_are_understood() -> None:
    assert local_path("/a/b c#1") == "/a/b c#1"
    assert local_path("file:///a/b%20c") == "/a/b c"
    assert local_path("file:/a/b") == "/a/b"


def test_the_catalog_database_syncs_every_commit_and_waits_for_other_writers(tmp_path: Path) -> None:
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db", str(tmp_path))

    with catalog.engine.connect() as sql:  # type: ignore[attr-defined]
        pragmas = {name: sql.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous", "busy_timeout")}
    catalog.close()

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 10_000}
