"""Old snapshots go, files nobody names go after them, and nothing else ever goes."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from headwater.clock import ManualClock
from headwater.lake.maintain import ROUND_S, Maintenance
from headwater.lake.snapshots import DAY_MS, HOUR_MS, Keep, expired
from headwater.lake.verify import verify

from .conftest import DATABASE, Crash, Project, visits

GRACE_S = 901


def test_the_newest_twenty_one_an_hour_for_a_day_and_one_a_day_for_a_month_are_kept() -> None:
    now = 10_000 * DAY_MS
    minutes = [(n, now - n * 60_000) for n in range(60 * 24 * 40)]

    gone = set(expired(minutes, now))

    kept = [(snapshot, at) for snapshot, at in minutes if snapshot not in gone]
    assert [snapshot for snapshot, _ in kept[:20]] == list(range(20))
    assert len({at // HOUR_MS for _, at in kept if at >= now - DAY_MS}) == 25
    assert len({at // DAY_MS for _, at in kept}) == 31
    assert len(kept) <= 20 + 25 + 31
    assert min(at for _, at in kept) >= now - 30 * DAY_MS
    assert expired(kept, now) == []


def test_few_snapshots_are_kept_however_old() -> None:
    assert expired([(n, n) for n in range(20)], 100 * DAY_MS) == []


def test_a_busy_table_keeps_few_snapshots_and_its_metadata_folder_stays_small(project: Project) -> None:
    for n in range(32):
        project.commit({"visits": visits([str(n)])})
        project.lake.fold("visits")
        project.clock.advance(60)
        project.maintenance.maintain()
    project.clock.advance(GRACE_S)

    upkeep = project.maintenance.maintain()

    table = project.catalog.load_table((DATABASE, "visits"))
    assert len(table.metadata.snapshots) <= 23
    assert upkeep.deleted_files > 0
    assert len(project.metadata_files("visits")) < 150
    assert sorted(project.in_lake("visits"), key=int) == [str(n) for n in range(32)]
    for snapshot in table.metadata.snapshots:
        table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()


def fold_one_by_one(project: Project, ids: range) -> None:
    for n in ids:
        project.commit({"visits": visits([str(n)])})
        project.lake.fold("visits")


@pytest.mark.parametrize("by", ["tag", "branch", "rollback"])
def test_what_a_name_points_at_does_not_expire_and_the_table_is_folded_on(project: Project, by: str) -> None:
    fold_one_by_one(project, range(21))
    table = project.catalog.load_table((DATABASE, "visits"))
    oldest = table.metadata.snapshots[0].snapshot_id
    names = table.manage_snapshots()
    ways = {"tag": names.create_tag, "branch": names.create_branch, "rollback": lambda number, _: names.set_current_snapshot(number)}
    ways[by](oldest, "audit").commit()  # type: ignore[operator]

    fold_one_by_one(project, range(21, 24))
    project.lake.tidy("visits", keep=Keep(0))

    kept = {snapshot.snapshot_id for snapshot in project.catalog.load_table((DATABASE, "visits")).metadata.snapshots}
    assert (oldest in kept) == (by != "rollback")
    assert {"21", "22", "23"} <= set(project.in_lake("visits"))


def test_a_table_is_folded_on_after_the_clock_was_set_back(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 1_800)
    fold_one_by_one(project, range(25))
    monkeypatch.undo()

    fold_one_by_one(project, range(25, 28))

    assert sorted(project.in_lake("visits"), key=int) == [str(n) for n in range(28)]


def test_files_of_a_fold_that_died_are_deleted_after_the_grace_time_and_not_before(project: Project) -> None:
    project.commit({"visits": visits(["a"])})
    project.lake.fold("visits")
    project.commit({"visits": visits(["b"])})
    project.step = crash_when_written
    with pytest.raises(Crash):
        project.lake.fold("visits")
    project.step = lambda name: None
    project.reopen()
    half_written = Path(project.lake.data_folder("visits")) / "year=2026" / ".x.parquet.0123.tmp"
    half_written.write_bytes(b"PAR1")
    project.lake.fold("visits")
    [live_a, live_b] = [Path(file.path) for file in project.index.plan("visits").files]

    project.maintenance.maintain()
    before = project.data_files("visits")
    project.clock.advance(GRACE_S)
    project.reopen()
    project.maintenance.maintain()

    assert len(before) == 4
    assert project.data_files("visits") == {live_a, live_b}


def crash_when_written(name: str) -> None:
    if name == "written":
        raise Crash


def test_a_superseded_file_outlives_every_snapshot_that_names_it_and_then_goes(project: Project) -> None:
    project.commit({"visits": visits(["gone"])})
    project.lake.fold("visits")
    project.commit({"visits": visits(["stays"])})
    project.lake.fold("visits")
    [superseded] = [path for path in project.data_files("visits") if "gone" in str(read_ids(path))]
    project.catalog.load_table((DATABASE, "visits")).delete("event_id == 'gone'")

    for _ in range(3):
        project.clock.advance(GRACE_S)
        project.lake.tidy("visits")
    while_named = superseded.exists()
    for n in range(25):
        project.commit({"visits": visits([str(n)])})
        project.lake.fold("visits")
    project.clock.advance(2 * 86_400)
    project.lake.tidy("visits")
    just_unnamed = superseded.exists()
    project.clock.advance(GRACE_S)
    project.lake.tidy("visits")

    assert while_named
    assert just_unnamed
    assert not superseded.exists()
    assert len(project.in_lake("visits")) == 26
    assert project.index.superseded("visits") == []


def read_ids(path: Path) -> list[str]:
    return list(pq.read_table(path, partitioning=None).column("event_id").to_pylist())


def test_a_lost_index_deletes_nothing_that_a_kept_snapshot_names(project: Project) -> None:
    project.commit({"visits": visits(["gone"])})
    project.lake.fold("visits")
    project.catalog.load_table((DATABASE, "visits")).delete("event_id == 'gone'")
    project.lake.tidy("visits")
    project.close()
    with sqlite3.connect(project.folder / "catalog.db") as sql:
        for name in ("heads", "files", "superseded", "garbage"):
            sql.execute(f"DELETE FROM headwater_{name}")
    sql.close()
    project.open()

    for _ in range(3):
        project.clock.advance(GRACE_S)
        project.lake.tidy("visits")

    assert len(project.data_files("visits")) == 1
    first = project.catalog.load_table((DATABASE, "visits")).metadata.snapshots[0]
    assert project.catalog.load_table((DATABASE, "visits")).scan(snapshot_id=first.snapshot_id).to_arrow().num_rows == 1


def test_verify_names_missing_shortened_and_broken_files_and_the_rows_lost_with_them(project: Project) -> None:
    for n in range(4):
        project.commit({"visits": visits([f"{n}-{m}" for m in range(n + 1)])})
        project.lake.fold("visits")
    sound, missing, shortened, broken = sorted(project.index.plan("visits").files, key=lambda file: file.rows)
    Path(missing.path).unlink()
    for file, keep in ((shortened, 10), (broken, 0)):
        content = Path(file.path).read_bytes()
        Path(file.path).chmod(0o644)
        Path(file.path).write_bytes(content[:keep] if keep else b"x" * len(content))

    by_size = {damaged.path: damaged for damaged in verify(project.index, "visits")}
    by_footer = {damaged.path: damaged for damaged in verify(project.index, "visits", footers=True)}

    assert {path: damaged.rows for path, damaged in by_size.items()} == {missing.path: 2, shortened.path: 3}
    assert by_size[missing.path].reason == "is missing"
    assert "has 10 bytes" in by_size[shortened.path].reason
    assert {path: damaged.rows for path, damaged in by_footer.items()} == {missing.path: 2, shortened.path: 3, broken.path: 4}
    assert "cannot be read" in by_footer[broken.path].reason
    assert sound.path not in by_footer


def test_a_round_that_takes_long_leaves_tables_for_the_next_ones_and_forgets_none(project: Project) -> None:
    class SlowClock(ManualClock):
        def monotonic(self) -> float:
            self.advance(ROUND_S / 2)
            return super().monotonic()

    names = [f"table_{number}" for number in range(5)]
    for name in names:
        project.lake.ensure(name, visits(["a"]).schema)
        orphan = Path(project.lake.data_folder(name)) / "orphan.parquet"
        orphan.parent.mkdir(parents=True, exist_ok=True)
        orphan.write_bytes(b"left by a fold that died")
    maintenance = Maintenance(project.lake, project.ledger, project.index, SlowClock())

    searched = []
    for _ in range(4):
        maintenance.maintain()
        searched.append([name for name in names if project.index.marked(name)])

    assert searched == [names[:2], names[:4], names, names]
