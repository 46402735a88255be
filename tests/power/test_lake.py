"""Power loss at any moment of a fold: each row of a committed batch is in the tail or in a file, once, and every file named is whole."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.lake.conftest import VISITS, Project, visits
from tests.power.lake_workload import BATCHES, ids
from tests.power.replay import Image, Trace, trace, verdicts

pytestmark = pytest.mark.external_service


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder in memory where the machine has that: Iceberg's files name each other by absolute path, so all happens in this one."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=place if place.is_dir() else None, prefix="power-lake-") as folder:
        yield Path(folder) / "project"


def traced(root: Path, strace: str, flaw: str = "") -> Trace:
    root.mkdir()
    run = trace([sys.executable, "-m", "tests.power.lake_workload", str(root), flaw], root, strace=strace)
    assert run.returncode == 0
    assert run.stdout.count("acked") == BATCHES
    return run


def verify(image: Image) -> None:
    """Open what the power cut left with the real code, hold it to what was acknowledged, go on, and read it as Iceberg does."""
    acked = max(map(int, image.acked), default=0)

    with closing(Project(image.path)) as project:
        project.lake.ensure("visits", VISITS)
        last = project.ledger.last_batch()
        seen = project.visible("visits")
        project.commit({"visits": visits(ids(last + 1))})
        project.maintenance.fold_all()
        folded = Counter(project.in_lake("visits"))
        left = project.in_tail("visits")
        project.clock.advance(10_000)
        project.lake.tidy("visits")
        tidied = Counter(project.in_lake("visits"))

    # an unacknowledged batch may be there too, but then wholly
    assert acked <= last <= acked + 1
    assert seen == Counter(event_id for batch in range(1, last + 1) for event_id in ids(batch))
    assert folded == Counter(event_id for batch in range(1, last + 2) for event_id in ids(batch))
    assert left == []
    assert tidied == folded


def test_no_power_cut_during_a_fold_takes_or_doubles_a_row(root: Path, require_tool: Callable[..., str]) -> None:
    run = traced(root, require_tool("strace"))

    wrong = verdicts(run.images(20_261_125, 50, at=root), verify, Exception)

    assert wrong == []


@pytest.mark.parametrize("flaw", ["no sync of metadata", "no sync of data files", "no sync of folders", "no sync of the catalog"])
def test_a_lake_that_leaves_a_sync_out_is_found_out(root: Path, require_tool: Callable[..., str], flaw: str) -> None:
    run = traced(root, require_tool("strace"), flaw)

    wrong = verdicts(run.images(3, 12, at=root), verify, Exception)

    assert len(wrong) >= 2
