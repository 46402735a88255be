"""A moved or copied project is refused at its start until `headwater move` has made it at home; killed half-way, it is done again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from headwater.errors import ProjectError
from headwater.lake.relocate import Relocation
from headwater.places.identity import read_identity
from headwater.places.presence import catalog_locations, check_presence
from headwater.process.move import move_project
from headwater.settings import load_settings
from tests.places.conftest import Copy, ask, rows_of
from tests.served import invoke


class Killed(BaseException):
    """The process ends here."""


def refused(folder: Path) -> str:
    with pytest.raises(ProjectError) as failure:
        check_presence(load_settings(folder), folder)
    return str(failure.value)


def moved_away(copy: Copy) -> Path:
    there = copy.folder.with_name("elsewhere") / "new name"
    shutil.rmtree(there.parent, ignore_errors=True)
    there.parent.mkdir()
    shutil.move(copy.folder, there)
    return there


def test_a_moved_project_is_refused_and_at_home_after_a_move(copy: Copy) -> None:
    original = copy.folder
    was = read_identity(original)
    there = moved_away(copy)

    said = refused(there)
    before = invoke("sql", "SELECT 1", "-C", there, check=False).stderr
    told = json.loads(invoke("move", "-C", there, "--json").stdout)
    copy.folder = there
    served = copy.serve()
    served.settle()
    ask(served, "INSERT INTO kept VALUES ('another')")
    invoke("fold", "-C", there)
    rows, kept = copy.rows(), served.sql("SELECT count(*) AS n FROM kept")
    past = served.sql('SELECT count(*) AS n FROM "kept$snapshots"')
    served.kill()
    copy.folder = original
    original.mkdir()

    assert f"lived in {original}" in said
    assert f"headwater move -C '{there}'" in said
    assert "headwater move" in before
    assert (told["is_copy"], told["missing"]) == (False, [])
    assert was is not None
    assert told["id"] == was.id
    assert rows == copy.all_rows()
    assert kept == [{"n": 7}]
    assert past[0]["n"] >= 2
    assert all(location.startswith(str(there)) for location in catalog_locations(there / "data/catalog.db"))


def test_a_copy_is_refused_and_then_a_project_of_its_own_that_leaves_the_original_alone(copy: Copy, tmp_path: Path) -> None:
    other = tmp_path / "copy"
    shutil.copytree(copy.folder, other)
    before = {path: path.read_bytes() for path in copy.folder.rglob("*") if path.is_file() and "run" not in path.parts}

    said = refused(other)
    told = json.loads(invoke("move", "-C", other, "--json").stdout)
    ours, theirs = read_identity(other), read_identity(copy.folder)

    assert f"is a copy of the project in {copy.folder}" in said
    assert told["is_copy"]
    assert ours is not None
    assert theirs is not None
    assert ours.id != theirs.id
    assert rows_of(other) == copy.all_rows()
    shutil.rmtree(other / "data/lake/data")  # what the copy does is not the original's affair
    assert {path: path.read_bytes() for path in before} == before
    assert copy.rows() == copy.all_rows()


def test_a_move_killed_at_any_step_is_done_again(copy: Copy, tmp_path: Path) -> None:
    steps = Counter[str]()
    fresh = tmp_path / "fresh"
    shutil.copytree(copy.folder, fresh)
    move_project(fresh, step=lambda name: steps.update([name]))
    number, total = 0, steps.total()
    other = tmp_path / "other"
    shutil.copytree(copy.folder, other)

    def killer(at: int) -> None:
        left = [at]

        def step(name: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        with pytest.raises(Killed):
            move_project(other, step=step)

    identities = set()
    for number in range(total):
        killer(number)
        assert "cut off half-way" in refused(other)
        moving = read_identity(other)
        assert moving is not None
        assert moving.moving is not None
        identities.add(moving.moving.id)
    moved = move_project(other)

    assert steps.keys() == {"begun", "avro", "json", "catalog", "marked"}
    assert identities == {moved.id}
    assert rows_of(other) == copy.all_rows()
    check_presence(load_settings(other), other)


def test_what_a_copy_would_share_with_its_original_is_refused_by_name(copy: Copy, tmp_path: Path) -> None:
    other = tmp_path / "copy"
    shutil.copytree(copy.folder, other)
    shutil.rmtree(other / "data/lake")
    (other / "data/lake").symlink_to(copy.folder / "data/lake")

    with pytest.raises(ProjectError, match=r"the lake of this copy, .* is the original's"):
        move_project(other)

    assert copy.rows() == copy.all_rows()


def test_an_incomplete_copy_is_told_which_files_are_missing_and_can_be_completed(copy: Copy, tmp_path: Path) -> None:
    other = tmp_path / "copy"
    shutil.copytree(copy.folder, other)
    lost = next((other / "data/lake/data/analytics/sign_up_events").rglob("*.parquet"))
    content = lost.read_bytes()
    lost.unlink()

    with pytest.raises(ProjectError) as failure:
        move_project(other)
    lost.write_bytes(content)
    moved = move_project(other)

    assert str(lost) in str(failure.value)
    assert "--incomplete" in str(failure.value)
    assert moved.missing == []
    assert rows_of(other) == copy.all_rows()


def test_other_ways_to_the_same_folder_are_no_move(copy: Copy, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(copy.folder)
    (tmp_path / "a").mkdir()

    for way in (link, tmp_path / "a" / ".." / "link"):
        assert rows_of(way) == copy.all_rows()
        invoke("fold", "-C", way)

    assert all(location.startswith(f"{copy.folder}/") for location in catalog_locations(copy.data / "catalog.db"))
    with pytest.raises(ProjectError, match="nothing to move"):
        move_project(link)


def test_a_lake_that_was_moved_alone_is_refused_until_the_move(copy: Copy, tmp_path: Path) -> None:
    shutil.move(copy.data / "lake", tmp_path / "big")
    settings = copy.folder / "headwater.toml"
    settings.write_text(settings.read_text().replace("[lake]\n", f'[lake]\nfolder = "{tmp_path}/big"\n', 1))

    said = refused(copy.folder)
    move_project(copy.folder)

    assert "lake.folder says" in said
    assert rows_of(copy.folder) == copy.all_rows()


def test_a_project_of_before_is_adopted_where_it_is_and_refused_where_it_was_not(copy: Copy, tmp_path: Path) -> None:
    for path in ("data/identity.json", "data/lake/headwater.json"):
        (copy.folder / path).unlink()
    with closing(sqlite3.connect(copy.data / "ledger.db")) as sql, sql:
        sql.execute("DROP TABLE lake_tables")
    other = tmp_path / "copy"
    shutil.copytree(copy.folder, other)

    said = refused(other)
    invoke("fold", "-C", copy.folder)
    adopted = read_identity(copy.folder)
    move_project(other)

    assert "was it moved or copied?" in said
    assert adopted is not None
    assert adopted.folder == str(copy.folder)
    assert adopted.places.keys() >= {"ledger", "catalog", "lake", "control", "stream"}
    assert copy.rows() == rows_of(other) == copy.all_rows()


@pytest.mark.parametrize(
    ("old", "new", "location", "expected"),
    [
        ("/a/lake", "/b/lake", "/a/lake/data/x", "/b/lake/data/x"),
        ("/a/lake", "/b/lake", "file:///a/lake/data/x", "file:///b/lake/data/x"),
        ("/a/lake", "/a/lake2", "/a/lake2/data/x", "/a/lake2/data/x"),
        ("/a/lake", "/a/lake2", "/a/lakes/data/x", "/a/lakes/data/x"),
        ("/a/lake", "/a/lake/old", "/a/lake/old/data/x", "/a/lake/old/data/x"),
        ("/a/lake/old", "/a/lake", "/a/lake/old/data/x", "/a/lake/data/x"),
        ("/a/lake", "s3://bucket/lake", "/a/lake/data/x", "s3://bucket/lake/data/x"),
        ("s3://bucket/lake", "s3://other", "s3://bucket/lake", "s3://other"),
    ],
)
def test_a_location_moves_once(old: str, new: str, location: str, expected: str) -> None:
    moved = Relocation([old], new)

    assert moved(location) == expected
    assert moved(moved(location)) == expected
