"""The lake in a bucket: the same promises as in a folder, and one more: the bucket may be away for a while."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow.fs import S3FileSystem

from headwater.catalog import open_catalog
from headwater.errors import HeadwaterError, Unavailable
from headwater.lake.index import LakeIndex
from headwater.lake.maintain import Maintenance
from headwater.lake.writer import Lake
from headwater.ledger.sqlite import SqliteLedger
from headwater.store import open_store
from tests.s3server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, S3Server

from .conftest import DATABASE, Crash, Project, visits

pytestmark = pytest.mark.external_service
ROOT = f"s3://{BUCKET}/lake"
GRACE_S = 901


class BucketProject(Project):
    """Everything a worker opens, with the lake's files in a bucket."""

    def __init__(self, folder: Path, server: S3Server) -> None:
        self.server = server
        super().__init__(folder)

    def open(self) -> None:
        access = self.server.access
        self.ledger = SqliteLedger(f"sqlite:///{self.folder}/ledger.db")
        self.catalog = open_catalog(f"sqlite:///{self.folder}/catalog.db", ROOT, access.properties())
        self.index = LakeIndex(self.folder / "catalog.db", DATABASE, access.properties())
        self.lake = Lake(
            self.ledger,
            self.catalog,
            self.index,
            ROOT,
            DATABASE,
            self.clock,
            store=open_store("s3:", access=access),
            step=lambda name: self.step(name),
        )
        self.maintenance = Maintenance(self.lake, self.ledger, self.index, self.clock)

    def keys(self, table: str) -> set[str]:
        return {f"s3://{BUCKET}/{key}" for key in self.server.keys(f"lake/data/{DATABASE}/{table}/")}


@pytest.fixture
def project(tmp_path: Path, s3_server: S3Server) -> Iterator[BucketProject]:
    (tmp_path / "project").mkdir()
    opened = BucketProject(tmp_path / "project", s3_server)
    yield opened
    opened.close()


def crash_at(step: str, project: BucketProject) -> None:
    def stop(name: str) -> None:
        if name == step:
            raise Crash

    project.step = stop


def test_rows_are_where_every_iceberg_reader_finds_them(project: BucketProject) -> None:
    project.commit({"visits": visits(["a", "b"])})

    result = project.lake.fold("visits")

    assert result is not None
    assert project.in_lake("visits") == ["a", "b"]
    [file] = project.index.plan("visits").files
    assert {file.path} == project.keys("visits")
    assert f"{ROOT}/data/{DATABASE}/visits/year=2026/month=11/day=23/" in file.path
    s3 = S3FileSystem(access_key=ACCESS_KEY, secret_key=SECRET_KEY, region=REGION, endpoint_override=project.server.endpoint)
    assert pq.read_table(file.path.removeprefix("s3://"), filesystem=s3, partitioning=None)["event_id"].to_pylist() == ["a", "b"]


def test_a_plan_comes_from_the_bucket_where_the_index_lags_behind(project: BucketProject) -> None:
    project.commit({"visits": visits(["a"])})
    crash_at("committed", project)
    with pytest.raises(Crash):
        project.lake.fold("visits")

    plan = project.index.plan("visits")

    assert [file.rows for file in plan.files] == [1]
    assert {file.path for file in plan.files} == project.keys("visits")


def test_a_cut_between_upload_and_commit_leaves_an_orphan_that_is_swept(project: BucketProject) -> None:
    project.commit({"visits": visits(["a"])})
    crash_at("written", project)
    with pytest.raises(Crash):
        project.lake.fold("visits")
    project.step = lambda name: None
    [orphan] = project.keys("visits")
    project.reopen()

    project.lake.fold("visits")
    project.maintenance.maintain()
    kept = project.keys("visits")
    project.clock.advance(GRACE_S)
    project.reopen()
    upkeep = project.maintenance.maintain()

    assert orphan in kept
    assert upkeep.deleted_files >= 1
    assert project.keys("visits") == {file.path for file in project.index.plan("visits").files}
    assert orphan not in project.keys("visits")
    assert project.in_lake("visits") == ["a"]


def test_superseded_metadata_is_deleted_from_the_bucket(project: BucketProject) -> None:
    for number in range(30):
        project.commit({"visits": visits([str(number)])})
        project.lake.fold("visits")
    project.clock.advance(GRACE_S)
    project.lake.tidy("visits")
    project.clock.advance(GRACE_S)
    project.lake.tidy("visits")

    metadata = [key for key in project.server.keys(f"lake/metadata/{DATABASE}/visits/") if key.endswith(".metadata.json")]

    assert len(metadata) <= 22
    assert len(project.in_lake("visits")) == 30


@pytest.mark.parametrize("seed", range(3))
def test_random_cuts_keep_every_row_once(project: BucketProject, seed: int) -> None:
    chance = random.Random(seed)
    expected: Counter[str] = Counter()

    def maybe(name: str) -> None:
        if chance.random() < 0.15:
            raise Crash

    for number in range(12):
        ids = [f"{number}-{each}" for each in range(chance.randint(1, 4))]
        project.commit({"visits": visits(ids)})
        expected.update(ids)
        project.step = maybe
        try:
            project.lake.fold("visits")
        except Crash:
            project.step = lambda name: None
            project.reopen()
        assert Counter(project.in_lake("visits") + project.in_tail("visits")) == expected
    project.step = lambda name: None
    project.maintenance.fold_all()

    assert Counter(project.in_lake("visits")) == expected


def test_while_the_server_is_away_rows_wait_and_then_go(project: BucketProject) -> None:
    project.commit({"visits": visits(["a"])})
    project.lake.fold("visits")
    project.commit({"visits": visits(["b"])})
    project.server.stop()

    with pytest.raises(Unavailable, match=rf"S3 at {project.server.endpoint} cannot be reached .*nothing is lost"):
        project.lake.fold("visits")
    project.clock.advance(700)
    first, second = project.maintenance.maintain(), project.maintenance.maintain()
    waiting = project.in_tail("visits")
    project.server.start()
    project.clock.advance(60)
    project.maintenance.maintain()

    assert "visits" in first.failures
    assert second.folds == []
    assert "visits" not in second.failures  # not before its time
    assert waiting == ["b"]
    assert sorted(project.in_lake("visits")) == ["a", "b"]


def test_a_bucket_that_is_not_there_is_named(project: BucketProject) -> None:
    lake = Lake(
        project.ledger, project.catalog, project.index, "s3://no-such-bucket/lake", DATABASE, project.clock, store=project.lake.store
    )
    project.commit({"visits": visits(["a"])})

    with pytest.raises(HeadwaterError, match=r"no such bucket.*no-such-bucket"):
        lake.fold("visits")
