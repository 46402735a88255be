"""Two writers of one table: whoever comes second with a commit that was made from an older state changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from headwater.errors import HeadwaterError
from headwater.lake.change import Change, changes_of
from headwater.lake.iceberg import FOLDED
from headwater.lake.snapshots import Keep
from tests.lake.conftest import Project, visits

NAMES = [f"v{number}" for number in range(10)]


@pytest.fixture
def other(project: Project) -> Iterator[Project]:
    """Another process with the same ledger, catalog and files."""
    made = Project(project.folder)
    made.clock = project.clock
    yield made
    made.close()


def append(writer: Project) -> None:
    writer.lake.fold("visits")


def alter(writer: Project) -> None:
    schema = visits(["x"]).schema.append(pa.field("more", pa.string()))
    writer.lake.ensure("visits", schema)


def expire(writer: Project) -> None:
    writer.clock.advance(10)
    writer.lake.tidy("visits", keep=Keep(1, 1))


def change(writer: Project) -> None:
    with writer.lake.held("visits"):
        writer.lake.change("visits", Change("theirs", "OPTIMIZE", 0, 0, 1))


@pytest.mark.parametrize("step", ["read", "written", "settled"])
@pytest.mark.parametrize("meanwhile", [append, alter, expire, change])
def test_a_fold_whose_table_was_changed_meanwhile_doubles_and_loses_nothing(
    project: Project, other: Project, step: str, meanwhile: Callable[[Project], None]
) -> None:
    for name in NAMES[:5]:
        project.commit({"visits": visits([name])})
        project.lake.fold("visits")
    for name in NAMES[5:]:
        project.commit({"visits": visits([name])})
    met = []

    def interfere(name: str) -> None:
        if name == step and not met:
            met.append(name)
            meanwhile(other)

    project.step = interfere
    for _ in range(3):  # as the worker tries again
        try:
            while project.lake.fold("visits") is not None:
                pass
        except HeadwaterError:
            continue

    assert met
    assert Counter(project.in_lake("visits")) == Counter(NAMES)
    assert project.visible("visits") == Counter(NAMES)
    assert int(other.catalog.load_table(("analytics", "visits")).properties[FOLDED]) == 10


def test_progress_never_goes_back(project: Project, other: Project) -> None:
    for name in NAMES:
        project.commit({"visits": visits([name])})
    project.lake.fold_rows = 7
    seen = []

    def interfere(name: str) -> None:
        if name == "settled" and not seen:
            seen.append(name)
            append(other)

    project.step = interfere
    project.lake.fold("visits")  # its rows are in the table, though not by it
    folded = int(other.catalog.load_table(("analytics", "visits")).properties[FOLDED])

    assert seen
    assert folded == 10
    assert Counter(project.in_lake("visits")) == Counter(NAMES)


def test_a_change_made_from_an_older_state_is_refused_and_its_files_go(project: Project, other: Project) -> None:
    project.commit({"visits": visits(["a"])})
    project.lake.fold("visits")

    with pytest.raises(HeadwaterError), project.lake.held("visits"):
        project.commit({"visits": visits(["b"])})
        append(other)
        project.lake.change("visits", Change("mine", "OPTIMIZE", 0, 0, 1))

    table = project.catalog.load_table(("analytics", "visits"))
    assert sorted(project.in_lake("visits")) == ["a", "b"]
    assert "mine" not in changes_of(table)
    with project.lake.held("visits"):
        project.lake.change("visits", Change("mine", "OPTIMIZE", 0, 0, 1))
    assert "mine" in changes_of(project.catalog.load_table(("analytics", "visits")))
